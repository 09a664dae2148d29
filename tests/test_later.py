"""A tracking server that is down, or dies during the training: told soon, and nothing that was trained is lost."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import mlflow
import pytest
import record
import requests
from conftest import make_command, refusal, run_in, shorten, wait
from messages import on_page
from prepared import call
from server import postgres

import helpers
from onet_gwa.servers import _answers

pytestmark = pytest.mark.slow

# The notebook's steps, with a wait for the test between the training and what is logged of it.
CELLS = """
import sys; sys.path.insert(0, "..")
import helpers, mlflow, pathlib, time
helpers.connect()
run = mlflow.start_run()
---
label_table = helpers.load_labels(labels)
X, y = helpers.to_X_y(helpers.load_tasks(data, label_table), label_table)
model = helpers.make_model().fit(X.head(300), y.head(300))
---
pathlib.Path({0!r}).touch()
while pathlib.Path({0!r}).exists(): time.sleep(0.1)
---
asked = {{"C": C, "registered_model_name": registered_model_name}}
helpers.keep(model, label_table, X.head(1), asked, {{"f1_micro": 0.5}}, "digest")
---
mlflow.log_metric("f1_micro", 0.5)
---
{1}
""".split("---")


@contextlib.contextmanager
def tracking_server(folder, port):
    """A tracking server on this port, and what it has recorded in this folder."""
    folder.mkdir(exist_ok=True)
    options = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "a"),
    ]
    command = ["mlflow", "server", *options, "--workers", "1", "--port", str(port)]
    with open(folder / "log", "a") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        wait(lambda: _answers(port, "/health"), 120)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture
def job(project, tmp_path, free_port):
    """Return a function that starts the job on a server, and one that lets it go on after its training."""
    waits, last = tmp_path / "waits", "mlflow.end_run()"
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port}", "TMPDIR": str(tmp_path)}
    env |= {"MLFLOW_RUN_ID": "", "MLFLOW_EXPERIMENT_NAME": ""}
    env |= {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "ada's password"}

    def start(*command, last=last):
        shorten(project, *[cell.strip().format(str(waits), last) for cell in CELLS])
        started = subprocess.Popen(
            command, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait(lambda: waits.exists() or started.poll() is not None, 120)
        return started

    yield start, waits.unlink
    waits.unlink(missing_ok=True)


def test_a_server_that_dies_during_the_training(project, tmp_path, job, free_port):
    start, go_on = job
    with tracking_server(tmp_path / "server", free_port):
        process = start(sys.executable, "run_notebook.py")
    died = time.monotonic()
    go_on()
    out, said = process.communicate(timeout=120)
    assert time.monotonic() - died < 60
    assert process.returncode == 1 and "Traceback" not in said
    assert "cell 6 (asked = " in said and "there is no answer" in said
    told = re.search(
        "the model stays in (.*); to log and register it, when .*: (.*); it needs (.*), too\n", said
    )
    folder, command, variables = told.groups()
    assert variables == "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    assert "ada's password" not in out + said
    assert command == f"MLFLOW_TRACKING_URI=http://127.0.0.1:{free_port} make record FOLDER={folder}"
    assert on_page("the model stays in").search(said)
    assert f"the executed notebook stays in {folder}/notebook, " in said
    assert on_page("the executed notebook stays in").search(said)

    env = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port}", "TMPDIR": str(tmp_path)}
    record = make_command(project, "record", f"FOLDER={folder}")
    done = run_in(project, *record, **env)
    assert done.returncode != 0 and "make record: MLFLOW_TRACKING_URI: http://127.0.0.1" in done.stderr
    with tracking_server(tmp_path / "server", free_port):
        # The next job closes the run, and leaves the model alone.
        reaped = run_in(project, sys.executable, "tools/reap.py", **env).stdout
        assert "is closed as KILLED" in reaped and "removed" not in reaped
        done = run_in(project, *record, **env)
        assert done.returncode == 0, done.stderr
        client = mlflow.MlflowClient(f"http://127.0.0.1:{free_port}")
        version = client.get_model_version("onet-gwa", "1")
        run = client.get_run(version.run_id)
        assert run.info.status == "FINISHED" and run.data.metrics == {"f1_micro": 0.5}
        assert run.data.params == {"C": "1, 10, 100", "registered_model_name": "onet-gwa"}
        assert len(client.list_artifacts(version.run_id, "notebook")) == 2
        recorded = f"make record: run {version.run_id} is recorded, with version 1 of onet-gwa; "
        assert done.stdout == f"{recorded}{version.tags['decision']}\n"
        assert version.tags["decision"].endswith(": make promote VERSION=1 MODEL=onet-gwa")
    assert not os.path.exists(folder)


def test_a_server_that_is_started_anew(tmp_path, job, free_port):
    """Half a minute without it loses nothing."""
    start, go_on = job
    with tracking_server(tmp_path / "server", free_port):
        process = start(sys.executable, "run_notebook.py")
    go_on()
    with tracking_server(tmp_path / "server", free_port):
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        needed = "it needs MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, too."
        assert out.splitlines()[-1].endswith(f"make serve MODEL=onet-gwa serves the champion; {needed}")
        assert "ada's password" not in out + said


def test_another_failure_after_the_training(project, job, tmp_path, free_port):
    """Whatever fails then, the model is kept; and one that was registered is not registered again."""
    start, go_on = job
    with tracking_server(tmp_path / "server", free_port):
        last = "logged = helpers.log_model(model, label_table, X.head(1))\n"
        last += "helpers.prepare_registration('onet-gwa', label_table)\n"
        last += "helpers.register(logged.model_uri, 'onet-gwa', 0.5, 'digest')\n1 / 0"
        process = start(sys.executable, "run_notebook.py", last=last)
        go_on()
        _, said = process.communicate(timeout=120)
        [folder] = re.findall("the model stays in (.*); to log", said)
        env = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port}"}
        client = mlflow.MlflowClient(env["MLFLOW_TRACKING_URI"])
        [version] = client.search_model_versions()
        assert client.get_run(version.run_id).info.status == "FAILED"
        done = run_in(project, *make_command(project, "record", f"FOLDER={folder}"), **env)
        assert done.stdout.endswith("is recorded, with version 1\n"), done.stderr
        assert client.get_run(version.run_id).info.status == "FINISHED"
        assert len(client.search_model_versions()) == 1 and not os.path.exists(folder)


def test_nothing_to_record(store, run, project, monkeypatch):
    monkeypatch.chdir(helpers.ROOT)
    by_make = run(*make_command(project, "record", "FOLDER=/nowhere"))
    for done in (by_make, *(call(record.main, FOLDER=folder) for folder in ("", "/nowhere", "data"))):
        assert done.returncode != 0
        assert done.stderr.splitlines()[0].startswith("make record: FOLDER: ")
        assert done.stderr.splitlines()[0].endswith("holds no model; name the folder that the job told")


@pytest.fixture
def dropping():
    """The port of a listener whose queue is full, so that a further packet is dropped."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        time.sleep(0.2)
        yield listener.getsockname()[1]


