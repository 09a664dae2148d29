"""Write the notebooks of exercises without solutions and outputs, for a class.

    python tools/exercises.py

The copies go into the folder exercises/, which git ignores. It is beside notebooks/, so that their cells find the
project. A copy that is there is somebody's work: it is left as it was, and a line says so. Exit status: 0, or 1,
with one line, when the folder cannot be written. The rules that tools/guards.py holds such notebooks to are here,
too.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def is_solution(cell):
    return "solution" in cell.metadata.get("tags", [])


def without_solutions(notebook, name):
    """Remove solutions and outputs from the notebook `name`, and let its links lead somewhere from exercises/."""
    notebook.cells = [cell for cell in notebook.cells if not is_solution(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            lesson = r"\]\((?!\d\d_exercises)(\d\d_\w+\.ipynb)"
            cell.source = re.sub(lesson, r"](../notebooks/\1", cell.source)
    solutions = f"Solutions are in [notebooks/{name}](../notebooks/{name})."
    opening = notebook.cells[0]
    opening.source = re.sub(r"Solutions are below .* `exercises/`\.", solutions, opening.source)
    return notebook


def sections(notebook):
    """Return the parts of a notebook that begin with a heading of level 2, as pairs of heading and cells."""
    found = []
    for cell in notebook.cells:
        heading = re.match("## (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found.append((heading[1], []))
        if found:
            found[-1][1].append(cell)
    return found


# As those of tools/guards.py, each takes a notebook and yields what is wrong, a line each.


def no_opening_of_exercises(notebook):
    first = notebook.cells[0].source
    for part in ("# Exercises: ", "**Time**", "`make exercises`"):
        if not (first.startswith(part) if part.startswith("# ") else part in first):
            yield f"the first cell has no {part!r}"


def headings_not_in_order(notebook):
    headings = [heading for heading, _ in sections(notebook)]
    exercises, ends = headings[:-2], headings[-2:]
    if not 3 <= len(exercises) <= 5:
        yield f"{len(exercises)} exercises, not three to five"
    for k, heading in enumerate(exercises, 1):
        if not heading.startswith(f"Exercise {k}: "):
            yield f"the heading {heading!r} does not begin with 'Exercise {k}: '"
    if ends != ["Five questions", "What you practiced"]:
        yield f"the last headings are {ends}, not 'Five questions' and 'What you practiced'"


def no_solution(notebook):
    """Behind each exercise is its solution, which says something and shows that it is one."""
    for heading, cells in sections(notebook):
        if heading == "What you practiced":
            continue
        solution = [cell for cell in cells if is_solution(cell)]
        code = [cell for cell in solution if cell.cell_type == "code"]
        if not solution or not solution[0].source.startswith("**Solution.**"):
            yield f"{heading}: no solution begins with '**Solution.**'"
        if cells[len(cells) - len(solution) :] != solution:
            yield f"{heading}: a cell that is no solution comes after one"
        if not code or not (code[-1].outputs or "assert" in code[-1].source):
            yield f"{heading}: the last code of the solution neither shows nor asserts anything"
        task = [cell for cell in cells if cell.cell_type == "code" and not is_solution(cell)]
        if heading != "Five questions" and not task:
            yield f"{heading}: there is no cell for the reader"


def no_five_answers(notebook):
    """Each of the five questions has an answer, and a link to what proves it."""
    cells = dict(sections(notebook)).get("Five questions", [])
    for name, answers in (("questions", False), ("answers", True)):
        lines = "\n".join(
            cell.source for cell in cells if is_solution(cell) == answers and cell.cell_type == "markdown"
        )
        found = re.findall(r"^(\d)\. (.*)$", lines, re.MULTILINE)
        if [number for number, _ in found] != list("12345"):
            yield f"the {name} are not numbered from 1 to 5"
        for number, text in found:
            if answers and not re.search(r"\]\([^)]+\)", text):
                yield f"no link in answer {number} leads to what proves it"


GUARDS = [no_opening_of_exercises, headings_not_in_order, no_solution, no_five_answers]


def main(root=ROOT):
    try:
        (root / "exercises").mkdir(exist_ok=True)
        for path in sorted((root / "notebooks").glob("*_exercises.ipynb")):
            copy = root / "exercises" / path.name
            text = nbformat.writes(without_solutions(nbformat.read(path, 4), path.name)) + "\n"
            try:
                with open(copy, "x", encoding="utf-8") as file:
                    file.write(text)
                print(f"exercises/{path.name}: written")
            except FileExistsError:
                print(f"exercises/{path.name}: left as it was; for a new copy, rename or remove it")
    except OSError as error:
        print(f"make exercises: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
