"""Write the pages in docs/reference/ from what they tell: MLproject, Makefile, helpers.py, and the programs.

    python tools/reference.py

Exit status: 0, or 1, with a traceback, where an entry point and its program differ in their parameters.
"""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import yaml
from help import targets

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import score
import watch

import helpers
import run_notebook

ROOT = helpers.ROOT
FOLDER = ROOT / "docs" / "reference"
PROGRAMS = {"main": run_notebook, "score": score, "watch": watch}
# Where more is said about an entry point.
MORE = {
    "main": "[Run the job your way](../run-the-job.md)",
    "score": "[Score a large file](../score-a-large-file.md)",
    "watch": "[Keep watch](../keep-watch.md)",
}


def table(head, rows):
    """Return the lines of a table in Markdown."""
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def page(title, *lines):
    return "\n".join([f"# {title}", "", *lines]).rstrip() + "\n"


def parameters():
    """Return the page of the entry points; raise ValueError where one and its program differ."""
    lines = ["`mlflow run . -P C=1,10` calls the entry point `main`, `mlflow run . -e score` another one."]
    lines += ["A name behind `-P` is a parameter; what has no default must be given."]
    for name, entry in yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"].items():
        program, told = PROGRAMS[name], entry["parameters"]
        if {key: value.get("default") for key, value in told.items()} != {
            key: default for key, (default, _) in program.PARAMETERS.items()
        }:
            raise ValueError(f"MLproject and {program.__name__}.py differ in the parameters of {name}")
        rows = [
            (f"`{key}`", text, "" if default is None else f'`"{default}"`')
            for key, (default, text) in program.PARAMETERS.items()
        ]
        lines += ["", f"## {name}", "", f"{program.__doc__.splitlines()[0]} More: {MORE[name]}.", ""]
        lines += table(("parameter", "what it is", "default"), rows)
    return page("Parameters and entry points", *lines)


def make():
    """Return the page of the targets of the Makefile."""
    rows = [(f"`make {name}`", text) for name, text in targets((ROOT / "Makefile").read_text())]
    return page("Targets of make", *table(("type", "to"), rows))


def programs():
    """Return the page of the programs, each with what its file says of it."""
    paths = [ROOT / "run_notebook.py", *sorted((ROOT / "tools").glob("*.py"))]
    told = {str(path.relative_to(ROOT)): ast.get_docstring(ast.parse(path.read_text())) for path in paths}
    lines = [
        "What each program does, and what its exit status says. `make` ends with 2 where its program did not "
        "end with 0, and `mlflow run` with 1."
    ]
    for name, text in told.items():
        first, *paragraphs = text.replace("*", r"\*").split("\n\n")
        lines += ["", f"## {name}", "", first]
        for paragraph in paragraphs:
            lines.append("")
            if paragraph.startswith("    "):
                code = re.sub("(?<=[^ ]) {3,}", "  ", textwrap.dedent(paragraph)).replace(r"\*", "*")
                lines += ["```console", *code.splitlines(), "```"]
            else:
                lines.append(" ".join(paragraph.split()).replace("Exit status:", "**Exit status:**"))
    return page("Programs and their exit statuses", *lines)


def functions():
    """Return the page of what the notebooks share, in the order of helpers.py; Sphinx adds the docstrings."""
    lines = ["What notebooks import as `helpers`, in the order the data flows."]
    source = (ROOT / "helpers.py").read_text().split("# ruff: noqa")[1].split("\n", 1)[1]
    for part in re.split(r"\n(?=# )", source)[1:]:
        comment, statements = re.match(r"((?:# [^\n]*\n)+)(.*)", part, re.DOTALL).groups()
        names = [alias.name for node in ast.parse(statements).body for alias in node.names]
        lines += ["", f"## {' '.join(comment.replace('#', '').split()).rstrip('.')}", "", "```{eval-rst}"]
        for name in names:
            value = getattr(helpers, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                lines.append(f".. auto{'class' if inspect.isclass(value) else 'function'}:: helpers.{name}")
        lines.append("```")
        constants = [name for name in names if not callable(getattr(helpers, name))]
        lines += [f"\n`{name}` is `{getattr(helpers, name)!r}`." for name in constants]
    return page("Helpers", *lines)


PAGES = {"parameters.md": parameters, "make.md": make, "programs.md": programs, "helpers.md": functions}


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write())


if __name__ == "__main__":
    main()
