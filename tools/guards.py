"""Guards on the notebooks as committed, against what nbval does not see.

    python tools/guards.py                     # all of them
    python tools/guards.py notebooks/01*.ipynb

Prints what is wrong, a line each. Exit status: 0, or 1 when something is.
"""

import ast
import re
import sys
from copy import deepcopy
from pathlib import Path

import exercises
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbval.plugin import find_comment_markers, find_metadata_tags
from refresh import ROOT, normalize

# A guard takes a notebook and yields what is wrong, a line each.


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [(cell, output) for cell in code(notebook) for output in cell.outputs]


def not_run_in_order(notebook):
    for k, cell in enumerate(code(notebook), 1):
        if cell.execution_count != k:
            yield f"{cell.id}: execution count {cell.execution_count}, not {k}"


def shows_something(source):
    """Whether a cell surely has an output: it prints or shows, or ends with a value that is not a call's.

    What a call at the end returns may be None; nbval sees whether it is.
    """
    body = ast.parse(TransformerManager().transform_cell(source)).body
    calls = [node.func for top in body for node in walk_but_functions(top) if isinstance(node, ast.Call)]
    names = {getattr(function, "attr", getattr(function, "id", None)) for function in calls}
    last = body[-1] if body else None
    return bool(names & {"print", "show", "display"}) or (
        isinstance(last, ast.Expr) and not isinstance(last.value, ast.Call)
    )


def walk_but_functions(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from walk_but_functions(child)


def output_missing(notebook):
    for cell in code(notebook):
        if shows_something(cell.source) and not cell.outputs:
            yield f"{cell.id}: shows something, and there is no output"


def stderr_or_error(notebook):
    for cell, output in outputs(notebook):
        if output.output_type == "error" or output.get("name") == "stderr":
            yield f"{cell.id}: {output.get('text') or output.get('evalue')}"


PLACEHOLDER = re.compile(
    r"<(?!(?:br|img|a|b|i|sub|sup|kbd|details|summary|table|tr|td|th|div|span|p)\b|https?:)[A-Za-z][\w .-]*>"
    r"|[{[]your\b|\byour[-_]\w+|\bpath/to/|\bexample\.(?:com|org|net)\b|\b(?:TODO|FIXME|XXX+)\b",
    re.IGNORECASE,
)


def placeholder(notebook):
    for cell in notebook.cells:
        # An anchor holds the words of a heading, such as "of-your-own".
        for found in PLACEHOLDER.findall(re.sub(r"\]\([^):]*#[^)]*\)", "]", cell.source)):
            yield f"{cell.id}: nobody can run {found!r}"


def image_without_words(notebook):
    alts = [
        (cell, output.metadata.get(kind, {}).get("alt", ""))
        for cell, output in outputs(notebook)
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    pages = [(cell, output.get("data", {}).get("text/html", "")) for cell, output in outputs(notebook)]
    texts = [(cell, cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell, text in texts:
        alts += [(cell, alt) for alt in re.findall(r"!\[([^]]*)\][([]", text)]
    for cell, text in texts + pages:
        for image in re.findall(r"<img\b[^>]*>", text):
            alts.append((cell, "".join(re.findall(r'\balt="([^"]*)"', image))))
    for cell, alt in alts:
        if len(alt.split()) < 5:
            yield f"{cell.id}: an image is described by {alt!r}"


def plain(text):
    """Return a text without Markdown's asterisks and backslashes, and with single blanks."""
    return " ".join(re.sub(r"[*\\]", "", text).split())


def caption_missing(notebook):
    """Below a figure, its description is to be read, and not only by who cannot see it."""
    for cell in code(notebook):
        for output, below in zip(cell.outputs, [*cell.outputs[1:], {}]):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                caption = below.get("data", {}).get("text/markdown", "")
                if plain(caption) != plain(alt):
                    yield f"{cell.id}: the caption below a figure is {caption!r}, not {alt!r}"


def asterisk_in_a_word(notebook):
    """Two in a paragraph, as in O*NET, would set what is between them in italics."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for found in re.findall(r"\w+\*\w+", re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.S)):
                yield f"{cell.id}: {found} needs a backslash before its asterisk"


FILTER = re.compile(
    r"filterwarnings|simplefilter|catch_warnings|captureWarnings|PYTHONWARNINGS|-W\s*ignore"
    r"|logging\.disable|redirect_stderr|2>\s*/dev/null|&>\s*/dev/null|%%capture"
)


def warnings_filter(notebook):
    for cell in notebook.cells:
        for found in FILTER.findall(cell.source):
            yield f"{cell.id}: {found} hides warnings"


def no_opening(notebook):
    first = notebook.cells[0].source
    for part in ("# ", "**What you'll do**", "**What you'll learn**", "**What you'll need**", "**Time**"):
        if not (first.startswith(part) if part == "# " else part in first):
            yield f"the first cell has no {part!r}"


def no_close(notebook):
    last = notebook.cells[-1].source
    for part in ("## What we saw", "**On your own.**", "**Where to go next.**"):
        if part not in last:
            yield f"the last cell has no {part!r}"


def path_of_a_machine(notebook):
    text = nbformat.writes(notebook)
    paths = re.findall(r"(?<![\w.:/])/(?:home|Users|root|work|opt|mnt|srv)/[\w./-]+|[A-Z]:\\\\Users", text)
    for path in {*paths, *([str(ROOT)] if str(ROOT) in text else [])}:
        yield f"{path} is a path of one machine"


def not_compared_without_reason(notebook):
    not_compared = []
    for k, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            options = {**dict(find_metadata_tags(cell.metadata)), **dict(find_comment_markers(cell.source))}
            if options.get("check") is False or options.get("skip"):
                not_compared.append(cell.id)
                neighbors = notebook.cells[max(k - 1, 0) : k + 2]
                if not any("not compared" in c.source for c in neighbors if c.cell_type == "markdown"):
                    yield f"{cell.id}: no text beside it says why it is not compared"
    if len(not_compared) > 2:
        yield f"more than two cells are not compared: {', '.join(not_compared)}"


def not_as_refreshed(notebook, number="01"):
    if normalize(deepcopy(notebook), number) != notebook:
        yield "ids or metadata are not as `make notebooks` writes them"


GUARDS = [
    not_run_in_order,
    output_missing,
    stderr_or_error,
    placeholder,
    image_without_words,
    caption_missing,
    asterisk_in_a_word,
    warnings_filter,
    path_of_a_machine,
    not_compared_without_reason,
]
LESSON_GUARDS = [no_opening, no_close]


def wrong_in(path):
    """Return what is wrong with the notebook `path`, as lines."""
    path = Path(path)
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    its_own = exercises.GUARDS if path.stem.endswith("_exercises") else LESSON_GUARDS
    wrong = [line for guard in [*GUARDS, *its_own] for line in guard(notebook)]
    return wrong + list(not_as_refreshed(notebook, path.name[:2]))


def main(paths):
    found = 0
    for path in paths or sorted((ROOT / "notebooks").glob("*.ipynb")):
        for line in wrong_in(path):
            print(f"{Path(path).name}: {line}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
