"""The sample, the tables that load_tasks reads, and those that it refuses."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import helpers

GOOD = "Task,GWA\nDrive the snow tractor.,4A3a4\nCount penguins and write it down.,4A1b3\n"


def test_sample():
    table = pd.read_csv(helpers.ROOT / "data" / "tasks.csv", dtype=str)
    assert list(table.columns) == ["Task", "GWA", "SOC"]
    assert table.equals(table.sort_values(["Task", "GWA"], ignore_index=True))
    assert not table.duplicated(["Task", "GWA"]).any()
    assert (table.groupby("Task")["SOC"].nunique() == 1).all()
    major_groups = {f"{code}-0000" for code in range(11, 54, 2)}
    assert set(table["SOC"]) == major_groups

    tasks = helpers.load_tasks("sample")
    assert tasks.equals(table)
    statements = tasks["Task"].drop_duplicates()
    assert len(statements) == 2510
    assert tasks["GWA"].value_counts().reindex(helpers.load_labels().index).min() >= 50
    gwas = tasks.groupby("Task").size()
    assert gwas.max() == 2
    assert 0.12 <= (gwas == 2).mean() <= 0.20
    assert statements.str.split().str.len().between(6, 30).all()
    assert statements.str.endswith(".").all()
    openings = statements.str.lower().str.split().str[:5].str.join(" ")
    assert openings.duplicated().mean() < 0.01


def test_readme_counts_the_sample():
    readme = (helpers.ROOT / "data" / "README.md").read_text()
    assert f"{helpers.load_tasks()['Task'].nunique():,} task statements" in readme
    assert all(f"| {code} {name} |" in readme for code, name in helpers.load_labels()["name"].items())


def test_csv_and_parquet(tmp_path):
    (tmp_path / "tasks.csv").write_text(GOOD)
    expected = helpers.load_tasks(tmp_path / "tasks.csv")
    assert expected.to_dict("list") == {
        "Task": ["Count penguins and write it down.", "Drive the snow tractor."],
        "GWA": ["4A1b3", "4A3a4"],
    }
    expected.assign(extra=1).to_parquet(tmp_path / "tasks.parquet")
    assert helpers.load_tasks(tmp_path / "tasks.parquet").equals(expected)
    (tmp_path / "bom.csv").write_text(
        GOOD + "Count penguins  and write it down.,4A1b3\n", encoding="utf-8-sig"
    )
    assert helpers.load_tasks(str(tmp_path / "bom.csv")).equals(expected)


TASKS, CODES = ["Drive the snow tractor.", "Count penguins."], ["4A3a4", "4A1b3"]
TABLE = pd.DataFrame({"Task": TASKS, "GWA": CODES})
EXPECTED = {"Task": TASKS[::-1], "GWA": CODES[::-1]}


def parquet(path, metadata=None, **columns):
    """Write Task, GWA and further columns, all of two values; those that are given come first."""
    columns = columns | {
        name: values for name, values in zip(["Task", "GWA"], [TASKS, CODES]) if name not in columns
    }
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


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()], ids=str
)
@pytest.mark.parametrize("encode", [False, True], ids=["plain", "dictionary"])
def test_types_of_texts(tmp_path, kind, encode):
    Task, GWA = pa.array(TASKS).cast(kind), pa.array(CODES).cast(kind)
    if encode and "view" not in str(kind):
        Task, GWA = Task.dictionary_encode(), GWA.dictionary_encode()
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
    with pytest.raises(
        ValueError, match=f"^{folder}/part-00003.parquet: there is no column 'GWA'; found: 'Task'"
    ):
        helpers.load_tasks(folder)


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.parquet"])
def test_a_folder_of_other_files(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "part-0.csv").write_text(GOOD)
    with pytest.raises(ValueError, match=f"^data: {folder} is a folder without parquet files; give one file"):
        helpers.load_tasks(folder)


def test_a_folder_of_onet_beside_a_parquet_file(onet_like):
    TABLE.to_parquet(onet_like / "tasks.parquet")
    assert helpers.load_tasks(onet_like)["Task"].tolist() == ["Sing songs."]
    assert helpers.load_dwa_titles(onet_like)["Task"].tolist() == ["Perform music."]


@pytest.fixture
def onet_like(tmp_path):
    """A folder with O*NET's tables, of one statement that two occupations have."""
    tables = {
        "Task Statements": [
            "O*NET-SOC Code\tTask ID\tTask",
            "27-2042.02\t1\tSing songs.",
            "27-2042.00\t2\tSing songs.",
        ],
        "Tasks to DWAs": ["O*NET-SOC Code\tTask ID\tDWA ID", "27-2042.02\t1\tD1", "27-2042.00\t2\tD1"],
        "DWA Reference": ["Element ID\tDWA ID\tDWA Title", "4.A.2.b.2\tD1\tPerform music."],
    }
    for name, lines in tables.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_what_counts_for_nothing_is_counted_and_told(tmp_path, caplog, onet_like):
    file = write(
        tmp_path / "tasks.csv",
        "Sing  songs.,4A2b2",
        "Sing songs.,4A2b2",
        "Sing songs.,4A3a4",
        "Sing songs.,4.A.2.b.2",
    )
    assert len(helpers.load_tasks(file)) == 2
    assert caplog.messages == [f"{file}: 2 of 4 rows have the Task and GWA of another and count once"]
    caplog.clear()
    file.write_text("Task,GWA,SOC\nSing.,4A2b2,27-2042\nHum.,4A2b2,272042\nCut.,4A2b2,\nPay.,4A2b2,none\n")
    assert helpers.load_tasks(file)["SOC"].tolist() == ["", "", "", "27-0000"]
    told = "the SOC of 2 of 4 rows, such as '272042', does not begin like 15-1252 and is left empty"
    assert caplog.messages == [f"{file}: {told}"]
    caplog.clear()
    helpers.load_tasks("sample")
    assert helpers.load_tasks(onet_like)["SOC"].tolist() == ["27-0000"]
    assert caplog.messages == []


