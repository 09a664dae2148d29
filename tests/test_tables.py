"""Tables as people have them: read, or refused in one line with the way out."""

import gzip

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
    assert "\n" not in said and str(file) in said and len(said) < 700
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
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "this is a workbook under the name of a CSV file", UTF_8),
        (
            GOOD.encode("utf-16-le"),
            "the header holds bytes of zero, as of UTF-16; save the file as UTF-8",
            UTF_8,
        ),
        (GOOD.replace(",", "|").encode(), "the columns have vertical bars between them", UTF_8),
        (
            b"sep=;\r\n" + GOOD.replace(",", ";").encode(),
            "the columns have semicolons between them",
            UTF_8[9:],
        ),
        (GOOD.replace(",", ";").replace("\n", "\r").encode(), "the columns have semicolons", UTF_8[9:]),
    ],
    ids=[
        "semicolons",
        "tabs",
        "cp1252",
        "cp1252 in the header",
        "utf-16",
        "renamed workbook",
        "renamed old workbook",
        "utf-16 without its mark",
        "vertical bars",
        "semicolons, announced",
        "semicolons, an old Mac's",
    ],
)
def test_the_way_out_in_excels_words(file, content, said, mend):
    file.write_bytes(content)
    assert refusal(file).startswith(str(file))
    assert said in refusal(file) and refusal(file).endswith(mend)


@pytest.mark.parametrize(
    "content, said",
    [
        (
            b"PAR1\x15\x04",
            "this is a parquet file under the name of a CSV file; let its name end in .parquet",
        ),
        (gzip.compress(GOOD.encode()), "this is a compressed file under the name of a CSV file; unpack it"),
    ],
    ids=["parquet", "gzip"],
)
def test_another_file_under_the_name_of_a_csv_file(file, content, said):
    file.write_bytes(content)
    assert refusal(file) == f"{file}: {said}"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_row_of_a_byte_that_is_not_utf_8(file, newline, mark):
    """Rows count, not lines: a value may have several, and blank ones are no rows."""
    text = f'{mark}Task,GWA\n"Wash,\ndry\n\nand press.",4A3a2\n\n   \nCount birds.,4A1b3\nServe in a '
    file.write_bytes(text.replace("\n", newline).encode() + b"caf\xe9.,4A4a5")
    assert refusal(file).startswith(f"{file}, row 3: byte 0xe9 is not UTF-8; ")
    file.write_bytes(text.replace("\n", newline).encode() + b'cafe.,4A4a5\n\n"Two\nlines,\ncaf\xe9.",4A4a5')
    assert refusal(file).startswith(f"{file}, row 4: byte 0xe9 is not UTF-8; ")


@pytest.mark.parametrize(
    "text",
    [
        "Task,GWA,\nDrive the tractor.,4A3a4,\nCount birds.,4A1b3,\n",
        "Task,GWA\nDrive the tractor.,4A3a4,\nCount birds.,4A1b3,,,\n",
        "Task,GWA,\nDrive the tractor.,4A3a4\nCount birds.,4A1b3\n",
        ",Task,GWA\n0,Drive the tractor.,4A3a4\n1,Count birds.,4A1b3\n",
        '"","Task","GWA"\n"1","Drive the tractor.","4A3a4"\n"2","Count birds.","4A1b3"\n',
        '"Task","GWA"\n"1","Drive the tractor.","4A3a4"\n"7","Count birds.","4A1b3"\n',
        "\n\nTask,GWA\n\nDrive the tractor.,4A3a4\n  \nCount birds.,4A1b3\n\n\n",
        "sep=,\nTask,GWA\nDrive the tractor.,4A3a4\nCount birds.,4A1b3\n",
        '"SEP=,"\r\nTask,GWA\r\nDrive the tractor.,4A3a4\r\nCount birds.,4A1b3\r\n',
        " Task ,gwa\nDrive the tractor.,4A3a4\nCount birds.,4A1b3\n",
        "\ufeffTASK,Gwa\nDrive the tractor.,4A3a4\nCount birds.,4A1b3",
        "task,Task,GWA\nx,Drive the tractor.,4A3a4\ny,Count birds.,4A1b3\n",
        "Task,note,GWA,note\nDrive the tractor.,\0,4A3a4,\ufffd\nCount birds.,,4A1b3\n",
        "Task,GWA,page\nDrive the tractor.,4A3a4," + "word " * 40_000 + "\nCount birds.,4A1b3\n",
    ],
    ids=[
        "trailing commas",
        "trailing commas in the rows",
        "a trailing comma in the header",
        "row names from pandas",
        "row names from R's write.csv",
        "row names from R's write.table",
        "blank lines",
        "Excel's separator",
        "Excel's separator, quoted",
        "names with blanks and in other cases",
        "names in other cases after a mark",
        "a further column whose name is nearly the same",
        "further columns that are damaged or there twice",
        "a further column with a long value",
    ],
)
def test_what_is_no_reason_to_refuse(file, text):
    file.write_text(text, encoding="utf-8", newline="")
    expected = {"Task": ["Count birds.", "Drive the tractor."], "GWA": ["4A1b3", "4A3a4"]}
    assert helpers.load_tasks(file).to_dict("list") == expected


