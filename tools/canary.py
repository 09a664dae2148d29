"""Run the tests with the pinned, the newest and the oldest packages, on each Python that is installed.

    python tools/canary.py                                  # everything, nine times the whole suite
    python tools/canary.py --python 3.12 --packages oldest
    python tools/canary.py -- tests/test_split.py   # what pytest shall run, instead of all

Newest and oldest are what the ranges in pyproject.toml admit. Each combination gets an environment of its
own, and a row in the table in CONTRIBUTING.md, which names the commit. Exit status: 0 when all passed, else 1.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from refresh import NBVAL, ROOT

TABLE = ROOT / "CONTRIBUTING.md"
PROJECT = str(ROOT / "pyproject.toml")
RANGES = ["-r", PROJECT, "--group", f"{PROJECT}:dev"]
PYTHONS = ["3.11", "3.12", "3.13"]
PACKAGES = {
    "pinned": ["-r", str(ROOT / "requirements-dev.txt")],
    "newest": [*RANGES, "--resolution", "highest"],
    "oldest": [*RANGES, "--resolution", "lowest-direct"],
}
# As `make test` has it.
WORKERS = ["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"]
SHOWN = ("mlflow", "scikit-learn", "pandas", "numpy")
# These are about the pinned packages.
PINNED_ONLY = [
    f"tests/test_project.py::{test}"
    for test in ("test_the_pins_are_installed", "test_the_lock_names_every_extra", "test_ruff")
]
# These run the pinned MLflow, whose store an older one cannot read.
NEEDS_NEW_MLFLOW = ["tests/test_environments.py::test_environment_managers"]


def find(version):
    """Return the path of an installed Python such as "3.12", on PATH or under pyenv, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python")]:
        # pyenv puts on PATH also what it does not run at present.
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return str(path)
    return None


def try_out(base, packages, arguments, folder):
    """Run pytest in a new environment; return whether it passed, what it said last, and versions."""
    # MLflow looks for pip in the environment, so it is seeded with one.
    subprocess.run(["uv", "venv", "--quiet", "--seed", "--python", base, folder], check=True)
    python = str(Path(folder, "bin", "python"))
    installed = subprocess.run(
        ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *PACKAGES[packages]]
    )
    if installed.returncode:
        return False, "cannot be installed", {}
    left_out = {"pinned": [], "newest": PINNED_ONLY, "oldest": PINNED_ONLY + NEEDS_NEW_MLFLOW}[packages]
    deselect = [f"--deselect={test}" for test in left_out]
    # The environment's commands first, as the Makefile has it; then those of its Python, for uv to find.
    folders = [f"{folder}/bin", str(Path(base).parent), os.environ["PATH"]]
    env = {**os.environ, "PATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [python, "-m", "pytest", *NBVAL, *WORKERS, *deselect, *(arguments or ["notebooks", "tests"])],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    print(done.stdout, flush=True)
    listed = subprocess.run(
        ["uv", "pip", "list", "--quiet", "--format", "json", "--python", python],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    versions = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
    last = re.sub(" in .*", "", done.stdout.strip().splitlines()[-1].strip("= "))
    return done.returncode == 0, last, versions


def today():
    """Return today's date and the commit that is checked out, marked as dirty where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return f"{datetime.date.today()}, {commit.strip()}"


def write_row(text, key, row):
    """Return `text` with the row of its table that starts with the cells `key` replaced or added."""
    start, middle, end = re.fullmatch(
        r"(.*<!-- canary -->\n)(.*)(<!-- /canary -->.*)", text, re.DOTALL
    ).groups()
    title, rule, *rows = middle.strip().splitlines()
    head = "| " + " | ".join(key) + " |"
    rows = sorted(
        [old for old in rows if not old.startswith(head)] + ["| " + " | ".join([*key, *row]) + " |"]
    )
    return start + "\n".join([title, rule, *rows]) + "\n" + end


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", nargs="+", default=PYTHONS)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    parser.add_argument("pytest", nargs="*", help="arguments for pytest (default: the whole suite)")
    arguments = parser.parse_args()
    # Before the first row is written, which is a change, too.
    when, all_passed = today(), True
    for version in arguments.python:
        python = find(version)
        if python is None:
            print(f"Python {version}: skipped, it is not installed")
            continue
        for packages in arguments.packages:
            with tempfile.TemporaryDirectory(prefix="onet-gwa-canary-") as folder:
                passed, last, versions = try_out(python, packages, arguments.pytest, f"{folder}/env")
            all_passed &= passed
            print(f"Python {version}, {packages} packages: {last}", flush=True)
            what = " ".join(arguments.pytest) or "all"
            shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)
            row = ["passed" if passed else "**failed**", last, what, shown, when]
            TABLE.write_text(write_row(TABLE.read_text(), [version, packages], row))
    return 0 if all_passed else 1


if __name__ == "__main__":
    sys.exit(main())
