"""The how-to pages: their commands run, or at least their options are there."""

import configparser
import re
import subprocess

import mlflow
import pytest
from conftest import ROOT

import helpers

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEAM = (ROOT / "docs" / "team-server.md").read_text()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links(path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []
    assert f"docs/{path.name}" in (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_server_on_a_desk(tmp_path, monkeypatch):
    """The page's first command, but for the port, and a client that only knows the server's address."""
    [command] = blocks(TEAM, "console")[0].splitlines()
    (tmp_path / "server").mkdir()
    monkeypatch.chdir(tmp_path / "server")
    with helpers.server(*command.split(), "--port", "{port}") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        helpers.connect()
        # It has no users whose permissions could be asked for.
        assert helpers.choose_experiment() == "onet-gwa"
        with mlflow.start_run() as run:
            mlflow.log_text("here", "note.txt")
        helpers.prepare_registration("onet-gwa", helpers.load_labels())
        assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") == "here"
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert (tmp_path / "server" / "mlflow.db").exists()
    assert list((tmp_path / "server" / "artifacts").rglob("note.txt"))


@pytest.mark.slow
def test_the_options_are_there():
    told = subprocess.run(["mlflow", "server", "--help"], capture_output=True, text=True, check=True).stdout
    used = {
        option
        for block in blocks(TEAM, "console")
        for command in re.findall(r"mlflow server(?:.*\\\n)*.*", block)
        for option in re.findall(r"--[a-z-]+", command)
    }
    assert "--allowed-hosts" in used and "--app-name" in used
    assert [option for option in used if f"{option} " not in told] == []


def test_the_ini_has_what_mlflow_asks_for():
    [text] = blocks(TEAM, "ini")
    ini, theirs = configparser.ConfigParser(), configparser.ConfigParser()
    ini.read_string(text)
    theirs.read(f"{mlflow.__path__[0]}/server/auth/basic_auth.ini")
    needed = {"default_permission", "database_uri", "admin_username", "authorization_function"}
    assert needed <= set(ini["mlflow"]) and needed <= set(theirs["mlflow"])
    for key in ("admin_username", "authorization_function"):
        assert ini["mlflow"][key] == theirs["mlflow"][key]
    assert "password" not in text
