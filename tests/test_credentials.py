"""No password is in anything that a run, a refusal or a failure leaves behind: all of it is searched."""

import os
import re
import subprocess
import sys

import mlflow
import psutil
import pytest
from conftest import ROOT, make_command, run_in, shorten, wait

# A fixture is imported, and then named as an argument.
from test_deploy_server import answers

# A fixture is imported, and then named as an argument.
from test_download import server as mirror  # noqa: F401
from test_later import tracking_server

import helpers
from onet_gwa.addresses import plain, without_password

SECRET = "s3cret-p4ssword"
# Percent-encoded, as an address needs it where there are other characters.
ENCODED = SECRET.replace("-", "%2D")
ENTER = """
import sys; sys.path.insert(0, "..")
import helpers, mlflow, os
helpers.connect()
run = mlflow.start_run()
assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s3cret" + "-p4ssword"
print(mlflow.get_tracking_uri(), run.info.artifact_uri)
""".strip()


@pytest.mark.parametrize(
    "uri, left, variables",
    [
        (
            f"http://ada:{ENCODED}@host:5000/path",
            "http://host:5000/path",
            {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": SECRET},
        ),
        (
            f"postgresql+psycopg2://ada:{SECRET}@host/db",
            "postgresql+psycopg2://ada@host/db",
            {"PGPASSWORD": SECRET},
        ),
        (
            f"postgresql+psycopg2://ada@/db?host=/run/a&password={ENCODED}&sslmode=require",
            "postgresql+psycopg2://ada@/db?host=%2Frun%2Fa&sslmode=require",
            {"PGPASSWORD": SECRET},
        ),
        # The query's is the one that counts, and of two there the last one.
        (
            f"postgresql://ada:other@[::1]:5432/db?password=x&password={SECRET}",
            "postgresql://ada@[::1]:5432/db",
            {"PGPASSWORD": SECRET},
        ),
        ("postgresql://ada@host/db", "postgresql://ada@host/db", {}),
        ("postgresql:ada", "postgresql:ada", {}),
        ("postgresql://host:x/db", "postgresql://host:x/db", {}),
        ("http://host:5000", "http://host:5000", {}),
        ("sqlite:////folder/a:b@c/mlflow.db", "sqlite:////folder/a:b@c/mlflow.db", {}),
    ],
)
def test_a_password_goes_into_a_variable(monkeypatch, uri, left, variables):
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD")
    for name in names:
        monkeypatch.setenv(name, "")
    assert without_password(uri) == left
    assert {name: os.environ[name] for name in names if os.environ[name]} == variables


def test_a_token_without_a_password():
    with pytest.raises(
        ValueError, match="^MLFLOW_TRACKING_URI: [^\n]*MLFLOW_TRACKING_TOKEN, and leave it out$"
    ) as error:
        without_password(f"https://{SECRET}@host")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "text, shown",
    [
        (f"cannot reach http://ada:{SECRET}@host/x today", "cannot reach http://host/x today"),
        (f"postgresql://a:p@{SECRET}@host/db", "postgresql://host/db"),
        (f"mysql://host/db?user=a&password={SECRET}&x=1", "mysql://host/db?user=a&password=***&x=1"),
        (f"postgresql://host/db?password={SECRET}@x today", "postgresql://host/db?password=*** today"),
        (f"postgresql://host?password=a@{SECRET}", "postgresql://host?password=***"),
        (f"/here/http:/ada:{SECRET}@host/x.csv", "/here/http:/host/x.csv"),
        ("mail@host, http://host/a@b", "mail@host, http://host/a@b"),
    ],
)
def test_plain(text, shown):
    assert plain(text) == shown


