"""The champion behind a real scoring server."""

import json
import re
import shutil
import subprocess

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from conftest import SHARED
from sklearn.model_selection import cross_validate

import helpers

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
        helpers.set_champion("onet-gwa", helpers.register(logged.model_uri, "onet-gwa", 0.6, "digest"))
        yield pipeline


@pytest.fixture(scope="module")
def address(champion):
    with helpers.server(*SERVE, ready="/ping") as address:
        yield address


def ask(address, body, content_type="application/json"):
    text = json.dumps(body) if isinstance(body, (dict, list)) else body
    headers = {"Content-Type": content_type}
    return requests.post(f"http://{address}/invocations", text, headers=headers, timeout=60)


def expected(pipeline, texts, **params):
    labeler = helpers.Labeler(pipeline, helpers.load_labels()["name"], "onet-gwa/1")
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
    off = {"type": "boolean", "default": False, "shape": None}
    assert signature.params.to_dict() == [{"name": name, **off} for name in ("reasons", "skip_bad")]
    columns = ["GWA", "name", "probability", "model"]
    assert [column["name"] for column in signature.outputs.to_dict()] == columns
    texts = [TASK, "Negotiate fish prices with wholesalers."]
    plain, off, on = (
        ask(address, {"inputs": {"Task": texts}, **more}).json()["predictions"]
        for more in ({}, {"params": {"reasons": False}}, {"params": {"reasons": True}})
    )
    assert plain == off == expected(champion, texts) and on == expected(champion, texts, reasons=True)
    assert [{key: row[key] for key in columns} for row in on] == plain
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


CUT = "is before Task; in CSV quote a sentence with a comma, else leave the index out"


@pytest.mark.parametrize(
    "body, message",
    [
        ("Task\nWash the car, then dry it.\n", f"row 1: 'Wash the car' {CUT}"),
        ("Task\r\nWash, rinse, and dry.\r\n", f"row 1: \"('Wash', ' rinse')\" {CUT}"),
        ("Task\nWash the car, then dry it.\nDrive.\n", f"row 1: 'Wash the car' {CUT}"),
        ("Task\nDrive.\nWash the car, then dry it.\n", "Expected 1 fields in line 3, saw 2"),
        ("Task,SOC\nWash the car, then dry it.,53\n", f"row 1: 'Wash the car' {CUT}"),
        ("SOC,Task\n0,Wash the car, then dry it.\n", f"row 1: '0' {CUT}"),
        ("Task,\nWash the car, dry it, wax it.\n", f"row 1: 'Wash the car' {CUT}"),
        ("Task\n5, 6 and 7 are to be washed\n", f"row 1: '5' {CUT}"),
        ("Task\nDrive.,\n", f"row 1: 'Drive.' {CUT}"),
        ('Task\nSay "hello, you" to them.\n', f"row 1: 'Say \"hello' {CUT}"),
        ("Task\n'Wash the car, then dry it.'\n", f'row 1: "\'Wash the car" {CUT}'),
        ('Task\n"Wash the car.\n', "EOF inside string"),
        ("Drive the snow tractor.\n", "Model is missing inputs ['Task']"),
        ("Task;SOC\nDrive.;53\n", "Model is missing inputs ['Task']"),
        ("Task\nNA\n", "row 1: Task nan is not a text"),
        ("", "No columns to parse"),
        ("Task\nPrépare du café\n".encode("latin-1"), "Ensure that input is a valid UTF-8 encoded string"),
    ],
    ids=str,
)
def test_bad_csv(address, body, message):
    """What pandas cannot read brings MLflow's stack trace with it; what the model refuses does not."""
    response = ask(address, body, "text/csv")
    assert response.status_code == 400 and message in response.json()["message"]
    assert "stack_trace" not in response.json() or "Failed to parse input" in response.json()["message"]


@pytest.mark.parametrize(
    "body",
    ["\ufeffTask\n{}\n", "Task\r\n{}\r\n", 'Task\n"{}"', "Task,\n{},\n", ",Task\n7,{}\n", "Task\n\n{}\n\n"],
    ids=repr,
)
def test_other_csv(champion, address, body):
    response = ask(address, body.format(TASK), "text/csv")
    assert response.json() == {"predictions": expected(champion, [TASK])}
    assert ask(address, "Task\n", "text/csv").json() == {"predictions": []}


ODD = [
    "Drive \0 it",
    "قيادة الجرار",
    "Drive 🚜",
    "\u202eevirD",
    "İSTANBUL ẞtraße",
    "驾驶拖拉机",
    "w" * 10**6,
    "dry it " * 10**5,
]


@pytest.mark.parametrize(
    "text", [*ODD, "\ud800", "Drive \ud800 it", "...", "😀😀", "\0", True, {"a": {"b": TASK}}]
)
@pytest.mark.parametrize("form", ["records", "split", "inputs"])
def test_odd_texts(address, form, text):
    """An answer, or a message; a surrogate without its other half is no character, and MLflow refuses it."""
    body = {
        "records": {"dataframe_records": [{"Task": text}]},
        "split": {"dataframe_split": {"index": [7], "columns": ["Task"], "data": [[text]]}},
        "inputs": {"inputs": [text]},
    }[form]
    response = ask(address, {**body, "params": {"reasons": True}})
    assert "stack_trace" not in response.json()
    if text in ODD:
        assert response.status_code == 200 and len(response.json()["predictions"]) == 1
    elif form != "inputs" or isinstance(text, str):
        assert response.status_code == 400


def test_one_bad_row_of_many(address):
    response = ask(address, {"inputs": {"Task": [TASK] * 9999 + ["12 345"]}})
    assert (
        response.status_code == 400 and "row 10000: Task '12 345' is not a text" in response.json()["message"]
    )


def test_bad_content_type(address):
    assert ask(address, "x", "text/plain").status_code == 415


def test_the_same_answers_as_in_process(champion, address):
    """500 real tasks where they are at hand, else 500 of the sample."""
    table = SHARED / "onet_2020_task_gwa.parquet"
    tasks = helpers.load_tasks(table if table.exists() else "sample")
    texts = tasks["Task"].drop_duplicates().sample(500, random_state=helpers.SEED).tolist()
    served = ask(address, {"inputs": {"Task": texts}}).json()["predictions"]
    assert served == expected(champion, texts) and len(served) == 500


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_what_a_page_shows(address, page):
    """The page's curl call gets the page's answer."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    text = (helpers.ROOT / page).read_text()
    call = re.search(r"^curl .*?(?=\n```)", text, re.MULTILINE | re.DOTALL)[0]
    assert "127.0.0.1:5001" in call
    call = call.replace("127.0.0.1:5001", address)
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True)
    [answer] = re.findall(r"^```json\n(\{\"predictions.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert json.loads(done.stdout) == json.loads(answer)
