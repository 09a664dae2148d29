"""The job's run and temporary folder: whose they are, their end, and the end of those whose process has died."""

import contextlib
import glob
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from onet_gwa.addresses import need_server, plain
from onet_gwa.figures import render
from onet_gwa.processes import is_alive
from onet_gwa.store import connect
from onet_gwa.tables import first_line

HOST, PROCESS = "job.host", "job.process"
PREFIX, OWNER, KEPT = "onet-gwa-", "owner.txt", "kept.json"


def claim(run_id):
    """Mark a run as this process's, and return a new temporary folder for it, a Path (see `mark` and `own_folder`).

    Raises OSError when this cannot be written; the run is then FAILED, if the store can still be reached.
    """
    from mlflow import MlflowClient, MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        mark(run_id)
        folder = own_folder()
        (folder / "notebook").mkdir()
        return folder
    except OSError as error:
        with contextlib.suppress(MlflowException, SQLAlchemyError):
            MlflowClient().set_terminated(run_id, "FAILED")
        raise OSError(f"the job cannot begin: {first_line(error)}") from error


def mark(run_id):
    """Say in the run's tags `job.host` and `job.process` that it is this process's (see `reap`).

    What MLflow has put into other tags loses its passwords. Raises OSError where the store does not take it.
    """
    from mlflow import MlflowClient, MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    client, (host, process) = MlflowClient(), _owner()
    try:
        # The address of a Git repository may have a password in it, which MLflow has put into a tag.
        tags = client.get_run(run_id).data.tags
        for key in [key for key, value in tags.items() if plain(value) != value]:
            client.set_tag(run_id, key, plain(tags[key]))
        client.set_tag(run_id, HOST, host)
        client.set_tag(run_id, PROCESS, process)
    except (MlflowException, SQLAlchemyError) as error:
        raise OSError(first_line(error)) from error


def own_folder(prefix=PREFIX, parent=None):
    """Return a new folder, a Path; its file owner.txt says that it is this process's (see `remove_dead`).

    It is in the folder `parent`, by default that for temporary files, and its name begins with `prefix`. Raises
    OSError when it cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        (folder / OWNER).write_text("\n".join(_owner()), encoding="utf-8")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def remove_dead(prefix=PREFIX, parent=None):
    """Remove the folders of `own_folder` whose process was one of this machine, and is no more; return their paths."""
    removed = []
    for owner in Path(parent or tempfile.gettempdir()).glob(f"{glob.escape(prefix)}*/{OWNER}"):
        # Another user's cannot be read, or be removed.
        with contextlib.suppress(OSError, ValueError):
            host, process = owner.read_text(encoding="utf-8").splitlines()
            if _is_dead(host, process):
                shutil.rmtree(owner.parent)
                removed.append(owner.parent)
    return removed


def close():
    """End a run of MLFLOW_RUN_ID, if there is one, as KILLED, as well as the store allows: nobody waits any more."""
    from mlflow import MlflowClient, MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        with contextlib.suppress(MlflowException, SQLAlchemyError, OSError, ValueError):
            connect()
            MlflowClient().set_terminated(run_id, "KILLED")


def finish(run_id, status, folder):
    """End a run, with the notebook in the job's folder, and its HTML, as artifacts; return the run.

    The folder is removed, unless a run that failed has kept its model there (see `keep`). Raises OSError, which says
    where the notebook stays, when it could not be logged.
    """
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    client, notebooks = mlflow.MlflowClient(), folder / "notebook"
    try:
        # MLflow would try again for a minute.
        need_server(mlflow.get_tracking_uri())
        try:
            for notebook in notebooks.glob("*.ipynb"):
                notebook.with_suffix(".html").write_text(render(notebook), encoding="utf-8")
            if any(notebooks.iterdir()):
                client.log_artifacts(run_id, str(notebooks), "notebook")
        finally:
            client.set_terminated(run_id, status)
        run = client.get_run(run_id)
    except (mlflow.MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        # Nobody's, it is not reaped.
        (folder / OWNER).unlink(missing_ok=True)
        reason = f"could not be logged: {plain(first_line(error))}"
        if any(notebooks.iterdir()):
            raise OSError(f"the executed notebook stays in {notebooks}, it {reason}") from error
        raise OSError(f"the end of run {run_id} {reason}") from error
    if status == "FAILED" and (folder / KEPT).exists():
        (folder / OWNER).unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return run


def reap():
    """Close the RUNNING runs of dead processes of this machine as KILLED, remove their folders; return what to say.

    That is a list of sentences. Runs and folders of another machine or container, of a living process, and without
    a mark (see `mark`) are left alone. Raises OSError and ValueError as `connect` does.
    """
    connect()
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    said, condition = [], "attributes.status = 'RUNNING'"
    try:
        running = mlflow.search_runs(
            search_all_experiments=True, filter_string=condition, output_format="list"
        )
    except (mlflow.MlflowException, SQLAlchemyError) as error:
        return [f"the runs of dead processes were not looked for: {first_line(error)}"]
    for run in running:
        if _is_dead(run.data.tags.get(HOST), run.data.tags.get(PROCESS)):
            try:
                mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
                said.append(f"run {run.info.run_id} is closed as KILLED, since its process has died")
            except (mlflow.MlflowException, SQLAlchemyError) as error:
                said.append(f"run {run.info.run_id} of a dead process stays RUNNING: {first_line(error)}")
    said += [f"{folder} is removed, since its process has died" for folder in remove_dead()]
    return said


def _owner():
    """Return this machine, two texts: its name, and the id of this process with the second it was started in.

    A container that shares its machine's name has process ids of its own, and so another number of their namespace.
    """
    import psutil

    namespace = Path("/proc/self/ns/pid")
    host = [platform.node(), *([os.readlink(namespace)] if namespace.exists() else [])]
    process = psutil.Process()
    return " ".join(host), f"{process.pid} {process.create_time():.0f}"


def _is_dead(host, process):
    """Whether a process was one of this machine, and is no more."""
    import psutil

    if host != _owner()[0] or not re.fullmatch(r"\d+ \d+", process or "", re.ASCII):
        return False
    pid, started = map(int, process.split())
    try:
        found = psutil.Process(pid)
        # The clock may have been set meanwhile; an id is not given again within a minute.
        return not is_alive(found) or abs(found.create_time() - started) > 60
    except psutil.NoSuchProcess:
        return True
