"""Which tables `Labeler` answers, which it refuses, and of which pipelines it can be made."""

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

import helpers

QUESTIONS = pd.DataFrame({"Task": ["Drive the snow tractor.", "Repair a leaking pump."]})


@pytest.fixture(scope="module")
def labels():
    return helpers.load_labels()


@pytest.fixture(scope="module")
def data(labels):
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    return X.head(300), y.head(300)


@pytest.fixture(scope="module")
def labeler(data, labels):
    return helpers.Labeler(helpers.make_model().fit(*data), labels["name"])


@pytest.mark.parametrize("value", [None, "", "a !", "12 345", "____", "4 1_0", "²³ ½", "①②", 5, ["Drive."]])
def test_a_value_without_words_is_refused(labeler, value):
    with pytest.raises(
        MlflowException, match=r"^row 2: Task .* is not a text with words in it; send"
    ) as error:
        labeler.predict(pd.DataFrame({"Task": ["Drive the snow tractor.", value]}, dtype=object))
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def mixed(labeler, texts, **params):
    return labeler.predict(pd.DataFrame({"Task": texts}, dtype=object), params or None)


def test_all_bad_rows_are_named(labeler):
    """The first ten, and how many more."""
    with pytest.raises(MlflowException) as error:
        mixed(labeler, ["Drive.", "5", "Repair a pump.", None])
    assert error.value.message == (
        "row 2: Task '5' is not a text with words in it; row 4: Task None is not a text with words in it; "
        "send a sentence in each row"
    )
    with pytest.raises(MlflowException) as error:
        mixed(labeler, ["Drive.", *range(100, 125)])
    *said, more, mend = error.value.message.split("; ")
    assert said == [f"row {k}: Task {k + 98} is not a text with words in it" for k in range(2, 12)]
    assert (more, mend) == ("and 15 more rows", "send a sentence in each row")
    with pytest.raises(MlflowException, match="^row 11: ") as error:
        mixed(labeler, ["Drive."] * 10 + ["."] * 10)
    assert "more rows" not in error.value.message


def test_a_long_bad_text_is_cut(labeler):
    with pytest.raises(MlflowException) as error:
        mixed(labeler, ["\n5" * 1000])
    assert len(error.value.message) < 150 and "\n" not in error.value.message


def test_bad_rows_can_be_skipped(labeler):
    """They get null, and the others the answers that they get without them."""
    texts = [None, "Drive the snow tractor.", "5", "Repair a leaking pump.", ["Drive."]]
    for params in ({}, {"reasons": True}):
        rows = mixed(labeler, texts, skip_bad=True, **params).to_dict("records")
        good = mixed(labeler, [texts[1], texts[3]], **params).to_dict("records")
        null = dict.fromkeys(good[0]) | {"model": ""}
        assert rows == [null, good[0], null, good[1], null]
        assert mixed(labeler, ["5", None], skip_bad=True, **params).to_dict("records") == [null, null]
    assert mixed(labeler, texts[1:2], skip_bad=True).equals(mixed(labeler, texts[1:2]))


@pytest.mark.parametrize("table", [["Drive."], pd.DataFrame({"task": ["Drive."]})], ids=["list", "column"])
def test_a_table_without_tasks_is_not_skipped(labeler, table):
    with pytest.raises(MlflowException, match="without a column Task"):
        labeler.predict(table, {"skip_bad": True})


TEXTS = ["Wash the car", "Drive"]


@pytest.mark.parametrize(
    "index",
    [
        TEXTS,
        pd.MultiIndex.from_arrays([TEXTS, TEXTS]),
        pd.MultiIndex.from_arrays([[5, 6], [7, 8]]),
        [True, False],
    ],
    ids=["texts", "pairs of texts", "pairs of numbers", "bools"],
)
def test_an_index_of_texts_without_a_name_is_refused(labeler, index):
    """So pandas reads a CSV whose sentences have commas and no quotes."""
    table = QUESTIONS.set_axis(index)
    with pytest.raises(
        MlflowException, match="^row 1: .* is before Task; in CSV quote a sentence with a comma, [^\n]*$"
    ):
        labeler.predict(table)
    answer = labeler.predict(QUESTIONS)
    assert labeler.predict(table.rename_axis([f"x{k}" for k in range(table.index.nlevels)])).equals(answer)


@pytest.mark.parametrize(
    "index", [[0, 1], [5, 7], [0.5, 1.5], pd.to_datetime(["2020-01-01", "2021-01-01"])], ids=str
)
def test_an_index_of_numbers_or_times(labeler, index):
    """A filtered table has one. Where each text begins with a blank, it is what stood before a comma in CSV."""
    table = QUESTIONS.set_axis(index)
    assert labeler.predict(table).equals(labeler.predict(QUESTIONS))
    assert len(labeler.predict(pd.DataFrame({"Task": [" dry it", "wash it"]}, index))) == 2
    with pytest.raises(MlflowException, match="^row 1: '.*' is before Task"):
        labeler.predict(" " + table)
    assert labeler.predict(" " + QUESTIONS).equals(labeler.predict(QUESTIONS))
    assert labeler.predict(table.head(0).set_axis(pd.Index([], dtype=object))).empty


@pytest.mark.parametrize("form", [list, pd.DataFrame.to_numpy, lambda X: X["Task"], pd.DataFrame.transpose])
def test_no_table(labeler, form):
    with pytest.raises(MlflowException, match="^X: .* without a column Task; give a DataFrame with one$"):
        labeler.predict(form(QUESTIONS))


@pytest.mark.parametrize("y", ["array", "codes", "other names", "nothing"])
def test_a_pipeline_of_other_labels_is_refused(data, labels, y):
    """The answer has names, so the model must know its labels by code."""
    X, table = data
    forms = {"array": table.to_numpy(), "codes": table.idxmax(axis=1), "other names": table.add_prefix("x")}
    pipeline = helpers.make_model() if y == "nothing" else helpers.make_model().fit(X, forms[y])
    for act in (
        lambda: helpers.Labeler(pipeline, labels["name"]),
        lambda: helpers.log_model(pipeline, labels, X),
    ):
        with pytest.raises(
            ValueError, match=r"^pipeline: fitted to \[.*\] …; use the y of `to_X_y`$|not fitted"
        ):
            act()