@pytest.mark.parametrize("name", ["tasks.xlsx", "tasks.XLS", "tasks.xlsm", "tasks.ods"])
def test_a_workbook(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    said = refusal(tmp_path / name)
    assert said == f"data: {tmp_path / name} is a workbook, and a CSV file is needed; {UTF_8}"


@pytest.mark.parametrize(
    "text, named",
    [
        ("Task,GWA\n", "the table has no rows"),
        ("", "not a table of separated columns, since nothing is in it"),
        ("\n \n", "not a table of separated columns, since nothing is in it"),
        ("Text,GWA\na b,4A3a4\n", "there is no column 'Task'; found: 'Text', 'GWA'"),
        ("Task\na b\n", "there is no column 'GWA'; found: 'Task'"),
        ("# of 2026\nTask,GWA\nSing.,4A3a4\n", "row 1: the row has 2 values and the header 1 ('# of 2026')"),
        ("# of 2026, by me\nTask,GWA\n", "there is no column 'Task'; found: '# of 2026', ' by me'"),
        ("task,TASK,GWA\na b,c d,4A3a4\n", "the column 'Task' is there twice; keep one"),
        ("Task,GWA\nSing.,4A3a4\n\n  ,4A3a4\n", "row 2: Task '' is empty"),
        ("Task,GWA\nSing.,4A3a4\n,,\n", "row 2: Task '' is empty"),
        ("Task,GWA\nSing.,\n", "row 1: GWA '' is empty"),
        ("Task,GWA\nSing.,4A3a4\nSing\n", "row 2: GWA '' is empty"),
        ("Task,GWA\nCut, sew.,4A3a4\n", "row 1: the row has 3 values and the header 2 ('Task,GWA'); quote a"),
        ("Task,GWA\nSing.,4A3a4\n\nCut, sew, iron.,4A3a4\n", "row 2: the row has 4 values and the header 2"),
        ("Task,GWA\n1,Sing.,4A3a4\nCut, sew.,4A3a4\n", "row 1: the row has 3 values and the header 2"),
        ("Task,GWA,Task\nSing.,4A3a4,c d\n", "the column 'Task' is there twice; keep one"),
        ("Task,GWA\nSing.," + "4A " * 999, "row 1: GWA '4A 4A"),
        ("Task,GWA\nSing.," + "4" * 999, "row 1: GWA '444"),
        ("Task,GWA\nSing\ufffd.,4A3a4\n", "row 1: Task 'Sing\ufffd.' holds a character lost"),
        ("Task,GWA\nSing\0.,4A3a4\n", "row 1: Task 'Sing\\x00.' holds a character lost"),
        (
            'Task,GWA\nSing.,4A3a4\n"Hum,4A3a4\nCut.,4A3a4\n',
            "row 2: the quotes do not match (unexpected end of data)",
        ),
        (
            'Task,GWA\n"Two\nlines",4A3a4\n"Hum,4A3a4\nCut.,4A3a4\nSay "no" twice.,4A3a4\n',
            "row 2: the quotes do not match (',' expected after '\"')",
        ),
        ('"Task,GWA\nSing.,4A3a4\n', "the header: the quotes do not match (unexpected end of data)"),
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
