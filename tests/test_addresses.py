"""Addresses of stores as MLflow reads them, whatever the folder is called; others are refused in one line."""

import os

import mlflow
import pytest
from conftest import ROOT, refusal

pytestmark = pytest.mark.slow

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
    """The database, its lock, the artifacts and nothing else is in the folder, and no other folder is beside it."""
    folder = tmp_path / name
    folder.mkdir()
    address = connect(f"sqlite:///{folder}/mlflow.db")
    assert address == f"sqlite:///{folder}/mlflow.db"
    with mlflow.start_run() as run:
        mlflow.log_text("text", "file.txt")
    assert connect(address) == address
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/file.txt") == "text"
    assert os.listdir(tmp_path) == [name]
    assert sorted(os.listdir(folder)) == [".onet-gwa.lock", "mlflow.db", "mlruns"]
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
    monkeypatch.setattr("onet_gwa.sqlite.ROOT", folder)
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
        ("sqlite:///data", "data is there, and no file; name a store that can be written"),
        ("sqlite:///MLproject", "file is not a database; name a store that can be written"),
        ("sqlite:///mlflow.db?timeout=soon", "could not convert"),
        ("mysql+nodriver://user:secret@127.0.0.1/x", "Can't load plugin"),
        ("gopher://127.0.0.1", "gopher"),
        ("mlruns", "'mlruns' is a folder, in which MLflow keeps no runs any more; name a database"),
        ("file:///tmp/mlruns", "is a folder"),
        ("http://user:secret@127.0.0.1:9", "http://127.0.0.1:9: there is no answer (ConnectionError); start"),
        ("http://", "there is no answer"),
        ("sqlite:////dev/null", "/dev/null is there, and no file; name a store"),
    ],
)
def test_an_address_that_is_refused(connect, address, said):
    before = {*os.listdir(ROOT), ".onet-gwa.lock"}
    message = refusal(connect, address)
    assert message.startswith("MLFLOW_TRACKING_URI: ") and said in message
    assert "secret" not in message and set(os.listdir(ROOT)) <= before
