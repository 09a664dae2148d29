"""O*NET archives in both layouts, and those that are refused."""

import zipfile

import pandas as pd
import pytest

import helpers

STATEMENTS = (
    "O*NET-SOC Code\tTask ID\tTask\n19-9999.00\t1\tCount penguins.\n53-9999.00\t1\tDrive the snow tractor.\n"
)
LINKS = "O*NET-SOC Code\tTask ID\t{dwa}\n19-9999.00\t1\tD1\n19-9999.00\t1\tD2\n53-9999.00\t1\tD3\n"
REFERENCE = "{gwa}\t{dwa}\n4.A.1.b.3\tD1\n4.A.3.b.6\tD2\n4.A.3.a.4\tD3\n"
CLASSIC = {"gwa": "Element ID", "dwa": "DWA ID"}
CURRENT = {"gwa": "GWA Element ID", "dwa": "DWA Element ID"}
PAIRS = [
    ("Count penguins.", "4A1b3", "19-0000"),
    ("Count penguins.", "4A3b6", "19-0000"),
    ("Drive the snow tractor.", "4A3a4", "53-0000"),
]


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


@pytest.mark.slow
def test_real_archives(onet):
    table = pd.read_parquet(onet / "onet_2020_task_gwa.parquet")
    classic = helpers.load_tasks(onet / "db_classic_text.zip")
    current = helpers.load_tasks(onet / "db_current_text.zip")
    assert classic.equals(current) and classic["SOC"].str.fullmatch(r"\d\d-0000").all()
    assert classic["GWA"].nunique() == 37 and len(classic) > 15_000
    # The archive is of an earlier release than the table; most statements are the same.
    common = table.merge(classic)
    assert len(common) > 0.8 * len(table)
