"""X and y, near-twins, the two sides and the folds."""

import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import connected_components

import helpers
from onet_gwa import split


@pytest.fixture(scope="module")
def labels():
    return helpers.load_labels()


@pytest.fixture(scope="module")
def data(labels):
    return helpers.to_X_y(helpers.load_tasks("sample", labels), labels)


def test_X_y(labels):
    tasks = pd.DataFrame({"Task": ["b", "a", "b"], "GWA": ["4A4c3", "4A1a1", "4A1a1"]})
    X, y = helpers.to_X_y(tasks, labels)
    assert X["Task"].tolist() == ["a", "b"] and y.shape == (2, 37)
    assert list(y.columns) == list(labels.index)
    assert y[["4A1a1", "4A4c3"]].to_numpy().tolist() == [[1, 0], [1, 1]] and y.to_numpy().sum() == 3


def test_X_y_of_other_labels_and_of_no_rows():
    labels = pd.DataFrame({"name": ["Bee", "Cat", "Dog"]}, index=pd.Index(["b", "c", "d"], name="code"))
    X, y = helpers.to_X_y(pd.DataFrame({"Task": ["x"], "GWA": ["d"]}), labels)
    assert list(y.columns) == ["b", "c", "d"] and y.to_numpy().tolist() == [[0, 0, 1]]
    X, y = helpers.to_X_y(helpers.load_dwa_titles("sample", labels), labels)
    assert X.shape == (0, 1) and y.shape == (0, 3)


def test_a_statement_is_on_the_same_side_in_every_file(data):
    """Tonight's test statements have never been trained on, whatever was in the files of other nights."""
    X, y = data
    _, X_test, *_ = helpers.split(X, y)
    tonight = set(X_test["Task"])
    assert 0.18 < len(tonight) / len(X) < 0.22
    for rows in (slice(0, 1500), slice(None, None, 3), slice(1000, None)):
        X_train, X_test, y_train, y_test, groups = helpers.split(X[rows], y[rows])
        assert len(X_train) == len(y_train) == len(groups) and X_train.index.equals(y_train.index)
        assert X_test.index.equals(y_test.index) and len(X_train) + len(X_test) == len(X[rows])
        assert set(X_test["Task"]) == tonight & set(X["Task"][rows])
    assert helpers.is_for_testing(["Count penguins.", "Drive tractors.", "Zähle Pinguine."]).dtype == bool


def test_near_twins_of_training_statements_are_on_no_side(data):
    X, y = data
    sentence = "Inspect the {} of steam locomotives in the roundhouse for cracks and leaks."
    family = pd.Series(
        [sentence.format(part) for part in ("boilers", "brakes", "axles", "rods", "valves", "pumps")]
    )
    testing = helpers.is_for_testing(family)
    assert 0 < testing.sum() < len(testing)
    for planted, left_out in ((family, testing.sum()), (family[testing], 0), (family[~testing], 0)):
        more = pd.concat([X, planted.to_frame("Task")], ignore_index=True)
        X_train, X_test, _, _, groups = helpers.split(more, pd.concat([y, y.head(len(planted))]))
        assert len(more) - len(X_train) - len(X_test) == left_out
        assert X_test["Task"].isin(family).sum() == planted.isin(family[testing]).sum() - left_out
        assert len(set(groups[X_train["Task"].isin(family)])) <= 1


def test_what_near_twins_cost_in_real_tasks(onet):
    """Of a fifth of the tasks of 2020, those that are near-twins of a task to train on."""
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks(onet / "onet_2020_task_gwa.parquet"), labels)
    X_train, X_test, *_ = helpers.split(X, y)
    assert (len(X_train), len(X_test), helpers.is_for_testing(X["Task"]).sum()) == (12339, 2999, 3073)


def test_near_twins_by_a_chain():
    """The first and the last share too little, and both are near-twins of the one between them."""
    chain = [
        "one two three four five six",
        "two three four five six seven",
        "three four five six seven eight",
    ]
    assert helpers.near_twins(chain[::2]).tolist() == [0, 1]
    assert helpers.near_twins(chain).tolist() == [0, 0, 0]
    assert helpers.near_twins(["Count penguins.", "Drive tractors."]).tolist() == [0, 1]


def all_pairs(statements):
    """What near_twins says it returns, by comparing each with each."""
    words = [re.findall(r"\w+", statement.lower()) for statement in statements]
    sets = [set(zip(each, each[1:], each[2:])) for each in words]
    twins = [[len(a & b) > 0 and 2 * len(a & b) >= len(a | b) for b in sets] for a in sets]
    return connected_components(np.array(twins))[1]


def sentences(rng, *counts):
    """A sentence, whose parts come from as many texts of one to six words as `counts` says for each part."""
    choices = [(k, number) for k, number in enumerate(rng.integers(counts))]
    return " ".join(f"w{k}_{number}_{j}" for k, number in choices for j in range(1 + (7 * number + k) % 6))


@pytest.mark.parametrize(
    "counts", [(9999, 2, 9999), (1, 9999), (3, 9999, 3), (12, 12, 12), (4, 4, 4, 4, 4), (9999,) * 3]
)
@pytest.mark.parametrize("pairs", [split.PAIRS, 1], ids=["all pairs", "the twenty shortest"])
def test_near_twins_are_those_of_all_pairs(counts, pairs, monkeypatch):
    monkeypatch.setattr(split, "PAIRS", pairs)
    rng = np.random.default_rng(0)
    statements = list(dict.fromkeys(sentences(rng, *counts) for _ in range(400)))
    assert np.array_equal(helpers.near_twins(statements), all_pairs(statements))


