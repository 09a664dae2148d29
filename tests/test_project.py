"""What holds the project together: the pins, the layout, the notebooks as they are committed."""

import re
from importlib.metadata import version

import nbformat
import pytest
import yaml

import helpers

NOTEBOOKS = sorted((helpers.ROOT / "notebooks").glob("*.ipynb"))
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ]+)", re.MULTILINE)


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


def test_every_pin_has_a_hash_and_no_address():
    text = (helpers.ROOT / "requirements.txt").read_text()
    for requirement in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in requirement
    assert "://" not in text and "index-url" not in text


def test_the_pins_are_installed():
    assert {name: version(name) for name in direct_pins()} == direct_pins()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_executed(path):
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            assert output.output_type != "error"
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"].split()) >= 5
    assert notebook.cells[0].source.startswith("# ")
    for part in ("**What you'll do**", "**What you'll learn**", "**What you'll need**", "**Time**"):
        assert part in notebook.cells[0].source
    for part in ("## What we saw", "**On your own.**", "**Where to go next.**"):
        assert part in notebook.cells[-1].source
    assert str(helpers.ROOT) not in path.read_text()


def test_readme_tells_the_message_without_conda():
    assert "Could not find Conda executable" in (helpers.ROOT / "README.md").read_text()
