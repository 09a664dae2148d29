"""Execute the notebooks in place, and write them as they are committed.

    python tools/refresh.py                     # all of them
    python tools/refresh.py notebooks/01*.ipynb

Each starts with an empty store and without the user's settings. A notebook with an error, or with output on
stderr, is refused in one line and left as it was. An output that is what it was, but for what
tools/sanitize.cfg removes and for pixels, stays as it was, so that a refresh without a change of meaning is
an empty diff. Exit status: 0, or 1 when a notebook was refused.
"""

import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbval.plugin import coalesce_streams, find_metadata_tags, get_sanitize_patterns

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = Path(__file__).with_name("sanitize.cfg")
# What a replay of notebooks needs of pytest; `make test` asks for the same.
NBVAL = ["--nbval", f"--nbval-sanitize-with={CONFIGURATION}"]
SANITIZE = get_sanitize_patterns(CONFIGURATION.read_text())
TIME = re.compile(r"(the cells take about )(\d+)( seconds? on 2 cores)")
SETTINGS = ("MLFLOW_", "ONET_", "GIT_", "IPYTHON", "JUPYTER", "MPL", "MATPLOTLIB", "PYTHON", "_MLFLOW")


def sanitize(text):
    for pattern, replacement in SANITIZE:
        text = re.sub(pattern, replacement, text)
    return text


def format_code(path, text):
    """Return the JSON text of a notebook with its code formatted by ruff."""
    return subprocess.run(
        ["ruff", "format", "--config", "pyproject.toml", "--stdin-filename", path, "-"],
        input=text,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def execute(notebook, folder):
    """Execute a notebook in `folder` with an empty store; return the seconds that its cells took."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    with tempfile.TemporaryDirectory(prefix="onet-gwa-") as empty:
        env |= {"MLFLOW_TRACKING_URI": f"sqlite:///{empty}/mlflow.db", "IPYTHONDIR": empty}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}
        # No matplotlibrc but the series' own; the cache of fonts stays where it is.
        env["MATPLOTLIBRC"] = empty
        Path(empty, "matplotlibrc").touch()
        client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute(env=env)
    times = [cell.metadata.execution for cell in notebook.cells if cell.cell_type == "code"]
    start, end = times[0]["iopub.execute_input"], times[-1]["iopub.status.idle"]
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def complaint(notebook):
    """Return the first output on stderr, or the first error, as one line, or None."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                return f"cell {cell.execution_count} wrote on stderr: {' '.join(output.text.split())[:200]}"
            # A cell tagged raises-exception may fail, and goes on.
            if output.output_type == "error":
                return f"cell {cell.execution_count}: {output.ename}: {' '.join(output.evalue.split())}"
    return None


def metadata(cell):
    """Return what is kept of a cell's metadata: its tags, and for a solution what collapses it."""
    tags = cell.metadata.get("tags", [])
    if "solution" not in tags:
        return {"tags": tags} if tags else {}
    # MyST-NB goes by the tag hide-cell, JupyterLab by what is under "jupyter".
    tags = ["solution", "hide-cell", *(tag for tag in tags if tag not in ("solution", "hide-cell"))]
    hidden = {"source_hidden": True} | ({"outputs_hidden": True} if cell.cell_type == "code" else {})
    return {"jupyter": hidden, "tags": tags}


def veiled(text):
    """Return the text of a solution behind a first line that tells nothing: JupyterLab shows that of a hidden cell."""
    if text.startswith(("**Solution.**\n", "<!--")):
        return text
    first = "**Solution.**" if text.startswith("**Solution.**") else "<!-- Solution, continued -->"
    return f"{first}\n\n{text.removeprefix(first).lstrip()}"


def normalize(notebook, number):
    """Remove what belongs to one execution, machine or editor; `number` is the notebook's, as "01"."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for k, cell in enumerate(notebook.cells, 1):
        cell.id = f"{number}-{k:02}"
        cell.metadata = nbformat.from_dict(metadata(cell))
        if cell.cell_type == "markdown" and "solution" in cell.metadata.get("tags", []):
            cell.source = veiled(cell.source)
        if cell.cell_type == "code":
            # How a stream is cut into pieces is a matter of time.
            cell.outputs = coalesce_streams(cell.outputs)
            for output in cell.outputs:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return notebook


def same(old, new):
    """Whether two executions of a cell say the same; for one that nbval does not compare, but for numbers."""

    def said(cell):
        compared = dict(find_metadata_tags(cell.metadata)).get("check", True)
        for output in cell.outputs:
            texts = {**output.get("data", {}), output.get("name"): output.get("text")}
            for kind, text in sorted(texts.items(), key=str):
                if isinstance(text, str) and not kind.startswith("image/"):
                    text = sanitize(text)
                    yield kind, text if compared else " ".join(re.sub(r"\d+(\.\d+)?", "0", text).split())

    return old.source == new.source and list(said(old)) == list(said(new))


def keep_what_is_the_same(old, new):
    """Put the outputs of `old` into `new` where they say the same."""
    before = [cell for cell in old.cells if cell.cell_type == "code"]
    after = [cell for cell in new.cells if cell.cell_type == "code"]
    for old_cell, new_cell in zip(before, after):
        if same(old_cell, new_cell):
            new_cell.outputs = old_cell.outputs
            for output in new_cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = new_cell.execution_count


def write_time(notebook, seconds):
    """Refresh the seconds in the opening when they are wrong by more than a third."""
    opening = notebook.cells[0]
    found = TIME.search(opening.source)
    if found and not 2 / 3 <= seconds / int(found[2]) <= 4 / 3:
        rounded = max(1, round(seconds) if seconds < 10 else 5 * round(seconds / 5))
        opening.source = TIME.sub(rf"\g<1>{rounded}\g<3>", opening.source)


def refresh(path):
    """Execute and rewrite the notebook `path`; return what is wrong as one line, or None and its seconds."""
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    old = nbformat.reads(text, 4)
    new = nbformat.reads(format_code(path, text), 4)
    try:
        seconds = execute(new, path.parent)
    except CellExecutionError as error:
        return f"{error.ename}: {' '.join(str(error.evalue).split())}", None
    wrong = complaint(new)
    if wrong:
        return wrong, None
    normalize(new, path.name[:2])
    keep_what_is_the_same(normalize(old, path.name[:2]), new)
    write_time(new, seconds)
    nbformat.validate(new)
    path.write_text(nbformat.writes(new) + "\n", encoding="utf-8")
    return None, seconds


def main(paths):
    refused = 0
    for path in paths or sorted((ROOT / "notebooks").glob("*.ipynb")):
        wrong, seconds = refresh(path)
        print(f"{Path(path).name}: " + (f"left as it was, {wrong}" if wrong else f"{seconds:.0f} seconds"))
        refused += wrong is not None
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
