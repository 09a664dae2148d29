"""What holds the project together: the pins, the ranges, the style of the code."""

import re
import subprocess
import tomllib
from importlib.metadata import distributions, version

import canary
import nbformat
import pytest
import yaml
from lock import name_the_lock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from refresh import ROOT

PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,-]+\])?==([^ ]+)", re.MULTILINE)
LOCKS = ["requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"]


def read(name):
    return (ROOT / name).read_text()


def ranges(*groups):
    """The requirements of the job, and of the named groups, by package."""
    project = tomllib.loads(read("pyproject.toml"))
    texts = project["project"]["dependencies"] + [
        text for group in groups for text in project["dependency-groups"][group]
    ]
    texts = [text for text in texts if isinstance(text, str)]
    return {requirement.name: requirement for requirement in map(Requirement, texts)}


def pins(lock):
    """Versions by package; a package may have one for each Python."""
    found = {}
    for name, pinned in PIN.findall(read(lock)):
        found.setdefault(name, set()).add(pinned)
    return found


def blocks(lock):
    """The requirements of a lock, each with its hashes, and without extras of mlflow's."""
    return re.split(r"\n(?=[a-z])", read(lock).strip().replace("\nmlflow[auth]==", "\nmlflow=="))[1:]


def test_the_lock_of_developers_holds_the_others():
    assert set(blocks("requirements.txt")) < set(blocks("requirements-dev.txt"))
    readers, developers, server = map(pins, LOCKS)
    assert ranges().keys() <= readers.keys() and ranges("dev", "server").keys() <= developers.keys()
    # Which Pythons a package is for may differ with those that ask for it.
    assert server == {name: developers[name] for name in server}
    assert {"mlflow", "flask-wtf", "psycopg2-binary"} <= server.keys() and "jupyterlab" not in server
    # pyyaml and packaging are in both, because other packages need them.
    assert developers.keys() - readers.keys() >= {"nbval", "pytest", "pytest-xdist", "ruff"}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_every_extra(lock):
    """With hashes, pip takes an extra that a package asks for only from a lock that names it."""
    locked = pins(lock)
    named = dict(re.findall(r"^([a-z0-9._-]+)\[([a-z,-]+)\]==", read(lock), re.MULTILINE))
    asked = [
        requirement
        for package in distributions()
        if canonicalize_name(package.name) in locked
        for requirement in map(Requirement, package.requires or [])
        if requirement.extras and (not requirement.marker or requirement.marker.evaluate({"extra": ""}))
    ]
    assert asked or lock.startswith("deploy/")
    for requirement in asked:
        assert requirement.extras <= set(named.get(requirement.name, "").split(",")), str(requirement)


def test_the_pins_are_in_the_ranges():
    locked = pins("requirements-dev.txt")
    outside = [
        (name, pinned)
        for name, requirement in ranges("dev", "server").items()
        for pinned in locked[name]
        if pinned not in requirement.specifier
    ]
    assert outside == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_address(lock):
    assert all("==" in block and "--hash=sha256:" in block for block in blocks(lock))
    assert "://" not in read(lock) and "index-url" not in read(lock)


def test_the_pins_are_installed():
    locked = pins("requirements-dev.txt")
    installed = {name: version(name) for name in ranges("dev", "server")}
    assert {name: v for name, v in installed.items() if v not in locked[name]} == {}


def test_conda_yaml_leads_to_the_lock():
    """It names no package but Python and pip, and the digest that `make lock` wrote is the lock's."""
    text = read("conda.yaml")
    assert yaml.safe_load(text)["dependencies"] == ["python=3.11", "pip", {"pip": ["-r requirements.txt"]}]
    assert name_the_lock(text, read("requirements.txt")) == text
    other = name_the_lock(text, read("requirements.txt") + "\n")
    assert other != text and yaml.safe_load(other) == yaml.safe_load(text)


def test_a_conda_yaml_without_the_comment():
    with pytest.raises(ValueError, match="needs one comment '# lock: sha256 ...', and has 0"):
        name_the_lock("dependencies:\n  - pip\n", "lock")


def test_ruff():
    """Code and notebooks, with the rules in pyproject.toml."""
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(["ruff", *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_workflows_call_what_a_developer_calls():
    """The workflows name a Python and a command; what is to be done is in .ci/run and the Makefile."""
    commands, matrices = [], []
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            matrices.append(job.get("strategy", {"matrix": {}})["matrix"].get("python"))
            commands += [step["run"].split()[:2] for step in job["steps"] if "run" in step]
    assert commands == [["make", "canary"], ["git", "diff"], ["make", "audit"], ["make", "site"], [".ci/run"]]
    assert matrices == [canary.PYTHONS, None, None, None, canary.PYTHONS]


def test_workflows_name_their_actions_by_commit():
    """A tag can be moved to other code; the release it had is told beside it."""
    text = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    used = re.findall(r"uses: (.*)", text)
    assert len(used) == text.count("uses:") > 5
    assert [
        use for use in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use)
    ] == []


def test_each_lock_is_audited():
    [command] = re.findall(r"pip-audit.*", read("Makefile"))
    audited = set(re.findall(r"--requirement (\S+)", command))
    # A logged model has one, too, in mlruns/.
    locks = subprocess.run(
        ["git", "ls-files", "*requirements*.txt"], cwd=ROOT, capture_output=True, text=True
    )
    # The one for development has the one for readers in it.
    assert audited == set(locks.stdout.split()) - {"requirements.txt"} and "--strict" in command


def test_make_turns_usage_statistics_off(monkeypatch):
    """What docs/run-the-job.md says, and what somebody else has set stays."""
    for set_before, expected in ((None, "true"), ("false", "false")):
        monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
        if set_before:
            monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", set_before)
        shown = subprocess.run(
            ["make", "--no-print-directory", "--file", "-", "show"],
            input="include Makefile\nshow:\n\t@echo $$MLFLOW_DISABLE_TELEMETRY\n",
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == expected


def test_notebook_02_opens_with_what_it_prints():
    notebook = nbformat.read(ROOT / "notebooks" / "02_pipeline_training.ipynb", 4)
    [answer] = re.findall(r"```text\n(.*)\n```", notebook.cells[0].source)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert f"    {answer}\n" in "".join(output.get("text", "") for output in outputs)
