"""The pages in docs/reference are what `python tools/reference.py` writes."""

import os
import subprocess

import pytest
import reference
from conftest import ROOT


@pytest.mark.parametrize("name", reference.PAGES)
def test_they_are_fresh(name):
    assert (reference.FOLDER / name).read_text() == reference.PAGES[name](), (
        "python tools/reference.py writes it"
    )


def test_every_function_of_the_helpers_is_there():
    page = (reference.FOLDER / "helpers.md").read_text()
    shared = {name for name in vars(reference.helpers) if not name.startswith("_")} - {"ROOT", "SEED"}
    assert {
        name for name in shared if f"helpers.{name}\n" not in page and f"`{name}` is" not in page
    } == set()


def test_every_program_tells_its_exit_status():
    """What `make` calls; of the others the page says what their files say."""
    sections = (reference.FOLDER / "programs.md").read_text().split("\n## ")[1:]
    assert len(sections) == 1 + len(list((ROOT / "tools").glob("*.py")))
    assert [text.split("\n")[0] for text in sections if "**Exit status:**" not in text] == []


def test_an_entry_point_that_differs_is_told(monkeypatch):
    monkeypatch.setitem(
        reference.score.PARAMETERS, "column", ("Statement", "the input's column of statements")
    )
    with pytest.raises(ValueError, match="MLproject and score.py differ in the parameters of score"):
        reference.parameters()


@pytest.mark.slow
def test_the_status_of_make_and_of_mlflow_run(tmp_path):
    """Of a program that ended with 1, and one that ended with 2."""
    env = os.environ | {"PORT": "http"}
    assert subprocess.run(["make", "ui"], cwd=ROOT, env=env, capture_output=True).returncode == 2
    command = ["mlflow", "run", ROOT, "--env-manager", "local", "-P", "C=none"]
    env["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/mlflow.db"
    assert subprocess.run(command, env=env, capture_output=True, cwd=tmp_path).returncode == 1
