"""The store, and which model becomes the champion."""

import os
import subprocess
import sys

import mlflow
import pandas as pd
import pytest

import helpers

LABELS = pd.DataFrame({"name": ["Lending", "Reading aloud"]}, index=pd.Index(["L1", "L2"], name="code"))


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all tests, since making it takes seconds; each test has registered models of its own."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        helpers.connect()
        yield folder


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
    helpers.prepare_registration("onet-gwa", LABELS)
    assert helpers.champion() is None
    for f1_micro, digest, champion in [
        (0.5, "a", "1"),  # the first one always is
        (0.4, "a", "1"),
        (0.5, "a", "1"),
        (0.6, "a", "4"),
        (0.9, "b", "4"),  # other data, not comparable
        (0.7, "a", "6"),
    ]:
        version, is_champion = helpers.register(uri, "onet-gwa", f1_micro, digest, f"scored {f1_micro}")
        assert str(helpers.champion()) == champion
        assert is_champion == (str(version) == champion)
    champion = mlflow.MlflowClient().get_model_version_by_alias("onet-gwa", "champion")
    assert champion.tags == {"f1_micro": "0.7", "data_digest": "a"} and champion.description == "scored 0.7"


def test_each_registered_model_has_a_champion_of_its_own(store):
    uri = log_a_model(store)
    for name in ("tasks", "library tasks"):
        helpers.prepare_registration(name, LABELS)
        assert helpers.register(uri, name, 0.5, "a")[1]
        assert not helpers.register(uri, name, 0.4, "a")[1]
    version, is_champion = helpers.register(uri, "library tasks", 0.6, "a")
    assert is_champion and [str(helpers.champion(n)) for n in ("tasks", "library tasks")] == ["1", "3"]
    assert helpers.champion("library-tasks") is None


def test_other_labels_need_another_name(store):
    helpers.prepare_registration("library-tasks", LABELS)
    # Again, and with other names for the same codes.
    helpers.prepare_registration("library-tasks", LABELS.assign(name=["x", "y"]))
    model = mlflow.MlflowClient().get_registered_model("library-tasks")
    assert model.tags == {"labels_digest": helpers.labels_digest(LABELS)}
    assert "one or more of 2 labels, from L1 (Lending) to L2 (Reading aloud)" in model.description
    other = LABELS.rename(index={"L2": "L3"})
    with pytest.raises(
        ValueError, match="the versions of 'library-tasks' give other labels; name another"
    ) as error:
        helpers.prepare_registration("library-tasks", other)
    assert "\n" not in str(error.value)
    helpers.prepare_registration("library-tasks-2", other)


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


def test_a_store_that_cannot_be_written(store, tmp_path, monkeypatch):
    uri = mlflow.get_tracking_uri()
    (tmp_path / "mlflow.db").write_text("This is not a database, and long enough to be read as one." * 20)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        with pytest.raises(
            OSError, match="mlflow.db: file is not a database; name a store that can be written"
        ):
            helpers.connect()
    finally:
        mlflow.set_tracking_uri(uri)


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
    env = {"PATH": "/usr/bin:/bin", "HOME": str(project), **variable}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=project / "notebooks", env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"sqlite:///{project / 'mlflow.db'}" and done.stderr == ""
    assert (project / "mlflow.db").exists() and not (project / "notebooks" / "mlflow.db").exists()
