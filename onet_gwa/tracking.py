"""MLflow's store: where runs go, and which version of the registered model is the champion."""

import contextlib
import gc
import logging
import os
import sqlite3
import sys
from pathlib import Path

from onet_gwa import ROOT
from onet_gwa.labels import labels_digest

MODEL_NAME = "onet-gwa"


def connect():
    """Point MLflow at the store: MLFLOW_TRACKING_URI, else `mlflow.db` in the project's root.

    A relative path to a SQLite database starts at the root, wherever the notebook is. Its artifacts go
    into `mlruns` beside the database. What is started from here finds this environment's commands first.
    Raises FileNotFoundError where the database's folder does not exist, and OSError for a database that
    cannot be written.
    """
    import mlflow

    # MLflow reports its progress on stderr, where a notebook shows it in red; warnings stay.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    database, folder = None, ROOT
    if uri.startswith("sqlite:///"):
        # A relative path would be one from the working directory, which is not always the root.
        database = ROOT / uri.removeprefix("sqlite:///")
        uri, folder = f"sqlite:///{database}", database.parent
    mlflow.set_tracking_uri(uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    # A notebook's kernel may have been started without activating its environment.
    commands = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != commands:
        os.environ["PATH"] = os.pathsep.join([commands, os.environ["PATH"]])
    # MLflow would put the artifacts, too, into the working directory.
    with contextlib.chdir(folder):
        if database:
            _need_database(database)
        mlflow.get_experiment("0")
    # Without this, a process takes another 1 to 2 s to end: Python looks several times through all objects.
    gc.freeze()


def _need_database(path):
    """Raise OSError for a SQLite database that cannot be written; MLflow would try again for minutes."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise OSError(f"MLFLOW_TRACKING_URI: {path}: {error}; name a store that can be written") from error


def open_run():
    """Open a run for another process, which finds its id in MLFLOW_RUN_ID and resumes it; return the id.

    It is in the experiment named by MLFLOW_EXPERIMENT_NAME, else in "onet-gwa". Raises OSError, with the
    reason, where the store cannot be used.
    """
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    experiment = os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", "onet-gwa")
    try:
        connect()
        # start_run would make it too, and fail where another run has just made it.
        _create(mlflow.create_experiment, experiment)
        run_id = mlflow.start_run().info.run_id
    # An ImportError comes of a database whose driver is not installed.
    except (mlflow.MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise OSError(f"no run could be opened: {error}") from error
    # Leave it to the other process; this deletes the variable.
    mlflow.end_run("RUNNING")
    os.environ["MLFLOW_RUN_ID"] = run_id
    return run_id


def _create(function, *args, **kwargs):
    """Call one of MLflow's functions that create something; return whether it was not there before."""
    from mlflow.exceptions import MlflowException

    try:
        function(*args, **kwargs)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def champion(name=MODEL_NAME):
    """Return the number of the version of a registered model with the alias `champion`; None without one."""
    from mlflow import MlflowClient

    models = [model for model in MlflowClient().search_registered_models() if model.name == name]
    return models[0].aliases.get("champion") if models else None


def prepare_registration(name, labels):
    """Make sure that there is a registered model `name`, and that it is for these labels (see `load_labels`).

    Raises ValueError where its versions give other labels: they could not be compared with a new one, and a
    server of the champion would answer with other codes from one day to the next.
    """
    from mlflow import MlflowClient

    client, digest = MlflowClient(), labels_digest(labels)
    first, last = labels["name"].iloc[[0, -1]]
    created = _create(
        client.create_registered_model,
        name,
        tags={"labels_digest": digest},
        description=f"Gives task statements one or more of {len(labels)} labels, from {labels.index[0]} ({first}) "
        f"to {labels.index[-1]} ({last}). The alias champion marks the version to serve.",
    )
    if not created and client.get_registered_model(name).tags.get("labels_digest", digest) != digest:
        raise ValueError(
            f"registered_model_name: the versions of {name!r} give other labels; "
            "name another registered model for these"
        )


def register(model_uri, name, f1_micro, data_digest, description=None):
    """Register a logged model as a version of the registered model `name`; return (version, is champion).

    The registered model must be there (see `prepare_registration`). The version is tagged with its `f1_micro`
    on the test split and the digest of the data it was trained on. It gets the alias `champion` when there is
    none yet, or when the champion was trained on the same data and has a lower f1_micro; scores on other data
    cannot be compared.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    model = client.get_logged_model(model_uri.removeprefix("models:/"))
    # mlflow.register_model makes the same call, and announces it on stderr.
    version = client.create_model_version(
        name,
        model_uri,
        run_id=model.source_run_id,
        model_id=model.model_id,
        tags={"f1_micro": repr(float(f1_micro)), "data_digest": data_digest},
        description=description,
    ).version
    present = champion(name)
    if present is not None:
        tags = client.get_model_version(name, present).tags
        if tags.get("data_digest") != data_digest or float(tags["f1_micro"]) >= f1_micro:
            return version, False
    client.set_registered_model_alias(name, "champion", version)
    return version, True
