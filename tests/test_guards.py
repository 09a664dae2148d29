"""The guards on notebooks: the committed ones and a good one pass, and each guard is seen red."""

import nbformat
import pytest
from guards import (
    GUARDS,
    LESSON_GUARDS,
    ROOT,
    asterisk_in_a_word,
    caption_missing,
    image_without_words,
    main,
    no_close,
    no_opening,
    not_as_refreshed,
    not_compared_without_reason,
    not_run_in_order,
    output_missing,
    path_of_a_machine,
    placeholder,
    stderr_or_error,
    warnings_filter,
    wrong_in,
)
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from refresh import normalize

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ["README.md", "CONTRIBUTING.md", "data/*.md", "docs/*.md", "benchmarks/*.md"]


@pytest.mark.parametrize(
    "path",
    [path for page in PAGES for path in ROOT.glob(page)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_pages(path):
    assert not list(asterisk_in_a_word(new_notebook(cells=[new_markdown_cell(path.read_text())])))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed(path):
    wrong = wrong_in(path)
    assert not wrong, "\n".join(wrong)


def good_notebook():
    alt = "Bar chart: a bar for each thing in O*NET."
    image = new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": alt}})
    caption = new_output("display_data", {"text/markdown": "*Bar chart: a bar for each thing in O\\*NET.*"})
    cells = [
        new_markdown_cell(
            "# Do a thing\n\n**What you'll do**\n- a\n\n**What you'll learn**\n- b\n\n"
            "**What you'll need**\n- c\n\n**Time**: 1 minute"
        ),
        new_code_cell(
            "import os\nn = 3\nprint(n)", execution_count=1, outputs=[new_output("stream", text="3\n")]
        ),
        new_markdown_cell(
            "See <https://mlflow.org>,<br>*n* < 4, and > 2, `2*n` in O\\*NET, [on](a.md#of-your-own).\n\n"
            "![Bar chart: a bar for each thing.](a.png)"
        ),
        new_code_cell("def f():\n    print(1)\n\n\nfolder = f()", execution_count=2),
        new_code_cell("helpers.show(figure, alt)", execution_count=3, outputs=[image, caption]),
        new_code_cell("time.time()", execution_count=4, metadata={"tags": ["nbval-ignore-output"]}),
        new_markdown_cell("This is not compared, because time goes by."),
        new_markdown_cell("## What we saw\n\n**On your own.** Do.\n\n**Where to go next.** On."),
    ]
    return normalize(new_notebook(cells=cells), "01")


def test_a_good_notebook_passes_every_guard():
    notebook = good_notebook()
    assert [line for guard in [*GUARDS, *LESSON_GUARDS, not_as_refreshed] for line in guard(notebook)] == []


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
    (placeholder, markdown(2, "<br>", " [on](http://your-server/#of) ")),
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
    (caption_missing, lambda notebook: notebook.cells[4].outputs.pop()),
    (caption_missing, lambda notebook: notebook.cells[4].outputs.reverse()),
    (
        caption_missing,
        lambda notebook: notebook.cells[4].outputs[1].data.update({"text/markdown": "*A bar chart.*"}),
    ),
    (caption_missing, lambda notebook: notebook.cells[4].outputs.extend(notebook.cells[4].outputs[:1])),
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
    (path_of_a_machine, code_cell("print(f)", new_output("stream", text=f"{ROOT}/mlflow.db\n"))),
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
    assert {guard for guard, _ in BAD} == {*GUARDS, *LESSON_GUARDS, not_as_refreshed}


def test_the_script(tmp_path, capsys):
    bad = good_notebook()
    bad.cells.pop()
    for name, notebook in (("01_good", good_notebook()), ("01_bad", bad)):
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    assert main([str(tmp_path / "01_good.ipynb")]) == 0
    assert capsys.readouterr().out == ""
    assert main([str(tmp_path / "01_good.ipynb"), str(tmp_path / "01_bad.ipynb")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(line.startswith("01_bad.ipynb: the last cell has no ") for line in lines)
