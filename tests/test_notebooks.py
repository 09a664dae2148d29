"""The notebooks as committed: guards against what nbval does not see, each tried on bad notebooks."""

import ast
import re
from copy import deepcopy

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbval.plugin import find_comment_markers, find_metadata_tags
from refresh import normalize

import helpers

NOTEBOOKS = sorted((helpers.ROOT / "notebooks").glob("*.ipynb"))

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
        for found in PLACEHOLDER.findall(cell.source):
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
    for path in {*paths, *([str(helpers.ROOT)] if str(helpers.ROOT) in text else [])}:
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
    asterisk_in_a_word,
    warnings_filter,
    no_opening,
    no_close,
    path_of_a_machine,
    not_compared_without_reason,
]


PAGES = ["README.md", "CONTRIBUTING.md", "data/*.md", "benchmarks/*.md"]


@pytest.mark.parametrize(
    "path",
    [path for page in PAGES for path in helpers.ROOT.glob(page)],
    ids=lambda path: str(path.relative_to(helpers.ROOT)),
)
def test_pages(path):
    assert not list(asterisk_in_a_word(new_notebook(cells=[new_markdown_cell(path.read_text())])))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    wrong = [line for guard in GUARDS for line in guard(notebook)]
    wrong += not_as_refreshed(notebook, path.name[:2])
    assert not wrong, "\n".join(wrong)


def good_notebook():
    alt = "Bar chart: a bar for each thing."
    image = new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": alt}})
    cells = [
        new_markdown_cell(
            "# Do a thing\n\n**What you'll do**\n- a\n\n**What you'll learn**\n- b\n\n"
            "**What you'll need**\n- c\n\n**Time**: 1 minute"
        ),
        new_code_cell(
            "import os\nn = 3\nprint(n)", execution_count=1, outputs=[new_output("stream", text="3\n")]
        ),
        new_markdown_cell(
            f"See <https://mlflow.org>,<br>*n* < 4, and > 2, `2*n` in O\\*NET.\n\n![{alt}](a.png)"
        ),
        new_code_cell("def f():\n    print(1)\n\n\nfolder = f()", execution_count=2),
        new_code_cell("helpers.show(figure, alt)", execution_count=3, outputs=[image]),
        new_code_cell("time.time()", execution_count=4, metadata={"tags": ["nbval-ignore-output"]}),
        new_markdown_cell("This is not compared, because time goes by."),
        new_markdown_cell("## What we saw\n\n**On your own.** Do.\n\n**Where to go next.** On."),
    ]
    return normalize(new_notebook(cells=cells), "01")


def test_a_good_notebook_passes_every_guard():
    notebook = good_notebook()
    assert [line for guard in [*GUARDS, not_as_refreshed] for line in guard(notebook)] == []


def code_cell(source, *said, **metadata):
    """A change that gives the second cell of a notebook, its first of code, another source and output."""

    def change(notebook):
        notebook.cells[1].update(source=source, outputs=list(said), metadata=nbformat.from_dict(metadata))

    return change


def markdown(k, old, new):
    """A change of the text of a cell."""

    def change(notebook):
        assert old in notebook.cells[k].source
        notebook.cells[k].source = notebook.cells[k].source.replace(old, new)

    return change


def attribute(k, **values):
    return lambda notebook: notebook.cells[k].update(values)


