"""Processes that are killed while a table is answered on Spark: nothing lost, nothing twice, nothing half.

FAULT_ROWS is how many rows the table has: 60,000 where nothing else is said, so that this takes less than a minute on
a quiet machine. TRIES is how often it is done. By hand, with a million rows, ten times:

    FAULT_ROWS=1000000 TRIES=10 pytest tests/test_score_faults.py
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys

import pandas as pd
import psutil
import pytest
from conftest import ROOT, wait

import helpers

ROWS, FILES = int(os.environ.get("FAULT_ROWS", 60_000)), 12
TRIES = int(os.environ.get("TRIES", 1))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("java") and importlib.util.find_spec("pyspark")), reason="java or pyspark is absent"
    ),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory, versions):
    """A folder of files, each of which becomes a task; some rows have no text."""
    folder = tmp_path_factory.mktemp("faults") / "statements"
    folder.mkdir()
    helpers.write_recombined(folder / "all", helpers.load_tasks("sample")["Task"], ROWS)
    rows = pd.read_parquet(folder / "all").rename_axis("id").reset_index()
    (folder / "all").unlink()
    rows.loc[::1001, "Task"] = None
    for k in range(FILES):
        rows[k * ROWS // FILES : (k + 1) * ROWS // FILES].to_parquet(
            folder / f"part-{k}.parquet", index=False
        )
    return folder


@pytest.fixture(scope="module")
def undisturbed(table, versions):
    """The answers by the plain call, in the order of the rows."""
    import mlflow

    rows = pd.read_parquet(table).sort_values("id", ignore_index=True)
    model = mlflow.pyfunc.load_model("models:/onet-gwa@champion")
    return rows.join(model.predict(rows[["Task"]], params={"skip_bad": True}))


@pytest.fixture
def master(versions):
    with helpers.cluster(workers=2) as master:
        yield master


@pytest.fixture
def score(table, master):
    """A function that starts the program, which answers the table into a folder, until the test is over."""
    jobs = []

    def start(output):
        command = [sys.executable, "tools/score.py", "--input", table, "--output", output, "--master", master]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        jobs.append(subprocess.Popen(command, cwd=ROOT, text=True, **pipes))
        return jobs[-1]

    yield start
    for job in jobs:
        job.terminate()
        job.communicate()


def until_half_way(job, output):
    """Wait until the first tasks have been answered for good, and see that some have not."""

    def done():
        assert job.poll() is None, job.communicate()
        return list(output.parent.glob(f".{output.name}-*/answers/_temporary/0/task_*"))

    wait(done, 300)
    assert len(done()) < FILES


def java(what):
    """Return the processes of Spark of a kind that are below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        # One that has just ended is none.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == "java" and process.status() != psutil.STATUS_ZOMBIE:
                found += [process] * (what in " ".join(process.cmdline()))
    return found


def finish(job):
    """Return what a job has said on stdout; it has succeeded."""
    said, errors = job.communicate(timeout=600)
    assert job.returncode == 0, errors
    return said


def check(output, said, undisturbed):
    """See that each row has its one answer, which is the one without a fault."""
    answers = pd.read_parquet(output).sort_values("id", ignore_index=True)
    assert answers["id"].tolist() == list(range(ROWS))
    for name in ("GWA", "name", "probability"):
        answers[name] = answers[name].map(lambda value: None if value is None else list(value))
    pd.testing.assert_frame_equal(answers, undisturbed[answers.columns], check_dtype=False, check_exact=True)
    assert f"{ROWS:,} rows" in said and f"{len(range(0, ROWS, 1001)):,} have no text" in said
    assert not list(output.parent.glob(f".{output.name}-*"))


@pytest.mark.parametrize("attempt", range(TRIES))
def test_a_driver_and_a_worker_are_killed(attempt, score, undisturbed, tmp_path):
    """First the driver: it leaves nothing that looks finished, its executors end, and repeating is safe.

    Then, while it is repeated, a worker, with its executor and its Python processes: the other one does the rest.
    """
    output = tmp_path / "answers"
    job = score(output)
    until_half_way(job, output)
    job.kill()
    job.communicate()
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".answers-")
    wait(lambda: not java("CoarseGrainedExecutorBackend"), 60)
    job = score(output)
    wait(lambda: not left.exists(), 300)
    until_half_way(job, output)
    victim, other = java("deploy.worker.Worker")
    for process in [victim, *victim.children(recursive=True)]:
        process.send_signal(signal.SIGKILL)
    wait(lambda: java("deploy.worker.Worker") == [other])
    assert job.poll() is None
    check(output, finish(job), undisturbed)
    assert other.is_running()
