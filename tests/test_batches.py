"""Tables of statements: what is read and what is refused, and the answers in this process."""

import gzip

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from messages import fails, on_page

import onet_gwa_model
from onet_gwa import batches

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
    return batches.open_statements(path, column, prefix, folder)[0]


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
    [first, second] = batches.read(opened(folder, tmp_path))
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
        list(batches.read(opened(two_files(tmp_path, [7], ["e"]), tmp_path)))


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
    read = pa.Table.from_batches(batches.read(opened(two_files(tmp_path, first, second), tmp_path)))
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


@pytest.fixture(scope="module")
def model(versions, tmp_path_factory):
    """The folder of the champion, which learned from 400 statements."""
    folder = tmp_path_factory.mktemp("model")
    return mlflow.artifacts.download_artifacts("models:/onet-gwa@champion", dst_path=str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "csv"])
def test_the_answers_are_the_models_own(kind, table, model, tmp_path):
    """Whatever type the texts have; rows without one are counted, and have a null for an answer."""
    if kind == "csv":
        table.to_csv(tmp_path / "t.csv", index=False)
    else:
        types = {"dictionary": pa.dictionary(pa.int8(), pa.string()), "large_string": pa.large_string()}
        task = pa.array(table["Task"], pa.string(), from_pandas=True).cast(types.get(kind, pa.string()))
        pq.write_table(pa.table({"id": table["id"], "Task": task}), tmp_path / "t.parquet")
    statements = opened(next(tmp_path.glob("t.*")), tmp_path)
    assert sum(batches.answer_here(statements, model, "Task", "", tmp_path / "out")) == 5
    answers = pd.read_parquet(tmp_path / "out")
    assert answers["id"].tolist() == list("abcde")
    assert batches.count(tmp_path / "out", "") == (5, 3)
    assert (
        answers["GWA"].isna().tolist()
        == answers["probability"].isna().tolist()
        == [False, True, True, True, False]
    )
    own = mlflow.pyfunc.load_model(model).predict(table.iloc[[0, 4]][["Task"]].reset_index(drop=True))
    for name in ("GWA", "name", "probability"):
        assert [list(row) for row in answers[name].dropna()] == own[name].tolist()
    assert set(answers["model"]) == {"onet-gwa/1"}


@pytest.mark.slow
def test_order_files_and_memory(model, tmp_path, monkeypatch):
    """Several processes and several files: every row once, in its order, with the answer to its own statement."""
    monkeypatch.setattr(batches, "BATCH", 100)
    monkeypatch.setattr(batches, "ROWS_PER_FILE", 300)
    texts = ["Repair boilers.", "Teach children.", None, "Cook meals for guests."]
    table = pd.DataFrame({"id": range(1050), "Task": [texts[k % 4] for k in range(1050)]})
    # Groups of rows as a writer of small pieces leaves them.
    pq.write_table(pa.Table.from_pandas(table), tmp_path / "t.parquet", row_group_size=70)
    statements = opened(tmp_path / "t.parquet", tmp_path)
    assert sum(batches.answer_here(statements, model, "Task", "our_", tmp_path / "out")) == 1050
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        f"part-0000{k}.parquet" for k in range(4)
    ]
    answers = pd.read_parquet(tmp_path / "out")
    assert answers["id"].tolist() == list(range(1050))
    for k in range(4):
        assert len({str(row) for row in answers["our_GWA"][k::4]}) == 1
    assert len({str(row) for row in answers["our_GWA"][:4]}) == 4
    assert batches.count(tmp_path / "out", "our_") == (1050, 262)


@pytest.mark.slow
def test_what_the_models_code_raises(model, table, tmp_path):
    batch = pa.RecordBatch.from_pandas(table.head(1))
    with pytest.raises(RuntimeError, match="the model failed: .*No such artifact"):
        batches.answer(batch, str(tmp_path / "none"), "Task")


def test_the_answers_columns_are_those_of_the_model():
    """`label` says how they are called; the model's own name is behind them."""
    names = onet_gwa_model.label({"x": "X"}, ["x"], pd.DataFrame([[0.9]]).to_numpy()).columns
    assert batches.answer_schema("").names == [*names, "model"]
