"""O*NET's releases, downloaded from a local server into a cache."""

import contextlib
import http.server
import re
import threading

import pytest
from conftest import runs
from messages import on_page
from test_archives import CLASSIC, CURRENT, PAIRS, STATEMENTS, tables, write_zip

import helpers


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, a dict from name to bytes, or lets the function `answer` write what it likes."""

    files, answer, asked = {}, None, 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        content = self.server.files.get(self.path.strip("/"))
        with contextlib.suppress(ConnectionError):
            if self.server.answer:
                self.server.answer(self, content)
            elif content is None:
                self.send_error(404)
            else:
                self.send(content, len(content))

    def send(self, content, length=None, status=200, **headers):
        self.send_response(status)
        if length is not None:
            headers["Content-Length"] = str(length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("ONET_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # pooch waits for 1 and 2 s before it tries again.
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    server.cache = tmp_path / "cache"
    server.url = f"http://127.0.0.1:{server.server_port}/db_31_0_text.zip"
    server.files = {"db_31_0_text.zip": write_zip(tmp_path / "current.zip", tables(CURRENT)).read_bytes()}
    server.closed = threading.Event()
    yield server
    server.closed.set()
    server.shutdown()
    server.server_close()


def refused(kind, *told, form=re.compile("")):
    """A download fails with one line of this kind and form, in which the texts `told` are."""
    with pytest.raises(kind) as error:
        helpers.download_onet()
    assert "\n" not in str(error.value) and type(error.value) is kind and form.search(str(error.value))
    for text in told:
        assert text in str(error.value)


def cached(server):
    return sorted(path.name.partition("-")[2] for path in server.cache.rglob("*") if path.is_file())


def test_download_once(server, capfd):
    assert list(helpers.load_tasks("onet").itertuples(index=False, name=None)) == PAIRS
    assert "100%" in capfd.readouterr().err
    assert helpers.load_tasks("onet:31.0").equals(helpers.load_tasks("onet"))
    assert server.asked == 1
    assert cached(server) == ["db_31_0_text.zip", "db_31_0_text.zip.sha256"]


def test_changed_file_is_downloaded_again(server):
    path = helpers.download_onet()
    content = path.read_bytes()
    path.write_bytes(b"changed")
    assert helpers.download_onet().read_bytes() == content
    assert server.asked == 2


def test_classic_release(server, tmp_path):
    server.files["db_30_2_text.zip"] = write_zip(tmp_path / "classic.zip", tables(CLASSIC)).read_bytes()
    assert list(helpers.load_tasks("onet:30.2").itertuples(index=False, name=None)) == PAIRS


def test_unknown_release(server):
    with pytest.raises(FileNotFoundError, match=on_page("data: … does not exist; is")):
        helpers.load_tasks("onet:99.9")
    assert cached(server) == [] and server.asked == 1


@pytest.mark.parametrize("release", ["31", "latest", "31.0/../x", "31.0 "])
def test_malformed_release(server, release):
    with pytest.raises(ValueError, match='is not an O.NET release; write for example "onet:31.0"'):
        helpers.load_tasks(f"onet:{release}")
    assert server.asked == 0


def test_no_network(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match='cannot download http.*; use data="sample"') as error:
        helpers.load_tasks("onet")
    assert "\n" not in str(error.value) and cached(server) == []


@pytest.mark.parametrize("what", ["truncated", "member", "column", "html", "climbs", "bomb", "empty"])
def test_bad_archive_stays_out_of_the_cache(server, tmp_path, what):
    files = tables(CURRENT)
    if what == "member":
        del files["Tasks to DWAs.txt"]
    if what == "column":
        files["Task Statements.txt"] = STATEMENTS.replace("Task ID", "Number")
    if what == "climbs":
        files["../../../x"] = "x"
    if what == "bomb":
        files["Task Statements.txt"] += "53-9999.00\t8823\tDrive the snow tractor.\n" * 1_000_000
    content = write_zip(tmp_path / "bad.zip", files).read_bytes()
    server.files["db_31_0_text.zip"] = {
        "truncated": content[:-40],
        "html": b"\n<html>",
        "empty": b"",
    }.get(what, content)
    with pytest.raises(ValueError) as error:
        helpers.load_tasks("onet")
    assert "http://127.0.0.1" in str(error.value) and "\n" not in str(error.value)
    assert cached(server) == []


@pytest.mark.slow
def test_real_archives_by_http(server, onet):
    server.files = {
        "db_31_0_text.zip": (onet / "db_current_text.zip").read_bytes(),
        "db_25_0_text.zip": (onet / "db_classic_text.zip").read_bytes(),
    }
    assert helpers.load_tasks("onet").equals(helpers.load_tasks("onet:25.0"))


@pytest.mark.slow
def test_the_job_on_a_downloaded_release(server, onet, project, run):
    """The archive of today's layout through the whole job, against the scores measured before."""
    server.files = {"db_31_0_text.zip": (onet / "db_current_text.zip").read_bytes()}
    # A folder of this name is not what is meant.
    (project / "onet").mkdir()
    parameters = ["-P", "data=onet", "-P", "C=10", "-P", "penalty=l2"]
    done = run("mlflow", "run", ".", "--env-manager", "local", *parameters)
    assert done.returncode == 0, done.stderr
    _, [finished] = runs(project)
    assert finished.info.status == "FINISHED" and server.asked == 1
    metrics = finished.data.metrics
    assert metrics["f1_micro"] >= 0.645 and metrics["f1_macro"] >= 0.57 and metrics["baseline_f1_micro"] < 0.2
    assert abs(metrics["cv_f1_micro"] - metrics["f1_micro"]) < 0.03 and metrics["calibration_error"] <= 0.04
