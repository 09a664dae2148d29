"""The sample, the tables that load_tasks reads, and those that it refuses."""

import os

import pandas as pd
import pytest
from messages import fails, on_page

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


def test_a_folder_of_onet_beside_a_parquet_file(onet_like):
    pd.DataFrame({"Task": ["Hum."], "GWA": ["4A2b2"]}).to_parquet(onet_like / "tasks.parquet")
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


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.parquet", "db.zip", "folder/part.parquet"])
def test_a_pipe_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / name)
    fails(on_page("this is neither"), helpers.load_tasks, tmp_path / name.partition("/")[0])


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
