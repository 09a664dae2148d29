"""MLflow's store: where runs go, and the run that the job is."""

import contextlib
import gc
import logging
import os
import re
import shlex
import sys
from pathlib import Path

from onet_gwa import ROOT
from onet_gwa.addresses import PATIENCE, need_database, need_server, plain, without_password
from onet_gwa.permissions import need_permission
from onet_gwa.sqlite import alone_in, locate, make_tables, need_artifacts
from onet_gwa.tables import first_line


def connect():
    """Point MLflow at the store: MLFLOW_TRACKING_URI, else `mlflow.db` in the project's root.

    A relative path to a SQLite database starts at the root, wherever the notebook is, or where `mlflow run` was
    called. Its artifacts go into `mlruns` beside the database. What is started from here finds this environment's
    commands first. A password in the address goes into a variable (see `without_password`). Raises OSError, with the
    reason, where the store cannot be used, and ValueError for an address that is none, or that MLflow cannot take.
    """
    if "error" in os.environ.get("PYTHONWARNINGS", ""):
        raise ValueError(
            "PYTHONWARNINGS: MLflow warns when it is imported, which 'error' would forbid; unset it"
        )
    # MLflow takes an empty variable for a value.
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and not os.environ[name].strip()]:
        del os.environ[name]
    level = os.environ.get("MLFLOW_LOGGING_LEVEL", "INFO")
    if level.upper() not in logging.getLevelNamesMapping():
        raise ValueError(f"MLFLOW_LOGGING_LEVEL: {level!r} is no level; write for example DEBUG, or unset it")
    import mlflow
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from sqlalchemy.exc import SQLAlchemyError

    # MLflow reports its progress on stderr, where a notebook shows it in red; warnings stay.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It raises what it tells here, with its whole traceback.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    given = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db").strip()
    uri = without_password(given)
    folder, dialect = ROOT, re.split("[+:]", uri)[0]
    if dialect == "sqlite":
        uri, folder = locate(uri)
    elif dialect in ("http", "https"):
        need_server(uri)
        os.environ.update(PATIENCE | os.environ)
    elif dialect == "file" or ":" not in uri:
        raise ValueError(
            f"MLFLOW_TRACKING_URI: {uri!r} is a folder, in which MLflow keeps no runs any more; name a database, "
            "such as sqlite:///mlflow.db, or a server, such as http://127.0.0.1:5000"
        )
    registry = os.environ.get("MLFLOW_REGISTRY_URI", uri).strip()
    if registry not in (given, uri):
        raise ValueError(
            plain(
                f"MLFLOW_REGISTRY_URI: {registry!r} is another store than {uri!r}, which has the models, too; unset it"
            )
        )
    os.environ.pop("MLFLOW_REGISTRY_URI", None)
    mlflow.set_tracking_uri(uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    # A notebook's kernel may have been started without activating its environment.
    commands, path = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != commands:
        os.environ["PATH"] = os.pathsep.join([commands, path])
    # MLflow would put the artifacts, too, into the working directory.
    with contextlib.chdir(folder), alone_in(folder):
        if dialect in DATABASE_ENGINES:
            need_database(uri)
        try:
            if dialect == "sqlite":
                make_tables(uri, folder)
                location = mlflow.get_experiment("0").artifact_location
            mlflow.search_experiments(max_results=1)  # A server need not show experiment 0 to everybody.
        except (mlflow.MlflowException, SQLAlchemyError) as error:
            if "error code 401" in str(error):
                names = "MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD"
                raise OSError(plain(f"{names}: {uri} does not know them; set both")) from error
            if "too many 503 error responses" in str(error):
                said = "the server answers, but its database does not"
                mend = "see whether PostgreSQL runs on the server's machine: pg_isready"
                raise OSError(plain(f"MLFLOW_TRACKING_URI: {uri}: {said}; {mend}")) from error
            if schema := re.search(r"schema \(found version (\w+), but expected (\w+)\)", str(error)):
                said = f"its tables are of another MLflow (they have {schema[1]}, this one needs {schema[2]})"
                mend = f"if this one is newer, copy the store and type: mlflow db upgrade {shlex.quote(uri)}"
                raise OSError(
                    plain(f"MLFLOW_TRACKING_URI: {uri}: {said}; use that MLflow, or, {mend}")
                ) from error
            raise OSError(
                plain(f"MLFLOW_TRACKING_URI: {uri}: {first_line(error)}; name a store that can be used")
            ) from error
    if dialect == "sqlite":
        need_artifacts(location, folder)
    # Without this, a process takes another 1 to 2 s to end: Python looks several times through all objects.
    gc.freeze()


def choose_experiment():
    """Return the name of the experiment: MLFLOW_EXPERIMENT_NAME, else "onet-gwa"; make it where it is absent.

    MLflow makes it, too, when a run begins, and fails where another process has just made it. Raises OSError
    for a name that MLflow refuses, for one in which this user may not write, and for one that was deleted.
    """
    import mlflow

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "onet-gwa")
    try:
        create(mlflow.create_experiment, name)
    except mlflow.MlflowException as error:
        raise OSError(f"MLFLOW_EXPERIMENT_NAME: {first_line(error)}; name another experiment") from error
    need_permission("experiment", name)
    find_experiment(name)
    return name


def find_experiment(name):
    """Return MLflow's Experiment of this name, or None; raise OSError for one that was deleted."""
    import mlflow

    experiment = mlflow.get_experiment_by_name(name)
    if experiment and experiment.lifecycle_stage == "deleted":
        restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        raise OSError(f"MLFLOW_EXPERIMENT_NAME: {name!r} was deleted; type: {restore}, or name another")
    return experiment


def open_run(registered_model_name=None):
    """Open a run for another process, which finds its id in MLFLOW_RUN_ID and resumes it; return the id.

    A run that is there already, as `mlflow run` has opened one, is taken. A new one is in the experiment of
    MLFLOW_EXPERIMENT_ID, else in that of `choose_experiment`. A model will be registered under the name, if there
    is one. Raises what `connect` and `need_permission` do.
    """
    connect()
    if registered_model_name is not None:
        need_permission("registered_model", registered_model_name)
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    run_id = os.environ.get("MLFLOW_RUN_ID")
    try:
        if run_id:
            return mlflow.get_run(run_id).info.run_id
        if "MLFLOW_EXPERIMENT_ID" not in os.environ:
            os.environ["MLFLOW_EXPERIMENT_NAME"] = choose_experiment()
        run_id = mlflow.start_run().info.run_id
    except (mlflow.MlflowException, SQLAlchemyError) as error:
        if run_id:
            raise OSError(f"MLFLOW_RUN_ID: {first_line(error)}; unset it for a new run") from error
        if "MLFLOW_EXPERIMENT_ID" in os.environ:
            raise OSError(f"MLFLOW_EXPERIMENT_ID: {first_line(error)}; unset it, or name another") from error
        raise OSError(f"no run could be opened: {error}") from error
    # Leave it to the other process; this deletes the variable.
    mlflow.end_run("RUNNING")
    os.environ["MLFLOW_RUN_ID"] = run_id
    return run_id


def create(function, *args, **kwargs):
    """Call one of MLflow's functions that create something; return whether it was not there before."""
    from mlflow.exceptions import MlflowException

    try:
        function(*args, **kwargs)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True
