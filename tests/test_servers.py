"""Servers beside a notebook's cells: they never outlive it, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import nbclient
import nbformat
import pytest
import requests
from conftest import wait

import helpers
from onet_gwa.servers import _LEASH

pytestmark = pytest.mark.slow

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
        leash, server, _ = sorted(left(), key=lambda pid: (_LEASH not in left()[pid], pid))
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
def test_no_server_outlives_its_notebook(left, cell, error):
    """Nor do the processes that it started; the stubborn server stands for one with workers."""
    start = (
        "import sys\nfrom contextlib import ExitStack\nimport helpers\nservers = ExitStack()\n"
        f"address = servers.enter_context(helpers.server(sys.executable, '-c', {STUBBORN!r}, '{{port}}', ready='/'))"
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
    wait(lambda: not left(), 15)


@pytest.mark.parametrize(
    "excepted",
    [{}, {"NO_PROXY": "example.org"}, {"no_proxy": "example.org, 127.0.0.1"}, {"no_proxy": "*"}],
    ids=str,
)
def test_no_proxy_is_asked(monkeypatch, excepted):
    """For a server of this machine, by requests and by curl; for others as before."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name, value in excepted.items():
        monkeypatch.setenv(name, value)
    with helpers.server(sys.executable, "-m", "http.server", "{port}", ready="/") as address:
        assert requests.get(f"http://{address}/", timeout=10).ok
        curl = ["curl", "--silent", "--fail", "--output", os.devnull, f"http://{address}/"]
        assert not shutil.which("curl") or subprocess.run(curl).returncode == 0
    outside = requests.utils.get_environ_proxies("http://example.net/")
    assert bool(outside) == ("*" not in excepted.values())
    assert not excepted or not requests.utils.get_environ_proxies("http://example.org/")
