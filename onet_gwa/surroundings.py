"""What a machine brings along: the job's streams, signals and kernel are the same on each."""

import contextlib
import io
import os
import signal
import sys
import tempfile
from pathlib import Path

KERNEL = "onet-gwa"


class Unread(io.FileIO):
    """A file descriptor that is written to, whether what is written arrives or not: `| head -1`, a full disk."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError:
            return len(data)


def keep_streams():
    """Let this process print on, where nobody reads its stdout or stderr, or where they are closed.

    A training that takes an hour should not fail because its log is not read. What an encoding lacks is escaped.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Otherwise the next file that is opened, such as the store, would get the descriptor.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
        if name != "stdin":
            encoding = getattr(getattr(sys, name), "encoding", "utf-8")
            raw = io.BufferedWriter(Unread(descriptor, "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=True))


def end_on_signals():
    """Let SIGINT, SIGTERM and SIGHUP, where there is one, raise SystemExit of 128 and their number, once."""

    def stop(signum, frame):
        # `mlflow run` sends a second signal after the terminal's, which would come while the run is being closed.
        ignore_signals()
        sys.exit(128 + signum)

    for signum in _signals():
        signal.signal(signum, stop)


def ignore_signals():
    """Let nothing but SIGKILL end this process."""
    for signum in _signals():
        signal.signal(signum, signal.SIG_IGN)


def _signals():
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def kernel():
    """Prepare a kernel for papermill, and yield its options `kernel_name`, `language` and `start_timeout`.

    It is this Python, whatever kernelspecs there are, and what a user has set for IPython and matplotlib does not
    reach it. It has ten minutes to start, for a loaded machine.
    """
    from ipykernel.kernelspec import write_kernel_spec

    with tempfile.TemporaryDirectory(prefix="onet-gwa-kernel-", ignore_cleanup_errors=True) as folder:
        settings = {
            "IPYTHONDIR": folder,
            "MATPLOTLIBRC": os.devnull,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONWARNINGS": "",
        }
        write_kernel_spec(Path(folder, "kernels", KERNEL), overrides={"env": settings})
        # Where Jupyter looks for kernels, and writes how to reach them.
        os.environ.update(JUPYTER_DATA_DIR=folder, JUPYTER_RUNTIME_DIR=folder)
        yield {"kernel_name": KERNEL, "language": "python", "start_timeout": 600}
