"""The champion behind a real scoring server, and in processes that know nothing of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from conftest import SHARED, make_command, wait
from sklearn.model_selection import cross_validate

import helpers
from onet_gwa.servers import _answers

pytestmark = pytest.mark.slow

SERVE = ["mlflow", "models", "serve", "--model-uri", "models:/onet-gwa@champion", "--env-manager", "local"]
SERVE += ["--port", "{port}"]
TASK = "Drive the snow tractor."


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """What notebook 02 chooses for the sample, fitted, calibrated and registered in a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        helpers.connect()
        labels = helpers.load_labels()
        X, _, y, _, groups = helpers.split(*helpers.to_X_y(helpers.load_tasks("sample", labels), labels))
        pipeline, cv = helpers.make_model(C=10.0).fit(X, y), helpers.folds(groups)
        fitted = cross_validate(pipeline, X, y, cv=cv, return_estimator=True)["estimator"]
        decision = [model.decision_function(X.iloc[test]) for model, (_, test) in zip(fitted, cv)]
        truth = np.concatenate([y.iloc[test] for _, test in cv])
        pipeline["classifier"].set_params(**helpers.calibrate(np.concatenate(decision), truth))
        with mlflow.start_run():
            logged = helpers.log_model(pipeline, labels, X.head(1))
        helpers.prepare_registration("onet-gwa", labels)
        helpers.register(logged.model_uri, "onet-gwa", 0.6, "digest")
        yield pipeline


@pytest.fixture(scope="module")
def address(champion):
    with helpers.server(*SERVE, ready="/ping") as address:
        yield address


def ask(address, body, content_type="application/json"):
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": content_type}
    return requests.post(f"http://{address}/invocations", text, headers=headers, timeout=60)


def expected(pipeline, texts, **params):
    labeler = helpers.Labeler(pipeline, helpers.load_labels()["name"])
    return labeler.predict(pd.DataFrame({"Task": texts}), params).to_dict("records")


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "inputs", "list", "csv"])
def test_every_form(champion, address, form):
    texts = [TASK, "Negotiate fish prices with wholesalers.", "Repair a leaking pump."]
    table = pd.DataFrame({"Task": texts})
    if form == "csv":
        response = ask(address, table.to_csv(index=False), "text/csv")
    else:
        body = {
            "dataframe_split": {"dataframe_split": table.to_dict("split", index=False)},
            "dataframe_records": {"dataframe_records": table.to_dict("records")},
            "inputs": {"inputs": {"Task": texts}},
            "list": {"inputs": texts},
        }[form]
        response = ask(address, body)
    assert response.status_code == 200, response.text
    predictions = response.json()["predictions"]
    assert predictions == expected(champion, texts)
    assert len({row["GWA"][0] for row in predictions}) == 3


def test_reasons(champion, address):
    """They are a parameter of the signature; whoever does not ask for them gets the answer as it is without."""
    signature = mlflow.models.get_model_info("models:/onet-gwa@champion").signature
    assert signature.params.to_dict() == [
        {"name": "reasons", "type": "boolean", "default": False, "shape": None}
    ]
    assert [column["name"] for column in signature.outputs.to_dict()] == ["GWA", "name", "probability"]
    texts = [TASK, "Negotiate fish prices with wholesalers."]
    plain, off, on = (
        ask(address, {"inputs": {"Task": texts}, **more}).json()["predictions"]
        for more in ({}, {"params": {"reasons": False}}, {"params": {"reasons": True}})
    )
    assert plain == off == expected(champion, texts) and on == expected(champion, texts, reasons=True)
    assert [{key: row[key] for key in ("GWA", "name", "probability")} for row in on] == plain
    for text, row in zip(texts, on):
        assert len(row["reasons"]) == len(row["GWA"])
        assert all(set(words) <= set(re.findall(r"\w+", text)) for words in row["reasons"])
    assert on[0]["reasons"][0][0] == "Drive"
    wrong = ask(address, {"inputs": [TASK], "params": {"reasons": "perhaps"}})
    assert wrong.status_code == 400 and "reasons" in wrong.json()["message"]


def test_no_rows_and_columns_too_many(champion, address):
    nothing = ask(address, {"dataframe_split": {"columns": ["Task"], "data": []}})
    assert (nothing.status_code, nothing.json()) == (200, {"predictions": []})
    more = ask(address, {"dataframe_records": [{"Task": TASK, "SOC": "53"}]})
    assert more.json()["predictions"] == expected(champion, [TASK])


def records(value):
    return {"dataframe_records": [{"Task": TASK}, {"Task": value}]}


@pytest.mark.parametrize(
    "body, message",
    [
        ("hello", "Ensure that input is a valid JSON formatted string"),
        ("", "Ensure that input is a valid JSON formatted string"),
        ({}, "exactly one of the input fields"),
        ([], "exactly one of the input fields"),
        ("null", "exactly one of the input fields"),
        ({"columns": ["Task"], "data": [[TASK]]}, "exactly one of the input fields"),
        ({"dataframe_records": []}, "Model is missing inputs ['Task']"),
        ({"dataframe_records": [{"task": TASK}]}, "Model is missing inputs ['Task']"),
        ({"dataframe_split": {"columns": ["Task"], "data": [[TASK, TASK]]}}, "1 columns passed"),
        (records(None), "row 2: Task nan is not a text with words in it; send a sentence in each row"),
        (records(""), "row 2: Task '' is not a text"),
        (records(" \n"), "row 2: Task ' \\n' is not a text"),
        (records("a !"), "row 2: Task 'a !' is not a text"),
        (records([TASK]), "row 2: Task ['Drive the snow tractor.'] is not a text"),
        ({"dataframe_records": [{"Task": 5}]}, "row 1: Task 5 is not a text"),
        ({"inputs": [[TASK], [TASK]]}, "row 1: Task ['Drive the snow tractor.'] is not a text"),
    ],
    ids=str,
)
def test_bad_requests(address, body, message):
    response = ask(address, body)
    assert response.status_code == 400
    assert message in response.json()["message"] and "stack_trace" not in response.json()


def test_bad_content_type(address):
    assert ask(address, "x", "text/plain").status_code == 415


def test_the_same_answers_as_in_process(champion, address):
    """500 real tasks where they are at hand, else 500 of the sample."""
    table = SHARED / "onet_2020_task_gwa.parquet"
    tasks = helpers.load_tasks(table if table.exists() else "sample")
    texts = tasks["Task"].drop_duplicates().sample(500, random_state=helpers.SEED).tolist()
    served = ask(address, {"inputs": {"Task": texts}}).json()["predictions"]
    assert served == expected(champion, texts) and len(served) == 500


def test_what_the_readme_shows(address):
    """The README's curl call gets the README's answer."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    readme = (helpers.ROOT / "README.md").read_text()
    call = re.search(r"^curl .*?(?=\n```)", readme, re.MULTILINE | re.DOTALL)[0]
    assert "127.0.0.1:5001" in call
    call = call.replace("127.0.0.1:5001", address)
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True)
    answer = re.search(r"^\{\"predictions.*$", readme, re.MULTILINE)[0]
    assert json.loads(done.stdout) == json.loads(answer)


def test_make_serve(champion, project):
    command = make_command(project, "serve", "PORT=5996")
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait(lambda: process.poll() is not None or _answers(5996, "/ping"), 120)
        assert ask("127.0.0.1:5996", {"inputs": [TASK]}).json()["predictions"] == expected(champion, [TASK])
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


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
