"""The table of labels: the 37 GWAs, tables of one's own, and those that are refused."""

import pandas as pd
import pytest

import helpers

GOOD = "code,name,description\nb,Bee keeping,Looks after bees.\na,Accounting,\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.csv"


def test_gwas():
    gwas = helpers.load_labels("gwas")
    assert gwas.equals(helpers.load_labels())
    assert len(gwas) == 37 and gwas.index.is_unique and gwas.index.is_monotonic_increasing
    assert list(gwas.columns) == ["name", "description"] and gwas.index.name == "code"
    assert gwas["name"].is_unique and gwas["description"].is_unique
    assert gwas.loc["4A3b1", "name"] == "Working with Computers"


def test_own_labels(file):
    file.write_text(GOOD)
    labels = helpers.load_labels(file)
    assert labels.to_dict("index") == {
        "a": {"name": "Accounting", "description": ""},
        "b": {"name": "Bee keeping", "description": "Looks after bees."},
    }
    assert list(labels.index) == ["a", "b"] and helpers.load_labels(str(file)).equals(labels)


def test_columns_in_any_case_and_more_of_them(file):
    file.write_text(" Code ,NAME,Since\n007,  James \t Bond ,1953\n08,NA,\n", encoding="utf-8-sig")
    labels = helpers.load_labels(file)
    # Codes are texts: a zero in front stays, and "NA" is not a missing value.
    assert labels["name"].to_dict() == {"007": "James Bond", "08": "NA"}
    assert list(labels.columns) == ["name"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("code,name\na,Ape\nb,Bee\na,Cat\n", "row 3: code 'a' is there twice; each label needs its own"),
        ("code,name\na,Ape\nb,Ape\n", "row 2: name 'Ape' is there twice; each label needs its own"),
        ("code,name\na,Ape\na ,Bee\n", "row 2: code 'a' is there twice"),
        ("code,name\na,Ape\n", "one label is nothing to choose from; give at least two"),
        ("code,name\n", "the table has no rows"),
        ("code\na\nb\n", "there is no column 'name'; found: 'code'"),
        ("id,name\na,Ape\nb,Bee\n", "there is no column 'code'; found: 'id', 'name'"),
        ("code,name\na,Ape\nb,\n", "row 2: name '' is empty"),
        ("code,name\na,Ape\n ,Bee\n", "row 2: code '' is empty"),
        ("code,name,Name\na,Ape,x\nb,Bee,y\n", "the column 'name' is there twice; keep one"),
        ("code;name\na;Ape\nb;Bee\n", "the columns have semicolons between them"),
        ("", "not a table"),
    ],
)
def test_refused(file, text, said):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as error:
        helpers.load_labels(file)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(f"labels: {file}")


def test_a_workbook(tmp_path):
    file = tmp_path / "labels.xlsx"
    file.write_bytes(b"PK")
    with pytest.raises(
        ValueError, match="^labels: .*labels.xlsx is a workbook, and a CSV file is needed; in Excel"
    ):
        helpers.load_labels(file)


@pytest.mark.parametrize("source", ["gwsa", "", " ", ".", "a" * 5000, "code,name\na,Ape\n", "a\0b"])
def test_no_file(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        helpers.load_labels(source)
    said = str(error.value)
    assert (
        said.startswith(f"labels: {source!r}"[:300])
        and ' is not a file; give "gwas", or the path of a CSV' in said
    )
    assert f"(looked for '{tmp_path}" in said and "\n" not in said and len(said) < 1000


def test_further_columns_do_not_get_in_the_way(file):
    """Not even two descriptions, of which neither is taken."""
    file.write_text("note,code,name,Description,description\n\0,a,Ape,x,y\n\ufffd,b,Bee,x,y\n")
    assert helpers.load_labels(file).to_dict("index") == {"a": {"name": "Ape"}, "b": {"name": "Bee"}}


def test_digest(file):
    """It is of the codes alone: models that give the same codes compare."""
    file.write_text(GOOD)
    labels = helpers.load_labels(file)
    digest = helpers.labels_digest(labels)
    assert len(digest) == 16 and set(digest) <= set("0123456789abcdef")
    assert helpers.labels_digest(labels.assign(name=["x", "y"])) == digest
    assert helpers.labels_digest(labels.rename(index={"a": "c"})) != digest
    assert helpers.labels_digest(pd.DataFrame(index=["ab", "c"])) != helpers.labels_digest(
        pd.DataFrame(index=["a", "bc"])
    )
