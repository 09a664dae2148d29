"""Two scoring servers behind a real nginx: a new champion without a refused request, and what nginx keeps away."""

import contextlib
import getpass
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from conftest import ROOT, serving

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
            command = [
                "bash",
                "-c",
                KEEP.format(folder=folder / number),
                "keep",
                *serving(folder / number, LOG="json"),
            ]
            ports.append(stack.enter_context(helpers.server(*command, ready="/ping")).split(":")[1])
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
    start = (
        f"sed s/LISTEN/$1/ {folder}/template >{folder}/conf; PATH=/usr/sbin:$PATH exec nginx -c {folder}/conf"
    )
    with helpers.server("bash", "-c", start, "nginx", "{port}", ready="/ping") as address:
        yield address


def switch(servers, **env):
    """Run tools/switch.py for both servers; return what subprocess.run returns."""
    ports, restart = servers
    env = {**os.environ, "PORTS": " ".join(ports), "RESTART": restart, **env}
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "switch.py"], env=env, capture_output=True, text=True, timeout=600
    )


def ask(address, kept, stop, answers):
    """Ask a server until `stop` is set, over one connection or a new one each time; count models and failures."""
    connection = http.client.HTTPConnection(address, timeout=90)
    while not stop.wait(0.01):
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


def test_a_new_champion_without_a_refused_request(versions, servers, proxy):
    with load(proxy) as answers:
        for version in ("2", "1"):
            versions.set_registered_model_alias("onet-gwa", "champion", version)
            done = switch(servers)
            assert done.returncode == 0, done.stderr
            said = [f"make switch: port {port} serves onet-gwa/{version}" for port in servers[0]]
            assert done.stdout.splitlines() == said
            before = Counter(answers)
            time.sleep(1)
            # All that is asked now is answered by it; a question that was on its way may have got the one before.
            assert max(answers - before, key=(answers - before).get) == f"onet-gwa/{version}"
    assert set(answers) == {"onet-gwa/1", "onet-gwa/2"} and min(answers.values()) > 100