@pytest.mark.parametrize("statement", ["12 345", "_ __", "a b c", "7-8 x 9", "4,5 %", "²³", "x1 y2"])
def test_a_statement_without_a_word(tmp_path, statement):
    file = write(tmp_path / "tasks.csv", "Sing.,4A2b2", f'"{statement}",4A2b2', "1,4A2b2")
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(file)
    told = f"{file}, row 2: Task '{statement}' has no word of two letters or more (and 1 more)"
    assert str(error.value) == told


def test_statements_in_other_alphabets(tmp_path):
    file = write(tmp_path / "tasks.csv", "Петь.,4A2b2", "唱歌,4A2b2", "Öl,4A2b2")
    assert len(helpers.load_tasks(file)) == 3


LABELS = pd.DataFrame({"name": ["Ex", "Why", "Zed"]}, index=pd.Index(["x.1", "x1", "z9"], name="code"))


def write(path, *rows):
    path.write_text("\n".join(["Task,GWA", *rows]) + "\n")
    return path


def test_onets_spelling_of_a_code(tmp_path):
    file = write(tmp_path / "tasks.csv", "Type letters.,4.A.3.b.1", "Drive.,4A3a4", "Type letters.,4A3b1")
    assert helpers.load_tasks(file).to_dict("list") == {
        "Task": ["Drive.", "Type letters."],
        "GWA": ["4A3a4", "4A3b1"],
    }


def test_dots_in_codes_of_ones_own(tmp_path):
    """A code that is there as it is written is not changed."""
    file = write(tmp_path / "tasks.csv", "Add.,x.1", "Add.,x1", "Cut.,z.9", "Dig.,z9")
    tasks = helpers.load_tasks(file, LABELS)
    assert tasks["GWA"].tolist() == ["x.1", "x1", "z9", "z9"]


