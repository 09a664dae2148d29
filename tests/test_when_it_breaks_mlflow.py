"""docs/when-it-breaks.md: the messages of a store, of MLflow, and of other libraries."""

import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import nbclient
import nbformat
import numpy as np
import pandas as pd
import promote
import prune
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import score
import serve
import skops.io
import uvicorn
from click.testing import CliRunner
from conftest import ROOT, refusal
from messages import fails, on_page
from mlflow.cli import cli
from mlflow.projects.utils import load_project
from mlflow.pyfunc import scoring_server
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import helpers
from onet_gwa import addresses, spark

pytestmark = pytest.mark.slow

TABLE = pd.DataFrame({"Task": ["Drive trucks.", "Teach children.", "Cook meals."]})


class Foreign(TfidfVectorizer):
    """A class that skops does not know."""


@pytest.fixture
def copy(store, tmp_path):
    """The address of a copy of the store's database, and a connection to it."""
    shutil.copy(store / "mlflow.db", tmp_path)
    connection = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    yield f"sqlite:///{tmp_path}/mlflow.db", connection
    connection.close()


@pytest.mark.parametrize(
    "form, address",
    [
        (on_page("MLFLOW_TRACKING_URI: … is a folder"), "mlruns"),
        (on_page("MLFLOW_TRACKING_URI: … names no file"), "sqlite:///:memory:"),
        (on_page("MLFLOW_TRACKING_URI: there is no folder"), "sqlite:////no/where/mlflow.db"),
        (on_page("MLFLOW_TRACKING_URI: … is there, and no file"), "sqlite:////dev/null"),
        (on_page("MLFLOW_TRACKING_URI: MLflow cannot use"), "sqlite:////tmp/'\"%27.db"),
        (on_page("MLFLOW_TRACKING_URI: … No module named"), "mysql+pymysql://127.0.0.1:9/mlflow"),
        (on_page("MLFLOW_TRACKING_URI: … there is no answer"), "http://127.0.0.1:9"),
        (on_page("MLFLOW_TRACKING_URI: there is a name in it"), "http://ann@127.0.0.1:9"),
    ],
    ids=["folder", "file", "nowhere", "device", "name", "driver", "down", "password"],
)
def test_addresses(connect, form, address):
    assert form.search(refusal(connect, address))


def test_a_store_that_is_locked(connect, copy, monkeypatch):
    """By another process; a hundredth of the time is enough here."""
    address, connection = copy
    connection.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(addresses, "BUSY", 0.3)
    assert on_page("MLFLOW_TRACKING_URI: … database is locked").search(refusal(connect, address))


def test_a_store_of_another_mlflow(connect, copy):
    address, connection = copy
    connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    said = refusal(connect, address)
    assert on_page("MLFLOW_TRACKING_URI: …: its tables").search(said) and "they have ffffffffffff" in said


def test_what_mlflow_says_of_stores(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    fails(on_page("The filesystem tracking backend"), mlflow.MlflowClient, "mlruns")
    gone = mlflow.MlflowClient("http://127.0.0.1:9")
    fails(on_page("API request to"), gone.search_experiments)


def test_parameters_and_runs(store, monkeypatch):
    # `set_experiment` below sets both.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    with mlflow.start_run() as run:
        mlflow.log_param("C", "1,10")
        fails(on_page("Changing param values is not allowed. Param with"), mlflow.log_param, "C", "1, 10")
        fails(on_page("Changing param values is not allowed. Params"), mlflow.log_params, {"C": "1, 10"})
        fails(on_page("Run with UUID … is already active"), mlflow.start_run)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", "0" * 32)
        fails(on_page("MLFLOW_RUN_ID: "), helpers.open_run)
        patch.setenv("MLFLOW_RUN_ID", run.info.run_id)
        mlflow.set_experiment("mine")
        fails(on_page("Cannot start run with ID"), mlflow.start_run)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "x" * 600)
    fails(on_page("MLFLOW_EXPERIMENT_NAME: …; "), helpers.choose_experiment)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "else")
    fails(on_page("there is no experiment"), prune.main)
    done = CliRunner().invoke(cli, ["run", str(ROOT), "--experiment-name", "mine"])
    assert on_page("Specify only one of").search(done.output)


def test_entry_points():
    project = load_project(ROOT)
    fails(on_page("Could not find … among entry points"), project.get_entry_point, "scores")
    fails(
        on_page("No value given for missing parameters"),
        project.get_entry_point("score").compute_command,
        {},
        None,
    )


