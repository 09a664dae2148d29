"""A store that is a SQLite database: its address, its tables, and the folder of its artifacts."""

import contextlib
import os
import tempfile
from pathlib import Path

from onet_gwa import ROOT
from onet_gwa.addresses import began_in, plain


def locate(uri):
    """Return the address of a SQLite database with an absolute path, and the folder that the database is in."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:
        url = None
    if not (url and url.database) or url.database.startswith((":memory:", "file:")):
        raise ValueError(f"MLFLOW_TRACKING_URI: {uri!r} names no file; write for example sqlite:///mlflow.db")
    # `mlflow run`, which has opened a run there, takes a relative path from its own folder.
    path = (began_in() if "MLFLOW_RUN_ID" in os.environ else ROOT) / url.database
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"MLFLOW_TRACKING_URI: there is no folder {path.parent}; make it, or name another"
        )
    if path.exists() and not path.is_file():
        raise FileExistsError(
            f"MLFLOW_TRACKING_URI: {path} is there, and no file; name a store that can be written"
        )
    # Addresses are decoded; and MLflow writes the folder into its SQL as Python writes a text.
    address = f"sqlite:///{path}"
    if make_url(address).database != str(path) or repr(str(path))[1:-1] != str(path):
        raise ValueError(
            f"MLFLOW_TRACKING_URI: MLflow cannot use {str(path)!r}; name a store in a folder without '%', '?', "
            "backslashes, both kinds of quotes, control characters and bytes that are no UTF-8, such as sqlite:////tmp/mlflow.db"
        )
    return address + uri[len(uri.partition("?")[0]) :], path.parent


@contextlib.contextmanager
def alone_in(folder):
    """Wait until no other process of this project is here: two that make a store's tables at once both fail."""
    import fcntl

    with contextlib.ExitStack() as stack:
        # The folder itself may be locked by who starts the job: flock /srv/onet-gwa make run. Where nothing can be
        # written, no tables are made.
        with contextlib.suppress(OSError):
            fcntl.flock(stack.enter_context(open(folder / ".onet-gwa.lock", "a")), fcntl.LOCK_EX)
        yield


def make_tables(uri, folder):
    """Make the tables of a SQLite database that has none, all or nothing.

    MLflow makes them in many steps, and after a signal in the middle of these it never goes on.
    """
    from mlflow import MlflowClient
    from sqlalchemy.engine import make_url

    path = Path(make_url(uri).database)
    if path.exists() and path.stat().st_size:
        return
    try:
        with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=folder) as unfinished:
            MlflowClient(f"sqlite:///{unfinished}/mlflow.db").get_experiment("0")
            os.replace(f"{unfinished}/mlflow.db", path.resolve())
    except OSError as error:
        raise OSError(
            plain(f"MLFLOW_TRACKING_URI: {uri}: {error.strerror or error}; name a store that can be written")
        ) from error


def need_artifacts(location, folder):
    """Raise OSError where artifacts cannot be written, and where a database was moved away from those of its runs.

    MLflow notes the absolute folder of an experiment's artifacts, and would go on writing there.
    """
    artifacts, place = Path(location).parent, Path(location).parent.parent
    if not location.startswith("/"):
        return
    if os.path.lexists(artifacts) and not os.access(artifacts, os.W_OK | os.X_OK):
        raise OSError(
            f"MLFLOW_TRACKING_URI: no artifacts can be written in {artifacts}; mend it, or name a new store"
        )
    if place.resolve() != folder.resolve():
        if (folder / "mlruns").exists() or not place.exists():
            raise FileNotFoundError(
                f"MLFLOW_TRACKING_URI: the store in {folder} was made in {place}, where MLflow still puts its "
                "artifacts; move it back, or begin a new one, such as sqlite:///new.db"
            )