@pytest.mark.parametrize("code", ["4A3b9", "4.A.3.b.9", "4a3b1", "X", "4A3b1 4A3a4"])
def test_a_code_that_is_none_of_the_labels(tmp_path, code):
    file = write(tmp_path / "tasks.csv", "Drive.,4A3a4", f"Type letters.,{code}", "Sing.,Y")
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(file)
    told = f"{file}, row 2: GWA '{code}' is not one of the 37 codes of the labels, such as 4A1a1 (and 1 more)"
    assert str(error.value) == told
    with pytest.raises(
        ValueError, match="row 1: GWA '4A3a4' is not one of the 3 codes of the labels, such as x.1"
    ):
        helpers.load_tasks(file, LABELS)


def test_major_groups(tmp_path):
    """The group of the first occupation by code, for all pairs of a statement; what is no code is empty."""
    file = tmp_path / "tasks.csv"
    file.write_text(
        "Task,GWA,SOC\nDrive.,4A3a4,53-3032.00\nDrive.,4A3a4,15-1252\nDrive.,4A1a1,53-0000\n"
        "Count.,4A1b3, 19-1020\nSing.,4A2b2,unknown\nSing.,4A2b2,\n"
    )
    assert helpers.load_tasks(file).to_dict("list") == {
        "Task": ["Count.", "Drive.", "Drive.", "Sing."],
        "GWA": ["4A1b3", "4A1a1", "4A3a4", "4A2b2"],
        "SOC": ["19-0000", "15-0000", "15-0000", ""],
    }


def test_digest():
    tasks = pd.DataFrame({"Task": ["a", "b"], "GWA": ["4A1a1", "4A1a2"]})
    assert helpers.digest(tasks) == helpers.digest(tasks.assign(SOC="x")) and len(helpers.digest(tasks)) == 16
    assert helpers.digest(tasks) != helpers.digest(tasks.iloc[:1])
    assert helpers.digest(tasks) != helpers.digest(tasks.assign(GWA=["4A1a1", "4A1a1"]))


def test_unknown_source_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("smaple", "folder/mine.csv", "", "a" * 5000, "Task,GWA\nSing.,4A2b2\n", "a\0b"):
        with pytest.raises(FileNotFoundError) as error:
            helpers.load_tasks(source)
        said = str(error.value)
        assert said.startswith(f"data: {source!r}"[:300]) and ' does not exist; give "sample"' in said
        assert f"(looked for '{tmp_path}" in said and "\n" not in said and len(said) < 1000
    with pytest.raises(FileNotFoundError, match=f"looked for '{tmp_path}/folder/mine.csv'"):
        helpers.load_tasks("folder/mine.csv")
    (tmp_path / "tasks.txt").write_bytes(b"")
    with pytest.raises(ValueError, match="ends neither in .csv, .parquet nor .zip, and is not a folder"):
        helpers.load_tasks(tmp_path / "tasks.txt")


def test_dwa_titles(tmp_path):
    assert helpers.load_dwa_titles("sample").empty
    (tmp_path / "DWA Reference.txt").write_text(
        "Element ID\tIWA ID\tDWA ID\tDWA Title\n"
        "4.A.3.a.4\tI\tD2\tDrive  tractors.\n4.A.1.b.3\tI\tD1\tCount birds.\n"
    )
    expected = [("Count birds.", "4A1b3"), ("Drive tractors.", "4A3a4")]
    assert list(helpers.load_dwa_titles(tmp_path).itertuples(index=False, name=None)) == expected
    (tmp_path / "DWA Reference.txt").write_text("Element ID\tDWA ID\n4.A.3.a.4\tD2\n")
    with pytest.raises(ValueError, match="there is no column 'DWA Title'"):
        helpers.load_dwa_titles(tmp_path)


def test_dwa_titles_of_both_layouts(onet):
    classic = helpers.load_dwa_titles(onet / "db_classic_text.zip")
    assert classic.equals(helpers.load_dwa_titles(onet / "db_current_text.zip"))
    assert len(classic) > 2000 and classic["GWA"].nunique() == 37
