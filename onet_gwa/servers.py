"""Servers that a notebook starts beside its cells, and that never outlive it."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# Runs a command and waits for it. The end of its own standard input, which comes when the process that
# holds the other end closes it or dies, kills the command and all that it started.
_LEASH = """
import os, signal, subprocess, sys, threading

def follow():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
default = lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL)
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=default)
threading.Thread(target=follow, daemon=True).start()
sys.exit(server.wait())
"""


@contextlib.contextmanager
def server(*command, ready="/health", timeout=300):
    """Run a server on a free port while the context lasts; yield its address, such as "127.0.0.1:51000".

    In the arguments of `command`, "{port}" stands for the port. The context is entered when the server
    answers GET on the path `ready` with status 200 or, where that is None, accepts connections. When the
    context ends, the server and all processes that it started have ended too; when this process dies, they
    are killed. This process, and what it starts, asks no proxy for an address of this machine any more. Raises
    RuntimeError, with the end of the server's log, where it ends by itself or does not answer within `timeout`
    seconds, and FileNotFoundError for an unknown command.
    """
    if not shutil.which(command[0]):
        raise FileNotFoundError(f"{command[0]}: there is no such command; is the environment active?")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [argument.replace("{port}", str(port)) for argument in command]
    _ask_no_proxy()
    with tempfile.TemporaryFile() as log:
        leash = subprocess.Popen(
            [sys.executable, "-c", _LEASH, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + timeout
            while not _answers(port, ready):
                ended = leash.poll() is not None
                if ended or time.monotonic() > end:
                    log.seek(0)
                    said = log.read().decode(errors="replace").splitlines()[-20:]
                    what = f"ended with status {leash.returncode}" if ended else f"not ready in {timeout} s"
                    raise RuntimeError("\n".join([f"{' '.join(command)}: {what}; its log ends with:", *said]))
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            _end(leash)


def _ask_no_proxy():
    """Except this machine from the proxies of http_proxy, which know nothing of its servers."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if excepted != "*":
        hosts = [host.strip() for host in excepted.split(",") if host.strip()]
        excepted = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
    os.environ.update(no_proxy=excepted, NO_PROXY=excepted)


def _answers(port, path):
    # Without a library that would ask a proxy.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.connect()
            if path is None:
                return True
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False


def _end(leash):
    """Ask the session of `leash` to end, and after 10 seconds kill what is left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leash.pid, signal.SIGTERM)
    try:
        leash.wait(10)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leash.pid, signal.SIGKILL)
        leash.wait()
        leash.stdin.close()
