"""Answers on Spark: what it needs, and that they are those of this process, row by row."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from messages import on_page

from onet_gwa import batches, spark
from onet_gwa.statements import open_statements

needs_spark = pytest.mark.skipif(
    not (find_spec("pyspark") and shutil.which("java")), reason="pyspark or Java is absent"
)


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]"])
def test_masters(master):
    spark.need_master(master)


@pytest.mark.parametrize(
    "master", ["", "local[0]", "yarn", "spark://host", "http://host:7077", "local[2] ", "spark://h:1;x"]
)
def test_no_masters(master):
    with pytest.raises(ValueError, match="is no Spark master; write local"):
        spark.need_master(master)


@pytest.mark.parametrize(
    "master", ["spark://127.0.0.1:{0}", "spark://127.0.0.1:{0},localhost:{0}", "k8s://https://127.0.0.1:{0}"]
)
def test_a_master_that_is_not_there(master, free_port):
    with pytest.raises(OSError, match=f"nothing answers at .*:{free_port}; start it"):
        spark.need_master(master.format(free_port))
    with pytest.raises(OSError, match="nothing answers"):
        spark.need_master("spark://127.0.0.1:99999")


def test_java(tmp_path, monkeypatch):
    """None, an old one, and one that JAVA_HOME names and is not there, each in one line."""
    if not find_spec("pyspark"):
        with pytest.raises(RuntimeError, match="master: Spark is not in this environment; type make spark"):
            spark.need_java()
        pytest.skip("pyspark is absent, as it was told")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="master: Spark needs Java; install Java 17 or newer"):
        spark.need_java()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="Spark needs Java 17, and .*bin/java says .*1.8.0_402"):
        spark.need_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match="Spark needs Java, and there is no .*none/bin/java"):
        spark.need_java()


@pytest.fixture(scope="module")
def model(versions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return mlflow.artifacts.download_artifacts("models:/onet-gwa@champion", dst_path=str(folder))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with (
        open(tmp_path_factory.mktemp("spark") / "log", "w+") as log,
        spark.session("local[2]", log) as session,
    ):
        yield session


def both(session, path, model, folder, column="Task", prefix=""):
    """The answers of this process and of Spark, as lists of rows, sorted; every row has another first value."""
    statements, read = open_statements(path, column, prefix, folder)
    rows = statements.count_rows()
    assert sum(batches.answer_here(statements, model, column, prefix, folder / "here")) == rows
    done = list(spark.answer_on_spark(session, statements, read, model, column, prefix, folder / "spark"))
    assert sum(done) == rows and min(done) >= 0
    assert batches.count(folder / "here", prefix) == batches.count(folder / "spark", prefix)
    tables = [pq.read_table(folder / name) for name in ("here", "spark")]
    assert tables[0].schema.names == tables[1].schema.names
    return [sorted(table.to_pylist(), key=lambda row: list(row.values())[0]) for table in tables]


@needs_spark
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one group", "many groups", "csv", "months"])
def test_equal_answers(kind, session, model, tmp_path, monkeypatch):
    """Whatever the files are like, in a folder whose name is a pattern, and with names that Spark takes for others."""
    monkeypatch.setattr(spark, "ROWS_PER_FILE", 50)
    folder = tmp_path / "a folder [1]{2}*"
    folder.mkdir()
    texts = ["Repair boilers.", None, "Teach, at night,\nadults.", " ", "7", "Größen messen.", "Cook meals."]
    table = pd.DataFrame(
        {"number of": range(210), "a.b `c`": texts * 30, "gwa": "x", "when": pd.Timestamp("2026-11-27")}
    )
    path = folder / ("t.csv" if kind == "csv" else "t.parquet")
    if kind == "csv":
        table.assign(**{"number of": table["number of"] + 1000}).to_csv(path, index=False)
    elif kind == "months":
        path = folder / "in"
        pq.write_to_dataset(
            pa.Table.from_pandas(table.assign(month=[1, 2] * 105)), path, partition_cols=["month"]
        )
    else:
        table.to_parquet(path, row_group_size=7 if kind == "many groups" else 1000)
    here, there = both(session, path, model, folder, "a.b `c`", "my_")
    assert here == there and len(here) == 210
    assert sum(row["my_GWA"] is None for row in there) == 90
    assert {row["my_model"] for row in there} == {"onet-gwa/1"}
    files = list((folder / "spark").glob("*.parquet"))
    assert len(files) > 1


@needs_spark
@pytest.mark.slow
def test_a_relative_path_and_times_with_their_zone(session, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"id": range(3), "Task": ["Cook.", "Weld.", "Teach."]})
    table["when"] = pd.to_datetime(["2026-11-27 10:00"] * 3).tz_localize("UTC")
    table.to_parquet("t.parquet")
    here, there = both(session, "t.parquet", model, tmp_path)
    assert here == there
    kinds = [
        pq.read_schema(next((tmp_path / name).glob("*.parquet"))).field("when").type
        for name in ("here", "spark")
    ]
    assert kinds[0] == kinds[1] == pa.timestamp("us", "UTC")


@needs_spark
@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.null(), pa.uint64(), pa.time32("s")], ids=str)
def test_types_that_spark_has_not(kind):
    good = pa.schema([("Task", pa.string()), ("n", pa.int8()), ("m", pa.list_(pa.date32()))])
    spark.need_types(ds.dataset(good.empty_table()))
    with pytest.raises(
        ValueError, match=f"Spark cannot take the column 'x', whose type is {kind}".replace("[", r"\[")
    ):
        spark.need_types(ds.dataset(pa.schema([*good, ("x", kind)]).empty_table()))


def two_files(folder, first, second):
    (folder / "in").mkdir()
    for name, numbers, values in (("a", [1, 2], first), ("b", [3, 4], second)):
        table = pa.table({"id": numbers, "Task": ["Cook.", "Weld."], "x": values})
        pq.write_table(table, folder / "in" / f"{name}.parquet")
    return folder / "in"


@needs_spark
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["categories", "narrower numbers"])
def test_files_of_types_that_have_one_in_common(kind, session, model, tmp_path):
    small, large = pa.array([1, 2], pa.int32()), pa.array([2**40, 3])
    if kind == "categories":
        small, large = (values.cast(pa.string()).dictionary_encode() for values in (small, large))
        small = small.cast(pa.dictionary(pa.int8(), pa.string()))
    folder = two_files(tmp_path, large, small)
    spark.need_types(open_statements(folder, "Task", "", tmp_path)[0])
    here, there = both(session, folder, model, tmp_path)
    assert here == there and len(here) == 4


@needs_spark
@pytest.mark.parametrize("first", [pa.nulls(2), pa.array([1, 2]), pa.array([None] * 2, pa.timestamp("ns"))])
def test_files_of_types_that_spark_has_not_in_common(first, tmp_path):
    """It would fail when it reads the second one, or give other numbers."""
    folder = two_files(tmp_path, ["x", "y"], first)
    statements, _ = open_statements(folder, "Task", "", tmp_path)
    said = (
        f"column 'x', whose type is {first.type} in {folder}/b.parquet, and string in other files; write it"
    )
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        spark.need_types(statements)


@needs_spark
@pytest.mark.slow
def test_no_rows(session, model, tmp_path):
    pd.DataFrame({"id": [1], "Task": ["x"]}).head(0).to_parquet(tmp_path / "t.parquet")
    assert both(session, tmp_path / "t.parquet", model, tmp_path) == [[], []]


@needs_spark
@pytest.mark.slow
def test_a_master_that_refuses_after_the_start(tmp_path):
    """It stops the context, which is no failure of the job's."""
    code = "from onet_gwa import spark\nwith open('log', 'w+') as log, spark.session('local[1]', log) as session:\n"
    code += "    session.sparkContext._jsc.sc().stop()\n    session.range(1).count()"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("RuntimeError: ") and on_page("master: … does not take the job").search(said)


