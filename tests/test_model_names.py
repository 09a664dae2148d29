"""Each row of an answer has the name of the model that gave it, however the model was loaded."""

import mlflow
import pandas as pd
import pytest
from conftest import serving
from test_app import models

import helpers
import onet_gwa_model

pytestmark = pytest.mark.slow

QUESTION = pd.DataFrame({"Task": ["Drive the snow tractor.", "Repair a leaking pump."]})


def names(uri, **options):
    return set(mlflow.pyfunc.load_model(uri, **options).predict(QUESTION)["model"])


def test_by_version_alias_and_id(versions, tmp_path):
    source = versions.get_model_version("onet-gwa", "2").source
    assert names(source, dst_path=tmp_path) == {source.removeprefix("models:/")}
    assert names("models:/onet-gwa/2") == {"onet-gwa/2"}
    assert names("models:/onet-gwa@champion") == {"onet-gwa/1"}


def test_a_model_of_two_names(versions):
    """In a local store MLflow notes the name in the model's own folder: `mlflow models serve` has the last one."""
    source = versions.get_model_version("onet-gwa", "1").source
    versions.create_registered_model("twin")
    versions.create_model_version("twin", source, model_id=source.removeprefix("models:/"))
    assert [names(uri) for uri in ("models:/onet-gwa/1", "models:/twin/1")] == [{"onet-gwa/1"}, {"twin/1"}]
    folder = mlflow.artifacts.download_artifacts("models:/onet-gwa/1")
    assert names(folder) == {"onet-gwa/1"}


def test_in_a_folder_that_is_none_of_mlflows(tmp_path):
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    pipeline = helpers.make_model().fit(X[:300], y[:300])
    onet_gwa_model.save(pipeline, labels, tmp_path / "model")
    assert set(onet_gwa_model._load_pyfunc(tmp_path / "model").predict(QUESTION)["model"]) == {""}
    # What MLflow saves without a run has no id.
    options = {"loader_module": "onet_gwa_model", "data_path": str(tmp_path / "model")}
    mlflow.pyfunc.save_model(tmp_path / "saved", pip_requirements=[], **options)
    assert names(str(tmp_path / "saved")) == {""}


def test_from_a_tracking_server(connect, tmp_path):
    """The client has the model's files from it alone."""
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    store += ["--artifacts-destination", f"{tmp_path}/artifacts"]
    with helpers.server("mlflow", "server", *store, "--workers", "1", "--port", "{port}") as address:
        connect(f"http://{address}")
        labels, client = helpers.load_labels(), mlflow.MlflowClient()
        X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
        helpers.prepare_registration("onet-gwa", labels)
        with mlflow.start_run():
            logged = helpers.log_model(helpers.make_model().fit(X[:300], y[:300]), labels, X.head(1))
        client.create_model_version("onet-gwa", logged.model_uri, model_id=logged.model_id)
        client.set_registered_model_alias("onet-gwa", "champion", "1")
        assert names("models:/onet-gwa@champion") == names("models:/onet-gwa/1") == {"onet-gwa/1"}
        assert names(logged.model_uri) == {logged.model_id}
        with helpers.server(*serving(tmp_path), ready="/ping") as scoring:
            assert models(scoring) == {"onet-gwa/1"}
