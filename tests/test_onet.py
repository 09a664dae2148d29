"""O*NET archives in both layouts, and their download from a local server."""

import http.server
import threading
import zipfile

import pandas as pd
import pytest
from conftest import runs

import helpers

STATEMENTS = (
    "O*NET-SOC Code\tTask ID\tTask\n19-9999.00\t1\tCount penguins.\n53-9999.00\t1\tDrive the snow tractor.\n"
)
LINKS = "O*NET-SOC Code\tTask ID\t{dwa}\n19-9999.00\t1\tD1\n19-9999.00\t1\tD2\n53-9999.00\t1\tD3\n"
REFERENCE = "{gwa}\t{dwa}\n4.A.1.b.3\tD1\n4.A.3.b.6\tD2\n4.A.3.a.4\tD3\n"
CLASSIC = {"gwa": "Element ID", "dwa": "DWA ID"}
CURRENT = {"gwa": "GWA Element ID", "dwa": "DWA Element ID"}
PAIRS = [("Count penguins.", "4A1b3"), ("Count penguins.", "4A3b6"), ("Drive the snow tractor.", "4A3a4")]


def tables(layout):
    """The three tables of a tiny release, by file name."""
    reference = "DWA Reference.txt" if layout is CLASSIC else "GWAs to IWAs to DWAs.txt"
    return {
        "Task Statements.txt": STATEMENTS,
        "Tasks to DWAs.txt": LINKS.format(**layout),
        reference: REFERENCE.format(**layout),
    }


def write_zip(path, files, folder="db/"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(folder + name, text)
    return path


@pytest.mark.parametrize("layout", [CLASSIC, CURRENT], ids=["classic", "current"])
def test_layouts(tmp_path, layout):
    files = tables(layout)
    as_csv = {
        name.lower().replace(" ", "_").replace(".txt", ".csv"): text.replace("\t", ",")
        for name, text in files.items()
    }
    for folder in ("", "db_99_9_text/"):
        for content in (files, as_csv):
            pairs = helpers.load_tasks(write_zip(tmp_path / "db.zip", content, folder))
            assert list(pairs.itertuples(index=False, name=None)) == PAIRS
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert helpers.load_tasks(tmp_path).equals(pairs)


@pytest.mark.parametrize("missing", ["Task Statements", "Tasks to DWAs", "DWA Reference"])
def test_missing_member(tmp_path, missing):
    files = {name: text for name, text in tables(CLASSIC).items() if not name.startswith(missing)}
    with pytest.raises(ValueError, match=f"db.zip: the O.NET table {missing}.* is missing"):
        helpers.load_tasks(write_zip(tmp_path / "db.zip", files))


@pytest.mark.parametrize("column", ["Task ID", "Task", "DWA ID", "Element ID"])
def test_missing_column(tmp_path, column):
    files = {
        name: "\t".join("X" if title == column else title for title in text.splitlines()[0].split("\t"))
        + text[text.index("\n") :]
        for name, text in tables(CLASSIC).items()
    }
    with pytest.raises(ValueError, match=f"there is no column '{column}'; found: "):
        helpers.load_tasks(write_zip(tmp_path / "db.zip", files))


def test_damaged_archive(tmp_path):
    path = write_zip(tmp_path / "db.zip", tables(CLASSIC))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged, truncated"):
        helpers.load_tasks(path)


def test_damaged_inside(tmp_path):
    with zipfile.ZipFile(tmp_path / "db.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables(CLASSIC).items():
            archive.writestr(name, text)
    content = bytearray((tmp_path / "db.zip").read_bytes())
    content[60:70] = b"\xff" * 10
    (tmp_path / "db.zip").write_bytes(content)
    with pytest.raises(ValueError, match="damaged, truncated or locked"):
        helpers.load_tasks(tmp_path / "db.zip")


def test_two_releases_in_a_folder(tmp_path):
    for release in ("a", "b"):
        (tmp_path / release).mkdir()
        for name, text in tables(CLASSIC).items():
            (tmp_path / release / name).write_text(text)
    with pytest.raises(ValueError, match="table .* is there twice; keep one release"):
        helpers.load_tasks(tmp_path)


def test_real_archives(onet):
    table = pd.read_parquet(onet / "onet_2020_task_gwa.parquet")
    classic = helpers.load_tasks(onet / "db_classic_text.zip")
    current = helpers.load_tasks(onet / "db_current_text.zip")
    assert classic.equals(current)
    assert classic["GWA"].nunique() == 37 and len(classic) > 15_000
    # The archive is of an earlier release than the table; most statements are the same.
    common = table.merge(classic)
    assert len(common) > 0.8 * len(table)


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, a dict from name to bytes; `cut` bytes are missing at the end of each answer."""

    files, cut, asked = {}, 0, 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.server.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ONET_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server.cache = tmp_path / "cache"
    server.files = {"db_31_0_text.zip": write_zip(tmp_path / "current.zip", tables(CURRENT)).read_bytes()}
    yield server
    server.shutdown()
    server.server_close()


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
    with pytest.raises(FileNotFoundError, match="db_99_9_text.zip does not exist; is there such a release"):
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


def test_broken_off_answer(server):
    server.cut = 30
    with pytest.raises(ConnectionError, match="cannot download"):
        helpers.load_tasks("onet")
    assert cached(server) == []


@pytest.mark.parametrize("what", ["truncated", "member", "column", "html"])
def test_bad_archive_stays_out_of_the_cache(server, tmp_path, what):
    files = tables(CURRENT)
    if what == "member":
        del files["Tasks to DWAs.txt"]
    if what == "column":
        files["Task Statements.txt"] = STATEMENTS.replace("Task ID", "Number")
    content = write_zip(tmp_path / "bad.zip", files).read_bytes()
    server.files["db_31_0_text.zip"] = {"truncated": content[:-40], "html": b"<html>"}.get(what, content)
    with pytest.raises(ValueError) as error:
        helpers.load_tasks("onet")
    assert "http://127.0.0.1" in str(error.value) and "\n" not in str(error.value)
    assert cached(server) == []


def test_real_archives_by_http(server, onet):
    server.files = {
        "db_31_0_text.zip": (onet / "db_current_text.zip").read_bytes(),
        "db_25_0_text.zip": (onet / "db_classic_text.zip").read_bytes(),
    }
    assert helpers.load_tasks("onet").equals(helpers.load_tasks("onet:25.0"))


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
    assert finished.data.metrics["f1_micro"] >= 0.645 and finished.data.metrics["f1_macro"] >= 0.57
