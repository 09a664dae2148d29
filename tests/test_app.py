"""`make serve`: which model answers, what the log says, and refusals of one line before anything starts."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest
import requests
import serve
from conftest import ROOT, serving, wait
from messages import fails, on_page
from prepared import call
from test_serving import TASK, ask

import helpers
from onet_gwa.servers import _answers

pytestmark = pytest.mark.slow

KEYS = ["time", "method", "path", "status", "rows", "ms", "model"]


def entries(folder):
    """The lines of a server's log, which are JSON, as dicts."""
    return [json.loads(line) for line in (folder / "out").read_text().splitlines()]


def models(address, rows=1):
    return {row["model"] for row in ask(address, {"inputs": [TASK] * rows}).json()["predictions"]}


@pytest.fixture(scope="module")
def server(versions, tmp_path_factory):
    """The address of a server of version 1, and the folder of its log."""
    folder = tmp_path_factory.mktemp("server")
    with helpers.server(*serving(folder, LOG="json"), ready="/ping") as address:
        yield address, folder


def test_a_server_names_the_version_that_it_read(versions, server, tmp_path):
    """Also when another one is the champion by now, and with two workers."""
    address, folder = server
    versions.set_registered_model_alias("onet-gwa", "champion", "2")
    try:
        with helpers.server(*serving(tmp_path, WORKERS="2", LOG="json"), ready="/ping") as second:
            assert (models(address, 3), models(second, 3)) == ({"onet-gwa/1"}, {"onet-gwa/2"})
            assert {entry["model"] for entry in entries(tmp_path)} == {"onet-gwa/2"}
            # The first one answers while the second still reads the model.
            wait(lambda: (tmp_path / "err").read_text().count("Started server process") == 2)
    finally:
        versions.set_registered_model_alias("onet-gwa", "champion", "1")
    assert "make serve: onet-gwa/1 for http://127.0.0.1:" in (folder / "err").read_text()


def test_a_line_of_the_log_for_each_request(server):
    address, folder = server
    before = len(entries(folder))
    secret = "Zeppelin mooring at the secret site."
    ask(address, {"inputs": [secret] * 3, "params": {"reasons": True}})
    ask(address, {"inputs": [secret, "5"]})
    ask(address, secret)
    requests.get(f"http://{address}/Zeppelin%0A%7B?site=secret", timeout=60)
    assert requests.get(f"http://{address}/ping", timeout=60).headers["X-Model"] == "onet-gwa/1"
    requests.post(f"http://{address}/invocations", secret, headers={"Content-Type": ""}, timeout=60)
    # The log is a file of another process.
    wait(lambda: len(entries(folder)) >= before + 6)
    lines = entries(folder)[before:]
    assert [list(line) for line in lines] == [KEYS] * 6
    assert [(line["method"], line["path"], line["status"], line["rows"]) for line in lines] == [
        ("POST", "/invocations", 200, 3),
        ("POST", "/invocations", 400, None),
        ("POST", "/invocations", 400, None),
        ("GET", "/Zeppelin%0A%7B", 404, None),
        ("GET", "/ping", 200, None),
        ("POST", "/invocations", 415, None),
    ]
    assert all(line["model"] == "onet-gwa/1" and 0 < line["ms"] < 60_000 for line in lines)
    seconds = [pd.Timestamp(line["time"]).timestamp() for line in lines]
    assert seconds == sorted(seconds) and time.time() - 120 < seconds[0] <= time.time()
    assert "secret" not in (folder / "out").read_text() + (folder / "err").read_text()


def test_a_log_that_is_full(versions, tmp_path):
    """The answers come also when the log cannot be written."""
    (tmp_path / "out").symlink_to("/dev/full")
    with helpers.server(*serving(tmp_path), ready="/ping") as address:
        assert models(address) == {"onet-gwa/1"}


def test_a_caller_who_has_gone(server):
    address, folder = server
    host, port = address.split(":")
    before = len(entries(folder))
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf")
        time.sleep(0.5)
    end = time.monotonic() + 30
    while len(entries(folder)) == before and time.monotonic() < end:
        time.sleep(0.1)
    [line] = entries(folder)[before:]
    assert line["status"] == 499 and line["rows"] is None
    assert models(address) == {"onet-gwa/1"}


def test_a_server_that_is_told_to_end_answers_first(versions):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, ROOT / "tools" / "serve.py"], env={**os.environ, "PORT": str(port)}
    )
    try:
        wait(lambda: _answers(port, "/ping"), 120)
        with ThreadPoolExecutor() as pool:
            many = {"inputs": [TASK] * 500, "params": {"reasons": True}}
            answer = pool.submit(ask, f"127.0.0.1:{port}", many)
            time.sleep(0.5)
            assert not answer.done()
            process.terminate()
            assert len(answer.result().json()["predictions"]) == 500
        assert process.wait(60) in (0, -15, 143)
    finally:
        process.kill()
        process.wait()


