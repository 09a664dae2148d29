"""Runs whose process has died are closed, and their folders removed; all others are left alone."""

import os
import subprocess
import sys
import tempfile

import mlflow
import psutil
import pytest
from conftest import make_command, run_in, runs, shorten, wait
from messages import on_page
from prepared import empty_store

import helpers
from onet_gwa.job import HOST, OWNER, PREFIX, PROCESS

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of temporary files, for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def claimed(store, folder):
    """A run of this process, and its folder."""
    client = mlflow.MlflowClient()
    run = client.create_run("0")
    yield client, run.info.run_id, helpers.claim(run.info.run_id)
    client.delete_run(run.info.run_id)


def status(client, run_id):
    return client.get_run(run_id).info.status


def hand_over(client, run_id, folder, host=None, process=None):
    """Change whose a run and its folder are."""
    was = (folder / OWNER).read_text().splitlines()
    host, process = host or was[0], process or was[1]
    client.set_tag(run_id, HOST, host)
    client.set_tag(run_id, PROCESS, process)
    (folder / OWNER).write_text(f"{host}\n{process}")


def test_a_living_process(claimed):
    client, run_id, folder = claimed
    assert helpers.reap() == []
    assert status(client, run_id) == "RUNNING" and folder.is_dir()


@pytest.mark.parametrize("how", ["ended", "id given again", "not asked for"])
def test_a_dead_process(claimed, how):
    """A process with the same id that was started at another time is another one."""
    client, run_id, folder = claimed
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    if how == "id given again":
        started -= 3600
    else:
        child.stdin.close()
        child.wait() if how == "ended" else wait(lambda: psutil.Process(child.pid).status() == "zombie")
    hand_over(client, run_id, folder, process=f"{child.pid} {started:.0f}")
    said = helpers.reap()
    child.kill()
    child.wait()
    assert status(client, run_id) == "KILLED" and not folder.exists()
    assert on_page("run … is closed as KILLED").search(said[0]) and run_id in said[0]
    assert said[1:] == [f"{folder} is removed, since its process has died"]
    assert helpers.reap() == []


@pytest.mark.parametrize("host, process", [("elsewhere", "1 1"), (None, "1 x"), (None, "garbage")])
def test_what_is_left_alone(claimed, host, process):
    """What ran on another machine, and marks that are not ours."""
    client, run_id, folder = claimed
    hand_over(client, run_id, folder, host, process)
    assert helpers.reap() == []
    assert status(client, run_id) == "RUNNING" and folder.is_dir()


def test_a_reader_at_work(store, folder):
    """A notebook in Jupyter has no mark, and may take days."""
    (folder / f"{PREFIX}mine").mkdir()
    with mlflow.start_run() as run:
        assert helpers.reap() == []
        assert status(mlflow.MlflowClient(), run.info.run_id) == "RUNNING"
    assert (folder / f"{PREFIX}mine").is_dir()


def test_no_room_for_the_folder(store, folder, monkeypatch):
    run = mlflow.MlflowClient().create_run("0")
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with pytest.raises(OSError, match=on_page("the job cannot begin")):
        helpers.claim(run.info.run_id)
    assert status(mlflow.MlflowClient(), run.info.run_id) == "FAILED"


@pytest.mark.parametrize("by", ["make reap", "the next run"])
def test_after_a_kill_of_everything(project, tmp_path, by):
    noted, temporary = tmp_path / "noted", tmp_path / "tmp"
    temporary.mkdir()
    shorten(empty_store(project), f"open({str(noted)!r}, 'w').close(); import time; time.sleep(600)")
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}", "TMPDIR": str(temporary)}
    job = subprocess.Popen([sys.executable, "run_notebook.py"], cwd=project, env={**os.environ, **env})
    wait(noted.exists)
    kernels = psutil.Process(job.pid).children()
    for process in [psutil.Process(job.pid), *kernels]:
        process.kill()
    job.wait()
    client, [left] = runs(project)
    [remains] = temporary.iterdir()
    assert left.info.status == "RUNNING" and list(remains.rglob("*.ipynb"))
    if by == "make reap":
        done = run_in(project, *make_command(project, "reap"), **env)
        assert done.stdout.startswith(f"make reap: run {left.info.run_id} is closed as KILLED"), done.stderr
        again = run_in(project, sys.executable, "tools/reap.py", **env).stdout
        assert (
            again
            == f"make reap: there is nothing to close in {env['MLFLOW_TRACKING_URI']}, and nothing to remove\n"
        )
    else:
        shorten(project)
        done = run_in(project, sys.executable, "run_notebook.py", **env)
        assert f"run_notebook.py: run {left.info.run_id} is closed as KILLED" in done.stderr
    assert done.returncode == 0 and status(client, left.info.run_id) == "KILLED"
    assert list(temporary.iterdir()) == []
