"""Exercises: what a class gets, the rules for such notebooks, each seen red, and what collapses a solution."""

import re
import subprocess
import sys

import nbformat
import pytest
from conftest import make_command, run_in
from exercises import (
    GUARDS,
    ROOT,
    headings_not_in_order,
    is_solution,
    no_five_answers,
    no_opening_of_exercises,
    no_solution,
    without_solutions,
)
from guards import wrong_in
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from refresh import normalize, veiled
from test_docs import anchors

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*_exercises.ipynb"))
SOLUTION = {"tags": ["solution"]}


def good_notebook():
    """Three exercises of four cells, then the questions and their answers, and a last word."""
    cells = [new_markdown_cell("# Exercises: Do a thing\n\nSee `make exercises`.\n\n**Time**: 1 minute")]
    for k in (1, 2, 3):
        cells += [
            new_markdown_cell(
                f"## Exercise {k}: Guess a number\n\nSee [there](01_a.ipynb#b) and [it](../c.md)."
            ),
            new_code_cell("answer = None"),
            new_markdown_cell("**Solution.** It is three.", metadata=SOLUTION),
            new_code_cell("print(3)", outputs=[new_output("stream", text="3\n")], metadata=SOLUTION),
        ]
    lines = "\n".join(f"{k}. Is it? [There](01_a.ipynb#b)" for k in range(1, 6))
    cells += [
        new_markdown_cell(f"## Five questions\n\n{lines}"),
        new_markdown_cell(f"**Solution.**\n\n{lines}", metadata=SOLUTION),
        new_code_cell("assert 1 + 1 == 2", metadata=SOLUTION),
        new_markdown_cell("## What you practiced\n\nTo guess."),
    ]
    for k, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = k
    return normalize(new_notebook(cells=cells), "01")


def test_a_good_notebook_passes(tmp_path):
    path = tmp_path / "01_exercises.ipynb"
    nbformat.write(good_notebook(), path)
    assert wrong_in(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_title_is_the_lessons(path):
    [lesson] = [each for each in ROOT.glob(f"notebooks/{path.name[:3]}*.ipynb") if each != path]
    titles = [nbformat.read(each, 4).cells[0].source.partition("\n")[0] for each in (lesson, path)]
    assert titles[1] == titles[0].replace("# ", "# Exercises: ", 1)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for cell in nbformat.read(path, 4).cells:
        links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", cell.source)
        for name, anchor in links if cell.cell_type == "markdown" else ():
            target = path.parent / name if name else path
            assert target.exists(), name
            assert not anchor or f"#{anchor}" in anchors(target), f"{name}#{anchor}"


def source(k, old, new):
    """A change of a cell's text."""

    def change(notebook):
        assert old in notebook.cells[k].source
        notebook.cells[k].source = notebook.cells[k].source.replace(old, new)

    return change


def remove(*numbers):
    def change(notebook):
        notebook.cells = [cell for k, cell in enumerate(notebook.cells) if k not in numbers]

    return change


BAD = [
    (no_opening_of_exercises, source(0, "# Exercises: ", "# ")),
    (no_opening_of_exercises, source(0, "**Time**", "Time")),
    (no_opening_of_exercises, source(0, "make exercises", "make")),
    (headings_not_in_order, source(5, "Exercise 2", "Exercise 3")),
    (headings_not_in_order, source(5, "Exercise 2: ", "")),
    (headings_not_in_order, remove(9, 10, 11, 12)),
    (headings_not_in_order, remove(13)),
    (headings_not_in_order, remove(16)),
    (headings_not_in_order, lambda notebook: notebook.cells.extend(good_notebook().cells[1:13])),
    (no_solution, remove(3)),
    (no_solution, remove(4)),
    (no_solution, remove(2)),
    (no_solution, source(3, "**Solution.**\n\n", "")),
    (no_solution, lambda notebook: notebook.cells[4].update(outputs=[])),
    (no_solution, lambda notebook: notebook.cells[3].metadata.pop("tags")),
    (no_solution, lambda notebook: notebook.cells[4].metadata.pop("tags")),
    (no_solution, lambda notebook: notebook.cells.insert(5, new_markdown_cell("And further?"))),
    (no_five_answers, source(13, "5. ", "6. ")),
    (no_five_answers, source(14, "\n5. Is it? [There](01_a.ipynb#b)", "")),
    (no_five_answers, source(14, "5. Is it? [There](01_a.ipynb#b)", "5. It is.")),
    (no_five_answers, remove(13, 14, 15)),
]


@pytest.mark.parametrize(
    "guard, change", BAD, ids=[f"{guard.__name__}-{k}" for k, (guard, _) in enumerate(BAD)]
)
def test_a_guard_sees(guard, change, tmp_path):
    notebook = good_notebook()
    change(notebook)
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k}"
    [*lines] = guard(notebook)
    nbformat.write(notebook, tmp_path / "01_exercises.ipynb")
    assert lines and set(lines) <= set(wrong_in(tmp_path / "01_exercises.ipynb"))


