"""A Spark cluster of this machine's own: it works, keeps to itself, and never outlives its owner."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, wait
from test_servers import left  # noqa: F401

from onet_gwa.cluster import cluster

needs_spark = pytest.mark.skipif(
    not (shutil.which("java") and importlib.util.find_spec("pyspark")), reason="java or pyspark is absent"
)
# The sum of squares, of which each of four tasks takes a while.
JOB = """
import sys, time
from pyspark import SparkConf, SparkContext
conf = SparkConf().setMaster(sys.argv[1]).setAppName("test").set("spark.driver.host", "127.0.0.1")
conf = conf.set("spark.ui.enabled", "false").set("spark.executor.memory", "512m")
seconds = float(sys.argv[2])
slow = lambda number: (time.sleep(seconds), number**2)[1]
print(SparkContext(conf=conf).parallelize(range(4), 4).map(slow).sum())
"""


def job(master, seconds=0.0, **env):
    """Start a job that takes `seconds` for each of four tasks, and prints 14."""
    env = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, **env}
    return subprocess.Popen(
        [sys.executable, "-c", JOB, master, str(seconds)],
        env={name: value for name, value in env.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which temporary folders are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder := tmp_path_factory.mktemp("temporary")))
        yield folder


@pytest.mark.slow
@needs_spark
def test_a_cluster(left, folder, monkeypatch):  # noqa: F811
    """It runs a job on both workers, behind a proxy and without a home, and leaves nothing."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("SPARK_CONF_DIR", "/nowhere")
    with cluster() as master:
        assert master.startswith("spark://127.0.0.1:")
        listening = [c for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.pid in left()]
        assert len(listening) == 6
        assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}
        said, _ = job(master).communicate(timeout=120)
        assert "14" in said.splitlines(), said
        [logs] = folder.glob("onet-gwa-spark-*/work/app-*")
        assert sorted(path.name for path in logs.iterdir()) == ["0", "1"]
    wait(lambda: not left(), 10)
    assert not list(folder.iterdir()) and os.environ["SPARK_CONF_DIR"] == "/nowhere"


@pytest.mark.slow
@needs_spark
def test_a_stranger(folder):
    """Who does not know the secret gets no job run."""
    with cluster(workers=1) as master:
        stranger = job(master, SPARK_CONF_DIR=None)
        try:
            said = ""
            for line in stranger.stdout:
                said += line
                if "Failed to connect to master" in line:
                    break
            assert "Failed to connect to master" in said and "14" not in said.splitlines(), said
        finally:
            stranger.kill()
            stranger.communicate()


@pytest.mark.slow
@needs_spark
def test_the_owner_is_killed(left):  # noqa: F811
    """In the middle of a job, whose Python processes and executors end, too."""
    code = "import time, helpers\nwith helpers.cluster() as m: print(m, flush=True); time.sleep(600)"
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    master = owner.stdout.readline().strip()
    environ = Path(f"/proc/{max(pid for pid in left() if 'Master' in left()[pid])}/environ").read_text()
    conf = next(e for e in environ.split("\0") if e.startswith("SPARK_CONF_DIR=")).partition("=")[2]
    busy = job(master, 600, SPARK_CONF_DIR=conf)
    try:
        wait(lambda: sum("pyspark.daemon" in line for line in left().values()) >= 4)
        owner.kill()
        owner.communicate()
        wait(lambda: not set(left()) - descendants(busy.pid), 20)
    finally:
        for pid in descendants(busy.pid):
            os.kill(pid, signal.SIGKILL)
        busy.communicate()
        shutil.rmtree(conf)


def descendants(pid):
    process = psutil.Process(pid)
    return {pid, *(child.pid for child in process.children(recursive=True))}


def refused(**settings):
    with pytest.raises(RuntimeError) as error:
        with cluster(**settings):
            pytest.fail("entered")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.skipif(not importlib.util.find_spec("pyspark"), reason="pyspark is absent")
def test_no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"Spark needs Java, and there is no {tmp_path}/bin/java" in refused()


@pytest.mark.slow
@needs_spark
def test_a_java_that_fails(monkeypatch, tmp_path, left):  # noqa: F811
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    said = """echo 'openjdk version "17.0.15"' >&2; [ "$1" = -version ] || { echo 'Error: no memory' >&2; exit 1; }"""
    java.write_text(f"#!/bin/sh\n{said}\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert refused() == "the Spark master did not start: Error: no memory"
    wait(lambda: not left(), 5)


@pytest.mark.slow
@needs_spark
@pytest.mark.parametrize(
    "settings, said",
    [
        ({"memory": "much"}, "the Spark worker did not start: .*much"),
        ({"timeout": 1}, "the Spark master did not start: .*not ready in 1 s"),
    ],
    ids=str,
)
def test_a_cluster_that_does_not_start(left, folder, settings, said):  # noqa: F811
    message = refused(**settings)
    assert re.match(said, message), message
    wait(lambda: not left(), 10)
    assert not list(folder.iterdir()) and "SPARK_CONF_DIR" not in os.environ
