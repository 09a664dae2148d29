"""The glossary is in order, leads to the lessons, and is linked where a lesson first uses a term."""

import re

import glossary
import nbformat
import pytest
from conftest import ROOT

TEXT = glossary.GLOSSARY.read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (.+)\n\n(.+)$", TEXT, re.MULTILINE))
TERMS = glossary.terms()
SMALL = {term: TERMS[term] for term in ("F1", "Micro-F1", "Run", "Fold")}


def markdown(path):
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]


def headings(text):
    return {glossary.slug(heading) for heading in re.findall("^#+ (.+)$", text, re.MULTILINE)}


def test_order():
    letters = [re.sub(r"\W", "", term.lower()) for term in ENTRIES]
    assert letters == sorted(letters) and len(set(letters)) == len(TERMS) == len(
        re.findall("^## ", TEXT, re.M)
    )


@pytest.mark.parametrize("term", ENTRIES)
def test_an_entry(term):
    """It has a few sentences and the place in a lesson where the term is taught."""
    says, number, title, page, anchor = re.fullmatch(
        r"(.+) Lesson (\d\d): \[(.+)\]\((.+)#(.+)\)\.?", ENTRIES[term]
    ).groups()
    path = glossary.GLOSSARY.parent / page
    assert 1 <= len(re.findall(r"[.?](?: |$|\))", says)) <= 4
    assert path.name.startswith(number) and glossary.slug(title) == anchor
    assert anchor in headings("\n".join(markdown(path)))


@pytest.mark.parametrize("path", glossary.LESSONS, ids=lambda path: path.stem)
def test_lessons_are_linked(path):
    sources = markdown(path)
    assert glossary.link(sources, TERMS) == sources, "run `python tools/glossary.py`"
    anchors = re.findall(r"\]\(\.\./docs/glossary\.md#([\w-]+)\)", "\n".join(sources))
    assert len(anchors) == len(set(anchors)) >= 10 and set(anchors) <= headings(TEXT)


def linked(text):
    return glossary.link(text.split(" / "), SMALL)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("A run, the run / a run.", ["A [run](../docs/glossary.md#run), the run", "a run."]),
        (
            "# A run\n\n`a run` [a run](x.md) a run",
            ["# A run\n\n`a run` [a run](x.md) a [run](../docs/glossary.md#run)"],
        ),
        ("A *run* is this. The run ends.", ["A *run* is this. The run ends."]),
        ("2 * 3, a run, 4 * 5", ["2 * 3, a [run](../docs/glossary.md#run), 4 * 5"]),
        ("micro-F1, F1", ["[micro-F1](../docs/glossary.md#micro-f1), [F1](../docs/glossary.md#f1)"]),
        ("a fold [fold](../docs/glossary.md#fold)", ["a [fold](../docs/glossary.md#fold) fold"]),
        ("```text\na run\n``` / foldable", ["```text\na run\n```", "foldable"]),
        ("run it", ["run it"]),
    ],
)
def test_link(text, expected):
    assert linked(text) == expected


def test_a_form_without_a_heading(monkeypatch):
    monkeypatch.setitem(glossary.FORMS, "Nothing", "nothing")
    with pytest.raises(SystemExit, match="no heading in docs/glossary.md: Nothing"):
        glossary.terms()


def test_every_form_is_needed():
    """The heading alone, or its plural, would link something else."""
    text = "\n".join(source for path in glossary.LESSONS for source in markdown(path))
    assert [term for term in glossary.FORMS if not TERMS[term].search(glossary.LINK.sub(r"\1", text))] == []
    assert ROOT / "docs" == glossary.GLOSSARY.parent
