"""The picture of the whole is what tools/picture.py draws, and each notebook shows its own."""

import re
from xml.etree import ElementTree

import nbformat
import picture
import pytest
from conftest import ROOT

STATIONS = [None, *sorted(picture.STATIONS)]


@pytest.mark.parametrize("station", STATIONS)
def test_committed(station):
    name = f"whole-{station}.svg" if station else "whole.svg"
    assert (picture.PICTURES / name).read_text(encoding="utf-8") == picture.draw(station), (
        "run `make pictures`"
    )


@pytest.mark.parametrize("station", STATIONS)
def test_a_picture(station):
    """It is one of these eight, needs nothing from elsewhere, and marks its station in words."""
    text = picture.draw(station)
    root = ElementTree.fromstring(text)
    assert set(re.findall(r"href|src=|url\([^)]*", text)) <= {"url(#dark", "url(#light"}
    said = ["".join(element.itertext()) for element in root.findall("{*}text")]
    assert said.count("you are here") == (station is not None)
    assert root.find("{*}title").text == picture.alt(station)
    assert station is None or f"you are at {station}: " in picture.alt(station)


def test_all_stations_are_the_notebooks():
    titles = {}
    for path in sorted((ROOT / "notebooks").glob("0[1-7]_*.ipynb")):
        if not path.stem.endswith("exercises"):
            titles[path.name[:2]] = nbformat.read(path, 4).cells[0].source.splitlines()[0].removeprefix("# ")
    assert titles == {number: station[4] for number, station in picture.STATIONS.items()}


@pytest.mark.parametrize("station", STATIONS[1:])
def test_at_the_top_of_its_notebook(station):
    [path] = [p for p in (ROOT / "notebooks").glob(f"{station}_*.ipynb") if not p.stem.endswith("exercises")]
    opening = nbformat.read(path, 4).cells[0].source
    shown = f"![{picture.alt(station)}](../docs/pictures/whole-{station}.svg)"
    assert shown in opening and opening.index(shown) < opening.index("**What you'll do**")
