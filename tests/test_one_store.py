"""One store, wherever `mlflow run` is called; and what the job's last line tells to type there is true."""

import os
import re
import subprocess
import sys

import mlflow
import pytest
from conftest import make_command, shorten, wait

from onet_gwa.servers import _answers

pytestmark = pytest.mark.slow

TINY = """
import sys; sys.path.insert(0, "..")
import helpers, mlflow, pandas as pd
helpers.connect()
labels = helpers.load_labels()
X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
with mlflow.start_run():
    logged = helpers.log_model(helpers.make_model().fit(X.head(300), y.head(300)), labels, X.head(1))
mlflow.MlflowClient().create_registered_model("onet-gwa")
mlflow.MlflowClient().create_model_version("onet-gwa", logged.model_uri)
mlflow.MlflowClient().set_registered_model_alias("onet-gwa", "champion", "1")
"""
OUTER = {
    name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "MLFLOW_T"))
}


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "else where").mkdir()
    return tmp_path / "else where"


def run_from(folder, project, **env):
    """Call `mlflow run` in another folder; return the last line of the job."""
    command = ["mlflow", "run", str(project), "--env-manager", "local"]
    done = subprocess.run(
        command, cwd=folder, env={**OUTER, **env}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def answers(command, folder, port, path):
    """Whether a server that a command starts in `folder`, on this port, is ready."""
    command = f"exec env PORT={port} {command.replace('make ', 'make --old-file=.venv/ready ', 1)}"
    process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=OUTER, start_new_session=True)
    try:
        wait(lambda: process.poll() is not None or _answers(port, path), 180)
        return process.poll() is None
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db"], ids=["unset", "relative"])
def test_from_another_folder(project, elsewhere, uri, free_port):
    """The store is where `mlflow run` was called, for MLflow and for the job."""
    make_command(project)
    shorten(project, TINY)
    line = run_from(elsewhere, project, **({"MLFLOW_TRACKING_URI": uri} if uri else {}))
    assert sorted(os.listdir(elsewhere)) == [".onet-gwa.lock", "mlflow.db", "mlruns"]
    assert not (project / "mlflow.db").exists()
    store = f"MLFLOW_TRACKING_URI='sqlite:///{elsewhere}/mlflow.db'"
    assert line.startswith(f"Next: {store} make -C {project} ui shows run ")
    client = mlflow.MlflowClient(f"sqlite:///{elsewhere}/mlflow.db")
    [run] = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert run.info.status == "FINISHED" and run.info.run_id in line
    if uri is None:
        shows, serves = re.fullmatch(
            r"Next: (.* ui) shows .*; (.* MODEL=\S+) serves the champion\.", line
        ).groups()
        assert answers(shows, elsewhere, free_port, "/health")
        assert answers(serves, elsewhere, free_port, "/ping")


def test_in_the_project(project):
    shorten(project)
    line = run_from(project, ".")
    assert re.match("Next: make ui shows run [0-9a-f]{32}; make serve MODEL=onet-gwa serves", line)


def test_by_hand_from_another_folder(project, elsewhere):
    """Without `mlflow run` the store is the project's."""
    shorten(project)
    command = [sys.executable, project / "run_notebook.py"]
    done = subprocess.run(command, cwd=elsewhere, env=OUTER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"Next: make -C {project} ui shows run ")
    assert (project / "mlflow.db").exists() and os.listdir(elsewhere) == []
