"""The replay of the notebooks itself: it goes red when an output was changed, and says where."""

import re
import subprocess
import sys

import nbformat
import pytest
from mutate import change
from nbval.plugin import find_metadata_tags
from refresh import NBVAL, ROOT

import helpers

NAME = "01_data_preparation.ipynb"


pytestmark = pytest.mark.slow


@pytest.fixture
def replay(project):
    """Replay notebook 01 in the copy of the project; return what pytest said."""

    def replay():
        conftest = "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest, pytest; "
        code = conftest + "sys.exit(pytest.main(sys.argv[1:], plugins=[conftest]))"
        command = [sys.executable, "-c", code, str(ROOT / "tests")]
        command += [*NBVAL, "-rf", "--color=no", f"notebooks/{NAME}"]
        return subprocess.run(command, cwd=project, capture_output=True, text=True)

    return replay


def test_every_changed_output_is_red(project, replay):
    path = project / "notebooks" / NAME
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    compared = [
        k for k, cell in enumerate(code) if cell.outputs and not dict(find_metadata_tags(cell.metadata))
    ]
    for cell in code:
        for output in cell.outputs:
            change(output)
    # Also an output that is not there is a change.
    code[compared[-1]].outputs = []
    nbformat.write(notebook, path)
    done = replay()
    failed = re.findall(rf"^FAILED notebooks/{NAME}::Cell (\d+)", done.stdout, re.MULTILINE)
    assert [int(number) for number in failed] == compared
    assert "Unexpected output fields" in done.stdout and len(compared) > 10
    # What was seen stands on the page that a workflow keeps.
    assert (
        f"{len(helpers.load_tasks())} pairs"
        in (project / "failed" / NAME.replace("ipynb", "html")).read_text()
    )


def test_mutations(tmp_path):
    """The script over notebook 01 and one that nbval does not compare; `python tools/mutate.py` takes all."""
    cells = [
        nbformat.v4.new_code_cell("print(3)", execution_count=k, metadata={"tags": ["nbval-ignore-output"]})
        for k in (1, 2)
    ]
    for cell in cells:
        cell.outputs = [nbformat.v4.new_output("stream", text="3\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lax.ipynb")
    command = [sys.executable, "tools/mutate.py", f"notebooks/{NAME}", str(tmp_path / "lax.ipynb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert re.search(rf"{NAME}: (\d+) of \1 outputs are compared; not: none\n", done.stdout), done.stdout
    assert "lax.ipynb: 0 of 2 outputs are compared; not: Cell 0, Cell 1\n" in done.stdout
    assert done.returncode == 1 and re.search(r"\n9\d.\d% of \d+ outputs are compared\n", done.stdout)
