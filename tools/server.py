"""Start a tracking server with PostgreSQL and passwords, as a team has one, for a try on this machine.

    PORT=5000 python tools/server.py

What it keeps is in the folder `server/` of the project: PostgreSQL's files, the artifacts, and the password that
it made up for the user `admin`. It listens on this machine only, and PostgreSQL on no port at all. Ctrl-C ends
everything. PostgreSQL refuses to be root: started by root, it runs as the user `postgres`. Exit status: 1, with
one line, where something is missing or taken; otherwise that of `mlflow server`.
"""

import contextlib
import glob
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from serve import ROOT, need_port

FOLDER = ROOT / "server"
# What the settings of a user mean for another server, or another database.
FOREIGN = ("MLFLOW_", "PG")


def refuse(reason):
    sys.exit(f"make server: {' '.join(reason.split())}")


def settings():
    """Return this process's environment without what would lead MLflow and PostgreSQL elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true"}


def find(command):
    """Return the path of one of PostgreSQL's commands, or None; Debian keeps some of them off PATH."""
    return shutil.which(command) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{command}"), default=None)


def postgres(command, *arguments, **env):
    """Run one of PostgreSQL's commands, its server as somebody else than root; return what subprocess.run returns."""
    found = find(command)
    if found is None:
        refuse(
            f"there is no {command}; install PostgreSQL: apt install postgresql, or brew install postgresql"
        )
    user = owner() if command in ("initdb", "pg_ctl") else {}
    env = settings() | env
    return subprocess.run([found, *arguments], env=env, cwd="/", capture_output=True, text=True, **user)


def owner():
    """Return as whom PostgreSQL's server runs, as options of subprocess.run: as we do, unless we are root."""
    if os.geteuid():
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        refuse(
            "PostgreSQL refuses to run as root, and there is no user postgres; type: useradd --system postgres"
        )
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def make_cluster(data):
    """Make PostgreSQL's files in the folder `data`, all or nothing."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=data.parent) as unfinished:
        new = Path(unfinished, "postgres")
        new.mkdir(mode=0o700)
        os.chmod(unfinished, 0o711)
        give(new)
        me = pwd.getpwuid(os.geteuid()).pw_name
        # Who we are is known to the system, so the database needs no password.
        options = ["--username", me, "--auth-local", "peer", "--auth-host", "reject"]
        done = postgres("initdb", "--pgdata", str(new), *options, "--encoding", "UTF8", "--no-locale")
        if done.returncode:
            refuse(f"PostgreSQL's files cannot be made in {data}: {done.stderr.strip().splitlines()[-1]}")
        new.rename(data)


def give(path):
    """Let PostgreSQL's server own a path."""
    if found := owner():
        os.chown(path, found["user"], found["group"])


@contextlib.contextmanager
def cluster(folder):
    """Run a private PostgreSQL while the context lasts, with its files in `folder`; yield its socket's folder.

    Exits with one line where it cannot run.
    """
    data = Path(folder, "postgres")
    if not data.exists():
        make_cluster(data)
    if postgres("pg_ctl", "status", "--pgdata", str(data)).returncode == 0:
        refuse(
            f"PostgreSQL runs already in {data}; end the other make server, or, where there is none, type: "
            f"kill -INT $(head -n 1 {data}/postmaster.pid)"
        )
    # In the project, the path of the socket may be longer than a socket's can be.
    with tempfile.TemporaryDirectory(prefix="onet-gwa-server-", ignore_cleanup_errors=True) as sockets:
        give(sockets)
        log = data / "server.log"
        options = shlex.join(["-k", sockets, "-c", "listen_addresses="])
        started = ["--pgdata", str(data), "--wait", "--log", str(log), "--options", options, "start"]
        try:
            if postgres("pg_ctl", *started).returncode:
                refuse(f"PostgreSQL did not start; {log} says why")
            yield sockets
        finally:
            postgres("pg_ctl", "stop", "--pgdata", str(data), "--mode", "fast", "--wait")


def make_databases(sockets):
    """Make the databases for MLflow and for the people who log in, where they are not there."""
    for name in ("mlflow", "mlflow_auth"):
        if postgres("psql", "--command", "", name, PGHOST=sockets).returncode:
            postgres("createdb", name, PGHOST=sockets).check_returncode()


def password(folder):
    """Return the administrator's password, made up when there is no cluster yet, from a file only we can read."""
    path = Path(folder, "password")
    if not path.exists():
        if Path(folder, "postgres").exists():
            refuse(f"{path} is gone, and the server knows its password only; remove {folder} to begin anew")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    return path.read_text().strip()


def mlflow(folder, sockets, port):
    """Return the command of the tracking server, and its environment."""
    command = ["mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", port]
    command += ["--backend-store-uri", "postgresql+psycopg2:///mlflow", "--workers", "1"]
    command += ["--artifacts-destination", str(Path(folder, "artifacts"))]
    return command, {
        "PGHOST": sockets,
        "MLFLOW_AUTH_CONFIG_PATH": str(ROOT / "deploy" / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password(folder),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
        # Its processes are for MLflow's features around language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def serve(port):
    """Run both servers until a signal comes; return the status of MLflow's."""
    from onet_gwa.servers import _LEASH, _end

    print(
        f"make server: starting on {FOLDER}; Ctrl-C ends it. When it says that Uvicorn is running, type elsewhere:"
    )
    print(f"  export MLFLOW_TRACKING_URI=http://127.0.0.1:{port} MLFLOW_TRACKING_USERNAME=admin")
    print(f'  export MLFLOW_TRACKING_PASSWORD="$(cat {shlex.quote(str(FOLDER / "password"))})"', flush=True)
    with cluster(FOLDER) as sockets:
        make_databases(sockets)
        (name, *arguments), env = mlflow(FOLDER, sockets, port)
        # On a leash, MLflow and its workers end with us, whoever gets the signal.
        command = [sys.executable, "-c", _LEASH, str(Path(sys.executable).with_name(name)), *arguments]
        options = {"stdin": subprocess.PIPE, "env": settings() | env, "start_new_session": True}
        process = subprocess.Popen(command, **options)
        try:
            return process.wait()
        finally:
            _end(process)


def main():
    import helpers

    port = need_port("make server", "5000")
    if not (importlib.util.find_spec("psycopg2") and importlib.util.find_spec("flask_wtf")):
        refuse("its packages are missing; type: .venv/bin/uv pip install -r deploy/requirements.txt")
    FOLDER.mkdir(mode=0o711, exist_ok=True)
    password(FOLDER)
    helpers.end_on_signals()
    sys.exit(serve(port))


if __name__ == "__main__":
    main()