def leaks(*folders):
    """The files in these folders that have the password in them, in either form."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and re.search(f"{SECRET}|{ENCODED}".encode(), path.read_bytes()):
                found.append(path)
    return found


@pytest.mark.slow
def test_all_that_is_left_behind(project, tmp_path, free_port):
    """A run, a failing one, two refusals and a lost server; what they print, record, and leave in folders."""
    (tmp_path / "tmp").mkdir()
    env = {
        "MLFLOW_TRACKING_URI": f"http://ada:{ENCODED}@127.0.0.1:{free_port}",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(project)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "remote", "add", "origin", f"https://ada:{SECRET}@127.0.0.1/x.git"], check=True)
    by_hand, by_make = [sys.executable, "run_notebook.py"], make_command(project, "run")
    said = []
    with tracking_server(tmp_path / "server", free_port):
        for last, command, status in [
            ("mlflow.end_run()", by_hand, 0),
            ("mlflow.end_run()", by_make, 0),
            ("mlflow.get_run('0' * 32)", by_hand, 1),
            ("mlflow.end_run()", [*by_hand, f"--data=http://ada:{SECRET}@127.0.0.1/x.csv"], 2),
        ]:
            shorten(project, ENTER, last)
            done = run_in(project, *command, **env)
            assert done.returncode == status, done.stderr
            said.append(done.stdout + done.stderr)
        client = mlflow.MlflowClient(f"http://127.0.0.1:{free_port}")
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED"]
        assert "https://127.0.0.1/x.git" in {value for run in runs for value in run.data.tags.values()}
        # The server ends while the job runs.
        cut = f"import os, signal; os.kill({server_pid(free_port)}, signal.SIGKILL)\nmlflow.log_param('a', 1)"
        shorten(project, ENTER, cut)
        done = run_in(project, *by_hand, **env, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
        assert done.returncode == 1 and "the executed notebook stays in" in done.stderr
        said.append(done.stdout + done.stderr)
    done = run_in(project, *by_hand, **env)
    assert done.returncode == 1 and "there is no answer" in done.stderr
    said.append(done.stdout + done.stderr)
    lines = [line for text in said for line in text.splitlines()]
    assert [line for line in lines if SECRET in line or ENCODED in line] == []
    assert list((tmp_path / "tmp").rglob("*.ipynb")) and list((tmp_path / "server").rglob("*.html"))
    # Git's own configuration has what was put there.
    assert leaks(tmp_path / "server", tmp_path / "tmp", project) == [project / ".git" / "config"]


@pytest.mark.slow
def test_the_query_of_a_databases_address(team, free_port):
    """No program prints the password in it, and none has it among its arguments, which `ps` shows."""
    uri = f"postgresql+psycopg2:///mlflow?host={team.sockets}&password={SECRET}"
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MODEL": "else", "PORT": str(free_port)}
    for name, said in (("reap", "there is nothing to close in "), ("serve", "else has no champion yet in ")):
        command = [sys.executable, ROOT / "tools" / f"{name}.py"]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert said in done.stdout + done.stderr and SECRET not in done.stdout + done.stderr
    process = psutil.Popen([sys.executable, ROOT / "tools" / "ui.py"], env=env)
    try:
        wait(lambda: process.poll() is not None or answers(free_port), 120)
        seen = [word for one in (process, *process.children(recursive=True)) for word in one.cmdline()]
    finally:
        process.terminate()
        process.wait(60)
    assert (
        "uvicorn" in " ".join(seen)
        and [word for word in seen if "postgresql" in word or SECRET in word] == []
    )


def server_pid(port):
    """The process that listens on a port."""
    return next(c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port)


def test_the_password_of_a_mirror(mirror, monkeypatch):  # noqa: F811
    """It reaches the mirror, and no message."""
    address = mirror.url.rpartition("/")[0].replace("//", f"//ada:{ENCODED}@")
    monkeypatch.setenv("ONET_URL", address)
    asked = []
    get = mirror.RequestHandlerClass.do_GET
    monkeypatch.setattr(
        mirror.RequestHandlerClass,
        "do_GET",
        lambda self: asked.append(self.headers["Authorization"]) or get(self),
    )
    helpers.download_onet()
    assert asked == ["Basic YWRhOnMzY3JldC1wNHNzd29yZA=="]
    for release, url in (("99.9", address), ("31.0", f"ftp://ada:{SECRET}@127.0.0.1")):
        monkeypatch.setenv("ONET_URL", url)
        with pytest.raises((OSError, ValueError)) as error:
            helpers.download_onet(release)
        assert (
            "127.0.0.1" in str(error.value)
            and SECRET not in str(error.value)
            and ENCODED not in str(error.value)
        )