three = new_output("stream", text="3\n")
BAD = [
    (not_run_in_order, attribute(1, execution_count=None)),
    (not_run_in_order, attribute(1, execution_count=7)),
    (not_run_in_order, lambda notebook: notebook.cells.insert(1, notebook.cells.pop(3))),
    (output_missing, code_cell("print(3)")),
    (output_missing, code_cell("for k in range(3):\n    print(k)")),
    (output_missing, code_cell("n = 3\nn")),
    (output_missing, code_cell("%matplotlib inline\nn = [3]\nn[0]")),
    (output_missing, code_cell("lines = !ls\nlines")),
    (output_missing, code_cell("helpers.show(figure, 'a figure of a figure of a figure')")),
    (stderr_or_error, code_cell("f()", new_output("stream", name="stderr", text="Warning: no"))),
    (stderr_or_error, code_cell("f()", new_output("error", ename="E", evalue="no", traceback=[]))),
    (placeholder, code_cell("connect('http://<host>:5000')", three)),
    (placeholder, code_cell("connect('<your server>')", three)),
    (placeholder, code_cell("!curl https://mlflow.example.com/ping", three)),
    (placeholder, code_cell("password = 'your-password'")),
    (placeholder, code_cell("password = 'YOUR_PASSWORD'")),
    (placeholder, code_cell("n = 3  # TODO: four")),
    (placeholder, markdown(2, "<br>", " type `mlflow run <uri>`")),
    (placeholder, markdown(2, "<br>", " XXX ")),
    (placeholder, code_cell("key = 'xxxxxxxx'")),
    (placeholder, code_cell("load('/path/to/data.csv')")),
    (placeholder, markdown(2, "<br>", " type `mlflow run [your folder]`")),
    (image_without_words, lambda notebook: notebook.cells[4].outputs[0].update(metadata={})),
    (
        image_without_words,
        lambda notebook: notebook.cells[4].outputs[0].metadata["image/png"].update(alt="plot.png"),
    ),
    (image_without_words, markdown(2, "Bar chart: a bar for each thing.", "")),
    (image_without_words, markdown(2, "<br>", '<img src="a.png">')),
    (image_without_words, markdown(2, "<br>", "![a plot][plot]")),
    (
        image_without_words,
        lambda notebook: notebook.cells[4].outputs[0].data.update({"text/html": '<img src="a.png">'}),
    ),
    (asterisk_in_a_word, markdown(2, "<br>", " O*NET ")),
    (warnings_filter, code_cell("warnings.filterwarnings('ignore')")),
    (warnings_filter, code_cell("from warnings import simplefilter")),
    (warnings_filter, code_cell("with warnings.catch_warnings(record=True):\n    f()")),
    (warnings_filter, code_cell("logging.captureWarnings(True)")),
    (warnings_filter, code_cell("logging.disable()")),
    (warnings_filter, code_cell("with contextlib.redirect_stderr(log):\n    f()")),
    (warnings_filter, code_cell("!python -W ignore -c 'import mlflow'", three)),
    (warnings_filter, code_cell("!mlflow run . 2>/dev/null", three)),
    (warnings_filter, code_cell("%%capture\nprint(3)", three)),
    (no_opening, markdown(0, "# Do", "Do")),
    (no_opening, markdown(0, "**What you'll do**", "")),
    (no_opening, markdown(0, "**What you'll learn**", "")),
    (no_opening, markdown(0, "**What you'll need**", "")),
    (no_opening, markdown(0, "**Time**", "")),
    (no_close, markdown(7, "## What we saw", "")),
    (no_close, markdown(7, "**On your own.**", "")),
    (no_close, markdown(7, "**Where to go next.**", "")),
    (no_close, lambda notebook: notebook.cells.pop()),
    (path_of_a_machine, code_cell("print(f)", new_output("stream", text="/home/ann/mlflow.db\n"))),
    (path_of_a_machine, code_cell("print(f)", new_output("stream", text=f"{helpers.ROOT}/mlflow.db\n"))),
    (path_of_a_machine, code_cell("open(r'C:\\Users\\ann')")),
    (not_compared_without_reason, markdown(6, "not compared", "random")),
    (not_compared_without_reason, code_cell("print(3)", three, tags=["nbval-ignore-output"])),
    (not_compared_without_reason, code_cell("print(3)", three, tags=["nbval-skip"])),
    (not_compared_without_reason, code_cell("# NBVAL_IGNORE_OUTPUT\nprint(3)", three)),
    (
        not_compared_without_reason,
        lambda notebook: notebook.cells.extend([notebook.cells[5], notebook.cells[6]] * 2),
    ),
    (not_as_refreshed, attribute(1, id="other")),
    (not_as_refreshed, attribute(1, metadata={"collapsed": True})),
    (not_as_refreshed, lambda notebook: notebook.metadata.update(language_info={"version": "3.11.7"})),
    (not_as_refreshed, code_cell("print(3)", three, three)),
]


@pytest.mark.parametrize(
    "guard, change", BAD, ids=[f"{guard.__name__}-{k}" for k, (guard, _) in enumerate(BAD)]
)
def test_a_guard_sees(guard, change):
    notebook = good_notebook()
    change(notebook)
    assert list(guard(notebook))


def test_every_guard_was_seen_red():
    assert {guard for guard, _ in BAD} == {*GUARDS, not_as_refreshed}
