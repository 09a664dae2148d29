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
    file = write(tmp_path / "tasks.csv", "a b,x.1", "a b,x1", "c d,z.9", "e f,z9")
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


def test_unknown_source_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="'smaple' does not exist; give \"sample\""):
        helpers.load_tasks("smaple")
    with pytest.raises(FileNotFoundError, match="'' does not exist"):
        helpers.load_tasks("")
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