def test_every_guard_was_seen_red():
    assert {guard for guard, _ in BAD} == set(GUARDS)


def test_a_solution_is_collapsed():
    cells = good_notebook().cells
    assert cells[4].metadata == {
        "jupyter": {"source_hidden": True, "outputs_hidden": True},
        "tags": ["solution", "hide-cell"],
    }
    assert cells[3].metadata == {"jupyter": {"source_hidden": True}, "tags": ["solution", "hide-cell"]}
    assert cells[3].source == "**Solution.**\n\nIt is three." and not cells[2].metadata
    open_again = good_notebook()
    del open_again.cells[4].metadata["jupyter"]
    assert normalize(open_again, "01") == good_notebook()


@pytest.mark.parametrize(
    "text, first",
    [
        ("**Solution.** 3", "**Solution.**"),
        ("So 3.", "<!-- Solution, continued -->"),
        ("<!-- a -->\n3", "<!-- a -->"),
    ],
)
def test_the_first_line_tells_nothing(text, first):
    """JupyterLab shows it of a collapsed cell."""
    assert veiled(text).partition("\n")[0] == first and "3" in veiled(text)
    assert veiled(veiled(text)) == veiled(text)


def test_a_copy_has_neither_solutions_nor_outputs():
    copy = without_solutions(good_notebook(), "01_exercises.ipynb")
    nbformat.validate(copy)
    assert [cell.cell_type for cell in copy.cells] == [
        "markdown",
        *["markdown", "code"] * 3,
        "markdown",
        "markdown",
    ]
    assert not any(cell.outputs or cell.execution_count for cell in copy.cells if cell.cell_type == "code")
    assert "[there](../notebooks/01_a.ipynb#b) and [it](../c.md)" in copy.cells[1].source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_copy_says_where_the_solutions_are(path):
    opening = without_solutions(nbformat.read(path, 4), path.name).cells[0].source
    assert f"Solutions are in [notebooks/{path.name}](../notebooks/{path.name})." in opening
    assert "below" not in opening and "`make exercises`" not in opening


def test_links_of_a_copy_lead_somewhere():
    for path in NOTEBOOKS:
        for cell in without_solutions(nbformat.read(path, 4), path.name).cells:
            for name in (
                re.findall(r"\]\((?!http)([^)#]+)", cell.source) if cell.cell_type == "markdown" else ()
            ):
                assert (ROOT / "exercises" / name).resolve().exists() or (path.parent / name).exists(), name


def test_make_exercises(project):
    """What somebody has written into a copy stays; a removed copy comes again."""
    command, mine = make_command(project, "exercises"), project / "exercises" / NOTEBOOKS[0].name
    first = run_in(project, *command)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [f"exercises/{path.name}: written" for path in NOTEBOOKS]
    mine.write_text("mine")
    again = run_in(project, *command)
    kept = "left as it was; for a new copy, rename or remove it"
    assert again.stdout.splitlines() == [f"exercises/{path.name}: {kept}" for path in NOTEBOOKS]
    assert again.returncode == 0 and mine.read_text() == "mine"
    mine.unlink()
    assert run_in(project, *command).stdout.splitlines()[0] == f"exercises/{mine.name}: written"
    assert not any(is_solution(cell) for cell in nbformat.read(mine, 4).cells)


def test_a_folder_that_cannot_be_made(project):
    command = make_command(project, "exercises")
    (project / "exercises").touch()
    refused = run_in(project, *command)
    assert refused.returncode and refused.stdout == ""
    assert refused.stderr.splitlines()[0] == f"make exercises: {project}/exercises: File exists"


@pytest.mark.slow
def test_a_copy_runs_where_it_is(project):
    make_command(project)
    run_in(project, sys.executable, "tools/exercises.py")
    copy = project / "exercises" / NOTEBOOKS[0].name
    command = [sys.executable, "-m", "nbconvert", "--execute", "--inplace", "--to=notebook", str(copy)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(cell.execution_count for cell in nbformat.read(copy, 4).cells if cell.cell_type == "code")
