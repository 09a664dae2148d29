"""Which version of a registered model becomes the champion."""

import mlflow
import pandas as pd
import pytest

import helpers

LABELS = pd.DataFrame({"name": ["Lending", "Reading aloud"]}, index=pd.Index(["L1", "L2"], name="code"))


pytestmark = pytest.mark.slow


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