def test_near_twins_of_real_tasks(onet):
    """As many families as all pairs give."""
    tasks = helpers.load_tasks(onet / "onet_2020_task_gwa.parquet")["Task"].unique()
    assert (len(tasks), len(set(helpers.near_twins(tasks)))) == (15412, 15149)


@pytest.mark.slow
def test_many_statements_that_share_a_phrase():
    """All pairs of these would take gigabytes."""
    phrase = "in accordance with all rules and regulations of the station and its owner"
    statements = [f"{' '.join(f'{word}{k}' for word in 'abcdefghijklm')} {phrase}" for k in range(10_000)]
    statements.append(f"{statements[7]} daily")
    tracemalloc.start()
    groups = helpers.near_twins(statements)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(groups)) == 10_000 and groups[7] == groups[-1]
    assert peak < 300e6


def test_too_few_statements_to_split(data):
    X, y = data
    with pytest.raises(ValueError, match="99 statements are too few to train and test on; give at least 100"):
        helpers.split(X.head(99), y.head(99))


def family(k, n):
    """As many near-twins."""
    return [f"{' '.join(f'{word}{k}' for word in 'abcdefghijkl')} {j}" for j in range(n)]


TOO_LARGE = [
    ([*family(0, 2500), *"abcdefghijkl"], "2500 of the 2512 statements are near-twins, such as "),
    ([*family(0, 600), *"abcdefghijkl"], "600 of the 612 statements are near-twins, such as "),
    (
        family(0, 200),
        "200 of the 200 statements are near-twins, such as 'a0 b0 c0 d0 e0 f0 g0 h0 i0 j0 k0 l0 0' and ",
    ),
    ([*family(0, 21), *map(str, range(83))], "21 of the 104 statements are near-twins"),
    (
        [task for k in range(9) for task in family(k, 20)],
        "the 180 statements are 9 families of near-twins, such as .* and at least 10 are needed",
    ),
    (
        [*"abcde", *(task for k in range(5) for task in family(k, 19))],
        "so large that of the 100 statements 79 would be for training, 1 without a near-twin among these for testing",
    ),
]


@pytest.mark.parametrize(
    "statements, said", TOO_LARGE, ids=["2500", "600", "all", "a fifth", "nine", "unequal"]
)
def test_families_that_leave_too_little(data, statements, said):
    X, y = pd.DataFrame({"Task": statements}), pd.concat([data[1]] * 2).head(len(statements))
    with pytest.raises(
        ValueError, match=f"^data: .*{said}.*; keep a few of each such family, or give more"
    ) as error:
        helpers.split(X, y)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_families_up_to_a_fifth(data):
    X, y = data
    X = pd.DataFrame({"Task": [*family(0, 60), *X["Task"][60:300]]})
    X_train, X_test, *_ = helpers.split(X, y.head(300))
    assert len(X_train) > 200 and 15 < len(X_test) < 150


def labels_of(X, *rows_of_labels):
    """y (n, n_labels), a column a label, with ones in its rows."""
    y = pd.DataFrame(0, X.index, [f"l{k}" for k in range(len(rows_of_labels))])
    for column, rows in zip(y, rows_of_labels):
        y.loc[y.index[rows], column] = 1
    return y


ALL, NONE = slice(None), slice(0)


@pytest.mark.parametrize(
    "rows_of_labels, said",
    [
        (
            (ALL, NONE),
            "150 of the 150 statements have the same labels, l0; give at least 10 statements with others",
        ),
        ((ALL, ALL), "150 of the 150 statements have the same labels, l0, l1; give at least 10"),
        ((ALL, slice(9)), "141 of the 150 statements have the same labels, l0; give at least 10"),
        ((slice(9), slice(9, 150)), "141 of the 150 statements have the same labels, l1; give at least 10"),
    ],
    ids=["one label", "two labels", "a second one for few", "another one for few"],
)
def test_labels_that_nearly_all_statements_have(data, rows_of_labels, said):
    X = data[0].head(150)
    with pytest.raises(ValueError, match=f"^data: {said}") as error:
        helpers.split(X, labels_of(X, *rows_of_labels))
    assert "\n" not in str(error.value)


def test_labels_that_are_families():
    X = pd.DataFrame(
        {"Task": [task for k in range(9) for task in family(k, 10)] + [f"k{k}" for k in range(60)]}
    )
    y = labels_of(X, *(slice(10 * k, 10 * k + 10) for k in range(9)), *range(90, 150))
    with pytest.raises(
        ValueError, match="^data: no label of the 150 statements can be both learned and tested"
    ):
        helpers.split(X, y)


def test_few_statements_of_a_label_are_enough_to_begin(data):
    X = data[0].head(150)
    _, _, y_train, _, groups = helpers.split(X, labels_of(X, slice(10, 150), slice(10)))
    assert len(helpers.folds(groups)) == 3 and set(y_train.sum() > 0) == {True}


def test_folds():
    groups = np.arange(40) // 4
    cv = helpers.folds(groups, 5)
    assert len(cv) == 3
    assert sorted(np.concatenate([test for _, test in cv])) == list(range(40))
    for train, test in cv:
        assert not set(groups[train[train < 40]]) & set(groups[test])
        assert set(train) | set(test) == set(range(45)) and not set(train) & set(test)
        # What is trained on besides is scored in no fold.
        assert set(range(40, 45)) <= set(train)
    again = helpers.folds(groups, 5)
    assert all(np.array_equal(a, b) for one, two in zip(cv, again) for a, b in zip(one, two))
    assert all(train.max() == 39 or test.max() == 39 for train, test in helpers.folds(groups))
