"""The store: free, whole and in its place, or refused in one line; and the run that the job is."""

import os
import re
import shutil
import signal
import subprocess
import sys

import mlflow
import nbformat
import prune
import pytest
import run
from click.testing import CliRunner
from conftest import refusal, wait
from messages import fails, on_page
from mlflow.cli import cli

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


def test_empty_variables_are_none(connect, store, monkeypatch):
    for name in (
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_EXPERIMENT_NAME",
        "MLFLOW_HTTP_REQUEST_TIMEOUT",
    ):
        monkeypatch.setenv(name, "")
    connect(f"sqlite:///{store}/mlflow.db")
    with mlflow.start_run() as run:
        assert run.info.experiment_id == "0"


def test_a_run_that_is_not_there(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(OSError, match="^MLFLOW_RUN_ID: Run with id=0+ not found; unset it for a new run$"):
        helpers.open_run(helpers.MODEL_NAME)


def test_a_deleted_experiment(store, monkeypatch):
    """Its name is taken; the job, `make run` and `make prune` say what to type, which is typed here."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted")
    identifier = mlflow.create_experiment("deleted")
    mlflow.delete_experiment(identifier)
    for function in (helpers.choose_experiment, helpers.open_run, run.main, prune.main):
        fails(on_page("MLFLOW_EXPERIMENT_NAME: … was deleted"), function)
    with pytest.raises(OSError, match=f"^MLFLOW_EXPERIMENT_NAME: 'deleted' .*-id {identifier}, or") as error:
        helpers.choose_experiment()
    [command] = re.findall("type: (mlflow .*), or name another", str(error.value))
    assert CliRunner().invoke(cli, command.split()[1:]).exit_code == 0
    assert helpers.choose_experiment() == "deleted"


def test_warnings_that_would_be_errors(connect, store, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::DeprecationWarning")
    said = refusal(connect, f"sqlite:///{store}/mlflow.db")
    assert said.startswith("PYTHONWARNINGS: ") and said.endswith("unset it")


def test_a_registry_of_its_own(connect, store, monkeypatch):
    address = f"sqlite:///{store}/mlflow.db"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///registry.db")
    assert on_page("MLFLOW_REGISTRY_URI: ").search(refusal(connect, address))
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", address)
    connect(address)
    assert mlflow.get_registry_uri() == address


def test_a_level_of_logging_that_is_none(connect, store, monkeypatch):
    for level in ("chatty", "10"):
        monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", level)
        said = refusal(connect, f"sqlite:///{store}/mlflow.db")
        assert said == f"MLFLOW_LOGGING_LEVEL: {level!r} is no level; write for example DEBUG, or unset it"
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "debug")
    connect(f"sqlite:///{store}/mlflow.db")


def test_a_run_in_the_experiment_of_an_id(store, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    try:
        assert mlflow.get_run(helpers.open_run(helpers.MODEL_NAME)).info.experiment_id == "0"
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)


def test_the_name_of_a_run_is_one_for_postgresql(connect, store):
    """Its column holds 250 characters, which SQLite does not count."""
    connect(f"sqlite:///{store}/mlflow.db")
    cells = nbformat.read(ROOT / "notebooks" / "02_pipeline_training.ipynb", 4).cells
    [source] = [cell.source for cell in cells if "mlflow.runName" in cell.source]
    names = {"helpers": helpers, "data": f"/data/{'x' * 251}.csv", "C_values": [1, 10], "penalties": ["l2"]}
    exec(source, names)
    mlflow.end_run()
    assert mlflow.get_run(names["run"].info.run_id).info.run_name == f"{'x' * 249}…"


def test_a_run_for_another_process(store, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    try:
        run_id = helpers.open_run(helpers.MODEL_NAME)
        assert os.environ["MLFLOW_RUN_ID"] == run_id and mlflow.active_run() is None
        run = mlflow.get_run(run_id)
        assert run.info.status == "RUNNING"
        assert mlflow.get_experiment(run.info.experiment_id).name == "onet-gwa"
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)
        os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)


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
