"""What a machine brings along: the job's streams, signals and kernel are the same on each."""

import io
import logging
import os
import re
import signal
import sys
import tempfile
import time

KERNEL = "onet-gwa"
# What the kernel runs first. It and its workers, one group of processes, end with the process that started it;
# ipykernel's own way would leave the workers behind.
_LEASH = """
def _follow():
    import os, signal, threading, time

    def follow(parent):
        while os.getppid() == parent:
            time.sleep(0.5)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=follow, args=[os.getppid()], daemon=True).start()

_follow()
del _follow
"""


class Unread(io.FileIO):
    """A file descriptor that is written to, whether what is written arrives or not: `| head -1`, a full disk."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError:
            return len(data)


class Log(io.TextIOWrapper):
    """A text stream with the time before each line, in MLflow's form; what `\\r` would overwrite is left out."""

    rest = ""

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            line = line.rpartition("\r")[2]
            has_time = re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", line)
            begin = "" if has_time else time.strftime("%Y/%m/%d %H:%M:%S ")
            super().write(f"{begin}{line}\n")
        return len(text)


def keep_streams():
    """Let this process print on, where nobody reads its stdout or stderr, or where they are closed.

    A training that takes an hour should not fail because its log is not read. What an encoding lacks is escaped.
    Without a terminal, stderr becomes a `Log`, and stdout, too, where both lead to the same place, as in a journal.
    """
    log = _log()
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Otherwise the next file that is opened, such as the store, would get the descriptor.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
        if name != "stdin":
            encoding = getattr(getattr(sys, name), "encoding", "utf-8")
            raw = io.BufferedWriter(Unread(descriptor, "w", closefd=False))
            kind = Log if descriptor in log else io.TextIOWrapper
            setattr(sys, name, kind(raw, encoding, "backslashreplace", line_buffering=True))


def _log():
    """Return the numbers of the streams that belong to a log."""
    try:
        if os.isatty(2):
            return ()
        return (1, 2) if os.path.sameopenfile(1, 2) else (2,)
    # A stream is closed.
    except OSError:
        return (2,)


def end_on_signals():
    """Let SIGINT, SIGTERM and SIGHUP, where there is one, raise SystemExit of 128 and their number, once.

    A SIGHUP that is ignored, as after `nohup`, stays so.
    """

    def stop(signum, frame):
        # `mlflow run` sends a second signal after the terminal's, which would come while the run is being closed.
        ignore_signals()
        # The notebook's cell is left in the middle, which asyncio would tell at the end in a long traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        sys.exit(128 + signum)

    for signum in _signals():
        if signum == signal.SIGINT or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, stop)


def ignore_signals():
    """Let nothing but SIGKILL end this process."""
    for signum in _signals():
        signal.signal(signum, signal.SIG_IGN)


def _signals():
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def kernel(folder):
    """Prepare a kernel for papermill in `folder`; return its options `kernel_name`, `language` and `start_timeout`.

    It is this Python, whatever kernelspecs there are, and what a user has set for IPython and matplotlib does not
    reach it. It has ten minutes to start, for a loaded machine. Its temporary files, too, are in the folder.
    """
    from ipykernel.kernelspec import write_kernel_spec

    temporary, startup = folder / "tmp", folder / "kernel" / "profile_default" / "startup"
    temporary.mkdir()
    startup.mkdir(parents=True)
    (startup / "00-leash.py").write_text(_LEASH)
    settings = {
        "IPYTHONDIR": str(folder / "kernel"),
        "MATPLOTLIBRC": os.devnull,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONWARNINGS": "",
    }
    # 1 tells ipykernel not to look for the end of its parent itself.
    options = ["--IPKernelApp.parent_handle=1", "--Application.log_datefmt=%Y/%m/%d %H:%M:%S"]
    options.append("--Application.log_format=%(asctime)s %(levelname)s %(name)s: %(message)s")
    write_kernel_spec(folder / "kernel" / "kernels" / KERNEL, {"env": settings}, extra_arguments=options)
    # Where Jupyter looks for kernels, and writes how to reach them; and what joblib shares among its workers.
    os.environ.update(JUPYTER_DATA_DIR=str(folder / "kernel"), JUPYTER_RUNTIME_DIR=str(folder / "kernel"))
    os.environ.update(TMPDIR=str(temporary), JOBLIB_TEMP_FOLDER=str(temporary), ONET_GWA_FOLDER=str(folder))
    tempfile.tempdir = None
    return {"kernel_name": KERNEL, "language": "python", "start_timeout": 600}
