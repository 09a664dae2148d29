"""O*NET's tables in both layouts, their codes, and what does not fit together."""

import zipfile

import pandas as pd
import pytest

import helpers

STATEMENTS = (
    "O*NET-SOC Code\tTask ID\tTask\n"
    "19-9999.00\t8823\tCount penguins.\n53-9999.00\t8823\tDrive the snow tractor.\n"
)
LINKS = "O*NET-SOC Code\tTask ID\t{dwa}\n19-9999.00\t8823\tD1\n19-9999.00\t8823\tD2\n53-9999.00\t8823\tD3\n"
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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
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


SPREADSHEET = [
    *[
        ("19-9999.00", code)
        for code in ("'19-9999.00", " 19-9999.00 ", "19-9999.00\u00a0", "\u200b19-9999.00")
    ],
    *[("19-9999.00", code) for code in ('"19-9999.00\t"', '"=""19-9999.00"""', "’19-9999.00")],
    *[
        ("\t8823\t", f"\t{task}\t")
        for task in ("8823.0", "8,823", "8,823.00", "'8823", " 8823", "8823\u202f")
    ],
    *[("D1", dwa) for dwa in ("d1", "'D1", " D1", '"D1\t"')],
    *[("4.A.1.b.3", gwa) for gwa in ("'4.A.1.b.3", "4.A.1.b.3\u00a0")],
]


@pytest.mark.parametrize("layout", [CLASSIC, CURRENT], ids=["classic", "current"])
@pytest.mark.parametrize("code, changed", SPREADSHEET)
def test_a_code_that_a_spreadsheet_changed(tmp_path, caplog, layout, code, changed):
    """In one table only, once in each: all links are found."""
    files = tables(layout)
    assert any(code in text for text in files.values())
    for name, text in files.items():
        archive = write_zip(tmp_path / "db.zip", files | {name: text.replace(code, changed)})
        pairs = helpers.load_tasks(archive)
        assert list(pairs.itertuples(index=False, name=None)) == PAIRS
    assert caplog.messages == []


@pytest.mark.parametrize(
    "name, text, changed, told",
    [
        (
            "Task Statements",
            "53-9999.00\t8823",
            "53-9999.00\t8824",
            "Tasks to DWAs, row 3: O*NET-SOC Code and Task ID '53-9999.00 8823' is not in Task Statements; "
            "take all tables whole and from one release",
        ),
        (
            "Task Statements",
            "19-9999.00",
            "19–9999.00",
            "row 1: O*NET-SOC Code and Task ID '19-9999.00 8823' is not in",
        ),
        (
            "Tasks to DWAs",
            "\t8823",
            "\t8.823",
            "row 1: O*NET-SOC Code and Task ID '19-9999.00 8.823' is not in Task Statements",
        ),
        ("Tasks to DWAs", "\t8823", "\t8.823", "take all tables whole and from one release (and 2 more)"),
        (
            "Tasks to DWAs",
            "D3",
            "D4",
            "Tasks to DWAs, row 3: DWA ID 'D4' is not in the table of DWAs; take all",
        ),
        (
            "DWA Reference",
            "\tD2",
            "\tD3",
            "row 3: DWA ID 'D3' is there before, with another Element ID; keep one",
        ),
        (
            "Task Statements",
            "53-9999.00",
            "'19-9999.00",
            "row 2: O*NET-SOC Code and Task ID '19-9999.00 8823' is there before, with another Task; keep one",
        ),
        ("Task Statements", "Count penguins.", " ", "Task Statements, row 1: Task '' is empty"),
    ],
)
def test_codes_that_do_not_fit_together(tmp_path, name, text, changed, told):
    files = tables(CLASSIC)
    files[f"{name}.txt"] = files[f"{name}.txt"].replace(text, changed)
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(write_zip(tmp_path / "db.zip", files))
    assert str(error.value).startswith(f"{tmp_path / 'db.zip'}, ") and "\n" not in str(error.value)
    assert told in str(error.value)


def test_statements_without_a_link_are_told(tmp_path, caplog):
    files = tables(CLASSIC)
    files["Task Statements.txt"] += "".join(f"11-9999.00\t{n}\tSing {n}.\n" for n in range(1200))
    path = write_zip(tmp_path / "db.zip", files)
    assert len(helpers.load_tasks(path)) == 3
    assert caplog.messages == [f"{path}: 1,200 of 1,202 statements have no DWA and are left out"]


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
