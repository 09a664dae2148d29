"""The cache of downloads: written by two jobs, by one that is killed, changed, or not to be written at all."""

# A fixture is imported, and then named as an argument.
# ruff: noqa: F401, F811

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT, wait
from messages import on_page
from test_archive_damage import unprivileged
from test_archives import CURRENT, tables, write_zip
from test_download import cached, refused, server
from test_download_failures import BOTH, succeeds

import helpers
from onet_gwa import download


def start(server):
    """A process that downloads."""
    code = "import helpers; helpers.download_onet()"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def another(tmp_path):
    """Another release than the server's."""
    files = tables(CURRENT) | {"Read Me.txt": "Corrected."}
    return write_zip(tmp_path / "another.zip", files).read_bytes()


@pytest.mark.slow
def test_two_jobs_at_once(server):
    """Each gets its answer only when both have asked."""

    def answer(handler, content):
        wait(lambda: server.asked >= 2)
        handler.send(content, len(content))

    server.answer = answer
    jobs = [start(server), start(server)]
    for job in jobs:
        _, errors = job.communicate(timeout=60)
        assert job.returncode == 0, errors
    assert server.asked == 2 and cached(server) == BOTH
    succeeds(server)
    assert server.asked == 2


@pytest.mark.slow
def test_a_job_that_is_killed(server):
    def answer(handler, content):
        handler.send(b"x" * 200_000, 300_000)
        server.closed.wait()

    server.answer = answer
    job = start(server)
    wait(lambda: any(path.stat().st_size for path in server.cache.rglob("tmp*")))
    job.kill()
    job.communicate()
    [left] = server.cache.rglob("*-gwa/*")
    assert left.name.startswith("tmp")
    server.answer = None
    # It might be of another job that still runs; and then it cannot be.
    for age in (0, download.MAX_SECONDS + 1):
        os.utime(left, (time.time() - age,) * 2)
        helpers.download_onet().write_bytes(b"changed")
        assert left.exists() == (age == 0)
    succeeds(server)


def test_stopped_by_ctrl_c(server):
    """A job that is stopped, and not killed, leaves nothing behind."""

    def answer(handler, content):
        # As in a job, where no other thread takes the signal, and the server does not end the answer first.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        server.closed.wait(5)

    server.answer = answer
    with pytest.raises(KeyboardInterrupt):
        helpers.download_onet()
    assert cached(server) == []
    succeeds(server)


def test_a_checksum_that_changed(server, tmp_path):
    """What is in the cache counts as long as it is what it was; then the server's, if that is the same."""
    path = helpers.download_onet()
    content = path.read_bytes()
    server.files = {"db_31_0_text.zip": another(tmp_path)}
    assert helpers.download_onet().read_bytes() == content and server.asked == 1
    checksum = path.with_name(path.name + ".sha256")
    for change in (lambda: path.write_bytes(b"changed"), path.unlink):
        change()
        before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        refused(
            ValueError,
            server.url,
            f"remove {checksum} to take the new one",
            form=on_page("data: … is not the archive that it was"),
        )
        assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    path.write_bytes(b"changed")
    checksum.unlink()
    assert helpers.download_onet().read_bytes() == server.files["db_31_0_text.zip"]
    succeeds(server)


@pytest.mark.parametrize("content", [b"", b"0" * 63, b"\xff\xfe", b"md5:0123"])
def test_a_damaged_checksum(server, content):
    path = helpers.download_onet()
    path.write_bytes(b"changed")
    path.with_name(path.name + ".sha256").write_bytes(content)
    succeeds(server)


def test_a_cache_that_is_a_file(server, tmp_path, monkeypatch):
    for name in ("", "onet-gwa"):
        folder = tmp_path / f"file{name}"
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
        with monkeypatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder))
            told = (
                f"cannot keep {server.url} in {folder / 'onet-gwa'} (",
                "; set XDG_CACHE_HOME to another folder",
            )
            with pytest.raises(OSError) as error:
                helpers.download_onet()
        assert all(text in str(error.value) for text in told) and "\n" not in str(error.value)
        assert file.read_text() == "mine"
    succeeds(server)


def test_a_full_disk(server):
    """A limit on the size of files has the same effect, and the same kind of error."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match=on_page("data: cannot keep")) as error:
            helpers.download_onet()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cached(server) == [] and "\n" not in str(error.value) and server.asked == 1
    succeeds(server)


def test_a_cache_that_cannot_be_written(server, monkeypatch):
    """What is in it is used all the same."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        path = helpers.download_onet()
        path.chmod(0o644)
        Path(f"{path}.sha256").chmod(0o644)
        path.parent.chmod(0o555)
        with unprivileged():
            assert helpers.download_onet() == path
            with pytest.raises(
                OSError, match="cannot keep http.*; set XDG_CACHE_HOME to another folder"
            ) as error:
                helpers.download_onet("30.2")
        assert "\n" not in str(error.value)
        path.parent.chmod(0o755)


@pytest.mark.parametrize("value", ["", " ", "cache", "~/cache", "./cache"])
def test_a_relative_cache(server, tmp_path, monkeypatch, value):
    """The specification has it ignored: https://specifications.freedesktop.org/basedir-spec/latest/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert helpers.download_onet().is_relative_to(tmp_path / "home")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_no_home(server, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    os.setresuid(12345, -1, -1)
    try:
        refused(FileNotFoundError, f"nowhere to keep {server.url}", "set an absolute HOME or XDG variable")
    finally:
        os.setresuid(0, -1, -1)
