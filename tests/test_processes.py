"""The model in other processes: beside foreign files, without the project, and beside another version of its code."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from conftest import ROOT, copy_project, make_command
from test_serving import TASK, ask, expected

import helpers
import onet_gwa_model
from onet_gwa import promotion, registry

pytestmark = pytest.mark.slow

TRAIN = """
import mlflow, helpers
helpers.connect()
labels = helpers.load_labels()
X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
pipeline = helpers.make_model().fit(X.head(400), y.head(400))
with mlflow.start_run():
    logged = helpers.log_model(pipeline, labels, X.head(1))
helpers.prepare_registration("onet-gwa", labels)
version = helpers.register(logged.model_uri, "onet-gwa", 0.6, "digest")
if helpers.champion() is None:
    helpers.set_champion("onet-gwa", version)
print(version, helpers.champion())
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A copy of the project in which a model says its probabilities with one decimal."""
    project = copy_project(tmp_path_factory.mktemp("other") / "project")
    file = project / "onet_gwa_model.py"
    source = file.read_text()
    assert source.count("float(row[k]), 4)") == 1
    file.write_text(source.replace("float(row[k]), 4)", "float(row[k]), 1)"))
    return project


@pytest.fixture(scope="module")
def champion(other, tmp_path_factory):
    """The pipeline whose model is version 1, of this code, and the champion; version 2 is of the other code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        names = {}
        exec(TRAIN, names)
        done = subprocess.run([sys.executable, "-c", TRAIN], cwd=other, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "2 1", done.stderr
        yield names["pipeline"]


ANSWER = (
    "import json, sys; assert 'onet_gwa_model' not in sys.modules; {before}; import mlflow, pandas\n"
    "model = mlflow.pyfunc.load_model('models:/onet-gwa@champion')\n"
    "table = pandas.DataFrame({{'Task': ['Drive the snow tractor.', 'Repair a leaking pump.']}})\n"
    "plain, more = model.predict(table), model.predict(table, params={{'reasons': True}})\n"
    "assert list(more.columns) == [*plain.columns, 'reasons']; {after}\n"
    "print(json.dumps(plain.to_dict('records')))"
)


def answered(folder, *options, before="pass", after="pass"):
    """What the champion answers in a new process in `folder`, which must not write anything on stderr."""
    done = subprocess.run(
        [sys.executable, *options, "-c", ANSWER.format(before=before, after=after)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def test_beside_foreign_files_of_our_names(champion, tmp_path):
    """The project of whoever loads the model has a helpers.py and a package onet_gwa of its own."""
    (tmp_path / "helpers.py").write_text("whose = 'theirs'\n")
    (tmp_path / "onet_gwa").mkdir()
    (tmp_path / "onet_gwa" / "__init__.py").write_text("whose = 'theirs'\n")
    same = "import helpers, onet_gwa; assert helpers.whose == onet_gwa.whose == 'theirs'"
    answer = answered(tmp_path, before=same, after=same)
    assert answer == expected(champion, [TASK, "Repair a leaking pump."])
    # They need not have been imported before.
    assert answered(tmp_path, after=same) == answer


@pytest.mark.parametrize("option", ["-P", "-I"])
def test_without_the_project(champion, tmp_path, option):
    """In an empty folder; what is needed is the model and the packages in its requirements."""
    absent = (
        "from importlib.util import find_spec; "
        "assert not [n for n in ('helpers', 'onet_gwa', 'onet_gwa_model') if find_spec(n)]"
    )
    loaded = (
        "assert not [n for n in sys.modules if n == 'helpers' or n.split('.')[0] == 'onet_gwa']; "
        "assert '/code/' in sys.modules['onet_gwa_model'].__file__"
    )
    answer = answered(tmp_path, option, before=absent, after=loaded)
    assert answer == expected(champion, [TASK, "Repair a leaking pump."])


def load(version):
    return mlflow.pyfunc.load_model(f"models:/onet-gwa/{version}")


def test_another_versions_code_is_refused_in_the_same_process(champion):
    """Python imports one `onet_gwa_model` for a process, and the second model would answer by the first's code."""
    first, table = load(1), pd.DataFrame({"Task": [TASK]})
    before = first.predict(table)
    with pytest.raises(
        ValueError,
        match="^[^\n]*code/onet_gwa_model.py is not the loaded [^\n]*; use a new process [^\n]*$",
    ):
        load(2)
    assert first.predict(table).equals(before) and load(1).predict(table).equals(before)
    # Processes that start from here import nothing of the other version.
    files = [Path(path, "onet_gwa_model.py") for path in sys.path]
    assert {file.read_bytes() for file in files if file.exists()} == {onet_gwa_model.SOURCE}


def test_two_versions_without_the_project(champion, tmp_path):
    """The one that comes first answers by its own code."""
    text = (
        "import mlflow, pandas\n"
        "other = mlflow.pyfunc.load_model('models:/onet-gwa/2')\n"
        f"print(other.predict(pandas.DataFrame({{'Task': [{TASK!r}]}}))['probability'][0])\n"
        "mlflow.pyfunc.load_model('models:/onet-gwa/1')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", text], cwd=tmp_path, capture_output=True, text=True)
    [row] = expected(champion, [TASK])
    assert json.loads(done.stdout) == [round(p, 1) for p in row["probability"]] != row["probability"]
    assert done.returncode == 1 and "ValueError" in done.stderr.splitlines()[-1], done.stderr
    assert "onet_gwa_model.py is not the loaded /" in done.stderr.splitlines()[-1]


def test_a_champion_of_other_code_is_asked_by_its_own(champion):
    X = pd.DataFrame({"Task": [TASK, "Repair a leaking pump."]})
    mine, other = (
        registry.ask(promotion.ASK, f"models:/onet-gwa/{version}", X["Task"]) for version in (1, 2)
    )
    codes = [row["GWA"] for row in expected(champion, X["Task"].tolist())]
    assert [sorted(named) for named in mine["named"]] == [sorted(named) for named in codes]
    assert mine == other and mine["passed"] >= 6 and len(mine["learned"]) == 36
    with pytest.raises(ChildProcessError, match="^[^\n]*Registered Model[^\n]*$"):
        registry.ask(promotion.ASK, "models:/nobody/1", X["Task"])


def test_nothing_stays_of_what_is_downloaded_to_ask(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = "import json, sys, tempfile; print(json.dumps([tempfile.mkdtemp(), sys.argv[1], json.load(sys.stdin)]))"
    folder, *said = registry.ask(program, "models:/onet-gwa/1", ["Drive."])
    assert Path(folder).is_relative_to(tmp_path) and not list(tmp_path.iterdir())
    assert said == ["models:/onet-gwa/1", ["Drive."]]


def test_commands_in_a_folder_of_another_version(champion, other, monkeypatch):
    """`mlflow models` answers by the model's own code, whatever lies in the folder where it is called."""
    monkeypatch.chdir(other)
    monkeypatch.setenv("PYTHONPATH", str(other))
    options = ["--model-uri", "models:/onet-gwa/1", "--env-manager", "local"]
    with helpers.server("mlflow", "models", "serve", *options, "--port", "{port}", ready="/ping") as address:
        assert ask(address, {"inputs": [TASK]}).json()["predictions"] == expected(champion, [TASK])
    (other / "questions.csv").write_text(f"Task\n{TASK}\n")
    files = ["--content-type", "csv", "--input-path", "questions.csv", "--output-path", "answers.json"]
    subprocess.run(["mlflow", "models", "predict", *options, *files], check=True, capture_output=True)
    assert json.loads((other / "answers.json").read_text())["predictions"] == expected(champion, [TASK])


def test_the_code_that_was_imported_goes_with_the_model(project, run):
    """It made the model; the file may have been edited since."""
    edit = (
        "import helpers, onet_gwa_model, pathlib\npathlib.Path(onet_gwa_model.__file__).write_text('oops')\n"
    )
    done = run(sys.executable, "-c", edit + TRAIN)
    assert done.returncode == 0, done.stderr
    [code] = project.glob("**/artifacts/**/code/onet_gwa_model.py")
    assert code.read_text() == (helpers.ROOT / "onet_gwa_model.py").read_text()


def test_what_travels_with_the_model(champion):
    """One model, with one file of ours and what it needs; nothing that has to be unpickled."""
    info = mlflow.models.get_model_info("models:/onet-gwa@champion")
    assert set(info.flavors) == {"python_function"} and info.saved_input_example_info
    flavor = info.flavors["python_function"]
    assert flavor["loader_module"] == "onet_gwa_model"
    folder = mlflow.artifacts.download_artifacts("models:/onet-gwa@champion")
    files = {
        os.path.relpath(os.path.join(base, name), folder)
        for base, _, names in os.walk(folder)
        for name in names
    }
    assert {name for name in files if name.endswith(".py")} == {"code/onet_gwa_model.py"}
    assert {"data/model/pipeline.skops", "data/model/labels.csv"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]
    needed = [line for line in open(f"{folder}/requirements.txt").read().split() if line]
    assert needed == helpers.requirements() and f"skops=={version('skops')}" in needed


def test_app(champion, project):
    """The page's command, but for the port; the version is one of other code than that of the folder."""
    [command] = re.findall("^make serve HOST=.*$", (ROOT / "docs" / "serving.md").read_text(), re.MULTILINE)
    _, target, *settings = command.replace("PORT=5001", "PORT={port}").split()
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("onet-gwa", "champion", "2")
    try:
        with helpers.server(
            *make_command(project, target, f"--directory={project}", *settings), ready="/ping"
        ) as address:
            [served] = ask(address, {"inputs": [TASK]}).json()["predictions"]
    finally:
        client.set_registered_model_alias("onet-gwa", "champion", "1")
    [row] = expected(champion, [TASK])
    rounded = [round(p, 1) for p in row["probability"]]
    assert served == row | {"model": "onet-gwa/2", "probability": rounded}
