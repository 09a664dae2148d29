"""The pictures of MLflow's UI are there, small, and shown in a lesson with words; `make pictures` takes them."""

import re
from types import SimpleNamespace

import nbformat
import pytest
import screenshots
from conftest import ROOT
from picture import PICTURES
from PIL import Image

RUN = SimpleNamespace(run_id="0", experiment_id="1")
NAMES = sorted(screenshots.views(RUN, RUN))


def shown(path):
    text = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    return re.findall(r"^!\[(.*)\]\(\.\./docs/pictures/ui-(\w+)\.png\)\n\n\*(.+)\*$", text, re.MULTILINE)


def test_all_are_small():
    files = sorted(PICTURES.glob("ui-*.png"))
    assert [file.stem.removeprefix("ui-") for file in files] == NAMES
    assert sum(file.stat().st_size for file in files) < 600_000
    assert all(Image.open(file).width <= 1200 for file in files)


@pytest.mark.parametrize("name", NAMES)
def test_is_shown_once_with_words(name):
    alts = [
        alt for path in (ROOT / "notebooks").glob("*.ipynb") for alt, n, caption in shown(path) if n == name
    ]
    assert len(alts) == 1 and len(alts[0].split()) >= 12


def test_small_keeps_the_size():
    png = (PICTURES / "ui-runs.png").read_bytes()
    assert len(screenshots.small(png)) <= 1.1 * len(png)
