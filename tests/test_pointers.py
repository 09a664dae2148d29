"""A lesson points to each of its exercises, once, and by the exercise's own title."""

import re

import nbformat
import pytest
from conftest import ROOT
from glossary import slug

NOTEBOOKS = ROOT / "notebooks"
EXERCISES = sorted(NOTEBOOKS.glob("*_exercises.ipynb"))


def text_of(path):
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_each_exercise_is_pointed_to(path):
    [lesson] = [p for p in NOTEBOOKS.glob(f"{path.name[:2]}_*.ipynb") if p != path]
    pointed = re.findall(r"^\*\*Exercise (\d)\.\*\* \[(.+)\]\((.+)\)$", text_of(lesson), re.MULTILINE)
    titles = re.findall(r"^## Exercise (\d): (.+)$", text_of(path), re.MULTILINE)
    expected = [(n, title, f"{path.name}#{slug(f'Exercise {n}: {title}')}") for n, title in titles]
    assert sorted(pointed) == expected and expected
