"""The sample, the tables that load_tasks reads, and those that it refuses."""

import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import helpers

GOOD = "Task,GWA\nDrive the snow tractor.,4A3a4\nCount penguins and write it down.,4A1b3\n"


def test_gwas():
    gwas = helpers.load_gwas()
    assert len(gwas) == 37 and gwas.index.is_unique and gwas.index.is_monotonic_increasing
    assert (gwas["Element ID"].str.replace(".", "") == gwas.index).all()
    assert gwas["Name"].is_unique and gwas["Description"].is_unique


def test_sample():
    table = pd.read_csv(helpers.ROOT / "data" / "tasks.csv", dtype=str)
    assert list(table.columns) == ["Task", "GWA", "SOC"]
    assert table.equals(table.sort_values(["Task", "GWA"], ignore_index=True))
    assert not table.duplicated(["Task", "GWA"]).any()
    assert (table.groupby("Task")["SOC"].nunique() == 1).all()
    major_groups = {f"{code}-0000" for code in range(11, 54, 2)}
    assert set(table["SOC"]) == major_groups

    tasks = helpers.load_tasks("sample")
    assert tasks.equals(table[["Task", "GWA"]])
    statements = tasks["Task"].drop_duplicates()
    assert len(statements) == 2510
    assert tasks["GWA"].value_counts().reindex(helpers.load_gwas().index).min() >= 50
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
    assert all(f"| {code} {name} |" in readme for code, name in helpers.load_gwas()["Name"].items())


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


@pytest.mark.parametrize(
    "text, named",
    [
        ("Task,GWA\n", "no rows"),
        ("", "not a table"),
        ("Text,GWA\na b,4A3a4\n", "no column 'Task'; found: 'Text', 'GWA'"),
        ("Task\na b\n", "no column 'GWA'"),
        ("Task,GWA\na b,4A3a4\n  ,4A3a4\n", "row 2: Task '' is empty"),
        ("Task,GWA\na b,\n", "row 1: GWA '' is empty"),
        ("Task,GWA\na b,4A3a4\nc d,4.A.3.a.4\ne f,X\n", "row 2: GWA '4.A.3.a.4' is not one of the 37 codes"),
        ("Task,GWA\na b,4A3a4\nc d\n", "row 2: GWA"),
        ("Task,GWA\na, b,4A3a4\n", "more values than the header"),
        ("Task,GWA,Task\na b,4A3a4,c d\n", "the column 'Task' is there twice; keep one"),
        ("Task,GWA\na b," + "4A " * 999, "row 1: GWA '4A 4A"),
        ("Task,GWA\na b,4A3a4\nc, d,4A3a4\n", "not a table"),
        ("Task,GWA\na\ufffdb,4A3a4\n", "row 1: Task 'a\ufffdb' holds a character lost"),
    ],
)
def test_csv_refused(tmp_path, text, named):
    file = tmp_path / "tasks.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as error:
        helpers.load_tasks(file)
    assert named in str(error.value) and str(file) in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_wrong_encoding_refused(tmp_path):
    file = tmp_path / "tasks.csv"
    file.write_bytes("Task,GWA\nServe tea.,4A3a1\nServe in a café.,4A3a1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="row 2: byte 0xe9 is not UTF-8"):
        helpers.load_tasks(file)


def test_parquet_refused(tmp_path):
    file = tmp_path / "tasks.parquet"
    damaged = pa.array([b"caf\xe9", b"a b"]).view(pa.string())
    pq.write_table(pa.table({"Task": damaged, "GWA": ["4A3a4"] * 2}), tmp_path / "damaged.parquet")
    for content in (b"PAR1 no", (tmp_path / "damaged.parquet").read_bytes()):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="not a parquet file"):
            helpers.load_tasks(file)
    for value in (None, 7):
        pd.DataFrame({"Task": ["a b", value], "GWA": ["4A3a4"] * 2}).astype({"Task": object}).iloc[
            1:
        ].to_parquet(file)
        with pytest.raises(ValueError, match="row 1: Task .* is not text"):
            helpers.load_tasks(file)


def test_a_categorical_column(tmp_path):
    table = pd.DataFrame({"Task": ["a b", "c d"], "GWA": ["4A3a4"] * 2}).astype({"GWA": "category"})
    table.to_parquet(tmp_path / "tasks.parquet")
    assert helpers.load_tasks(tmp_path / "tasks.parquet")["GWA"].tolist() == ["4A3a4"] * 2


def test_unknown_source_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="'smaple' does not exist; give \"sample\""):
        helpers.load_tasks("smaple")
    with pytest.raises(FileNotFoundError, match="'' does not exist"):
        helpers.load_tasks("")
    (tmp_path / "tasks.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match="neither in .csv"):
        helpers.load_tasks(tmp_path / "tasks.xlsx")


def test_sample_needs_neither_network_nor_the_training_packages():
    code = (
        "import helpers, sys; helpers.load_tasks(); "
        "print(sorted({'mlflow', 'pooch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=helpers.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


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
