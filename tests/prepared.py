"""What spares the tests seconds each: a Java that starts soon, an empty store, a program called in this process.

And a terminal of its own for a program that asks something.
"""

import contextlib
import fcntl
import functools
import io
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import termios
import time
from pathlib import Path

import pytest

# Where runs go.
SETTINGS = ("MLFLOW_EXPERIMENT", "MLFLOW_RUN", "MLFLOW_TRACKING")


def quick_java(folder):
    """Let JAVA_HOME name a Java that compiles less, in the new `folder`; where there is no Java, do nothing.

    A test's Java ends after seconds, half of which it would spend on compiling well what it then runs no more.
    """
    home = os.environ.get("JAVA_HOME")
    if java := shutil.which(f"{home}/bin/java" if home else "java"):
        program = folder / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{java}" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"\n')
        program.chmod(0o755)
        os.environ["JAVA_HOME"] = str(folder)


def empty_store(folder):
    """Put the store into a folder that `helpers.connect` would make there, by 68 migrations; return the folder.

    They are run once, and the other stores are copies. Tests of how a store is made let `connect` make it.
    """
    from onet_gwa.sqlite import make_tables

    shared = Path(os.environ["ONET_GWA_TESTS"])
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_tables(f"sqlite:///{shared}/empty.db", shared)
    shutil.copy(shared / "empty.db", folder / "mlflow.db")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", [f"{folder}/mlruns/0"])
    return folder


@contextlib.contextmanager
def as_before():
    """Leave the environment, MLflow's store and what signals do as they were: notebooks and other tests come after."""
    import mlflow

    uri, environ = mlflow.get_tracking_uri(), dict(os.environ)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        mlflow.set_tracking_uri(uri)
        os.environ.clear()
        os.environ.update(environ)


def call(main, *arguments, **env):
    """Call a program's `main` in this process, where its packages are imported; return what subprocess.run returns.

    A program that is called so needs another test that starts it.
    """
    said = [io.StringIO(), io.StringIO()]
    with as_before():
        os.environ.update(env)
        try:
            with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
                status = main(*arguments) or 0
        except SystemExit as stopped:
            status = stopped.code
            if isinstance(status, str):
                print(status, file=said[1])
                status = 1
    return subprocess.CompletedProcess([main, *arguments], status, *(text.getvalue() for text in said))


@pytest.fixture(autouse=True)
def nothing_left():
    """See that a test leaves no store, run or experiment to the notebooks and tests after it, and no model here."""
    models = Path(__file__).resolve().parents[1] / "mlruns"

    def left():
        return {item for item in os.environ.items() if item[0].startswith(SETTINGS)}, models.exists()

    before = left()
    yield
    assert left() == before


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The folder of a new store, to which MLflow points; one for a file's tests."""
    import helpers

    folder = empty_store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        helpers.connect()
        yield folder


def typed(command, prompt, key, **options):
    """Type a key when a command prompts in a terminal of its own; return its status, and what the terminal shows."""
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    # Only of the terminal that controls a process, Ctrl-C is a signal, and getpass asks there.
    take = functools.partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)
    with subprocess.Popen(command, preexec_fn=take, **terminal, **options) as process:
        os.close(theirs)
        shown = b""
        while not shown.endswith(prompt):
            shown += os.read(ours, 1024)
        # Python overlooks a signal between its prompt and its read.
        time.sleep(0.5)
        os.write(ours, key)
        # Linux says the end of a terminal so.
        with contextlib.suppress(OSError):
            while more := os.read(ours, 1024):
                shown += more
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")
