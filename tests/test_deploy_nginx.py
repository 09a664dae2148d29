"""nginx with the configuration of deploy/, TLS included, before a real tracking server and a real scoring server."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import mlflow
import pytest
import requests
from conftest import ROOT, wait
from team_server import SBIN, need

import helpers

pytestmark = pytest.mark.slow

QUESTION = json.dumps({"inputs": {"Task": ["Drive the snow tractor."]}})
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def admin(team):
    """This process as the administrator."""
    need("nginx", "openssl")
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", team.address)
        patch.setenv("MLFLOW_TRACKING_USERNAME", team.user)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", team.password)
        helpers.connect()
        yield patch
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def scoring(admin):
    """The address of a scoring server of the tracking server's champion."""
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels).head(400), labels)
    helpers.choose_experiment()
    with mlflow.start_run():
        logged = helpers.log_model(helpers.make_model().fit(X, y), labels, X.head(1))
    helpers.prepare_registration("nginx", labels)
    client = mlflow.MlflowClient()
    version = client.create_model_version("nginx", logged.model_uri, model_id=logged.model_id).version
    client.set_registered_model_alias("nginx", "champion", version)
    command = ["env", "MODEL=nginx", "PORT={port}", sys.executable, str(ROOT / "tools" / "serve.py")]
    with helpers.server(*command, ready="/ping") as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What is in /etc/onet-gwa and /etc/nginx, with a certificate made here."""
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(ROOT / "deploy" / "nginx", folder / "nginx")
    (folder / "tls").mkdir()
    for name in ("tls.conf", "callers.conf", "onet-gwa.conf"):
        path = folder / "nginx" / name
        path.write_text(path.read_text().replace("/etc/onet-gwa", str(folder)))
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost,DNS:mlflow.example,IP:127.0.0.1"
    files = ["-keyout", folder / "tls" / "server.key", "-out", folder / "tls" / "server.crt"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def proxy(team, scoring, folder):
    """The addresses of nginx before the tracking server and before the scoring servers, of which one is down."""
    with socket.socket() as other, socket.socket() as down:
        for listener in (other, down):
            listener.bind(("127.0.0.1", 0))
        second, nobody = (listener.getsockname()[1] for listener in (other, down))
        new = {"443 ssl": "127.0.0.1:{port} ssl", "8443 ssl": f"127.0.0.1:{second} ssl"}
        new |= {
            "127.0.0.1:5000": team.address.removeprefix("http://"),
            "127.0.0.1:5001": f"127.0.0.1:{nobody}",
        }
        new |= {"127.0.0.1:5002": scoring}
        site = (folder / "nginx" / "onet-gwa.conf").read_text()
        for old in new:
            assert f" {old}" in site
            site = site.replace(f" {old}", f" {new[old]}")
        # The port that is down stays bound, so that nobody else gets it.
        other.close()
        with run_nginx(folder, site) as address:
            yield f"https://{address}", f"https://127.0.0.1:{second}"


def run_nginx(folder, site):
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in KINDS)
    (folder / "template").write_text(
        f"daemon off; user {getpass.getuser()}; pid {folder}/pid; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}}}"
    )
    # `helpers.server` fills in the port of an argument.
    start = 'sed "s/{po[r]t}/$1/" "$0/template" > "$0/conf"; exec nginx -e stderr -c "$0/conf"'
    command = ["env", f"PATH={SBIN}", "bash", "-c", start, str(folder), "{port}"]
    return helpers.server(*command, ready=None)


KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@pytest.fixture
def ask(proxy, folder):
    """Return a function that asks behind nginx for a status and an answer, a question unless told otherwise."""

    def ask(path="/invocations", data=QUESTION, headers=JSON, method="POST", **options):
        certificate = folder / "tls" / "server.crt"
        return requests.request(
            method, proxy[1] + path, data=data, headers=headers, verify=certificate, timeout=90, **options
        )

    return ask


def test_an_answer_although_one_server_is_down(ask):
    for _ in range(6):
        answer = ask()
        assert answer.status_code == 200 and answer.json()["predictions"][0]["GWA"]
    assert ask(path="/ping", method="GET", data=None).status_code == 200


@pytest.mark.parametrize(
    "change, status",
    [
        ({"data": b" " * (2**20 - 100) + QUESTION.encode()}, 200),
        ({"data": b"x" * (50 * 2**20)}, 413),
        ({"headers": {}}, 415),
        ({"headers": {"Content-Type": "application/json; charset=utf-8"}}, 200),
        ({"headers": {"Content-Type": "application/json; charset=latin-1"}}, 415),
        ({"headers": {"Content-Type": "application/json; charset"}}, 415),
        ({"headers": {"Content-Type": "application/vnd.apache.parquet"}}, 415),
        ({"headers": {"Content-Type": "text/csv"}, "data": "Task\nDrive the snow tractor.\n"}, 200),
        ({"headers": JSON | {"X-Long": "x" * 40000}}, 400),
        ({"headers": JSON | {"Content-Encoding": "gzip"}}, 200),
        ({"method": "GET"}, 405),
        ({"path": "/docs", "method": "GET"}, 404),
        ({"path": "/openapi.json", "method": "GET"}, 404),
        ({"path": "/version", "method": "GET"}, 404),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_reaches_the_scoring_server(ask, change, status):
    answer = ask(**change)
    assert answer.status_code == status, answer.text[:500]
    assert len(answer.content) < 1000


def test_only_with_tls_and_the_right_name(proxy, folder):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(proxy[1] + "/ping", timeout=60)
    plain = requests.get(proxy[1].replace("https", "http") + "/ping", timeout=60)
    assert plain.status_code == 400 and "HTTPS" in plain.text
    done = subprocess.run(
        ["openssl", "s_client", "-tls1_1", "-connect", proxy[1].removeprefix("https://")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0


def test_who_may_call(proxy, folder):
    """Whom callers.conf does not name gets 403 from both."""
    path = folder / "nginx" / "callers.conf"
    before = path.read_text()
    try:
        path.write_text(before.replace("allow 127.0.0.0/8;\n", ""))
        reload(folder, proxy, [403, 403])
    finally:
        path.write_text(before)
        reload(folder, proxy, [401, 200])


def reload(folder, proxy, expected):
    """Let nginx read its configuration again, and wait until the statuses of both servers are as expected."""
    os.kill(int((folder / "pid").read_text()), signal.SIGHUP)
    paths = [proxy[0] + "/api/2.0/mlflow/users/current", proxy[1] + "/ping"]
    verify = folder / "tls" / "server.crt"
    wait(lambda: [requests.get(path, verify=verify, timeout=60).status_code for path in paths] == expected)


def test_a_client_of_the_tracking_server(admin, proxy, folder, tmp_path):
    """Runs and files go through TLS, with the password; a large file too, and nobody without the password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", proxy[0])
        patch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(folder / "tls" / "server.crt"))
        helpers.connect()
        large = tmp_path / "large.bin"
        large.write_bytes(b"0123456789" * 3 * 2**20)
        with mlflow.start_run(experiment_id=mlflow.create_experiment("through nginx")) as run:
            mlflow.log_artifact(str(large))
        found = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/large.bin")
        assert open(found, "rb").read() == large.read_bytes()
        patch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
        with pytest.raises(OSError, match="does not know them; set both"):
            helpers.connect()
    helpers.connect()


def test_a_foreign_name_of_the_tracking_server(proxy, folder):
    """MLflow sees the name that was called, and refuses one that is not its own."""
    for name, status in (("localhost", 401), ("elsewhere.example", 403)):
        answer = requests.get(
            proxy[0] + "/api/2.0/mlflow/users/current",
            headers={"Host": name},
            verify=folder / "tls" / "server.crt",
            timeout=60,
        )
        assert answer.status_code == status
