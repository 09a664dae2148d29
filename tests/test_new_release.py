"""What docs/new-release.md says of a release, its download and a changed taxonomy."""

# A fixture is imported, and then named as an argument.
# ruff: noqa: F401, F811

import re
import shlex

import pytest
from conftest import ROOT
from test_archives import CURRENT, tables, write_zip
from test_download import refused, server

import helpers
from onet_gwa.download import MAX_SECONDS, ONET_RELEASE

PAGE = (ROOT / "docs" / "new-release.md").read_text(encoding="utf-8")


def test_the_release_that_is_meant():
    assert f"`-P data=onet` is release {ONET_RELEASE}," in PAGE and f"`onet:{ONET_RELEASE}`" in PAGE
    assert MAX_SECONDS == 600 and "more than ten minutes" in PAGE


def test_each_message(server, tmp_path):
    """The messages of the table are parts of those that the download gives, in the table's order."""
    told = re.findall(r"^\| `([^`]*)` \| (?!it means)", PAGE.partition("| it says |")[2], re.M)
    missing, cannot, page, changed, number = (text.strip("… ") for text in told)
    helpers.download_onet()
    archive = server.files.pop("db_31_0_text.zip")
    for file in server.cache.rglob("*.zip"):
        file.unlink()
    refused(FileNotFoundError, missing)
    server.files["db_31_0_text.zip"] = write_zip(
        tmp_path / "a.zip", tables(CURRENT) | {"new": "x"}
    ).read_bytes()
    refused(ValueError, changed)
    server.files["db_31_0_text.zip"] = b"<html>"
    refused(ValueError, page)
    server.answer = lambda handler, content: handler.send(b"", status=503)
    refused(ConnectionError, cannot)
    with pytest.raises(ValueError, match=re.escape(number)):
        helpers.download_onet(re.search("'(.*?)'", number)[1])
    server.answer, server.files["db_31_0_text.zip"] = None, archive
    assert helpers.download_onet().read_bytes() == archive


def test_a_gwa_that_is_new(tmp_path):
    [told] = re.findall(r"`(GWA '4\.A\.[^`]*)`", PAGE)
    files = tables(CURRENT)
    files["GWAs to IWAs to DWAs.txt"] = files["GWAs to IWAs to DWAs.txt"].replace("4.A.3.a.4", "4.A.9.z.9")
    with pytest.raises(ValueError, match=re.escape(told)):
        helpers.load_tasks(write_zip(tmp_path / "db.zip", files))


@pytest.mark.parametrize(
    "name, column", [("Task Statements", "Task ID"), ("Tasks to DWAs", "DWA Element ID")]
)
def test_a_column_that_is_gone(tmp_path, name, column):
    files = tables(CURRENT)
    files[f"{name}.txt"] = files[f"{name}.txt"].replace(column, "Number")
    with pytest.raises(ValueError, match=f"there is no column '{column}'"):
        helpers.load_tasks(write_zip(tmp_path / "db.zip", files))


def test_the_commands_name_parameters_that_are_taken(tmp_path, monkeypatch):
    """Both commands, but for the download."""
    (tmp_path / "gwas-new.csv").write_bytes((ROOT / "data" / "gwas.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("mlflow run")]
    assert len(commands) == 2
    for command in commands:
        given = dict(pair.split("=") for pair in command if "=" in pair)
        assert given.pop("data") == f"onet:{ONET_RELEASE}"
        given = {"labels": "gwas", "promote": "better"} | given
        helpers.check_parameters("1", "l2", "sample", gate="1.5", **given)


def test_the_titles_that_are_statements():
    quality = (ROOT / "benchmarks" / "quality.md").read_text(encoding="utf-8")
    n = re.search(r"([\d,]+) titles of detailed work activities", quality)[1]
    equal = re.search(r"(\d+) are equal to one", quality)[1]
    assert f"of {n} titles [{equal} are equal to a test statement]" in PAGE
    scores = re.findall(
        r"^\| (?:all titles|without those near-twins) \| (\S+ \| \S+ \| \S+) \|", quality, re.M
    )
    assert len(scores) == 2 and len(set(scores)) == 1
