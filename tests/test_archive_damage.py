"""Archives and folders that are damaged, dangerous or closed: one line, and nothing is written."""

import contextlib
import os
import tempfile
import zipfile
from pathlib import Path

import pytest
from test_archive_files import refused, unpacked, with_bytes
from test_archives import CLASSIC, STATEMENTS, tables, write_zip

import helpers


def test_damaged_archive(tmp_path):
    path = write_zip(tmp_path / "db.zip", tables(CLASSIC))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged or truncated .*; take a new copy"):
        helpers.load_tasks(path)


def test_damaged_inside(tmp_path):
    with zipfile.ZipFile(tmp_path / "db.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables(CLASSIC).items():
            archive.writestr(name, text)
    content = bytearray((tmp_path / "db.zip").read_bytes())
    content[60:70] = b"\xff" * 10
    (tmp_path / "db.zip").write_bytes(content)
    with pytest.raises(ValueError, match="damaged or truncated .*; take a new copy"):
        helpers.load_tasks(tmp_path / "db.zip")


def test_two_releases_in_a_folder(tmp_path):
    for release in ("a", "b"):
        (tmp_path / release).mkdir()
        for name, text in tables(CLASSIC).items():
            (tmp_path / release / name).write_text(text)
    with pytest.raises(ValueError, match="table .* is there twice; keep one release"):
        helpers.load_tasks(tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        "../Task Statements.txt",
        "/Task Statements.txt",
        "C:\\Task Statements.txt",
        "db\\..\\..\\x",
        "\\\\host\\x",
        "a/..",
    ],
)
def test_a_member_that_climbs_out(tmp_path, member):
    folder = tmp_path / "in"
    folder.mkdir()
    path = write_zip(folder / "db.zip", tables(CLASSIC) | {member: STATEMENTS}, "")
    refused(path, [f"{member!r} would be outside of the archive"])
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "db.zip"]


ROW = b"19-9999.00\t8823\tCount penguins.\n"
MB = 2**20


@pytest.mark.parametrize(
    "content", [b"\0" * 20 * MB, ROW * (20 * MB // len(ROW)), b"\t" * MB, STATEMENTS.encode() + b"\t" * MB]
)
def test_more_than_a_table_has(tmp_path, content):
    """Packed, the first is a thousandth of its size; a MB of tabs took pandas minutes."""
    path = tmp_path / "db.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Task Statements.txt", content)
        archive.writestr("Tasks to DWAs.txt", "")
        archive.writestr("DWA Reference.txt", "")
    told = "Task Statements.txt: the file has more than 16 MB, or a row of more than 10,000 bytes"
    refused(path, [told])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "db")
    refused(tmp_path / "db", [told])


def test_a_size_that_is_a_lie(tmp_path):
    path = with_bytes(write_zip(tmp_path / "db.zip", tables(CLASSIC)), 22, 24, b"\x10\0\0\0")
    refused(path, ["the archive is damaged or truncated"])


def test_changed_bytes(tmp_path):
    """Wherever the damage is, one line tells it; or nothing that counts was changed."""
    path = tmp_path / "db.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables(CLASSIC).items():
            archive.writestr(f"é/{name}", text)
    content = path.read_bytes()
    told = set()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xA8]) + content[place + 1 :])
        try:
            helpers.load_tasks(path)
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            told.add("damaged" in str(error))
    assert told == {True, False}


def test_neither_a_folder_nor_a_file(tmp_path):
    os.mkfifo(tmp_path / "db.zip")
    refused(tmp_path / "db.zip", ["this is neither a folder nor a file"])
    folder = tmp_path / "db"
    folder.mkdir()
    unpacked(folder)
    (folder / "Task Statements.txt").unlink()
    os.mkfifo(folder / "Task Statements.txt")
    refused(folder, ["Task Statements.txt is a pipe or a device; a file is needed"])
    for target, reason in (
        ("nothing", "No such file"),
        ("Task Statements.txt", "Too many levels of symbolic links"),
    ):
        (folder / "Task Statements.txt").unlink()
        (folder / "Task Statements.txt").symlink_to(target)
        refused(folder, [f"Task Statements.txt cannot be read ({reason}"])


@contextlib.contextmanager
def unprivileged():
    """Root may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_without_permission():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        folder = Path(folder)
        path = write_zip(folder / "db.zip", tables(CLASSIC))
        inner = folder / "db"
        inner.mkdir()
        # This also imports what is imported late, from where others may not read.
        helpers.load_tasks(path)
        helpers.load_tasks(unpacked(inner))
        path.chmod(0)
        (inner / "Task Statements.txt").chmod(0)
        with unprivileged():
            refused(path, ["cannot be read (Permission denied)"])
            refused(inner, ["Task Statements.txt cannot be read (Permission denied)"])
        inner.chmod(0)
        with unprivileged():
            refused(folder, [f"there is the archive '{path}'"])
        path.unlink()
        with unprivileged():
            refused(folder, [f"Task Statements is missing; {inner} cannot be read (Permission denied)"])
        inner.chmod(0o755)
