"""Numbers in the text of a notebook are those that its cells hold or print."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from refresh import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)")
# Code, where links lead, times to read, and years.
NO_CLAIM = re.compile(r"`[^`]+`|\]\([^)]*\)|^\*\*Time\*\*.*|\b(19|20)\d\d\b", re.MULTILINE)
# What no cell can show.
KNOWN = {
    "10 minutes to pandas": "a title",
    "about 2,000": "the detailed work activities of the O*NET database; the sample has none",
    "release 30.3": "of the O*NET database",
    "31.0 Database": "the release of the O*NET database",
    "over 15 bins": "what `expected_calibration_error` takes when nothing else is said",
    "answers 504": "a status of HTTP; a cell would have to wait a minute for it",
}


def values(text):
    return {float(number.replace(",", "")) for number in NUMBER.findall(text)}


def unshown(notebook):
    """Return the numbers of two digits and more in the text that are neither in a cell's code nor its outputs."""
    shown, text = set(), ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text += NO_CLAIM.sub(" ", cell.source) + "\n"
        for output in cell.get("outputs", []):
            shown |= values(output.get("text") or output.get("data", {}).get("text/plain", ""))
        shown |= values(cell.source) if cell.cell_type == "code" else set()
    for known in KNOWN:
        text = text.replace(known, " ")
    told = values(text) - shown
    return {value for value in told if value >= 10 or len(f"{value:g}".strip("0.").replace(".", "")) > 1}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_text_has_the_numbers_of_the_cells(path):
    assert unshown(nbformat.read(path, 4)) == set()


def test_each_exception_is_needed():
    text = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    assert [known for known in KNOWN if known not in text] == []


@pytest.mark.parametrize("said, missing", [("0.53", []), ("53 %", [53]), ("0.6", []), ("1,234", [1234])])
def test_a_number_that_no_cell_shows(said, missing):
    outputs = [new_output("stream", text="micro-F1 0.53")]
    cells = [new_markdown_cell(f"It is {said}."), new_code_cell("1", outputs=outputs)]
    assert sorted(unshown(new_notebook(cells=cells))) == missing
