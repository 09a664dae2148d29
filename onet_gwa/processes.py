"""The job's processes: which one launched it, and that it ends with that one."""

import functools
import os
import signal
import threading
import time

SHELLS = {"bash", "dash", "sh", "zsh"}


@functools.cache
def launcher():
    """Return the Python process that opened a run for this one, such as `mlflow run`; None where none did.

    It is looked for once: later on, this process may have opened a run itself.
    """
    import psutil

    if not os.environ.get("MLFLOW_RUN_ID"):
        return None
    parent = next((p for p in psutil.Process().parents() if p.name() not in SHELLS), None)
    try:
        return parent if parent and "python" in parent.exe().lower() else None
    # Another user's, such as sshd: this process was started by hand.
    except psutil.Error:
        return None


def end_with_launcher():
    """Let the end of the launcher, however it comes, be a SIGTERM for this process, within a second.

    `mlflow run` ends at a SIGTERM without a word to what it has started.
    """
    process = launcher()
    if process is None:
        return

    def follow():
        while is_alive(process):
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def end_with(parent):
    """End this process within a second after the one with the id `parent`, which started it.

    A pool's workers would wait for more to do.
    """

    def follow():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    # The terminal's Ctrl-C is for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow, daemon=True).start()


def is_alive(process):
    """Whether a psutil.Process has not ended yet; one whose parent has not asked for its status has."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
