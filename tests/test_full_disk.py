"""A full disk is told in one line, and the run does not stay RUNNING."""

import os
import re
import subprocess
import sys

import mlflow
import pytest
from conftest import ROOT, refusal, run_in, runs, shorten
from messages import fails, on_page
from prepared import empty_store

import helpers
from onet_gwa.job import KEPT

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path):
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("mount of a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    """Return a cell that leaves no room in a folder."""
    return (
        f"try:\n    with open({str(folder / 'filler')!r}, 'wb', buffering=0) as file:\n"
        "        while file.write(bytes(4096)): pass\nexcept OSError: pass"
    )


def told(done):
    """The one line of a job that failed."""
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "run_notebook.py: " in line]
    return lines


def test_no_room_for_the_notebook(project, small):
    shorten(empty_store(project), fill(small), "print('x' * 100_000)")
    done = run_in(project, sys.executable, "run_notebook.py", TMPDIR=str(small))
    assert any(on_page("[Errno 28] No space left").search(line) for line in told(done))
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"


def test_no_room_for_what_is_kept(store, small, monkeypatch):
    """The model fits, but not what belongs to it: nothing says that `make record` could record it."""
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels).head(200), labels)
    model, large = helpers.make_model().fit(X, y), X.head(1).assign(Task="x" * 2**22)
    monkeypatch.setenv("ONET_GWA_FOLDER", str(small))
    with mlflow.start_run(), pytest.raises(OSError, match=on_page("[Errno 28] No space left")):
        helpers.keep(model, labels, large, {}, {"f1_micro": 0.5}, "digest")
    assert (small / "model").exists() and not (small / KEPT).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"run_id": "x", "store"', "[]"])
def test_what_was_kept_is_not_whole(tmp_path, content):
    (tmp_path / KEPT).write_text(content)
    fails(on_page("FOLDER: … is not whole"), helpers.record, tmp_path)


def test_no_room_for_the_champion(versions, small):
    """Its files are sound, so another version would be as unreadable."""
    with open(small / "filler", "wb") as file:
        file.write(bytes(2**22 - 2**16))
    command = [sys.executable, ROOT / "tools" / "serve.py"]
    env = {**os.environ, "TMPDIR": str(small), "PORT": "5996"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"; make room in {small}\n")
    assert on_page("the champion, …, cannot be read (…); make room").search(done.stderr)


def test_no_room_for_a_new_store(connect, small):
    with open(small / "filler", "wb") as file:
        file.write(bytes(2**22 - 2**16))
    assert re.search("full|space", refusal(connect, f"sqlite:///{small}/mlflow.db"))
    assert sum(path.stat().st_size for path in small.glob("mlflow.db*")) == 0


def test_a_store_that_fills_up(project, small):
    """The run is closed when there is room again, by the next job."""
    store = f"sqlite:///{small}/mlflow.db"
    code = "import mlflow, helpers; helpers.connect()\n"
    log = "for i in range(500): mlflow.log_param(f'p{i}', 'x' * 5000)"
    shorten(project, f"import sys; sys.path.insert(0, '..')\n{code}mlflow.start_run()", fill(small), log)
    done = run_in(project, sys.executable, "run_notebook.py", MLFLOW_TRACKING_URI=store)
    lines = told(done)
    assert any(on_page("… database or disk is full").search(line) for line in lines)
    assert max(map(len, lines)) < 2000
    (small / "filler").unlink()
    shorten(project)
    done = run_in(project, sys.executable, "run_notebook.py", MLFLOW_TRACKING_URI=store)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(store)
    left = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert sorted(run.info.status for run in left)[0] in ("FAILED", "FINISHED")
    assert "RUNNING" not in {run.info.status for run in left}
