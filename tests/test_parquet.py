"""Parquet files with columns that nobody asked for, in folders, and those that are refused."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import helpers

TASKS, CODES = ["Drive the snow tractor.", "Count penguins."], ["4A3a4", "4A1b3"]
TABLE = pd.DataFrame({"Task": TASKS, "GWA": CODES})
EXPECTED = {"Task": TASKS[::-1], "GWA": CODES[::-1]}


def parquet(path, metadata=None, **columns):
    """Write Task, GWA and further columns, all of two values; those that are given come first."""
    columns = columns | {name: TABLE[name] for name in TABLE if name not in columns}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


class Unknown(pa.ExtensionType):
    """A type that no reader has registered."""

    def __init__(self):
        super().__init__(pa.string(), "elsewhere.text")

    def __arrow_ext_serialize__(self):
        return b""


FURTHER = {
    "struct": pa.array([{"Task": "x", "GWA": "y"}] * 2),
    "map": pa.array([[("Task", 1)], []], pa.map_(pa.string(), pa.int32())),
    "list": pa.array([["a"], None]),
    "decimal": pa.array([10**70, None], pa.decimal256(76, 2)),
    "time": pa.array([2**62, -(2**62)], pa.timestamp("us")),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16] * 2, pa.binary(16))),
    "unknown": pa.ExtensionArray.from_storage(Unknown(), pa.array(["a", "b"])),
    "bytes": pa.array([b"caf\xe9", b"\0"]),
    "broken text": pa.array([b"caf\xe9", b"a"]).view(pa.string()),
    "Task.of.2020": pa.array([1, 2]),
}


@pytest.mark.parametrize("name", FURTHER)
def test_a_column_that_nobody_asked_for(tmp_path, name):
    file = parquet(tmp_path / "tasks.parquet", **{name: FURTHER[name]})
    assert helpers.load_tasks(file).to_dict("list") == EXPECTED


@pytest.mark.parametrize(
    "table",
    [
        TABLE.assign(words=pd.Series([["a"], ["b"]], dtype=pd.ArrowDtype(pa.list_(pa.string())))),
        TABLE.assign(range=pd.interval_range(0, 2)),
        TABLE.assign(year=pd.period_range("2025", "2026", freq="Y")),
        TABLE.set_index(pd.period_range("2025", "2026", freq="Y")),
        TABLE.set_index(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])),
        TABLE.set_index("Task"),
        TABLE.set_index(["GWA", "Task"]),
        TABLE.astype("category"),
        TABLE.astype("string[python]"),
        TABLE.set_axis([" task", "GWA "], axis="columns"),
    ],
    ids=[
        "list",
        "interval",
        "period",
        "index of periods",
        "index of two",
        "statements as index",
        "both as index",
    ]
    + ["categories", "strings", "other names"],
)
def test_parquet_as_pandas_writes_it(tmp_path, table):
    table.to_parquet(tmp_path / "tasks.parquet")
    assert helpers.load_tasks(tmp_path / "tasks.parquet").to_dict("list") == EXPECTED


@pytest.mark.parametrize(
    "metadata",
    ["{nonsense", '{"index_columns": ["gone"], "columns": [], "column_indexes": []}', "[]", '{"columns": 5}'],
)
def test_pandas_metadata_that_is_wrong(tmp_path, metadata):
    file = parquet(tmp_path / "tasks.parquet", metadata={"pandas": metadata})
    assert helpers.load_tasks(file).to_dict("list") == EXPECTED


def test_further_columns_of_one_name(tmp_path):
    columns = [TASKS, [1, 2], CODES, ["a", "b"], [1, 2], [3, 4]]
    table = pa.table(list(map(pa.array, columns)), names=["Task", "x", "GWA", "x", "SOC", "SOC"])
    pq.write_table(table, tmp_path / "tasks.parquet")
    assert helpers.load_tasks(tmp_path / "tasks.parquet").to_dict("list") == EXPECTED


KINDS = [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]
KINDS += [pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.binary())]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_types_of_texts(tmp_path, kind):
    Task, GWA = pa.array(TASKS).cast(kind), pa.array(CODES).cast(kind)
    file = parquet(tmp_path / "tasks.parquet", Task=Task, GWA=GWA)
    assert helpers.load_tasks(file).to_dict("list") == EXPECTED


NO_TEXTS = [
    ([["a"], ["b"]], "list<element: string>"),
    ([1, 2], "int64"),
    ([1.5, None], "double"),
    ([{"Task": "a"}] * 2, "struct<Task: string>"),
    (pa.array([3, 4]).dictionary_encode(), "int64"),
    (pd.to_datetime(["2026-01-01"] * 2), "timestamp[us]"),
]


@pytest.mark.parametrize("values, kind", NO_TEXTS, ids=[kind for _, kind in NO_TEXTS])
def test_a_column_that_is_no_text(tmp_path, caplog, values, kind):
    for column in ("Task", "GWA"):
        file = parquet(tmp_path / "tasks.parquet", **{column: values})
        with pytest.raises(ValueError) as error:
            helpers.load_tasks(file)
        mend = f"write it as text, which pandas makes with .astype({{'{column}': 'str'}})"
        assert str(error.value) == f"{file}: the column '{column}' is {kind}, not text; {mend}"
    file = parquet(tmp_path / "tasks.parquet", SOC=values)
    assert helpers.load_tasks(file).to_dict("list") == EXPECTED
    assert caplog.messages == [f"{file}: the column SOC is {kind}, not text, and is left aside"]


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"Task": pa.array([None, None])}, ", row 1: Task None is not text (and 1 more)"),
        ({"Task": ["Sing.", None]}, ", row 2: Task None is not text"),
        (
            {"GWA": pa.array([b"caf\xe9", b"a"])},
            ": GWA b'caf\\xe9' is not UTF-8; write the texts anew in that encoding",
        ),
        (
            {"Task": pa.array([b"caf\xe9", b"a"]).view(pa.string())},
            ": Task b'caf\\xe9' is not UTF-8; write the texts anew in that encoding",
        ),
        ({"Task": ["Sing.", "S\0"]}, ", row 2: Task 'S\\x00' holds a character lost in a wrong encoding"),
        (
            {"task": TASKS, "TASK": TASKS, "Task": pa.array([{"Task": "a"}] * 2)},
            ": the column 'Task' is struct<",
        ),
    ],
    ids=["nothing", "one missing", "bytes", "broken text", "zero", "struct beside nearly the same name"],
)
def test_parquet_refused(tmp_path, columns, said):
    file = parquet(tmp_path / "tasks.parquet", **columns)
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(file)
    assert str(error.value).startswith(f"{file}{said}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "names, said",
    [
        (["Text", "GWA", "a.Task"], "there is no column 'Task'; found: 'Text', 'GWA', 'a.Task'"),
        (["Task", "GWA", "Task"], "the column 'Task' is there twice; keep one"),
        (["task", "GWA", "TASK "], "the column 'Task' is there twice; keep one"),
    ],
)
def test_parquet_without_the_columns(tmp_path, names, said):
    file = tmp_path / "tasks.parquet"
    pq.write_table(pa.table([pa.array(TASKS), pa.array(CODES), pa.array(TASKS)], names=names), file)
    with pytest.raises(ValueError, match=f"^{file}: {said}$"):
        helpers.load_tasks(file)


def test_columns_within_another(tmp_path):
    file = tmp_path / "tasks.parquet"
    pq.write_table(pa.table({"a": pa.array([{"Task": "Sing.", "GWA": "4A3a4"}])}), file)
    with pytest.raises(ValueError, match=f"^{file}: there is no column 'Task'; found: 'a'$"):
        helpers.load_tasks(file)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"Task,GWA\n",
        lambda raw: raw[:-40],
        lambda raw: raw.replace(b"notes", b"not\xe9s"),
    ],
    ids=["empty", "CSV", "cut", "the name of a further column is not UTF-8"],
)
def test_a_file_that_is_not_parquet(tmp_path, damage):
    file = parquet(tmp_path / "tasks.parquet", notes=[1, 2])
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=f"^{file}: not a parquet file that can be read .*; write it anew$"):
        helpers.load_tasks(file)


@pytest.fixture(params=["tasks.parquet", "tasks"])
def folder(tmp_path, request):
    """A folder of parquet files as Spark writes it, with what it puts beside them."""
    folder = tmp_path / request.param
    folder.mkdir()
    for k in (0, 1):
        TABLE[k : k + 1].to_parquet(folder / f"part-0000{k}-c000.snappy.parquet")
        (folder / f".part-0000{k}-c000.snappy.parquet.crc").write_bytes(b"crc")
    (folder / "_SUCCESS").touch()
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part-00002.parquet").write_bytes(b"PAR1")
    (folder / "._part-00000.parquet").write_bytes(b"of a Mac")
    return folder


def test_a_folder_of_parquet_files(folder):
    assert helpers.load_tasks(folder).to_dict("list") == EXPECTED
    assert helpers.load_tasks(f"{folder}/").to_dict("list") == EXPECTED
    assert helpers.load_dwa_titles(folder).empty


def test_a_folder_of_parquet_files_in_further_folders(folder, tmp_path):
    """Partitions, whose values are further columns, and a link, even one that goes in a circle."""
    (folder / "_year=2026").mkdir()
    TABLE[1:].assign(Task="Sing.", SOC="27-2042.02").to_parquet(folder / "_year=2026" / "part-0.parquet")
    (tmp_path / "elsewhere").mkdir()
    TABLE[1:].assign(Task="Dance.", x=1).to_parquet(tmp_path / "elsewhere" / "part-0.parquet")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "circle").symlink_to(folder)
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "elsewhere")
    tasks = helpers.load_tasks(folder)
    assert tasks["Task"].tolist() == ["Count penguins.", "Dance.", "Drive the snow tractor.", "Sing."]
    assert tasks["SOC"].tolist() == ["", "", "", "27-0000"]


def test_a_folder_of_parquet_files_refused(folder):
    """Rows are counted through the files, and what is about one file names it."""
    TABLE.assign(GWA="9").to_parquet(folder / "part-00003.parquet")
    with pytest.raises(ValueError, match=f"^{folder}, row 3: GWA '9' is not one of the 37 codes"):
        helpers.load_tasks(folder)
    TABLE[["Task"]].to_parquet(folder / "part-00003.parquet")
    with pytest.raises(ValueError, match=f"^{folder}/part-00003.parquet: there is no column 'GWA'"):
        helpers.load_tasks(folder)


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.parquet"])
def test_a_folder_of_other_files(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "part-0.csv").write_text("Task,GWA\nSing.,4A2b2\n")
    with pytest.raises(ValueError, match=f"^data: {folder} is a folder without parquet files; give one file"):
        helpers.load_tasks(folder)
