"""The server as a context manager, and the champion behind a real scoring server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import mlflow
import nbclient
import nbformat
import pandas as pd
import pytest
import requests
from conftest import SHARED, wait

import helpers

SERVE = ["mlflow", "models", "serve", "--model-uri", "models:/onet-gwa@champion", "--env-manager", "local"]
SERVE += ["--port", "{port}"]
TASK = "Drive the snow tractor."


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """The pipeline of notebook 02, fitted, logged and registered in a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        helpers.connect()
        X_train, _, y_train, _, _ = helpers.split(*helpers.to_X_y(helpers.load_tasks()))
        pipeline = helpers.make_model(C=10).fit(X_train, y_train)
        with mlflow.start_run():
            logged = helpers.log_servable(pipeline, X_train.head(1))
        helpers.register(logged.model_uri, 0.6, "digest")
        yield pipeline


@pytest.fixture(scope="module")
def address(champion):
    with helpers.server(*SERVE, ready="/ping") as address:
        yield address


def ask(address, body, content_type="application/json"):
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": content_type}
    return requests.post(f"http://{address}/invocations", text, headers=headers, timeout=60)


def expected(pipeline, texts):
    labeler = helpers.Labeler(pipeline, helpers.load_gwas()["Name"])
    return labeler.predict(pd.DataFrame({"Task": texts})).to_dict("records")


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


def make(project, *arguments):
    """Start `make` in a copy of the project that takes the present environment for its own."""
    shutil.copy(helpers.ROOT / "Makefile", project)
    (project / ".venv").mkdir()
    (project / ".venv" / "ready").touch()
    return subprocess.Popen(
        ["make", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_make_serve(champion, project):
    process = make(project, "serve", "PORT=5999")
    try:
        wait(lambda: process.poll() is not None or helpers._answers(5999, "/ping"), 120)
        assert ask("127.0.0.1:5999", {"inputs": [TASK]}).json()["predictions"] == expected(champion, [TASK])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def test_make_serve_without_a_champion(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    process = make(project, "serve")
    said = process.communicate(timeout=120)[0]
    assert process.returncode != 0 and "Traceback" not in said
    assert "there is no champion yet; make run trains one" in said


# Two processes that do not end when they are asked to.
STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


@pytest.fixture
def left(monkeypatch):
    """A function that maps the processes that were started since, and still run, to their command lines."""
    mark = f"ONET_GWA_TEST={uuid.uuid4()}"
    monkeypatch.setenv(*mark.split("="))

    def left():
        lines = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (process / "environ").read_bytes():
                    lines[int(process.name)] = (process / "cmdline").read_text()
            except OSError:
                pass  # It has just ended, or it is not ours.
        return lines

    if not Path("/proc/self/environ").exists():
        pytest.skip("there is no /proc, which tells what processes are left")
    return left


def test_a_server_ends_with_its_context(left):
    with helpers.server(sys.executable, "-c", STUBBORN, "{port}", ready="/") as address:
        assert requests.get(f"http://{address}/", timeout=5).status_code == 200
        assert len(left()) == 3
    wait(lambda: not left(), 5)


def test_a_server_has_time_to_end(left, tmp_path):
    program = (
        "import http.server, pathlib, signal, sys, time\n"
        "def end(*_): time.sleep(1); pathlib.Path(sys.argv[2]).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
    )
    with helpers.server(sys.executable, "-c", program, "{port}", str(tmp_path / "done"), ready="/"):
        pass
    assert (tmp_path / "done").exists() and not left()


def test_a_server_ends_with_an_error(left):
    with pytest.raises(ZeroDivisionError):
        with helpers.server(sys.executable, "-m", "http.server", "{port}", ready="/"):
            assert len(left()) == 2
            raise ZeroDivisionError
    wait(lambda: not left(), 5)


@pytest.mark.parametrize("victim", ["server", "leash"])
def test_a_server_that_is_killed(left, victim):
    with helpers.server(sys.executable, "-c", STUBBORN, "{port}", ready="/"):
        leash, server, _ = sorted(left(), key=lambda pid: (helpers._LEASH not in left()[pid], pid))
        os.kill(leash if victim == "leash" else server, signal.SIGKILL)
    wait(lambda: not left(), 5)


def test_the_owner_is_killed(left):
    code = (
        "import sys, time, helpers\n"
        f"with helpers.server(sys.executable, '-c', {STUBBORN!r}, '{{port}}', ready='/'):\n"
        "    print('ready', flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=helpers.ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "ready\n" and len(left()) == 4
    owner.kill()
    owner.communicate()
    wait(lambda: not left(), 5)


def test_a_server_that_does_not_start(left):
    program = "print('no luck', flush=True); raise SystemExit(3)"
    with pytest.raises(RuntimeError, match="ended with status 3; its log ends with:\nno luck"):
        with helpers.server(sys.executable, "-c", program):
            pytest.fail("entered")
    assert not left()


@pytest.mark.parametrize(
    "program", ["import time; time.sleep(600)", STUBBORN], ids=["deaf", "answers with 404"]
)
def test_a_server_that_is_never_ready(left, program):
    with pytest.raises(RuntimeError, match="not ready in 2 s"):
        with helpers.server(sys.executable, "-c", program, "{port}", timeout=2):
            pytest.fail("entered")
    wait(lambda: not left(), 5)


def test_an_unknown_server():
    with pytest.raises(FileNotFoundError, match="mlfow: there is no such command"):
        with helpers.server("mlfow", "server"):
            pytest.fail("entered")


@pytest.mark.parametrize(
    "cell, error",
    [
        ("servers.close()", None),
        ("1 / 0", nbclient.exceptions.CellExecutionError),
        ("import os; os.kill(os.getpid(), 9)", nbclient.exceptions.DeadKernelError),
    ],
    ids=["success", "failing cell", "killed kernel"],
)
def test_no_scoring_server_outlives_its_notebook(champion, left, cell, error):
    """With two workers, since then there are most processes: the command, uvicorn and its workers."""
    start = (
        "from contextlib import ExitStack\nimport helpers\nservers = ExitStack()\n"
        f"address = servers.enter_context(helpers.server(*{SERVE}, '--workers', '2', ready='/ping'))"
    )
    cells = [nbformat.v4.new_code_cell(source) for source in (start, cell)]
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells), resources={"metadata": {"path": str(helpers.ROOT)}}
    )
    if error:
        with pytest.raises(error):
            client.execute()
    else:
        client.execute()
    wait(lambda: not left(), 10)