@pytest.fixture
def silent():
    """The port of a server that takes requests, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("how", ["refusing", "dropping", "silent"])
def test_a_server_that_is_down(connect, request, free_port, how):
    port = free_port if how == "refusing" else request.getfixturevalue(how)
    begin = time.monotonic()
    assert "there is no answer" in refusal(connect, f"http://127.0.0.1:{port}")
    assert time.monotonic() - begin < 10


def test_a_job_whose_server_is_down(project, dropping):
    """Within 15 seconds on a machine that does nothing else, of which Python's start takes its share."""
    for command in ([sys.executable, "run_notebook.py"], make_command(project, "run")):
        begin = time.monotonic()
        done = run_in(project, *command, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{dropping}")
        assert time.monotonic() - begin < 40
        told = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
        assert done.returncode != 0 and len(told) == 1
        assert "MLFLOW_TRACKING_URI: http://127.0.0.1:" in told[0] and "there is no answer" in told[0]


def test_a_server_whose_database_is_down(connect, team, monkeypatch):
    """It is told apart from a server that is down; both go on when PostgreSQL does."""
    for name, value in {"USERNAME": team.user, "PASSWORD": team.password}.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    connect(team.address)
    data = os.path.join(team.folder, "postgres")
    ready = ["pg_isready", "--host", team.sockets]
    postgres("pg_ctl", "stop", "--pgdata", data, "--mode", "fast", "--wait").check_returncode()
    assert "accepting connections" not in postgres(*ready).stdout
    said = refusal(connect, team.address)
    assert on_page("MLFLOW_TRACKING_URI: …: the server answers").search(said)
    assert requests.get(f"{team.address}/health", timeout=60).text == "OK"
    log = os.path.join(data, "server.log")
    postgres("pg_ctl", "restart", "--pgdata", data, "--log", log, "--wait").check_returncode()
    assert "accepting connections" in postgres(*ready).stdout
    connect(team.address)


def test_a_database_that_drops_packets(connect, dropping):
    pytest.importorskip("psycopg2", reason="PostgreSQL's driver psycopg2 is absent")
    begin = time.monotonic()
    assert "name a store that can be written" in refusal(
        connect, f"postgresql+psycopg2://u:pw@127.0.0.1:{dropping}/x"
    )
    assert time.monotonic() - begin < 15


def test_a_reader_keeps_nothing(store, monkeypatch):
    """In Jupyter, the model is in the notebook's memory."""
    monkeypatch.delenv("ONET_GWA_FOLDER", raising=False)
    helpers.keep(None, None, None, {}, {}, "digest")
