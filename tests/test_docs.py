"""The how-to pages: their commands run, or at least their options are there."""

import re

import mlflow
import nbformat
import pytest
from conftest import ROOT
from glossary import slug

import helpers

PAGES = sorted((ROOT / "docs").glob("*.md"))
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md")]
TEAM = (ROOT / "docs" / "team-server.md").read_text()


def anchors(target, page=None):
    """The anchors of the headings of a page or notebook, as GitHub makes them; those of `page` for its folder."""
    path = page if target.is_dir() else target
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, 4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    headings = re.findall("^#+ (.*)", text, re.M)
    return {f"#{slug(heading)}" for heading in headings}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


# The site begins with index.md.
@pytest.mark.parametrize("path", [path for path in PAGES if path.stem != "index"], ids=lambda path: path.name)
def test_a_link_leads_to_the_page(path):
    others = "".join(page.read_text() for page in PAGES if page != path)
    assert f"docs/{path.name}" in (ROOT / "README.md").read_text() or f"]({path.name}" in others


@pytest.mark.parametrize("path", [*PAGES, *OTHERS], ids=lambda path: path.name)
def test_links(path):
    """A link leads to a file, and one with an anchor to a heading of it."""
    links = re.findall(r"\]\(((?:(?!://)[^)#])*)(#[^)]*)?\)", path.read_text())
    assert [name for name, _ in links if not (path.parent / name).exists()] == []
    wrong = [
        f"{name}{anchor}"
        for name, anchor in links
        if anchor and anchor not in anchors(path.parent / name, path)
    ]
    assert wrong == []


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
