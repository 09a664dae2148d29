"""X and y, near-twins, the two sides and the folds."""

import numpy as np
import pandas as pd
import pytest

import helpers


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


def test_near_twins_stay_together(data):
    X, y = data
    sentence = "Inspect the {} of steam locomotives in the roundhouse for cracks and leaks."
    family = [sentence.format(part) for part in ("boilers", "brakes", "axles")]
    X = pd.concat([X, pd.DataFrame({"Task": family})], ignore_index=True)
    y = pd.concat([y, y.head(3)], ignore_index=True)
    sides = set()
    for seed in range(10):
        X_train, X_test, y_train, y_test, groups = helpers.split(X, y, seed)
        assert len(X_train) == len(y_train) == len(groups) and X_train.index.equals(y_train.index)
        assert len(X_train) + len(X_test) == len(X) and 0.18 < len(X_test) / len(X) < 0.22
        in_test = X_test["Task"].isin(family).sum()
        assert in_test in (0, 3)
        sides.add(in_test)
        assert len(set(groups[X_train["Task"].isin(family)])) <= 1
    assert sides == {0, 3}


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


def test_too_few_statements_to_split(data):
    X, y = data
    with pytest.raises(ValueError, match="99 statements are too few to train and test on; give at least 100"):
        helpers.split(X.head(99), y.head(99))


def test_statements_without_words(data):
    X = pd.DataFrame({"Task": [f"{k % 10} !" for k in range(200)]})
    with pytest.raises(ValueError, match="none of the 200 statements has a word"):
        helpers.split(X, data[1].head(200))


def test_nearly_all_near_twins(data):
    X = pd.DataFrame({"Task": ["Count the penguins on the ice near the station every morning."] * 200})
    with pytest.raises(ValueError, match="nearly all of the 200 statements are near-twins"):
        helpers.split(X, data[1].head(200))


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
