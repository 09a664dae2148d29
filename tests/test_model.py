"""The split, the pipeline, the scores, and the model that is served."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score
from sklearn.model_selection import GridSearchCV, GroupKFold

import helpers

SENTENCES = pd.DataFrame(
    {
        "Task": [
            "Drive the snow tractor.",
            "Negotiate fish prices with harbor wholesalers.",
            "Repair a leaking pump.",
        ]
    }
)


@pytest.fixture(scope="module")
def data():
    return helpers.to_X_y(helpers.load_tasks())


@pytest.fixture(scope="module")
def model(data):
    return helpers.make_model(C=10).fit(*data)


def test_X_y():
    tasks = pd.DataFrame({"Task": ["b", "a", "b"], "GWA": ["4A4c3", "4A1a1", "4A1a1"]})
    X, y = helpers.to_X_y(tasks)
    assert X["Task"].tolist() == ["a", "b"] and y.shape == (2, 37)
    assert list(y.columns) == list(helpers.load_gwas().index)
    assert y[["4A1a1", "4A4c3"]].to_numpy().tolist() == [[1, 0], [1, 1]] and y.to_numpy().sum() == 3


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


def test_too_few_statements_to_split(data):
    X, y = data
    with pytest.raises(ValueError, match="99 statements are too few"):
        helpers.split(X.head(99), y.head(99))


def test_statements_without_words(data):
    _, y = data
    X = pd.DataFrame({"Task": [f"{k % 10} !" for k in range(200)]})
    with pytest.raises(ValueError, match="none of the 200 statements has a word"):
        helpers.split(X, y.head(200))


def test_nearly_all_near_twins(data):
    _, y = data
    X = pd.DataFrame({"Task": ["Count the penguins on the ice near the station every morning."] * 200})
    with pytest.raises(ValueError, match="nearly all of the 200 statements are near-twins"):
        helpers.split(X, y.head(200))


def test_statements_of_two_words():
    assert helpers.near_twins(["Count penguins.", "Drive tractors."]).tolist() == [0, 1]


def test_n_rows_give_n_answers(model):
    answers = model.predict(SENTENCES)
    assert answers.shape == (3, 37) and set(np.unique(answers)) == {0, 1}
    probability = model.predict_proba(SENTENCES)
    assert len({tuple(row) for row in probability.round(6)}) == 3
    best = model.classes_[probability.argmax(axis=1)]
    assert list(best) == ["4A3a4", "4A4a7", "4A3b4"]


def test_at_least_one():
    probability = np.array([[0.1, 0.2, 0.15], [0.5, 0.7, 0.49], [0.5, 0.1, 0.2]])
    assert helpers.at_least_one(probability).tolist() == [[0, 1, 0], [1, 1, 0], [1, 0, 0]]


def test_every_task_gets_a_gwa(model):
    words = ["Zzyzx.", "", "the of and"]
    assert (model.predict(pd.DataFrame({"Task": words})).sum(axis=1) >= 1).all()


@pytest.mark.parametrize("C", [1, 10, 100])
def test_same_as_stock_logistic_regression(data, C):
    X, y = data
    X, y = X.head(600), y.head(600)[["4A3a2", "4A3b6"]]
    features = helpers.make_model()[:-1].fit_transform(X)
    ours = helpers.OneVsRestLogisticRegression(C=C).fit(features, y).predict_proba(features)
    stock = LogisticRegression(C=C, class_weight="balanced", solver="liblinear", tol=1e-6)
    for k, label in enumerate(y):
        expected = stock.fit(features.astype(float), y[label]).predict_proba(features)[:, 1]
        np.testing.assert_allclose(ours[:, k], expected, atol=0.01)


def test_a_warm_start_leads_to_the_same_model_sooner(data):
    X, y = data
    X, y = X.head(600), y.head(600).assign(**{"4A3b1": 0})
    features = helpers.make_model()[:-1].fit_transform(X)
    warm = helpers.OneVsRestLogisticRegression(C=1, warm_start=True).fit(features, y)
    started = warm.weights_
    probability = warm.set_params(C=10).fit(features, y).predict_proba(features)
    cold = helpers.OneVsRestLogisticRegression(C=10).fit(features, y)
    np.testing.assert_allclose(probability, cold.predict_proba(features), atol=0.01)
    # Equal to the last bit only if it had not started from somewhere else.
    assert not np.array_equal(probability, cold.predict_proba(features))
    assert not hasattr(cold, "weights_") and (warm.weights_[:, y.columns.get_loc("4A3b1")] == 0).all()
    # One step from the solution for C=1 leads nearer than one from 0.
    some = y.columns[y.any()][:5]
    labels, columns = y[some].to_numpy(np.float32), y.columns.get_indexer(some)
    goal, scores = warm.weights_[:, columns], helpers.row_products(features.tocsr())
    far, near = (
        abs(helpers.fit_logistic_regressions(scores, labels, 10, start, max_iter=1) - goal).sum()
        for start in (np.zeros_like(goal), started[:, columns])
    )
    assert near < far


def test_no_penalty_separates_the_training_rows(data):
    X, y = data
    X, y = X.head(600), y.head(600)[["4A3a2", "4A3b6"]]
    features = helpers.make_model()[:-1].fit_transform(X)
    probability = helpers.OneVsRestLogisticRegression(C=np.inf).fit(features, y).predict_proba(features)
    assert ((probability > 0.5) == y).to_numpy().all()


def test_terms():
    assert Counter(helpers.terms("Wash a big car, then dry it up.")) == Counter(
        ["wash", "big", "car", "then", "dry", "it", "up"]
        + ["wash*", "then*"]
        + ["wash big", "big car", "car then", "then dry", "dry it", "it up"]
        + ["wash + wash", "wash + then"]
        + ["^wash", "^big", "^car", "^then", "^dry", "^^wash"]
    )
    # Words are shortened, but for the verb and the first five.
    assert {"bicycles", "bicyc*", "assem bicyc", "assemble + bicyc", "^bicycles"} < set(
        helpers.terms("Assemble bicycles.")
    )
    assert helpers.terms("") == []


def test_columns_that_no_training_row_uses_are_dropped(data):
    counts = helpers.make_model()["counts"].fit_transform(data[0])
    model = helpers.make_model().fit(data[0].head(300), data[1].head(300))
    uses = counts[:300].getnnz(axis=0)
    used = np.argsort(-uses, kind="stable")[: np.count_nonzero(uses)]
    assert model["classifier"].coef_.shape == (37, len(used))
    # The other rows have terms that the first 300 have not.
    stock = TfidfTransformer(sublinear_tf=True).fit(counts[:300][:, used])
    expected = stock.transform(counts[:, used])
    assert expected.nnz < counts.nnz and abs(model["weights"].transform(counts) - expected).max() == 0


def test_cross_validation_is_that_of_scikit_learn(data):
    X, y, groups = data[0].head(400), data[1].head(400), np.arange(400) // 8
    ours = helpers.cross_validate(X, y, groups, [1.0, 10.0])
    folds = GroupKFold(n_splits=3, shuffle=True, random_state=helpers.SEED)
    search = GridSearchCV(
        helpers.make_model(), {"classifier__C": [1.0, 10.0]}, scoring="f1_micro", cv=folds, refit=False
    ).fit(X, y, groups=groups)
    assert ours.shape == (3, 2)
    np.testing.assert_allclose(ours.mean(), search.cv_results_["mean_test_score"])


def test_further_rows_are_trained_on_and_never_scored(data):
    X, y = data
    X_few, y_few, groups = X.tail(60), y.tail(60), np.arange(60)
    alone = helpers.cross_validate(X_few, y_few, groups, [10.0])
    more = helpers.cross_validate(X_few, y_few, groups, [10.0], more=(X.head(1500), y.head(1500)))
    assert (more > alone).to_numpy().all()
    answers = helpers.cross_validate(X_few, y_few, groups, [10.0], more=(X_few, y_few))
    assert (answers > 0.9).to_numpy().all()


def test_a_gwa_without_examples(data):
    X, y = data
    y = y.head(300).assign(**{"4A3b1": 0})
    model = helpers.make_model().fit(X.head(300), y)
    assert model.predict(X).shape[1] == 37
    assert (model.predict_proba(X)[:, y.columns.get_loc("4A3b1")] == 0).all()


def test_jobs_do_not_change_the_fit(data):
    X, y = data
    one, two = (
        helpers.make_model().set_params(classifier__n_jobs=n).fit(X.head(500), y.head(500)) for n in (1, 2)
    )
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_scores():
    y_true, y_pred = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[1, 1, 0], [0, 1, 0]])
    scores = helpers.score(y_true, y_pred)
    averages = {
        f"{name}_{a}" for name in ("precision", "recall", "f1") for a in ("micro", "macro", "samples")
    }
    assert set(scores) == averages | {"accuracy", "hamming_loss", "hamming_score"}
    assert scores["accuracy"] == 0.5 and scores["hamming_loss"] == pytest.approx(2 / 6)
    assert scores["hamming_score"] == pytest.approx((1 / 3 + 1) / 2)
    assert scores["precision_macro"] == pytest.approx(
        precision_score(y_true, y_pred, average="macro", zero_division=0)
    )
    assert scores["f1_micro"] == pytest.approx(f1_score(y_true, y_pred, average="micro"))
    assert scores["precision_macro"] != scores["recall_macro"]


def test_skops_round_trip(model, tmp_path):
    file = tmp_path / "model.skops"
    skops.io.dump(model, file)
    assert set(skops.io.get_untrusted_types(file=file)) == set(helpers.TRUSTED_TYPES)
    loaded = skops.io.load(file, trusted=helpers.TRUSTED_TYPES)
    assert np.array_equal(loaded.predict_proba(SENTENCES), model.predict_proba(SENTENCES))


def test_served_answer(model, tmp_path):
    helpers.save_servable(model, tmp_path / "new")
    answer = helpers._load_pyfunc(tmp_path / "new").predict(SENTENCES)
    assert list(answer.columns) == ["GWA", "name", "probability"] and len(answer) == 3
    predicted, probability = model.predict(SENTENCES), model.predict_proba(SENTENCES)
    for k, row in answer.iterrows():
        assert set(row["GWA"]) == set(model.classes_[predicted[k] == 1])
        assert row["name"] == [helpers.load_gwas()["Name"][code] for code in row["GWA"]]
        assert row["probability"] == sorted(row["probability"], reverse=True)
        assert row["probability"][0] == round(probability[k].max(), 4)


def test_the_most_probable_gwa_comes_first():
    names = {"x": "Ex", "y": "Why", "z": "Zed"}
    answer = helpers.label(names, ["x", "y", "z"], np.array([[0.6, 0.2, 0.81234], [0.1, 0.3, 0.2]]))
    assert answer.to_dict("records") == [
        {"GWA": ["z", "x"], "name": ["Zed", "Ex"], "probability": [0.8123, 0.6]},
        {"GWA": ["y"], "name": ["Why"], "probability": [0.3]},
    ]


def test_served_answer_to_no_rows(model, tmp_path):
    helpers.save_servable(model, tmp_path / "new")
    answer = helpers._load_pyfunc(tmp_path / "new").predict(SENTENCES.head(0))
    assert list(answer.columns) == ["GWA", "name", "probability"] and len(answer) == 0


def test_the_strongest_penalty_within_one_standard_error():
    scores = pd.DataFrame([[0.4, 0.59, 0.6], [0.5, 0.69, 0.7], [0.6, 0.79, 0.8]], columns=[1.0, 10.0, np.inf])
    assert helpers.choose_C(scores) == 10
    assert helpers.choose_C(scores[[1.0]]) == 1
