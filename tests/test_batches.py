"""The answers to tables of statements in this process."""

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_statements import ROWS, opened

import onet_gwa_model
from onet_gwa import batches
from onet_gwa.statements import answer_schema


@pytest.fixture(scope="module")
def model(versions, tmp_path_factory):
    """The folder of the champion, which learned from 400 statements."""
    folder = tmp_path_factory.mktemp("model")
    return mlflow.artifacts.download_artifacts("models:/onet-gwa@champion", dst_path=str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "csv"])
def test_the_answers_are_the_models_own(kind, model, tmp_path):
    """Whatever type the texts have; rows without one are counted, and have a null for an answer."""
    table = pd.DataFrame(ROWS, columns=["id", "Task"])
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
    monkeypatch.setattr("onet_gwa.statements.BATCH", 100)
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
def test_what_the_models_code_raises(tmp_path):
    batch = pa.RecordBatch.from_pydict({"Task": ["Repair boilers."]})
    with pytest.raises(RuntimeError, match="the model failed: .*No such artifact"):
        batches.answer(batch, str(tmp_path / "none"), "Task")


def test_the_answers_columns_are_those_of_the_model():
    """`label` says how they are called; the model's own name is behind them."""
    names = onet_gwa_model.label({"x": "X"}, ["x"], pd.DataFrame([[0.9]]).to_numpy()).columns
    assert answer_schema("").names == [*names, "model"]
