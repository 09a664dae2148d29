"""What the job says without a terminal is a log: a time on each line, and no line that is written over."""

import io
import os
import pty
import re
import subprocess
import sys
import termios

import nbformat
import pytest
from conftest import make_command, shorten
from prepared import empty_store

from onet_gwa.surroundings import Log

TIME = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d .")
NOTE = "import mlflow\nwith mlflow.start_run(): mlflow.set_tag('mlflow.note.content', 'two  \\nlines')"


def written(*texts):
    raw = io.BytesIO()
    log = Log(raw, "utf-8")
    for text in texts:
        log.write(text)
    log.flush()
    return raw.getvalue().decode()


def test_each_line_has_a_time():
    said = written("one\ntwo", "\nthree: \u00e9\n", "\n", "no end")
    assert [TIME.match(line)[0][-1] for line in said.splitlines() if len(line) > 20] == ["o", "t", "t"]
    assert [line[20:] for line in said.splitlines()] == ["one", "two", "three: \u00e9", ""]


def test_a_line_of_mlflow_has_its_time():
    line = "2026/11/27 09:48:37 ERROR mlflow: no\n"
    assert written(line) == line


def test_what_a_bar_writes_over_is_left_out():
    said = written("\r  0%|    |", "\r 50%|##  |", "\r           \rA title\n", "\r100%|####|", "\n")
    assert [line[20:] for line in said.splitlines()] == ["A title", "100%|####|"]


@pytest.fixture
def titled(project):
    """A copy of the project whose short notebook has a title, which the job tells."""
    shorten(empty_store(project), NOTE)
    path = project / "notebooks" / "02_pipeline_training.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell("## A title"))
    nbformat.write(notebook, path)
    return project


def job(project, *command, **options):
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env = {**outer, "MLFLOW_TRACKING_URI": ""}
    return subprocess.run(command, cwd=project, env=env, timeout=300, **options)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [None, "1 / 0"], ids=["finished", "failed"])
def test_a_log_of_make_run(titled, tmp_path, cell):
    """Both streams into one file, as from cron or in a journal: MLflow's lines, the kernel's, and ours."""
    if cell:
        shorten(titled, cell)
    with open(tmp_path / "log", "wb") as log:
        done = job(titled, *make_command(titled, "run"), stdout=log, stderr=log)
    said = (tmp_path / "log").read_bytes().decode()
    lines = [line for line in said.split("\n")[:-1] if not line.startswith("make: ***")]
    assert "\r" not in said and all(TIME.match(line) for line in lines), said
    told = [line[20:] for line in lines]
    assert told[0] == "mlflow run . --env-manager local --experiment-name onet-gwa"
    if cell:
        assert done.returncode != 0 and any(
            line.startswith("run_notebook.py: cell 3 (1 / 0)") for line in told
        )
    else:
        assert done.returncode == 0 and {"A title", "two  ", "lines"} <= set(told)


@pytest.mark.slow
def test_a_program_that_reads_the_result(titled):
    """What is on stdout alone is as it is; the log is on stderr."""
    done = job(titled, sys.executable, "run_notebook.py", capture_output=True, text=True)
    assert done.stdout.startswith("two  \nlines\nNext: make ui shows run ")
    assert all(TIME.match(line) for line in done.stderr.splitlines()) and " A title\n" in done.stderr


@pytest.mark.slow
def test_a_terminal(titled):
    """Has a bar that is written over, and no times."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    done = job(titled, sys.executable, "run_notebook.py", stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 10_000):
            said += part
    # The end of a terminal.
    except OSError:
        os.close(ours)
    lines = said.decode().split("\r\n")
    assert done.returncode == 0 and "\rExecuting: 100%" in said.decode()
    assert {"two  ", "lines"} <= set(lines) and any(line.endswith("A title") for line in lines)
