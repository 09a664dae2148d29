"""A SQLite store: free, whole and in its place, or refused in one line."""

import os
import shutil
import signal
import subprocess
import sys

import mlflow
import pytest
from conftest import refusal, wait
from messages import on_page

import helpers
from onet_gwa import ROOT

pytestmark = pytest.mark.slow


def test_an_address_with_a_query(connect, tmp_path):
    address = f"sqlite:///{tmp_path}/mlflow.db?timeout=5"
    assert connect(address) == address
    assert sorted(os.listdir(tmp_path)) == [".onet-gwa.lock", "mlflow.db"]


def test_a_folder_that_is_locked(tmp_path):
    """As by a line of cron such as `flock /srv/onet-gwa make run`."""
    command = ["flock", tmp_path, sys.executable, "-c", "import helpers; helpers.connect()"]
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60)


def test_a_database_that_is_busy(connect, tmp_path):
    """Another process writes; this one waits."""
    address = f"sqlite:///{tmp_path}/mlflow.db"
    connect(address)
    code = (
        "import sqlite3, sys, time\nconnection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('BEGIN EXCLUSIVE')\nprint(1, flush=True)\ntime.sleep(6)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "mlflow.db"], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"1\n"
        connect(address)
        assert writer.wait() == 0


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_store_that_was_moved(connect, tmp_path, how):
    """MLflow would go on writing the artifacts where the store was made."""
    for name in ("old", "kept"):
        (tmp_path / name).mkdir()
    connect(f"sqlite:///{tmp_path}/old/mlflow.db")
    with mlflow.start_run():
        mlflow.log_text("text", "file.txt")
    if how == "moved":
        shutil.move(tmp_path / "old", tmp_path / "new")
    else:
        shutil.copytree(tmp_path / "old", tmp_path / "new")
    said = refusal(connect, f"sqlite:///{tmp_path}/new/mlflow.db")
    assert f"the store in {tmp_path}/new was made in {tmp_path}/old, " in said
    assert on_page("MLFLOW_TRACKING_URI: the store in").search(said)
    # A store whose artifacts are elsewhere on purpose is all right.
    if how == "copied":
        shutil.move(tmp_path / "old" / "mlflow.db", tmp_path / "kept" / "mlflow.db")
        connect(f"sqlite:///{tmp_path}/kept/mlflow.db")


def test_a_store_by_a_symbolic_link(connect, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "folder", "link"):
        connect(f"sqlite:///{tmp_path}/{name}/mlflow.db")


@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_artifacts_that_cannot_be_written(connect, tmp_path, what):
    connect(f"sqlite:///{tmp_path}/mlflow.db")
    artifacts = tmp_path / "mlruns"
    if what == "file":
        artifacts.touch()
    else:
        artifacts.symlink_to(tmp_path / "nowhere")
    said = refusal(connect, f"sqlite:///{tmp_path}/mlflow.db")
    assert f"no artifacts can be written in {artifacts}; " in said
    assert on_page("MLFLOW_TRACKING_URI: no artifacts").search(said)


def test_a_signal_while_the_tables_are_made(tmp_path):
    """They are there all or none, so that the next process can make them."""
    code = "import helpers; helpers.end_on_signals(); helpers.connect(); print('made')"
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stderr=subprocess.PIPE)
    wait(lambda: any(tmp_path.glob(".mlflow-*/mlflow.db")))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143 and process.stderr.read() == b""
    assert [path for path in tmp_path.iterdir() if path.stat().st_size and path.name != "mlflow.db"] == []
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)


def test_first_processes_at_once(tmp_path):
    """Only one of them makes the tables."""
    code = "import helpers; helpers.connect(); helpers.choose_experiment()"
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    several = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [(process.communicate()[1], process.returncode) for process in several] == [(b"", 0)] * 3


def test_artifacts_are_beside_the_database(connect, tmp_path, monkeypatch):
    monkeypatch.chdir(helpers.ROOT / "notebooks")
    connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert mlflow.get_experiment("0").artifact_location == str(tmp_path / "mlruns" / "0")


@pytest.mark.parametrize(
    "variable", [{}, {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}], ids=["unset", "relative"]
)
def test_the_store_is_in_the_root(project, variable):
    code = (
        "import sys; sys.path.insert(0, '..'); import helpers, mlflow; "
        "helpers.connect(); print(mlflow.get_tracking_uri())"
    )
    # Without a PATH, as from some schedulers.
    env = {"HOME": str(project), **variable}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=project / "notebooks", env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"sqlite:///{project / 'mlflow.db'}" and done.stderr == ""
    assert (project / "mlflow.db").exists() and not (project / "notebooks" / "mlflow.db").exists()
