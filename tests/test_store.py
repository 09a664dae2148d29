"""The store: addresses as MLflow reads them, whatever the folder is called, and the run that the job is."""

import os
import shutil
import subprocess
import sys

import mlflow
import pytest

import helpers
from onet_gwa import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def connect(store, monkeypatch):
    """Return a function that connects to an address, and returns MLflow's; later tests have the old one again."""
    uri = mlflow.get_tracking_uri()

    def connect(address):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        helpers.connect()
        return mlflow.get_tracking_uri()

    yield connect
    mlflow.set_tracking_uri(uri)


def refusal(connect, address):
    """The one line with which an address is refused."""
    with pytest.raises((OSError, ValueError)) as error:
        connect(address)
    assert "\n" not in str(error.value)
    return str(error.value)


FOLDERS = [
    "my projects",
    "Jos\u00e9 \U0001f600",
    "a#b&c;d=e",
    "{C} {{x}}",
    "100% mine",
    "Bob's",
    "[x]* ~ $HOME a:b@c+d",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_store_in_an_odd_folder(connect, tmp_path, name):
    """The database, the artifacts and nothing else is in the folder, and no other folder is beside it."""
    folder = tmp_path / name
    folder.mkdir()
    address = connect(f"sqlite:///{folder}/mlflow.db")
    assert address == f"sqlite:///{folder}/mlflow.db"
    with mlflow.start_run() as run:
        mlflow.log_text("text", "file.txt")
    assert connect(address) == address
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/file.txt") == "text"
    assert os.listdir(tmp_path) == [name] and sorted(os.listdir(folder)) == ["mlflow.db", "mlruns"]
    assert list(folder.rglob("file.txt"))


def test_the_address_that_mlflow_prints(connect, tmp_path):
    """It encodes a blank and an accent; what is decoded is the same store."""
    folder = tmp_path / "my caf\u00e9"
    folder.mkdir()
    printed = f"sqlite:///{tmp_path}/my%20caf%C3%A9/mlflow.db"
    assert connect(printed) == f"sqlite:///{folder}/mlflow.db"
    assert os.listdir(tmp_path) == [folder.name]


@pytest.mark.parametrize(
    "name", ["my%20project", "a?b", "back\\slash", "new\nline", "q'u\"o", "no\u00a0break"]
)
def test_a_folder_in_which_no_store_can_be(connect, tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr("onet_gwa.store.ROOT", folder)
    said = refusal(connect, "sqlite:///mlflow.db")
    assert said.startswith(
        f"MLFLOW_TRACKING_URI: MLflow cannot use {str(folder / 'mlflow.db')!r}; name a store"
    )
    assert os.listdir(tmp_path) == [name] and os.listdir(folder) == []


@pytest.mark.parametrize(
    "address, said",
    [
        ("sqlite:///:memory:", "'sqlite:///:memory:' names no file; write for example sqlite:///mlflow.db"),
        ("sqlite://", "'sqlite://' names no file"),
        ("sqlite://mlflow.db", "'sqlite://mlflow.db' names no file"),
        ("sqlite:/mlflow.db", "'sqlite:/mlflow.db' names no file"),
        ("sqlite:///file:mlflow.db?uri=true", "names no file"),
        ("sqlite:////no/such/mlflow.db", "there is no folder /no/such; make it, or name another"),
        ("sqlite:///data", "unable to open database file; name a store that can be written"),
        ("sqlite:///MLproject", "file is not a database; name a store that can be written"),
        ("sqlite:///mlflow.db?timeout=soon", "could not convert"),
        ("mysql+nodriver://user:secret@127.0.0.1/x", "Can't load plugin"),
        ("gopher://127.0.0.1", "gopher"),
        ("mlruns", "mlruns"),
    ],
)
def test_an_address_that_is_refused(connect, address, said):
    before = os.listdir(ROOT)
    message = refusal(connect, address)
    assert message.startswith("MLFLOW_TRACKING_URI: ") and said in message
    assert "secret" not in message and os.listdir(ROOT) == before


def test_an_address_with_a_query(connect, tmp_path):
    address = f"sqlite:///{tmp_path}/mlflow.db?timeout=5"
    assert connect(address) == address
    assert os.listdir(tmp_path) == ["mlflow.db"]


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
    assert (
        f"the store in {tmp_path}/new was made in {tmp_path}/old" in said and "move it back, or begin" in said
    )
    # A store whose artifacts are elsewhere on purpose is all right.
    if how == "copied":
        shutil.move(tmp_path / "old" / "mlflow.db", tmp_path / "kept" / "mlflow.db")
        connect(f"sqlite:///{tmp_path}/kept/mlflow.db")


def test_a_store_by_a_symbolic_link(connect, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "folder", "link"):
        connect(f"sqlite:///{tmp_path}/{name}/mlflow.db")


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


def test_warnings_that_would_be_errors(connect, store, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::DeprecationWarning")
    said = refusal(connect, f"sqlite:///{store}/mlflow.db")
    assert said.startswith("PYTHONWARNINGS: ") and said.endswith("unset it")


def test_a_run_in_the_experiment_of_an_id(store, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    try:
        assert mlflow.get_run(helpers.open_run()).info.experiment_id == "0"
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)


def test_a_run_for_another_process(store, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    try:
        run_id = helpers.open_run()
        assert os.environ["MLFLOW_RUN_ID"] == run_id and mlflow.active_run() is None
        run = mlflow.get_run(run_id)
        assert run.info.status == "RUNNING"
        assert mlflow.get_experiment(run.info.experiment_id).name == "onet-gwa"
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)
        os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)


def test_artifacts_are_beside_the_database(store, monkeypatch):
    monkeypatch.chdir(helpers.ROOT / "notebooks")
    assert mlflow.get_experiment("0").artifact_location == str(store / "mlruns" / "0")


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
