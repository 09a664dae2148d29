"""A tracking server with PostgreSQL and passwords, for the tests that ask for `team`."""

import os
import shutil
import tempfile
from collections import namedtuple

import pytest
from packaging.version import Version

# Debian's nginx is there, which an ordinary user's PATH lacks.
SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])

# A tracking server with PostgreSQL: where it is, who administers it, where its files and PostgreSQL's socket are.
Team = namedtuple("Team", "address user password folder sockets")


def need(*commands):
    """Skip a test for a command, of PostgreSQL or nginx perhaps, that is not here."""
    import server

    for command in commands:
        if not (server.find(command) or shutil.which(command, path=SBIN)):
            pytest.skip(f"there is no {command}")


def need_server():
    """Skip a test that `make server` cannot run for."""
    import mlflow

    need("initdb", "pg_ctl", "psql", "createdb")
    if Version(mlflow.__version__) < Version("3.17"):
        pytest.skip("MLflow before 3.17 takes the administrator's password from no variable")


@pytest.fixture(scope="module")
def team():
    """A tracking server as `make server` starts it, on a free port; one for a file, so that no other file is in it."""
    need_server()
    import server

    import helpers

    # Another user, who runs PostgreSQL, cannot enter pytest's own folders.
    with (
        tempfile.TemporaryDirectory(prefix="onet-gwa-team-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        os.chmod(folder, 0o711)
        password = server.password(folder)
        with server.cluster(folder) as sockets:
            server.make_databases(sockets)
            command, env = server.mlflow(folder, sockets, "{port}")
            for name, value in env.items():
                patch.setenv(name, value)
            with helpers.server(*command) as address:
                patch.undo()
                yield Team(f"http://{address}", "admin", password, folder, sockets)
