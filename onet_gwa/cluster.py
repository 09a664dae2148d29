"""A Spark cluster of this machine's own processes: a master and its workers, for a notebook and for tests."""

import contextlib
import http.client
import json
import os
import re
import secrets
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from onet_gwa.servers import server
from onet_gwa.spark import need_java


@contextlib.contextmanager
def cluster(workers=2, memory="1g", timeout=120):
    """Run a standalone Spark master and its workers while the context lasts; yield "spark://127.0.0.1:51000" or such.

    All are processes of pip's pyspark, listen on the loopback only, web pages included, and have their work in a
    temporary folder. A worker has one core, and `memory` for its executors. As with `server`, no process outlives
    the context, nor this process. What a cluster is sent it runs, so it takes jobs only from who knows its secret:
    this process and its children, which find it through SPARK_CONF_DIR while the context lasts. Raises RuntimeError,
    in one line, where pyspark or Java is missing, where the master or a worker does not start, or where the workers
    have not registered within `timeout` seconds.
    """
    need_java()
    home, end = Path(find_spec("pyspark").origin).parent, time.monotonic() + timeout
    with tempfile.TemporaryDirectory(prefix="onet-gwa-spark-") as folder, contextlib.ExitStack() as running:
        # Others cannot look into a temporary folder.
        secret = f"spark.authenticate true\nspark.authenticate.secret {secrets.token_hex()}\n"
        Path(folder, "spark-defaults.conf").write_text(secret)
        running.enter_context(_environment("SPARK_CONF_DIR", folder))
        settings = {
            "SPARK_HOME": home,
            # Names of this machine may lead elsewhere, or nowhere; without it, web pages are open to others.
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": folder,
            # A port that is taken meanwhile is an error: the next would not be found. What asks for no secret is off.
            "SPARK_DAEMON_JAVA_OPTS": "-Dspark.port.maxRetries=0 -Dspark.master.rest.enabled=false "
            "-Dspark.ui.killEnabled=false",
            "SPARK_DAEMON_MEMORY": "256m",
        }
        spark = ["env", *(f"{k}={v}" for k, v in settings.items()), str(home / "bin" / "spark-class")]
        here = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "{port}"]

        def start(name, *arguments):
            command = [*spark, f"org.apache.spark.deploy.{name.lower()}.{name}", *here, *arguments]
            left = max(1, end - time.monotonic())
            try:
                return running.enter_context(server(*command, ready="/json/", timeout=left))
            except RuntimeError as error:
                raise RuntimeError(f"the Spark {name.lower()} did not start: {_cause(str(error))}") from error

        page = start("Master")
        master = _state(page)["url"]
        worker = ["Worker", "--cores", "1", "--memory", memory, "--work-dir", f"{folder}/work", master]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda _: start(*worker), range(workers)))
        while (alive := _state(page)["aliveworkers"]) < workers:
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{alive} of {workers} Spark workers registered within {timeout} s; raise `timeout`"
                )
            time.sleep(0.1)
        yield master


@contextlib.contextmanager
def _environment(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        os.environ |= {name: before} if before is not None else {}


def _state(page):
    """Return what the master says of itself and its workers, a dict."""
    connection = http.client.HTTPConnection(page, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/json/")
        return json.loads(connection.getresponse().read())


def _cause(said):
    """Return the line of a daemon's log that tells most: its first error, or the command and the last line."""
    lines = said.splitlines()
    errors = [line.strip() for line in lines[1:] if re.search(r"Error|Exception|error:", line)]
    return errors[0] if errors else f"{lines[0]} {lines[-1]}"
