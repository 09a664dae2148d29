"""Tables of statements: what is read and what is refused."""

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from messages import fails, on_page

from onet_gwa import statements

# Invented, as all statements here are. One has the end of a line in it, three have no text.
ROWS = [
    ("a", "Repair boilers, pumps\nand valves."),
    ("b", None),
    ("c", "  "),
    ("d", "12 + 34"),
    ("e", 'Say "yes" to callers.'),
]


@pytest.fixture
def table():
    return pd.DataFrame(ROWS, columns=["id", "Task"])


def opened(path, folder, column="Task", prefix=""):
    return statements.open_statements(path, column, prefix, folder)[0]


def test_a_csv_file_is_read_as_texts(table, tmp_path):
    table.assign(number="007").to_csv(tmp_path / "t.csv", index=False)
    read = opened(tmp_path / "t.csv", tmp_path).to_table().to_pandas()
    assert read["Task"].tolist() == [text or "" for _, text in ROWS]
    assert set(read["number"]) == {"007"}
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    assert opened(tmp_path / "t.csv.gz", tmp_path).count_rows() == 5


def test_a_csv_file_with_whole_documents(tmp_path):
    path = tmp_path / "t.csv"
    long = "two words\n" * 300_000
    path.write_text(f'Task,text\nRun.,"{long}"\nCook.,short\n')
    assert opened(path, tmp_path).to_table().column("text").to_pylist() == [long, "short"]
    path.write_text(f'Task,text\nCook.,short\nRun.,"{long * 6}"\n')
    fails(on_page("input: …: a row is longer than"), opened, path, tmp_path)


def test_a_folder_of_parquet_files_with_a_folder_a_month(table, tmp_path):
    for month in (1, 2):
        (tmp_path / "in" / f"month={month}").mkdir(parents=True)
        table.to_parquet(tmp_path / "in" / f"month={month}" / "x.parquet")
    read = opened(tmp_path / "in", tmp_path).to_table().to_pandas()
    assert sorted(read["month"]) == [1] * 5 + [2] * 5


def test_files_of_other_columns(table, tmp_path):
    """The first one says which there are; what another lacks is null, and its types become the first one's."""
    folder = tmp_path / "in"
    folder.mkdir()
    table.assign(rank=1.5).to_parquet(folder / "a.parquet")
    table[["Task", "id"]].assign(more="x").to_parquet(folder / "b.parquet")
    [first, second] = statements.read(opened(folder, tmp_path))
    assert first.schema.names == second.schema.names == ["id", "Task", "rank"]
    assert second.column("rank").to_pylist() == [None] * 5 and second.column("id").to_pylist() == list(
        "abcde"
    )


def test_a_file_without_the_column(table, tmp_path):
    (tmp_path / "in").mkdir()
    table.to_parquet(tmp_path / "in" / "a.parquet")
    table.rename(columns={"Task": "task"}).to_parquet(tmp_path / "in" / "b.parquet")
    with pytest.raises(ValueError, match="b.parquet has no column 'Task', which other files of .* have"):
        opened(tmp_path / "in", tmp_path)


def two_files(folder, first, second):
    (folder / "in").mkdir()
    for name, values in (("a", first), ("b", second)):
        pq.write_table(
            pa.table({"Task": ["Run."] * len(values), "x": values}), folder / "in" / f"{name}.parquet"
        )
    return folder / "in"


def test_a_file_of_other_types(tmp_path):
    """Found when its values are read, since others could be written so."""
    said = (
        "b.parquet: the column 'x' cannot become int64, as in other files: Failed to parse.*; write it as one"
    )
    with pytest.raises(OSError, match=said):
        list(statements.read(opened(two_files(tmp_path, [7], ["e"]), tmp_path)))


COMMON = {
    # One byte is enough for the numbers of the first file's.
    "categories": [
        pa.array(map(str, range(n))).cast(pa.dictionary(kind, pa.string()))
        for n, kind in ((100, pa.int8()), (300, pa.int16()))
    ],
    "nulls first": [pa.nulls(2), pa.array(["a", None])],
    "nulls last": [pa.array([1, 2]), pa.nulls(2)],
    "empty lists": [pa.array([[], None], pa.list_(pa.null())), pa.array([["a"], []])],
}


