"""The store's settings and experiments, or a refusal in one line; and the run that the job is."""

import os
import re

import mlflow
import nbformat
import prune
import pytest
import run
from click.testing import CliRunner
from conftest import refusal
from messages import fails, on_page
from mlflow.cli import cli

import helpers
from onet_gwa import ROOT

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("given", ["7", "abc"])
def test_an_experiment_that_is_not_there(store, monkeypatch, given):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", given)
    fails(on_page("MLFLOW_EXPERIMENT_ID: …; unset it"), helpers.open_run)


def test_the_name_of_a_run_is_one_for_postgresql(connect, store):
    """Its column holds 250 characters, which SQLite does not count."""
    connect(f"sqlite:///{store}/mlflow.db")
    cells = nbformat.read(ROOT / "notebooks" / "02_pipeline_training.ipynb", 4).cells
    [source] = [cell.source for cell in cells if "mlflow.runName" in cell.source]
    names = {"helpers": helpers, "data": f"/data/{'x' * 251}.csv", "C_values": [1, 10], "penalties": ["l2"]}
    exec(source, names)
    mlflow.end_run()
    assert mlflow.get_run(names["run"].info.run_id).info.run_name == "x" * 250


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
