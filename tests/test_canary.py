"""The canary's table: a row says which commit was tried, and replaces the one before."""

import re
import subprocess

import canary


def test_today_names_the_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(canary, "ROOT", tmp_path)
    file = tmp_path / "code.py"
    file.touch()
    author = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init"], ["add", "."], [*author, "commit", "--message", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, check=True)
    clean = canary.today()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d, [0-9a-f]{7,}", clean)
    file.write_text("changed")
    assert canary.today() == f"{clean}-dirty"


def test_a_row_is_added_or_replaced():
    table = "a\n<!-- canary -->\n| p | q | r |\n|---|---|---|\n| 3.12 | new | old |\n<!-- /canary -->\nz\n"
    text = canary.write_row(canary.write_row(table, ["3.11", "new"], ["1"]), ["3.12", "new"], ["2"])
    assert "|---|---|---|\n| 3.11 | new | 1 |\n| 3.12 | new | 2 |\n<!-- /canary -->\nz\n" in text
