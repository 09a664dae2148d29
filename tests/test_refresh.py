"""`make notebooks`: a refresh without a change of meaning is an empty diff, and a bad one changes nothing."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from refresh import ROOT, TIME, refresh, write_time

CELLS = [
    "import os, time, uuid\nfrom datetime import datetime",
    "print(uuid.uuid4(), datetime.now(), f'{time.perf_counter():.3f} s')\nprint('n =', 3)",
    "{'a':1}",
    # Its color is another one each time.
    f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport helpers, matplotlib.pyplot as plt\n"
    "figure, ax = plt.subplots()\nax.plot([1, 2], color=(time.time() % 1, 0, 0))\n"
    "helpers.show(figure, 'A line from one to two.')",
    "print('setting', os.environ.get('MLFLOW_EXPERIMENT_NAME'), os.environ['MLFLOW_TRACKING_URI'][:10])",
]
IGNORED = "import time\nprint(time.perf_counter_ns(), 'ticks')"


@pytest.fixture
def write(tmp_path):
    """Write a notebook of code cells that was never executed; return its path."""

    def write(*sources):
        cells = [new_markdown_cell("# T\n\nthe cells take about 90 seconds on 2 cores")]
        cells += [new_code_cell(source) for source in sources]
        cells += [new_code_cell(IGNORED, metadata={"tags": ["nbval-ignore-output"], "collapsed": True})]
        path = tmp_path / "07_small.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


@pytest.mark.slow
def test_a_second_refresh_is_an_empty_diff(write, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    path = write(*CELLS)
    assert refresh(path)[0] is None
    first = path.read_text()
    notebook = nbformat.reads(first, 4)
    assert [cell.id for cell in notebook.cells] == [f"07-{k:02}" for k in range(1, 8)]
    assert [cell.execution_count for cell in notebook.cells[1:]] == list(range(1, 7))
    assert notebook.cells[3].source == '{"a": 1}'
    assert notebook.cells[5].outputs[0].text == "setting None sqlite:///\n"
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.cells[6].metadata == {"tags": ["nbval-ignore-output"]} and not notebook.cells[1].metadata
    assert "about 90 seconds" not in notebook.cells[0].source
    refresh(path)
    assert TIME.sub("", path.read_text()) == TIME.sub("", first)


@pytest.mark.slow
def test_a_change_of_meaning_is_written(write):
    path = write("n = 3", "print('n =', n)")
    refresh(path)
    path.write_text(path.read_text().replace("n = 3", "n = 4"))
    refresh(path)
    assert nbformat.read(path, 4).cells[2].outputs[0].text == "n = 4\n"


@pytest.mark.slow
def test_a_committed_notebook(project):
    path = project / "notebooks" / "01_data_preparation.ipynb"
    committed = path.read_text()
    assert refresh(path)[0] is None
    # How long it takes, a loaded machine may change.
    assert TIME.sub("", path.read_text()) == TIME.sub("", committed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell, tags, line",
    [
        ("import warnings\nwarnings.warn('no\\nluck')", [], "cell 1 wrote on stderr: "),
        ("raise ValueError('no\\nluck')", [], "ValueError: no luck"),
        ("raise ValueError('no\\nluck')", ["raises-exception"], "cell 1: ValueError: no luck"),
    ],
)
def test_refused(write, cell, tags, line):
    path = write(cell)
    notebook = nbformat.read(path, 4)
    notebook.cells[1].metadata.tags = tags
    nbformat.write(notebook, path)
    before = path.read_bytes()
    wrong, _ = refresh(path)
    assert wrong.startswith(line) and "\n" not in wrong
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "written, measured, then", [(8, 7, 8), (8, 10, 8), (8, 13, 15), (8, 3.4, 3), (2, 0.1, 1)]
)
def test_the_time_is_rewritten_when_it_is_wrong(written, measured, then):
    notebook = new_notebook(cells=[new_markdown_cell(f"the cells take about {written} seconds on 2 cores")])
    write_time(notebook, measured)
    assert notebook.cells[0].source == f"the cells take about {then} seconds on 2 cores"
