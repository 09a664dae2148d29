"""What holds the project together: the pins, the ranges, the style of the code."""

import re
import subprocess
import tomllib
from importlib.metadata import distributions, version

import canary
import yaml
from packaging.requirements import Requirement

import helpers

PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z-]+\])?==([^ ]+)", re.MULTILINE)


def direct_pins():
    environment = yaml.safe_load((helpers.ROOT / "conda.yaml").read_text())
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip[0] == "-r requirements.txt"
    return dict(PIN.fullmatch(line).groups() for line in pip[1:])


def locked_pins():
    """Versions by package; a package may have one for each Python."""
    pins = {}
    for name, pinned in PIN.findall((helpers.ROOT / "requirements.txt").read_text()):
        pins.setdefault(name, set()).add(pinned)
    return pins


def test_conda_yaml_and_the_lock_agree():
    locked = locked_pins()
    assert {name: locked.get(name) for name in direct_pins()} == {
        name: {v} for name, v in direct_pins().items()
    }


def test_the_lock_names_every_extra():
    """With hashes, pip takes an extra that a package asks for only from a lock that names it."""
    text = (helpers.ROOT / "requirements.txt").read_text()
    named = dict(re.findall(r"^([a-z0-9._-]+)\[([a-z,-]+)\]==", text, re.MULTILINE))
    asked = [
        requirement
        for package in distributions()
        for requirement in map(Requirement, package.requires or [])
        if requirement.extras and (not requirement.marker or requirement.marker.evaluate({"extra": ""}))
    ]
    assert {"jsonschema"} <= {requirement.name for requirement in asked}
    for requirement in asked:
        assert requirement.extras <= set(named.get(requirement.name, "").split(",")), str(requirement)


def test_the_pins_are_in_the_ranges():
    groups = tomllib.loads((helpers.ROOT / "pyproject.toml").read_text())["dependency-groups"]
    ranges = {requirement.name: requirement.specifier for requirement in map(Requirement, groups["ranges"])}
    assert ranges.keys() == direct_pins().keys()
    assert [name for name, pinned in direct_pins().items() if pinned not in ranges[name]] == []


def test_every_pin_has_a_hash_and_no_address():
    text = (helpers.ROOT / "requirements.txt").read_text()
    for requirement in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in requirement
    assert "://" not in text and "index-url" not in text


def test_the_pins_are_installed():
    assert {name: version(name) for name in direct_pins()} == direct_pins()


def test_ruff():
    """Code and notebooks, with the rules in pyproject.toml."""
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(["ruff", *command], cwd=helpers.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_workflows_call_what_a_developer_calls():
    """The workflows name a Python and a command; what is to be done stands in .ci/run and the Makefile."""
    commands = []
    for path in sorted((helpers.ROOT / ".github" / "workflows").glob("*.yml")):
        [job] = yaml.safe_load(path.read_text())["jobs"].values()
        assert job["strategy"]["matrix"]["python"] == canary.PYTHONS
        commands += [step["run"].split()[:2] for step in job["steps"] if "run" in step]
    assert commands == [["make", "canary"], ["git", "diff"], [".ci/run"]]


def test_make_turns_usage_statistics_off(monkeypatch):
    """What the README says, and what somebody else has set stays."""
    for set_before, expected in ((None, "true"), ("false", "false")):
        monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
        if set_before:
            monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", set_before)
        shown = subprocess.run(
            ["make", "--no-print-directory", "--file", "-", "show"],
            input="include Makefile\nshow:\n\t@echo $$MLFLOW_DISABLE_TELEMETRY\n",
            cwd=helpers.ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == expected


def test_readme_tells_the_message_without_conda():
    assert "Could not find Conda executable" in (helpers.ROOT / "README.md").read_text()


def test_readme_quotes_the_benchmark():
    readme = (helpers.ROOT / "README.md").read_text().partition("## What it reaches")[2].partition("\n## ")[0]
    results = (helpers.ROOT / "benchmarks" / "results.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in results.splitlines() if line.startswith("| ")]
    # Of rows with the same name the first counts.
    measured = {"micro-F1" if name == "f1_micro" else name: cells for name, *cells in rows[::-1]}
    quoted = re.findall(r"^\| (.+?) \| ([0-9.]+) \| ([0-9.]+) \| ([+0-9.]+) \|$", readme, re.MULTILINE)
    assert len(quoted) == 4
    for name, theirs, ours, ratio in quoted:
        assert [theirs, ours, ratio] == [cell.split(" ")[0] for cell in measured[name]]
    # The runs are told in the order of their seconds, the results in that of the runs.
    runs = re.search(r"Three runs of ours took ([0-9.]+), ([0-9.]+) and ([0-9.]+) s", readme).groups()
    assert sorted(runs) == sorted(re.findall(r"[0-9.]+", measured["search and final fit, s"][1])[1:])
    means = re.search(r"([0-9.]+) micro-F1, ([0-9.]+) macro-F1 and ([0-9.]+) samples-F1", readme).groups()
    assert list(means) == [cell.split(" ")[0] for cell in measured["by statement"][1:4]]
