"""Two scoring servers behind a real nginx: a new champion without a refused request, and what nginx keeps away."""

import contextlib
import getpass
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from conftest import ROOT, copy_project, make_command, serving
from messages import on_page
from prepared import call
from switch import main, restart
from test_serving import ask as post_json

import helpers

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "serving.md").read_text()
QUESTION = json.dumps({"inputs": {"Task": ["Drive the snow tractor."]}})
JSON = {"Content-Type": "application/json"}
# As systemd does: start it again whenever it ends.
KEEP = 'while :; do "$@" & echo $! > {folder}/pid; wait $!; done'
RESTART = """
pid=$(cat {folder}/$1/pid)
kill $pid
while kill -0 $pid 2>/dev/null; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def servers(versions, tmp_path_factory):
    """The ports of two servers of the champion, and a command that restarts the one on a port."""
    folder, ports = tmp_path_factory.mktemp("servers"), []
    with ExitStack() as stack:
        for number in "12":
            (folder / number).mkdir()
            keep = ["bash", "-c", KEEP.format(folder=folder / number), "keep", *serving(folder / number)]
            ports.append(stack.enter_context(helpers.server(*keep, ready="/ping")).split(":")[1])
            (folder / ports[-1]).symlink_to(number)
        (folder / "restart.sh").write_text(RESTART.format(folder=folder))
        yield ports, f"bash {folder}/restart.sh {{port}}"


@pytest.fixture(scope="module")
def proxy(servers, tmp_path_factory):
    """The address of nginx before both, with the page's configuration."""
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        pytest.skip("there is no nginx")
    [site] = re.findall(r"^```nginx\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for old, new in zip(("5001", "5002", "8080"), [*servers[0], "LISTEN"]):
        assert f"127.0.0.1:{old}" in site
        site = site.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    folder = tmp_path_factory.mktemp("nginx")
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "template").write_text(
        f"daemon off; user {getpass.getuser()}; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}}}"
    )
    conf = folder / "conf"
    start = f"sed s/LISTEN/$1/ {folder}/template >{conf}; PATH=/usr/sbin:$PATH exec nginx -e stderr -c {conf}"
    with helpers.server("bash", "-c", start, "nginx", "{port}", ready="/ping") as address:
        yield address


@pytest.fixture(scope="module")
def switch(servers, tmp_path_factory):
    """A function that calls the page's `make switch` for both servers, and returns what subprocess.run returns."""
    [command] = re.findall("^make switch .*$", PAGE, re.MULTILINE)
    assert shlex.split(command)[2:] == ["PORTS=5001 5002", "RESTART=systemctl restart onet-gwa-serve@{port}"]
    project = copy_project(tmp_path_factory.mktemp("switch") / "project")
    make = make_command(project, "switch")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    def switch(**settings):
        settings = {"PORTS": " ".join(servers[0]), "RESTART": servers[1], **settings}
        command = [*make, *(f"{name}={value}" for name, value in settings.items())]
        return subprocess.run(command, cwd=project, env=outer, capture_output=True, text=True, timeout=600)

    return switch


def ask(address, kept, stop, answers):
    """Ask a server until `stop` is set, over one connection or a new one each time; count models and failures."""
    connection = http.client.HTTPConnection(address, timeout=90)
    while not stop.wait(0.05):
        try:
            connection.request("POST", "/invocations", QUESTION, JSON)
            response = connection.getresponse()
            body = response.read()
            answers[
                json.loads(body)["predictions"][0]["model"] if response.status == 200 else response.status
            ] += 1
        except (OSError, http.client.HTTPException) as error:
            answers[repr(error)] += 1
            connection.close()
        if not kept:
            connection.close()


