"""The how-to pages: their commands run, or at least their options are there."""

import re

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
    others = "".join(page.read_text() for page in PAGES if page != path)
    assert f"docs/{path.name}" in (ROOT / "README.md").read_text() or f"]({path.name}" in others


@pytest.mark.slow
def test_the_server_on_a_desk(tmp_path, monkeypatch):
    """The page's command, but for the port, and a client that only knows the server's address."""
    [command] = [block.strip() for block in blocks(TEAM, "console") if block.startswith("mlflow server")]
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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_into_pages(path):
    """A link to a heading leads to one."""
    for name, anchor in re.findall(r"\]\(([\w-]+\.md)?#([^)]+)\)", path.read_text()):
        text = (path.parent / (name or path.name)).read_text()
        headings = {
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
            for line in re.findall("^#+ (.*)", text, re.M)
        }
        assert anchor in headings, anchor