@pytest.mark.parametrize("kind", COMMON)
def test_files_of_types_that_have_one_in_common(kind, tmp_path):
    first, second = COMMON[kind]
    read = pa.Table.from_batches(statements.read(opened(two_files(tmp_path, first, second), tmp_path)))
    assert read.column("x").to_pylist() == first.to_pylist() + second.to_pylist()


def test_later_files_that_are_refused(tmp_path):
    folder = two_files(tmp_path, [1], [["a"]])
    fails(on_page("input: …: the column … is"), opened, folder, tmp_path)
    with pytest.raises(ValueError, match="b.parquet: the column 'x' is list<element: string>, and int64 in"):
        opened(folder, tmp_path)
    pq.write_table(pa.table([["Run."], [1], [2]], names=["Task", "x", "x"]), folder / "b.parquet")
    with pytest.raises(ValueError, match="b.parquet: the column 'x' is there twice; keep one"):
        opened(folder, tmp_path)


def test_folders_above_a_file_are_no_columns(table, tmp_path):
    folder = tmp_path / "month=3"
    folder.mkdir()
    table.to_parquet(folder / "t.parquet")
    assert opened(folder / "t.parquet", tmp_path).schema.names == ["id", "Task"]


def test_an_empty_table_is_one(table, tmp_path):
    table.head(0).astype("str").to_parquet(tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet", tmp_path).count_rows() == 0


REFUSED = [
    ("none.csv", None, "is not there; name a CSV or parquet file"),
    ("t.xlsx", b"PK", "is a workbook"),
    ("t.txt", b"Task\nRun\n", "ends neither in .csv nor in .parquet"),
    ("t.parquet", b"Task\nRun\n", "cannot be read: .*; write it anew"),
    ("t.csv", b"", "cannot be read: Empty CSV file"),
    ("t.csv", b"id,Task\n1,Run, walk\n", "cannot be read: CSV parse error: .*Expected 2 columns, got 3"),
    ("t.csv", "Task\nDésirer\n".encode("latin-1"), "cannot be read: .*UTF8"),
    (
        "t.csv",
        b'id,Task\na,"Run.\nb,Walk.\n',
        ", line 3: the quotes do not match \\(unexpected end of data\\); put",
    ),
    ("t.csv", b'id,Task\na,"Run.\nb,"Walk."\n', ", line 3: the quotes do not match \\(',' expected"),
    ("t.csv.gz", gzip.compress(b'Task\n"Run.\nWalk.\n'), ", line 3: the quotes do not match"),
    ("t.csv.gz", gzip.compress(bytes(range(97, 123)) * 9)[:-12], "cannot be read: "),
    ("t.csv", b"id;Task\n1;Run\n", "there is no column 'Task'; found: 'id;Task'"),
    ("t.csv", b"Task,Task\nRun,Run\n", "the column 'Task' is there twice; keep one"),
    ("t.csv", b"Task,name\nRun,x\n", "a column 'name', as the answer has; .*prefix=predicted_"),
]


@pytest.mark.parametrize("name, raw, message", REFUSED, ids=[message[:20] for *_, message in REFUSED])
def test_what_is_refused(name, raw, message, tmp_path):
    path = tmp_path / name
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises((OSError, ValueError), match=message) as error:
        opened(path, tmp_path)
    assert str(error.value).startswith(f"input: {path}") and "\n" not in str(error.value)


def test_what_is_refused_of_parquet_files(table, tmp_path):
    with pytest.raises(ValueError, match="a folder without parquet files"):
        opened(tmp_path, tmp_path)
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="there is no column 'text'; found: 'id', 'Task'"):
        opened(tmp_path / "t.parquet", tmp_path, "text")
    table.assign(Task=1).to_parquet(tmp_path / "n.parquet")
    with pytest.raises(ValueError, match="the column 'Task' holds int64, and texts are needed"):
        opened(tmp_path / "n.parquet", tmp_path)
    table.assign(Task=[["a", "list"]] * 5).to_parquet(tmp_path / "l.parquet")
    with pytest.raises(ValueError, match="the column 'Task' holds list<.*>, and texts are needed"):
        opened(tmp_path / "l.parquet", tmp_path)
    table.assign(my_GWA="").to_parquet(tmp_path / "p.parquet")
    with pytest.raises(ValueError, match="such as my_predicted_GWA, with prefix=my_predicted_"):
        opened(tmp_path / "p.parquet", tmp_path, prefix="my_")
