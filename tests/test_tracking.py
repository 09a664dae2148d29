"""The store, and which model becomes the champion."""

import subprocess
import sys

import mlflow
import pandas as pd
import pytest

import helpers


@pytest.fixture
def store(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    helpers.connect()
    return tmp_path


def log_a_model(tmp_path):
    """Log the smallest model there is; return its URI."""
    (tmp_path / "tiny.py").write_text(
        "import mlflow\n\n\nclass Tiny(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[str]) -> list[str]:\n"
        "        return model_input\n\n\n"
        "mlflow.models.set_model(Tiny())\n"
    )
    with mlflow.start_run():
        model = mlflow.pyfunc.log_model(
            name="tiny", python_model=str(tmp_path / "tiny.py"), pip_requirements=["mlflow"]
        )
    return model.model_uri


def test_champion(store):
    uri = log_a_model(store)
    for f1_micro, digest, champion in [
        (0.5, "a", "1"),  # the first one always is
        (0.4, "a", "1"),
        (0.5, "a", "1"),
        (0.6, "a", "4"),
        (0.9, "b", "4"),  # other data, not comparable
        (0.7, "a", "6"),
    ]:
        version, is_champion = helpers.register(uri, f1_micro, digest)
        alias = mlflow.MlflowClient().get_model_version_by_alias("onet-gwa", "champion")
        assert str(alias.version) == champion
        assert is_champion == (str(version) == champion)
    assert alias.tags == {"f1_micro": "0.7", "data_digest": "a"}


def test_artifacts_stand_beside_the_database(store, monkeypatch):
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
    env = {"PATH": "/usr/bin:/bin", "HOME": str(project), **variable}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=project / "notebooks", env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"sqlite:///{project / 'mlflow.db'}" and done.stderr == ""
    assert (project / "mlflow.db").exists() and not (project / "notebooks" / "mlflow.db").exists()


def test_digest():
    tasks = pd.DataFrame({"Task": ["a", "b"], "GWA": ["4A1a1", "4A1a2"]})
    assert helpers.digest(tasks) == helpers.digest(tasks.copy()) and len(helpers.digest(tasks)) == 16
    assert helpers.digest(tasks) != helpers.digest(tasks.iloc[:1])
