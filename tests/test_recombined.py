"""Statements made of the sample's clauses."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

import helpers
from onet_gwa import recombined


@pytest.fixture(scope="module")
def statements():
    return helpers.load_tasks("sample")["Task"]


def test_each_clause_is_one_of_the_samples(statements):
    [made] = recombined.recombine(statements, 1000)
    first, further = set(), set()
    for text in statements:
        clauses = text.removesuffix(".").split(", ")
        first.add(clauses[0])
        further |= set(clauses[1:])
    for text in made["Task"]:
        clauses = text.removesuffix(".").split(", ")
        assert clauses[0] in first and set(clauses[1:]) <= further, text
    assert made["Task"].nunique() > 700 and not made["Task"].isin(statements).all()


def test_they_are_as_long_as_the_samples(statements):
    [made] = recombined.recombine(statements, recombined.BATCH)
    lengths = made["Task"].str.len()
    assert lengths.mean() == pytest.approx(statements.drop_duplicates().str.len().mean(), rel=0.05)


def test_a_row_is_the_same_whatever_their_number(statements, monkeypatch):
    [many] = recombined.recombine(statements, 300)
    monkeypatch.setattr(recombined, "BATCH", 100)
    sizes = [len(batch) for batch in recombined.recombine(statements, 250)]
    assert sizes == [100, 100, 50]
    short, long = (pd.concat(recombined.recombine(statements, rows)) for rows in (150, 250))
    assert long["Task"].tolist()[:150] == short["Task"].tolist() and long["Task"].nunique() > 200
    assert many["Task"].nunique() > 200


def test_a_file_of_them(statements, tmp_path, monkeypatch):
    monkeypatch.setattr(recombined, "BATCH", 100)
    recombined.write_recombined(tmp_path / "many.parquet", statements, 250)
    file = pq.ParquetFile(tmp_path / "many.parquet")
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [100, 100, 50]
    expected = pd.concat(recombined.recombine(statements, 250))["Task"].tolist()
    assert file.read()["Task"].to_pylist() == expected
