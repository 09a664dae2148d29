"""README.md, and what comes with it: measured figures and times, commands that there are, files that parse."""

import json
import re
import tomllib

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS, SCALE, PROJECT, TABLE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("benchmarks/results.md", "benchmarks/scale.md", "pyproject.toml", "CONTRIBUTING.md")
)
PROJECT = tomllib.loads(PROJECT)["project"]
TARGETS = set(re.findall(r"^(\S+):", (ROOT / "Makefile").read_text(), re.M))
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
LESSONS = sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))


def rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_it_fits_on_a_screen_or_two():
    assert README.count("\n") <= 90


def test_the_series_with_the_times_of_its_lessons():
    lessons = [path for path in LESSONS if not path.stem.endswith("_exercises")]
    table = rows(README.partition("\n## The series\n")[2].partition("\n## ")[0])[1:]
    assert len(table) == len(lessons) == 7
    for path, (link, _, read, cells, practice) in zip(lessons, table):
        first = nbformat.read(path, 4).cells[0].source
        assert link == f"[{path.name[:2]} {first.splitlines()[0][2:]}](notebooks/{path.name})"
        [told] = re.findall(r"^\*\*Time\*\*: about (\d+) minutes .* take about (\d+) seconds", first, re.M)
        assert (read, cells) == (f"{told[0]} min", f"{told[1]} s"), path.name
        exercises = f"notebooks/{path.name[:2]}_exercises.ipynb"
        first = nbformat.read(ROOT / exercises, 4).cells[0].source
        [minutes] = re.findall(r"^\*\*Time\*\*: about (\d+) minutes", first, re.M)
        assert practice == f"[exercises]({exercises}), {minutes} min", path.name


def test_what_it_reaches():
    """Each figure is the benchmark's."""
    told = README.partition("\n## What it reaches\n")[2].partition("\n## ")[0]
    told = re.sub(r"\[([^]]*)\]\(\S*?\)", r"\1", told)
    # Of rows with the same name the first counts.
    measured = {name: cells for name, *cells in rows(RESULTS)[::-1]}
    pilots, ours, difference = measured["micro-F1"]
    low, high = re.search(r"\((\S+) to (\S+)\)", difference).groups()
    pilots, ours = pilots.split(" ")[0], ours.split(" ")[0]
    assert f"micro-F1 is {ours}, and that of the pilot's method {pilots};" in told
    assert f"interval of the difference is {low} to {high}." in told
    slow, fast, _ = (cell.split(" ")[0] for cell in measured["search and final fit, s"])
    assert f"take {fast} s, and the pilot's {slow} s;" in told
    little, much, _ = measured["peak memory, MB, at most"]
    assert f"{much} MB at most instead of {little}." in told
    error = measured["by statement"][5].split(" ")[0]
    assert f"differ by {error} in the mean" in told
    scale = {name: cells for name, *cells in rows(SCALE.partition("## Peak memory")[2])[::-1]}
    assert f"with a peak of {scale['ours without Spark'][3]} MB" in told
    rate = {name: cells for name, *cells in rows(SCALE)[::-1]}["ours without Spark"][3]
    seconds = 5_000_000 / int(rate.replace(",", ""))
    assert f"five million statements is answered in {seconds:.0f} s" in told
    numbers = re.findall(r"\d[\d.]*", re.sub(r"2022|1\.x|95 %|2 cores|O\\\*NET|micro-F1", "", told))
    assert len(numbers) == 11


def test_the_pythons_that_were_tried():
    """README's first line says no more than the table of `make canary`."""
    tried = re.findall(r"^\| (3\.\d+) \| pinned \| passed \|", TABLE.partition("<!-- canary -->")[2], re.M)
    told = re.search(r"\[Tested with Python (.*) on Linux\]", README)[1]
    assert re.split(", | and ", told) == tried
    assert PROJECT["license"] == "MIT" and "[MIT license](LICENSE)" in README.splitlines()[2]


@pytest.mark.parametrize("name", PAGES)
def test_make_has_the_targets_that_a_page_names(name):
    named = re.findall(
        r"(?:`|^)make ((?:\.venv/)?[a-z-]+)(?![a-z/=-])", (ROOT / name).read_text(), re.MULTILINE
    )
    assert set(named) <= TARGETS


def test_citation():
    """What the schema of the Citation File Format asks for, and the version and license of the project."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["type"] == "software"
    assert citation["title"] == README.splitlines()[0][2:] == PROJECT["description"]
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    [author] = citation["authors"]
    assert f" {author['name'][0].lower()}{author['name'][1:]}\n" in (ROOT / "LICENSE").read_text()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", citation["date-released"])


def test_devcontainer():
    """It calls make, on a Python that was tried, and forwards the ports that the Makefile names."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    make, *targets = container["postCreateCommand"].split()
    assert make == "make" and targets and set(targets) <= TARGETS
    python = re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:(3\.\d+)-bookworm", container["image"])[
        1
    ]
    assert f"| {python} | pinned | passed |" in TABLE
    makefile = (ROOT / "Makefile").read_text()
    assert {5000, 5001} <= set(container["forwardPorts"])
    assert all(f"127.0.0.1:{port}" in makefile for port in (5000, 5001))


def test_the_plans_add_up():
    page = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    hours, day = (
        rows(page.partition(f"\n## {title}\n")[2].partition("\n## ")[0])[1:]
        for title in ("Two hours", "A day")
    )
    end = 0
    for start, minutes, *_ in [row for row in hours if row[0].isdigit()]:
        assert int(start) == end
        end += int(minutes)
    assert end == 120
    clock = [(60 * int(row[0][:-3]) + int(row[0][-2:]), row[1]) for row in day if ":" in row[0]]
    for (start, minutes), (following, _) in zip(clock, clock[1:]):
        assert start + int(minutes) == following
    assert len(clock) == 16
    notebook = (ROOT / "notebooks" / "02_pipeline_training.ipynb").read_text(encoding="utf-8")
    [line] = re.findall(r"begins with `(micro-F1 [^`]*)`", page)
    assert f'"{line};' in notebook
    packages = re.findall(r"^\S+==", (ROOT / "requirements.txt").read_text(), re.M)
    assert f"some {round(len(packages), -1)} packages" in page


def test_the_sentences_to_label_are_those_that_the_model_gets_wrong():
    page = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    told = re.findall(r"^\d\. (.*)$", page.partition("\n**The five sentences**")[2], re.M)
    cells = nbformat.read(ROOT / "notebooks" / "02_pipeline_training.ipynb", 4).cells
    outputs = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    [text] = [text for text in outputs if "    labeled:" in text]
    assert told == re.findall(r"^\S.*$", text, re.M)
    labels = re.findall("^    labeled: (.*)$", text, re.M)
    names = pd.read_csv(ROOT / "data" / "gwas.csv")["name"]
    assert len(told) == 5 and set(labels) <= set(names)
