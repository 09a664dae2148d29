"""Archives and folders as people have them, and what is said where a table is not found."""

import contextlib
import os
import re
import socket
import zipfile

import pytest
from test_archives import CLASSIC, CURRENT, PAIRS, tables, write_zip

import helpers


def packed_on_windows(folder):
    return write_zip(folder / "db.zip", tables(CLASSIC), "db_31_0_text\\")


def packed_on_a_mac(folder):
    companions = {f"__MACOSX/._{name}": "\0\5\26\7" for name in tables(CLASSIC)}
    return write_zip(folder / "db.ZIP", tables(CLASSIC) | companions, "")


def in_capitals(folder):
    return write_zip(folder / "db.zip", {name.upper(): text for name, text in tables(CLASSIC).items()})


def in_zip64(folder):
    with zipfile.ZipFile(folder / "db.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables(CLASSIC).items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(text.encode())
    return folder / "db.zip"


def unpacked(folder):
    for name, text in tables(CURRENT).items():
        (folder / name).write_text(text)
    return folder


def unpacked_badly(folder):
    """By a program that takes the backslashes of Windows for parts of names."""
    for name, text in tables(CURRENT).items():
        (folder / f"db_31_0_text\\{name}").write_text(text)
    return folder


def linked(folder):
    """A linked folder beside links that go in circles, a pipe, a socket, and a name that is not UTF-8."""
    for name in ("data", "elsewhere"):
        (folder / name).mkdir()
    unpacked(folder / "elsewhere")
    (folder / "data" / "db").symlink_to(folder / "elsewhere")
    (folder / "elsewhere" / "up").symlink_to(folder / "data")
    (folder / "data" / "again").symlink_to(folder / "data" / "db")
    (folder / "data" / "self").symlink_to(".")
    (folder / "data" / "nowhere").symlink_to("nothing")
    os.mkfifo(folder / "data" / "pipe.txt")
    # macOS refuses such a name.
    with contextlib.suppress(OSError):
        os.mkdir(os.fsencode(folder / "data") + b"/\xff")
    with contextlib.chdir(folder / "data"), socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.csv")
    return folder / "data"


@pytest.mark.parametrize(
    "make", [packed_on_windows, packed_on_a_mac, in_capitals, in_zip64, unpacked, unpacked_badly, linked]
)
def test_as_people_have_them(tmp_path, make):
    pairs = helpers.load_tasks(make(tmp_path))
    assert list(pairs.itertuples(index=False, name=None)) == PAIRS


def refused(path, told):
    """The one line with which a path is refused holds the path and the texts `told`."""
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(path)
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    for text in told:
        assert text in message


NEED = "is not it, but a .txt or .csv file as in O*NET's archive db_31_0_text.zip is"


@pytest.mark.parametrize(
    "members, told",
    [
        ([], ["Task Statements is missing; there are no files at all"]),
        (["a.txt"], ["Task Statements is missing"]),
        (
            ["db_31_0_excel/Task Statements.xlsx", "db_31_0_excel/Tasks to DWAs.xlsx"],
            ["Statements.xlsx' " + NEED],
        ),
        (["Task Statements.txt.gz"], ["'Task Statements.txt.gz' " + NEED]),
        (["Task Statements (1).txt"], [NEED]),
        (["11_task_statements.sql"], [NEED]),
        (["Task%20Statements.txt"], [NEED]),
        (["__MACOSX/._Task Statements.txt"], ["Task Statements is missing"]),
        (
            ["inner/db_31_0_text.zip"],
            ["there is the archive 'inner/db_31_0_text.zip' in it: give the path of that"],
        ),
    ],
)
def test_what_is_there_instead(tmp_path, members, told):
    refused(write_zip(tmp_path / "db.zip", dict.fromkeys(members, "x"), ""), told)
    folder = tmp_path / "db"
    folder.mkdir()
    for member in members:
        (folder / member).parent.mkdir(exist_ok=True)
        (folder / member).write_text("x")
    refused(folder, [told[0].replace("'inner", f"'{folder}/inner").replace("'Task", f"'{folder}/Task")])


def test_tables_of_both_layouts(tmp_path):
    files = tables(CLASSIC) | tables(CURRENT)
    told = [
        "DWA Reference (to release 30.2)",
        "twice; keep one release",
        "DWA Reference.txt",
        "GWAs to IWAs to DWAs.txt",
    ]
    refused(write_zip(tmp_path / "db.zip", files), told)


def with_bytes(path, local, central, value):
    """Put bytes at two places into the two headers of each member."""
    content = path.read_bytes()
    for signature, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        for match in re.finditer(re.escape(signature), content):
            start = match.start() + offset
            content = content[:start] + value + content[start + len(value) :]
    path.write_bytes(content)
    return path


def test_locked_and_unusual(tmp_path):
    path = with_bytes(write_zip(tmp_path / "db.zip", tables(CLASSIC)), 6, 8, b"\1")
    refused(path, ["'db/Task Statements.txt' has a password; unpack the archive, and give the folder"])
    path = with_bytes(write_zip(tmp_path / "db.zip", tables(CLASSIC)), 8, 10, b"\x09")
    refused(path, ["'db/Task Statements.txt' is packed in an unusual way; unpack the archive"])