@needs_spark
@pytest.mark.slow
def test_what_fails_there_is_told_in_one_line(session, model, tmp_path):
    """A model of other code than this worker has loaded, a text in bytes, and a folder that cannot be made."""
    other = tmp_path / "other"
    shutil.copytree(model, other)
    code = other / "code" / "onet_gwa_model.py"
    code.write_text(code.read_text() + "\n")
    pd.DataFrame({"Task": ["Cook."]}).to_parquet(tmp_path / "t.parquet")
    statements, path = open_statements(tmp_path / "t.parquet", "Task", "", tmp_path)
    with pytest.raises(Exception) as error:
        list(spark.answer_on_spark(session, statements, path, str(other), "Task", "", tmp_path / "out"))
    assert spark.cause(error.value).startswith("ValueError: ") and "is not the loaded" in spark.cause(
        error.value
    )
    texts = pa.array([b"Run.", b"R\xe9parer."]).view(pa.string())
    pq.write_table(pa.table({"Task": texts}), tmp_path / "bytes.parquet")
    bad = open_statements(tmp_path / "bytes.parquet", "Task", "", tmp_path)
    with pytest.raises(Exception) as error:
        list(spark.answer_on_spark(session, *bad, model, "Task", "", tmp_path / "bytes"))
    assert "[INVALID_UTF8_STRING]" in spark.cause(error.value) and r"\x52\xE9" in spark.cause(error.value)
    (tmp_path / "full").write_text("")
    with pytest.raises(Exception) as error:
        list(spark.answer_on_spark(session, statements, path, model, "Task", "", tmp_path / "full" / "out"))
    assert "\n" not in spark.cause(error.value) and "full" in spark.cause(error.value)