def test_the_registry(store, monkeypatch, tmp_path):
    client = mlflow.MlflowClient()
    monkeypatch.setenv("MODEL", "")
    fails(on_page("Registered Model with name"), mlflow.pyfunc.load_model, "models:/onet-gwa@champion")
    client.create_registered_model("onet-gwa")
    fails(on_page("Registered model alias"), mlflow.pyfunc.load_model, "models:/onet-gwa@champion")
    fails(on_page("Model Version (name="), mlflow.pyfunc.load_model, "models:/onet-gwa/1")
    fails(on_page("model: … cannot be read"), score.fetch_model, "models:/onet-gwa@champion", tmp_path)
    fails(on_page("onet-gwa has no champion yet"), serve.need_champion, "make serve", "onet-gwa")
    fails(on_page("… has no champion before"), promote.main, ["rollback"])
    fails(on_page("make promote: … is no number"), promote.main, [])
    monkeypatch.setenv("VERSION", "7")
    fails(on_page("… has no version …"), promote.main, [])


def test_models(tmp_path):
    X, y = TABLE, [0, 1, 0]
    fails(on_page("Found input variables"), make_pipeline(TfidfVectorizer(), LogisticRegression()).fit, X, y)
    numbers, two = [[1.0], [2.0]], [0, 1]
    fails(on_page("The 'penalty' parameter"), LogisticRegression(penalty="none").fit, numbers, two)
    endless = LogisticRegression(C=np.inf, solver="liblinear")
    fails(on_page("C=np.inf as well as"), endless.fit, numbers, two)
    foreign = make_pipeline(Foreign(), LogisticRegression()).fit(X["Task"], y)
    fails(on_page("Untrusted types found"), skops.io.loads, skops.io.dumps(foreign))
    fails(
        on_page("The saved sklearn model references"),
        mlflow.sklearn.save_model,
        foreign,
        tmp_path / "model",
        pip_requirements=[],
    )


@pytest.fixture
def model(tmp_path):
    """A small model, loaded, whose requirements are others than what is installed."""
    pipeline = make_pipeline(DummyClassifier()).fit(TABLE, [0, 1, 0])
    signature = mlflow.models.infer_signature(TABLE)
    told = {"signature": signature, "pip_requirements": ["numpy==1.0"]}
    mlflow.sklearn.save_model(pipeline, tmp_path / "model", **told)
    return mlflow.pyfunc.load_model(str(tmp_path / "model"))


def test_a_model_of_other_versions(capsys, model):
    assert on_page("Detected one or more mismatches").search(capsys.readouterr().err)


def test_questions(model):
    """As MLflow's server takes them, before it asks the model."""
    for form, body in (
        (on_page("The input must be a JSON"), '{"columns": ["Task"], "data": [["Drive trucks."]]}'),
        (on_page("Invalid input. Ensure"), "Drive trucks."),
        (on_page("Model is missing inputs"), '{"dataframe_records": [{"task": "Drive trucks."}]}'),
    ):
        schema = model.metadata.get_input_schema()
        fails(form, scoring_server.invocations, body, "application/json", model, schema)


def test_a_kernel_that_is_not_there():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    fails(on_page("No such kernel named"), nbclient.NotebookClient(notebook, kernel_name="gone").execute)


def test_a_port_that_is_taken(capfd):
    """As uvicorn says it, which serves for MLflow."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        uvicorn.run(lambda scope: None, port=taken.getsockname()[1], lifespan="off", use_colors=False)
    assert on_page("[Errno 98] error while attempting").search(capfd.readouterr().err)


def test_a_network_with_a_ca_of_its_own(tmp_path, monkeypatch):
    """uv does not trust it, unless it is told to ask the system."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
    names = ["-keyout", tmp_path / "key", "-out", tmp_path / "crt", "-subj", "/CN=localhost"]
    names += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "localhost")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as index:
        index.socket = context.wrap_socket(index.socket, server_side=True)
        threading.Thread(target=index.serve_forever, daemon=True).start()
        where = ["--index-url", f"https://localhost:{index.server_port}", "--no-config"]
        command = ["uv", "pip", "install", "--python", sys.executable, "--dry-run", *where, "onet-gwa"]
        done = subprocess.run(command, capture_output=True, text=True)
        index.shutdown()
    assert on_page("invalid peer certificate").search(done.stderr), done.stderr


def test_java(tmp_path, monkeypatch):
    """None, an old one, one that is not where JAVA_HOME says, and one that does not start."""
    pytest.importorskip("pyspark", reason="pyspark is absent")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        fails(on_page("master: Spark needs Java; install"), spark.need_java)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    fails(on_page("master: Spark needs Java, and there is no"), spark.need_java)
    java = Path(tmp_path, "bin", "java")
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\nexit 1\n")
    java.chmod(0o755)
    fails(on_page("master: Spark needs Java 17"), spark.need_java)
    with open(tmp_path / "log", "w+") as log:
        fails(on_page("master: … does not take"), spark.session("local", log).__enter__)
    fails(on_page("input: Spark cannot take"), spark.need_types, ds.dataset(pa.table({"x": pa.nulls(1)})))