def refused(started=False, **env):
    """What tools/serve.py says as it exits with status 1: one line, and nothing on stdout."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        env = {"PORT": str(free.getsockname()[1]), **env}
    if started:
        command = [sys.executable, ROOT / "tools" / "serve.py"]
        done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=300)
    else:
        done = call(serve.main, **env)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("make serve: ")
    return done.stderr


def test_what_is_refused_in_one_line(server):
    address, _ = server
    port = address.split(":")[1]
    assert f"port {port} cannot be used ([Errno 98] " in refused(PORT=port)
    for host in ("nowhere.invalid", "münchen..", "::1", "192.0.2.1"):
        said = refused(HOST=host)
        assert f"HOST={host} is no IPv4 address" in said and on_page("HOST=").search(said)
    assert "WORKERS=0 is no number from 1 to 99" in refused(WORKERS="0")
    assert "LOG=xml is not json" in refused(LOG="xml")
    assert "else has no champion yet" in refused(started=True, MODEL="else")


def test_another_server_whose_model_is_not_loaded_yet(versions, tmp_path, monkeypatch, free_port):
    """It keeps its port, and refuses callers, whom nginx leads to another server."""
    monkeypatch.setenv("PORT", str(free_port))
    command = [sys.executable, ROOT / "tools" / "serve.py"]
    with open(tmp_path / "err", "w") as err, subprocess.Popen(command, stderr=err) as process:
        try:
            wait(lambda: "uvicorn" in " ".join(psutil.Process(process.pid).cmdline()))
            fails(on_page("port … cannot be used ([Errno 98]"), serve.bind, "make serve", "5001")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", free_port))
            wait(lambda: _answers(free_port, "/ping"), 120)
        finally:
            process.kill()


@contextlib.contextmanager
def without(path):
    """Take a file or folder away while the context lasts."""
    aside = path.with_name("aside")
    shutil.move(path, aside)
    try:
        yield
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.move(aside, path)


@pytest.mark.parametrize("part", [".", "MLmodel", "data/model/pipeline.skops"])
def test_a_champion_whose_files_are_gone(versions, part):
    source = versions.get_model_version_download_uri("onet-gwa", "1")
    folder = Path(mlflow.artifacts.download_artifacts(source))
    with without((folder / part).resolve()):
        said = refused()
    assert "make serve: the champion, onet-gwa/1, " in said
    assert on_page("the champion, …, cannot be read (…); promote").search(said)


def test_a_champion_that_is_damaged(versions, tmp_path):
    """It ends, instead of starting workers anew for ever."""
    folder = Path(
        mlflow.artifacts.download_artifacts(versions.get_model_version_download_uri("onet-gwa", "1"))
    )
    with without(folder / "data" / "model" / "pipeline.skops"):
        (folder / "data" / "model" / "pipeline.skops").write_bytes(b"no archive")
        with pytest.raises(RuntimeError, match="ended with status"):
            with helpers.server(*serving(tmp_path, WORKERS="2"), ready="/ping"):
                pytest.fail("it answers")
    said = (tmp_path / "err").read_text()
    assert "\nmake serve: onet-gwa/1 cannot be loaded: ValueError(" in said and "Traceback" not in said
    assert on_page("… cannot be loaded: ").search(said)


def test_another_host_a_log_for_people_and_a_request_that_takes_too_long(versions, tmp_path):
    """MLflow gives a request 60 seconds, or what its variable says."""
    settings = {"HOST": "0.0.0.0", "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "1"}
    with helpers.server(*serving(tmp_path, **settings), ready="/ping") as address:
        address = f"127.0.0.2:{address.split(':')[1]}"
        assert models(address) == {"onet-gwa/1"}
        late = ask(address, {"inputs": [TASK] * 3000, "params": {"reasons": True}})
        assert late.status_code == 504
        *_, answered, refused = (tmp_path / "out").read_text().splitlines()
    pattern = r"time=\S+ method=POST path=/invocations status={} rows={} ms=[\d.]+ model=onet-gwa/1"
    assert re.fullmatch(pattern.format(200, 1), answered) and re.fullmatch(pattern.format(504, "-"), refused)


def test_the_log_on_the_page():
    page = (ROOT / "docs" / "serving.md").read_text()
    [line] = re.findall(r'^\{"time".*$', page, re.MULTILINE)
    assert list(json.loads(line)) == KEYS
