"""make server: a real PostgreSQL and MLflow with passwords, of which nothing stays running, and only its files."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import requests
import server
from conftest import ROOT, copy_project, make_command, wait
from messages import on_page
from team_server import need, need_server


@pytest.fixture(scope="module")
def place():
    """A copy of the project in a folder that another user can enter, who runs PostgreSQL where we are root."""
    need_server()
    need("ps")
    with tempfile.TemporaryDirectory(prefix="onet-gwa-make-") as folder:
        os.chmod(folder, 0o711)
        Path(folder, "tmp").mkdir(mode=0o711)
        project = copy_project(Path(folder, "project"))
        shutil.copytree(ROOT / "deploy", project / "deploy")
        make_command(project)
        yield project


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextlib.contextmanager
def make_server(project, port):
    """`make server` until the context ends, by Ctrl-C; yields its lines so far, as a file."""
    command = ["make", "--no-print-directory", "--old-file=.venv/ready", "--old-file=.venv/ready-server"]
    # Variables that would lead PostgreSQL or MLflow elsewhere.
    env = {
        **os.environ,
        "PGHOST": "/no/where",
        "PGPORT": "1",
        "MLFLOW_BACKEND_STORE_URI": "sqlite:////no/where",
    }
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*command, "server", f"PORT={port}"],
            cwd=project,
            env=env,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            wait(lambda: process.poll() is not None or answers(port), 300)
            yield process, said
        finally:
            with contextlib.suppress(ProcessLookupError):
                # As a terminal does: to make and all that it started but for sessions of their own.
                os.killpg(process.pid, signal.SIGINT)
            process.wait(60)


def answers(port):
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=30).ok


def alive(project):
    """The commands that name a folder and run; the dead whom nobody has asked about are none."""
    listed = subprocess.run(["ps", "-eo", "stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(project) in line and not line.startswith("Z")]


@pytest.mark.slow
def test_it_starts_it_ends_and_it_goes_on(place):
    with make_server(place, port := free_port()) as (process, said):
        said.seek(0)
        text = said.read()
        assert process.poll() is None, text
        # What to type, typed.
        script = "\n".join(re.findall("^  (export .*)$", text, re.MULTILINE)) + "\nexec env"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        env = dict(
            line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("MLFLOW_TRACKING")
        )
        password = env["MLFLOW_TRACKING_PASSWORD"]
        assert env["MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{port}"
        make = {"auth": (env["MLFLOW_TRACKING_USERNAME"], password), "json": {"name": "kept"}, "timeout": 60}
        path = f"{env['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments"
        assert requests.post(f"{path}/create", **make).status_code == 200
        assert requests.post(f"{path}/create", **make | {"auth": None}).status_code == 401
        assert (
            requests.post(f"{path}/create", **make | {"auth": ("admin", "password1234")}).status_code == 401
        )
        check_listeners(place, port)
        check_a_second(place)
    check_what_is_left(place, password)
    with make_server(place, port := free_port()):
        path = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept"
        assert requests.get(path, auth=("admin", password), timeout=60).status_code == 200
    assert alive(place) == []


def check_listeners(place, port):
    """Nobody else on the network reaches it."""
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(5)
        other.connect((socket.gethostbyname(socket.gethostname()).replace("127.0.", "127.1."), int(port)))
    [options] = [line for line in (place / "server/postgres/postmaster.opts").read_text().splitlines()]
    assert "listen_addresses=" in options and "listen_addresses=1" not in options


def check_a_second(place):
    with make_server(place, free_port()) as (process, said):
        assert process.wait(60) != 0
        said.seek(0)
        text = said.read()
        assert f"make server: PostgreSQL runs already in {place}/server/postgres; end the other" in text


def check_what_is_left(place, password):
    """No process, no temporary file; the password is in its own file, which only its owner reads, and in no other."""
    assert alive(place) == []
    assert os.listdir(place.parent / "tmp") == []
    holding = [path for path in place.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert holding == [place / "server" / "password"]
    assert (place / "server" / "password").stat().st_mode & 0o777 == 0o600
    ignored = subprocess.run(["git", "check-ignore", "-q", "server/password"], cwd=ROOT)
    assert ignored.returncode == 0


@pytest.mark.slow
def test_a_server_that_was_killed(place):
    """MLflow ends with it; PostgreSQL does not, and the next one says so, and what ends it."""
    with make_server(place, free_port()) as (process, _):
        listed = subprocess.run(
            ["ps", "-eo", "ppid=,pid="], capture_output=True, text=True, check=True
        ).stdout
        [program] = [pid for parent, pid in map(str.split, listed.splitlines()) if parent == str(process.pid)]
        os.kill(int(program), signal.SIGKILL)
        wait(lambda: process.poll() is not None and all("postgres -D" in line for line in alive(place)))
    with make_server(place, free_port()) as (process, said):
        said.seek(0)
        told = said.read()
        [kill] = re.findall("PostgreSQL runs already.* type: (.*)", told)
        assert on_page("PostgreSQL runs already").search(told)
    subprocess.run(["bash", "-c", kill], check=True)
    wait(lambda: alive(place) == [])


def refusal(monkeypatch, **changed):
    """The one line with which the program refuses."""
    for name, value in changed.items():
        monkeypatch.setattr(server, name, value)
    with pytest.raises(SystemExit) as error:
        server.main()
    assert "\n" not in error.value.code and error.value.code.startswith("make server: ")
    return error.value.code


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Another folder than the project's for what the server keeps."""
    monkeypatch.setattr(server, "FOLDER", tmp_path / "server")
    monkeypatch.setenv("PORT", free_port())
    yield tmp_path / "server"
    # It would end on signals.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_without_postgresql(at, monkeypatch):
    said = refusal(monkeypatch, find=lambda command: None)
    assert (
        said
        == "make server: there is no initdb; install PostgreSQL: apt install postgresql, or brew install postgresql"
    )


def test_without_its_packages(at, monkeypatch):
    # What the program asks by.
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    assert on_page("its packages are missing").search(refusal(monkeypatch))
    assert not at.exists()


def test_a_port_that_is_taken(at, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setenv("PORT", str(listener.getsockname()[1]))
        assert "cannot be used" in refusal(monkeypatch)
    assert not at.exists()


def test_a_password_that_is_gone(at, monkeypatch):
    (at / "postgres").mkdir(parents=True)
    assert refusal(monkeypatch).endswith(f"knows its password only; remove {at} to begin anew")


def test_root_without_somebody_to_run_postgresql(at, monkeypatch):
    """And with somebody who cannot enter the folder, as nobody but root enters pytest's."""
    if os.geteuid():
        pytest.skip("only root needs another user for PostgreSQL")
    if server.find("initdb"):
        assert f"PostgreSQL's files cannot be made in {at}/postgres: " in refusal(monkeypatch)
        assert sorted(os.listdir(at)) == ["password"]

    def getpwnam(name):
        raise KeyError(name)

    monkeypatch.setattr(server.pwd, "getpwnam", getpwnam)
    monkeypatch.setattr(server, "find", lambda command: sys.executable)
    assert "there is no user postgres; type: useradd --system postgres" in refusal(monkeypatch)
