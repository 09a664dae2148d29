"""Whatever ends the job or what launched it, nothing goes on: neither the kernel nor its workers."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from conftest import runs, shorten, wait
from prepared import empty_store

import helpers
from onet_gwa.processes import launcher

pytestmark = pytest.mark.slow
# A cell that keeps two workers busy, each of which tells its process group: those are joblib's, started by loky.
BUSY = """
import os, time
from joblib import Parallel, delayed

def busy(k):
    open({!r} + str(k), "w").write(str(os.getpgid(0)))
    time.sleep(600)

Parallel(n_jobs=2)(delayed(busy)(k) for k in range(2))
"""


def group(pgid):
    """The living processes of a group."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pgid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass
    return members


@pytest.fixture
def start(project, tmp_path):
    """Return a function that starts a job in a session of its own, and returns it and the group of its kernel."""
    groups = []

    def start(*command):
        job, kernel = busy_job(project, tmp_path, command)
        groups.extend([job.pid, kernel])
        return job, kernel

    yield start
    for process in sum(map(group, groups), []):
        process.kill()


def busy_job(project, tmp_path, command):
    """Start a job whose kernel has two busy workers; return it and their group."""
    noted = [tmp_path / "group0", tmp_path / "group1"]
    shorten(empty_store(project), BUSY.format(str(tmp_path / "group")))
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}", "TMPDIR": str(tmp_path)}
    job = subprocess.Popen(
        command, cwd=project, env=env, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    # In its first second, a worker of loky would answer a Ctrl-C by a traceback of its own.
    wait(lambda: all(path.exists() and path.read_text() for path in noted), 120)
    kernel = int(noted[0].read_text())
    # The kernel, the workers, and what tracks their memory.
    assert len(group(kernel)) >= 4
    return job, kernel


MLFLOW_RUN = ["mlflow", "run", ".", "--env-manager", "local"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_kill_of_mlflow_run(project, start, signum):
    """It says nothing to what it has started, which ends all the same, within 10 seconds."""
    job, kernel = start(*MLFLOW_RUN)
    os.kill(job.pid, signum)
    wait(lambda: not group(kernel) and not group(job.pid), 10)
    assert job.wait() == -signum and "Traceback" not in job.stderr.read()
    _, [killed] = runs(project)
    assert killed.info.status == "KILLED"


def test_kill_of_mlflow_run_before_the_notebook(project):
    """While the job reads its data; nothing of it is there yet but its process."""
    reader = project / "onet_gwa" / "tasks.py"
    wait_there = (
        "def load_tasks(*args):\n    open('reading', 'w').close()\n    import time; time.sleep(600)\n"
    )
    reader.write_text(reader.read_text() + "\n\n" + wait_there)
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"}
    job = subprocess.Popen(
        MLFLOW_RUN, cwd=project, env=env, stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait((project / "reading").exists, 120)
    job.terminate()
    job.wait()
    wait(lambda: not group(job.pid), 20)
    _, [killed] = runs(project)
    assert killed.info.status == "KILLED"


def test_ctrl_c(project, start):
    """The terminal sends it to `mlflow run` and to what that has started; one line of ours, no traceback."""
    job, kernel = start(*MLFLOW_RUN)
    os.killpg(job.pid, signal.SIGINT)
    wait(lambda: not group(kernel) and not group(job.pid), 10)
    said = job.stderr.read()
    assert "Traceback" not in said and "DeadKernelError" not in said
    assert len([line for line in said.splitlines() if "run_notebook.py: " in line]) == 1
    _, [stopped] = runs(project)
    # Which of the two is the last to write it, the job or MLflow, is a matter of time.
    assert stopped.info.status in ("KILLED", "FAILED")


def test_kill_of_the_job_alone(start):
    """As by the system when memory runs out: the kernel and its workers end, too."""
    job, kernel = start(sys.executable, "run_notebook.py")
    job.kill()
    wait(lambda: not group(kernel), 10)


def test_by_hand_nobody_is_followed(monkeypatch):
    """A job that was started from a shell goes on when the shell ends, as nohup asks."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    assert launcher.__wrapped__() is None


def test_the_launcher_behind_a_shell(monkeypatch):
    """MLflow starts a shell, which on some systems stays between the two."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    code = "from onet_gwa.processes import launcher; print(launcher().pid)"
    command = ["bash", "-c", f'"{sys.executable}" -c "{code}"; true']
    done = subprocess.run(command, cwd=helpers.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{os.getpid()}\n"