@contextlib.contextmanager
def load(address, clients=4):
    """Let clients ask while the context lasts; yield a Counter of the models that answered, and of what failed."""
    stop, answers = threading.Event(), Counter()
    threads = [threading.Thread(target=ask, args=[address, k % 2, stop, answers]) for k in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_new_champion_without_a_refused_request(versions, servers, proxy, switch):
    with load(proxy) as answers:
        for version in ("2", "1"):
            versions.set_registered_model_alias("onet-gwa", "champion", version)
            done = switch()
            assert done.returncode == 0, done.stderr
            said = [f"make switch: port {port} serves onet-gwa/{version}" for port in servers[0]]
            assert done.stdout.splitlines() == said
            before = Counter(answers)
            time.sleep(1)
            # All that is asked now is answered by it; a question that was on its way may have got the one before.
            assert max(answers - before, key=(answers - before).get) == f"onet-gwa/{version}"
    assert set(answers) == {"onet-gwa/1", "onet-gwa/2"} and min(answers.values()) > 100


def test_a_switch_that_cannot_be(servers, switch):
    """One line; no server is restarted where nobody would answer meanwhile."""
    first, second = servers[0]
    folder = Path(servers[1].split()[1]).parent
    usual = {"PORTS": f"{first} {second}", "RESTART": servers[1]}
    pids = [(folder / port / "pid").read_text() for port in servers[0]]
    for settings, told in (
        ({"MODEL": "else"}, f"else has no champion yet in {os.environ['MLFLOW_TRACKING_URI']}; a run"),
        ({"PORTS": "5001 x"}, "PORTS=5001 x are not all numbers from 1 to 65535"),
        ({"RESTART": "no-such-command {port}"}, "RESTART=no-such-command {port} cannot be run: "),
        ({"RESTART": "false {port}"}, f"RESTART=false {{port}} ended with status 1 for port {first}"),
        ({"PORTS": first}, f"no other of PORTS={first} answers while port {first} is restarted"),
        ({"PORTS": f"{second} 1"}, f"no other of PORTS={second} 1 answers while port {second} is"),
    ):
        # One of them by make.
        done = switch(**settings) if "MODEL" in settings else call(main, **usual | settings)
        [line] = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
        assert done.returncode and line.startswith(f"make switch: {told}"), line
    assert on_page("no other of PORTS").search(line)
    assert [(folder / port / "pid").read_text() for port in servers[0]] == pids


def test_a_restart_that_is_no_command():
    """It is seen before the champion is looked for."""
    for command, reason in (("systemctl restart 'x", "No closing quotation"), (" ", "it is blank")):
        done = call(main, RESTART=command, MODEL="else")
        assert done.stderr.startswith(
            f"make switch: RESTART={command} is no command ({reason}); leave it out"
        )
        assert done.stderr.count("\n") == 1 and on_page("RESTART=… is no command").search(done.stderr)


def test_a_server_of_files_is_no_other_one(servers):
    """Its answer to /ping is 404."""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with helpers.server(*command, ready="/") as files:
        done = call(main, PORTS=f"{servers[0][0]} {files.split(':')[1]}", RESTART="false")
    assert done.stderr.startswith("make switch: no other of PORTS=")


def test_a_server_that_does_not_come_back(servers, monkeypatch):
    monkeypatch.setattr("switch.SECONDS", 1)
    port = servers[0][0]
    with pytest.raises(SystemExit, match=on_page("port … serves …, not")):
        restart("true", port, "onet-gwa/9")
    with pytest.raises(SystemExit, match="port 1 serves None, not onet-gwa/1"):
        restart("true", 1, "onet-gwa/1")


def test_what_nginx_keeps_from_the_server(proxy, servers):
    """MLflow sends back what it cannot read, whatever its size, and answers 500 where the content type is missing."""
    direct = f"127.0.0.1:{servers[0][0]}"

    def post(address, body, **headers):
        connection = http.client.HTTPConnection(address, timeout=120)
        with contextlib.closing(connection):
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            return response.status, len(response.read())

    assert post(direct, QUESTION)[0] == 500 and post(proxy, QUESTION)[0] == 415
    parquet = {"Content-Type": "application/vnd.apache.parquet"}
    assert post(direct, "PAR1", **parquet)[0] == 400 and post(proxy, "PAR1", **parquet)[0] == 415
    assert post(proxy, QUESTION, **{"Content-Type": "application/json; charset=utf-8"})[0] == 200
    junk = "x" * 50_000_000
    status, size = post(direct, junk, **JSON)
    assert status == 400 and size > len(junk)
    # It closes the connection while the client is still sending.
    with contextlib.suppress(ConnectionError):
        status, size = post(proxy, junk, **JSON)
        assert status == 413 and size < 1000
    assert post(proxy, QUESTION, **JSON)[0] == 200 and post(proxy, "x" * 900_000, **JSON)[0] == 400
    for path, status in (("/docs", 404), ("/openapi.json", 404), ("/version", 404), ("/ping", 200)):
        assert requests.get(f"http://{proxy}{path}", timeout=60).status_code == status


def test_what_nobody_keeps_from_the_server(servers):
    """The page says it: 500 for columns that are no texts, and null in the form inputs becomes the word None."""
    columns = {"dataframe_split": {"columns": [{}], "data": [["Drive."]]}}
    address = f"127.0.0.1:{servers[0][0]}"
    assert post_json(address, columns).status_code == 500
    null, text = ({"inputs": {"Task": ["Drive.", value]}} for value in (None, "None"))
    assert post_json(address, null).json() == post_json(address, text).json()
    records = {"dataframe_records": [{"Task": "Drive."}, {"Task": None}]}
    assert post_json(address, records).status_code == 400
