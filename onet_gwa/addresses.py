"""Addresses of stores: without their passwords, tried before they are used, and as a command that shows a run."""

import os
import re
import shlex
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onet_gwa import ROOT
from onet_gwa.processes import launcher
from onet_gwa.tables import first_line

# How often, and in which distances, MLflow asks a server that does not answer; its own way takes four minutes. A
# server that is started anew meanwhile is found again.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

# So long, in seconds, a SQLite database may be written by another process.
BUSY = 30


def plain(text):
    """Return a text without the credentials in its addresses: "http://host" for "http://user:password@host"."""
    text = re.sub(r"(password=)[^&\s]*", r"\1***", text)
    # What was an address loses a slash when it is taken for a path.
    # In the registry's address of a model, models:/name@alias, it is an alias.
    return re.sub(r"(?!(?<=models):/[^/])(:/{1,2})[^/\s]*@", r"\1", text)


def without_password(uri):
    """Return the address of a store without its password, which goes into a variable of this process.

    So it is in no message, notebook or tag that shows the address. Those of other databases than PostgreSQL stay.
    Raises ValueError for a server's with a name and no password.
    """
    if uri.startswith(("postgresql:", "postgresql+")):
        return _without_pgpassword(uri)
    try:
        url = urlsplit(uri)
        user, password = url.username, url.password
    except ValueError:
        return uri
    if user and password is None and url.scheme in ("http", "https"):
        raise ValueError(
            "MLFLOW_TRACKING_URI: there is a name in it without a password; put a token into "
            "MLFLOW_TRACKING_TOKEN, and leave it out"
        )
    if password is not None and url.scheme in ("http", "https"):
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(user)
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(password)
        return plain(uri)
    return uri


def _without_pgpassword(uri):
    """Return the address of a PostgreSQL database without the password before its host, or in its query."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return uri
    # The last one in the query counts.
    password = url.normalized_query.get("password", [url.password])[-1]
    if password is None:
        return uri
    os.environ["PGPASSWORD"] = password
    return url.difference_update_query(["password"])._replace(password=None).render_as_string()


def began_in():
    """Return the folder in which the job was started, by hand or by `mlflow run`, which goes elsewhere itself."""
    import psutil

    try:
        return Path(launcher().cwd() if launcher() else os.getcwd())
    except (psutil.Error, OSError):
        return ROOT


def make(target):
    """Return the command for a target of the Makefile, with this store, that can be typed where the job was started."""
    command = "make" if began_in() == ROOT else f"make -C {shlex.quote(str(ROOT))}"
    uri = os.environ["MLFLOW_TRACKING_URI"]
    if uri != f"sqlite:///{ROOT / 'mlflow.db'}":
        command = f"MLFLOW_TRACKING_URI={shlex.quote(plain(uri))} {command}"
    return f"{command} {target}"


def login_variables():
    """Return which variables a command of `make` needs besides, the end of a sentence; "" where nobody logs in."""
    if os.environ["MLFLOW_TRACKING_URI"].startswith("http") and os.environ.get("MLFLOW_TRACKING_USERNAME"):
        return "; it needs MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, too"
    return ""


def need_database(uri):
    """Raise OSError for a database that cannot be reached, or written; MLflow would try again for minutes."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    # PostgreSQL's, which waits for ever where packets are dropped.
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    try:
        engine = create_engine(uri)
        with engine.connect() as connection:
            if engine.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * BUSY}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        engine.dispose()
    # An ImportError comes of a driver that is not installed, a TypeError of an option that it does not have.
    except (SQLAlchemyError, ImportError, TypeError, ValueError) as error:
        reason = first_line(getattr(error, "orig", None) or error)
        mend = "install its driver" if isinstance(error, ImportError) else "name a store that can be written"
        if reason == "database is locked":
            mend = f"another process has been writing there for {BUSY} s, so wait for it, or end it"
        raise OSError(plain(f"MLFLOW_TRACKING_URI: {uri}: {reason}; {mend}")) from error


def need_server(uri, patience=0):
    """Raise OSError for a tracking server, where `uri` is one, that does not answer for `patience` seconds.

    Each try takes 3 s at most to reach it, and 6 s for its answer.
    """
    import requests

    end = time.monotonic() + patience
    while uri.startswith("http"):
        try:
            requests.get(uri, timeout=(3, 6), stream=True).close()
            return
        except requests.exceptions.SSLError:
            # It is there. What it is trusted by, MLflow has variables of its own for.
            return
        except (requests.RequestException, ValueError) as error:
            if time.monotonic() > end:
                reason = (
                    f"there is no answer ({type(error).__name__}); start the server, or name another store"
                )
                raise OSError(plain(f"MLFLOW_TRACKING_URI: {uri}: {reason}")) from error
        time.sleep(1)
