"""Which version of a registered model becomes the champion."""

import os
import subprocess
import sys

import mlflow
import pandas as pd
import promote
import pytest
from conftest import ROOT
from messages import fails, on_page
from prepared import call

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


def test_register(store):
    uri = log_a_model(store)
    helpers.prepare_registration("onet-gwa", LABELS)
    assert helpers.champion() is None
    assert helpers.register(uri, "onet-gwa", 0.5, "a", "never", "scored 0.5") == 1
    assert helpers.champion() is None
    version = mlflow.MlflowClient().get_model_version("onet-gwa", "1")
    assert version.description == "scored 0.5" and version.run_id
    assert version.tags == {"f1_micro": "0.5", "data_digest": "a", "promote": "never", "split": "crc32"}


def test_each_registered_model_has_a_champion_of_its_own(store):
    uri, client = log_a_model(store), mlflow.MlflowClient()
    for name in ("tasks", "library tasks"):
        helpers.prepare_registration(name, LABELS)
        assert [helpers.register(uri, name, 0.5, "a") for _ in range(3)] == [1, 2, 3]
        helpers.set_champion(name, 1)
    assert "previous" not in client.get_registered_model("tasks").aliases
    for champion, previous in [(3, 1), (3, 1), (2, 3), (3, 2)]:
        helpers.set_champion("library tasks", champion)
        aliases = client.get_registered_model("library tasks").aliases
        assert {alias: int(version) for alias, version in aliases.items()} == {
            "champion": champion,
            "previous": previous,
        }
    with pytest.raises(mlflow.MlflowException, match="not found"):
        helpers.set_champion("library tasks", 4)
    assert [str(helpers.champion(name)) for name in ("tasks", "library tasks")] == ["1", "3"]
    assert helpers.champion("library-tasks") is None


def test_a_champion_behind_a_hundred_other_models(store):
    client = mlflow.MlflowClient()
    for number in range(100):
        client.create_registered_model(f"a{number:03}")
    helpers.prepare_registration("z", LABELS)
    for version in (1, 2):
        helpers.register(log_a_model(store), "z", 0.5, "a")
        helpers.set_champion("z", version)
    aliases = client.get_registered_model("z").aliases
    assert str(helpers.champion("z")) == "2" and str(aliases["previous"]) == "1"


def test_other_labels_need_another_name(store):
    helpers.prepare_registration("library-tasks", LABELS)
    # Again, and with other names for the same codes.
    helpers.prepare_registration("library-tasks", LABELS.assign(name=["x", "y"]))
    model = mlflow.MlflowClient().get_registered_model("library-tasks")
    assert model.tags == {"labels_digest": helpers.labels_digest(LABELS)}
    assert "one or more of 2 labels, from L1 (Lending) to L2 (Reading aloud)" in model.description
    other = LABELS.rename(index={"L2": "L3"})
    form = on_page("registered_model_name: the versions of … give")
    with pytest.raises(ValueError, match=form) as error:
        helpers.prepare_registration("library-tasks", other)
    assert "\n" not in str(error.value) and "'library-tasks'" in str(error.value)
    helpers.prepare_registration("library-tasks-2", other)


def test_a_registered_model_made_by_hand(store):
    """It is for the labels that come first; what versions from elsewhere give is not known."""
    client, other = mlflow.MlflowClient(), LABELS.rename(index={"L2": "L3"})
    for name in ("from the UI", "from elsewhere"):
        client.create_registered_model(name)
    for _ in range(2):
        helpers.prepare_registration("from the UI", LABELS)
    fails(
        on_page("registered_model_name: the versions of … give"),
        helpers.prepare_registration,
        "from the UI",
        other,
    )
    helpers.register(log_a_model(store), "from elsewhere", 0.5, "a")
    form = on_page("registered_model_name: the versions of … do not say")
    fails(form, helpers.prepare_registration, "from elsewhere", LABELS)


def by_hand(*arguments, started=False, **env):
    """What `make promote` and `make rollback` run, here or started; a pair of the status and the one line."""
    if started:
        command = [sys.executable, str(ROOT / "tools" / "promote.py"), *arguments]
        done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True)
    else:
        done = call(promote.main, list(arguments), **env)
    [line] = (done.stdout + done.stderr).splitlines()
    return done.returncode, line


def test_promote_and_roll_back_by_hand(store):
    name, uri, client = "by hand", log_a_model(store), mlflow.MlflowClient()
    helpers.prepare_registration(name, LABELS)
    for _ in range(2):
        helpers.register(uri, name, 0.5, "a")
    status, line = by_hand("rollback", MODEL=name, started=True)
    assert status == 1 and line.startswith("make rollback: by hand has no champion before this one (")
    assert by_hand(VERSION="1", MODEL=name, started=True)[1].startswith(
        "version 1 of by hand became the champion, by make promote; there was none. A server that runs keeps"
    )
    assert by_hand(VERSION=" 2", MODEL=name)[0] == 0 and str(helpers.champion(name)) == "2"
    status, line = by_hand("rollback", MODEL=name)
    assert (
        status == 0
        and "version 1 of by hand became the champion, by make rollback; before it, version 2 was" in line
    )
    assert client.get_model_version(name, "1").tags["decision"] in line
    client.set_registered_model_alias(name, "previous", "1")
    status, line = by_hand("rollback", MODEL=name)
    assert status == 1 and on_page("… has no champion before").search(line) and "version 1" in line
    client.set_registered_model_alias(name, "previous", "2")
    assert by_hand(VERSION="1", MODEL=name) == (0, "version 1 of by hand is the champion already")
    assert str(client.get_model_version_by_alias(name, "previous").version) == "2"
    for version in ("", "0", "two", "1; ls"):
        status, line = by_hand(VERSION=version, MODEL=name)
        assert status == 1 and line.endswith("is no number of a version; name one: make promote VERSION=7")
    status, line = by_hand(VERSION="7", MODEL=name)
    assert status == 1 and line.startswith("make promote: by hand has no version 7 (")
    assert str(helpers.champion(name)) == "1"
