"""Tables as people have them: read, or refused in one line with the way out."""

import pandas as pd
import pytest

import helpers
from onet_gwa.tables import need_columns, read_table

GOOD = "Task,GWA\nDrive the snow tractor.,4A3a4\nCount penguins and write it down.,4A1b3\n"
UTF_8 = 'in Excel choose File > Save As and the type "CSV UTF-8 (Comma delimited) (*.csv)"'
SEPARATORS = "in Excel choose File > Options > Advanced, clear 'Use system separators'"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tasks.csv"


def refusal(file):
    """The one line with which a file of tasks is refused, which must be the one for a file of labels too."""
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(file)
    said = str(error.value)
    assert "\n" not in said and str(file) in said and len(said) < 600
    with pytest.raises(ValueError) as error:
        helpers.load_labels(file)
    assert "\n" not in str(error.value) and str(file) in str(error.value)
    return said


@pytest.mark.parametrize(
    "encoding, newline",
    [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-8", "\r")],
    ids=["plain", "Excel's CSV UTF-8", "an old Mac's"],
)
def test_what_is_read(file, encoding, newline):
    text = GOOD + 'Serve tea in a café.,4A4a5\n"Wash, dry\nand ""press"" shirts.",4A3a2\n'
    file.write_bytes(text.replace("\n", newline).encode(encoding))
    assert set(helpers.load_tasks(file)["Task"]) == {
        "Drive the snow tractor.",
        "Count penguins and write it down.",
        "Serve tea in a café.",
        'Wash, dry and "press" shirts.',
    }


@pytest.mark.parametrize(
    "content, said, mend",
    [
        (
            GOOD.replace(",", ";").encode(),
            "the columns have semicolons between them, and commas are needed",
            f"{SEPARATORS}, type a point as 'Decimal separator' and a comma as 'Thousands separator', and then "
            f"{UTF_8.removeprefix('in Excel ')}",
        ),
        (
            GOOD.replace(",", "\t").encode(),
            "the columns have tabs between them, and commas are needed",
            UTF_8,
        ),
        (
            (GOOD + "Serve in a café.,4A4a5\n").encode("cp1252"),
            "row 3: byte 0xe9 is not UTF-8; save the file as UTF-8",
            UTF_8,
        ),
        (
            "Tätigkeit,GWA\nServe tea.,4A4a5\n".encode("cp1252"),
            "the header: byte 0xe4 is not UTF-8",
            UTF_8,
        ),
        (
            GOOD.replace(",", "\t").encode("utf-16"),
            'the text is UTF-16, as of Excel\'s "Unicode Text (*.txt)"',
            UTF_8,
        ),
        (b"PK\x03\x04\x14\x00\x06\x00", "this is a workbook under the name of a CSV file", UTF_8),
    ],
    ids=["semicolons", "tabs", "cp1252", "cp1252 in the header", "utf-16", "renamed workbook"],
)
def test_the_way_out_in_excels_words(file, content, said, mend):
    file.write_bytes(content)
    assert refusal(file).startswith(str(file))
    assert said in refusal(file) and refusal(file).endswith(mend)


@pytest.mark.parametrize("name", ["tasks.xlsx", "tasks.XLS", "tasks.xlsm", "tasks.ods"])
def test_a_workbook(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    said = refusal(tmp_path / name)
    assert said == f"data: {tmp_path / name} is a workbook, and a CSV file is needed; {UTF_8}"


@pytest.mark.parametrize(
    "text, named",
    [
        ("Task,GWA\n", "no rows"),
        ("", "not a table"),
        ("Text,GWA\na b,4A3a4\n", "no column 'Task'; found: 'Text', 'GWA'"),
        ("Task\na b\n", "no column 'GWA'"),
        ("Task,GWA\na b,4A3a4\n  ,4A3a4\n", "row 2: Task '' is empty"),
        ("Task,GWA\na b,\n", "row 1: GWA '' is empty"),
        ("Task,GWA\na b,4A3a4\nc d\n", "row 2: GWA"),
        ("Task,GWA\na, b,4A3a4\n", "more values than the header; quote statements that hold a ','"),
        ("Task,GWA,Task\na b,4A3a4,c d\n", "the column 'Task' is there twice; keep one"),
        ("Task,GWA\na b," + "4A " * 999, "row 1: GWA '4A 4A"),
        ("Task,GWA\na b,4A3a4\nc, d,4A3a4\n", "not a table"),
        ("Task,GWA\na\ufffdb,4A3a4\n", "row 1: Task 'a\ufffdb' holds a character lost"),
    ],
)
def test_tables_that_are_none(file, text, named):
    file.write_text(text, encoding="utf-8")
    assert named in refusal(file)


def test_values_stay_texts():
    table = read_table(b"code,since\n007,\nNA,1e3\n", "x")
    assert table.to_dict("list") == {"code": ["007", "NA"], "since": ["", "1e3"]}


def test_many_columns_are_told_shortly():
    table = pd.DataFrame(columns=[f"column {k}" for k in range(500)])
    with pytest.raises(ValueError, match="x: there is no column 'Task'; found: 'column 0', ") as error:
        need_columns(table, ["Task"], "x")
    assert len(str(error.value)) < 400
