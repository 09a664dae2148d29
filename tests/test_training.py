"""The pipeline, the candidates of the search, and what is chosen after their scores."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.special import expit, log_expit
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, ParameterGrid

import helpers

RNG = np.random.default_rng(helpers.SEED)


@pytest.fixture(scope="module")
def data():
    labels = helpers.load_labels()
    return helpers.to_X_y(helpers.load_tasks("sample", labels), labels)


def test_the_pipeline_reads_the_column_and_not_its_name(data):
    X, y = data
    model = helpers.make_model().fit(X.head(300), y.head(300))
    terms = model["counts"].named_transformers_["terms"].get_feature_names_out()
    assert "task" not in terms and {
        term for text in X["Task"].head(300) for term in helpers.terms(text)
    } == set(terms)
    with pytest.raises(ValueError, match="Task"):
        model.predict(X.rename(columns={"Task": "Text"}))


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, lambda y: y.to_numpy().tolist()])
def test_y_need_not_be_a_table(data, form):
    """Then labels are numbered, which is enough for columns of 0 and 1, and the answers are the same."""
    X, y = data[0].head(300), data[1].head(300)
    model = helpers.make_model().fit(X, form(y))
    assert np.array_equal(model.predict_proba(X), helpers.make_model().fit(X, y).predict_proba(X))
    assert list(model.classes_) == list(range(37))
    [[*words]] = helpers.reasons(model, "Drive the snow tractor.", [18])
    assert words == helpers.reasons(helpers.make_model().fit(X, y), "Drive the snow tractor.", ["4A3a4"])[0]


@pytest.mark.parametrize("rows", [299, 301])
def test_y_of_other_rows(data, rows):
    with pytest.raises(ValueError, match=rf"inconsistent numbers of samples: \[300, {rows}\]"):
        helpers.make_model().fit(data[0].head(300), data[1].head(rows))


def test_fitting_twice_gives_the_same_model(data):
    X, y = data
    one, two = (helpers.make_model(C=3.0).fit(X.head(400), y.head(400)) for _ in range(2))
    assert one["classifier"].estimator.C == 3
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_the_candidates():
    grid = helpers.make_param_grid([1.0, 10.0], ["l2", "none"])
    candidates = [helpers.make_model().set_params(**c) for c in candidates_of(grid)]
    estimators = [model["classifier"].estimator for model in candidates]
    assert [estimator.C for estimator in estimators] == [np.inf, 1, 10]
    assert [helpers.C_of(c) for c in candidates_of(grid)] == [np.inf, 1, 10]
    assert [estimator.solver for estimator in estimators] == ["newton-cg", "liblinear", "liblinear"]
    assert {estimator.class_weight for estimator in estimators} == {"balanced"}
    # "none" is one candidate, however many values C has.
    assert len(candidates_of(helpers.make_param_grid([1.0, 10.0, 100.0], ["none"]))) == 1
    assert len(candidates_of(helpers.make_param_grid([1.0, 10.0, 100.0], ["l2"]))) == 3


def candidates_of(grid):
    return list(ParameterGrid(grid))


def test_no_penalty_separates_the_training_rows(data):
    """Which has no optimum: the solver of this candidate must come to an end all the same."""
    X, y = data[0].head(300), data[1].head(300)[["4A3a2", "4A3b6"]]
    [candidate] = candidates_of(helpers.make_param_grid([1.0], ["none"]))
    model = helpers.make_model().set_params(**candidate).fit(X, y)
    assert abs(model.predict_proba(X) - y).to_numpy().max() < 0.05


def results(scores, parameters):
    """What `GridSearchCV` hands to a `refit` callable, of the scores of three folds in rows."""
    folds = {f"split{k}_test_score": np.array(row) for k, row in enumerate(scores)}
    return {"mean_test_score": np.mean(scores, axis=0), "params": parameters, **folds}


def test_the_strongest_penalty_within_one_standard_error():
    scores = [[0.6, 0.4, 0.59], [0.7, 0.5, 0.69], [0.8, 0.6, 0.79]]
    none, l2 = {"classifier__estimator": None}, [{"classifier__estimator__C": C} for C in (1.0, 10.0)]
    # The best is the one without a penalty; C=10 is within 0.058 of it, and C=1 is not.
    assert helpers.one_standard_error(results(scores, [none, *l2])) == 2
    near = [[0.6, 0.56, 0.59], [0.7, 0.66, 0.69], [0.8, 0.76, 0.79]]
    assert helpers.one_standard_error(results(near, [none, *l2])) == 1
    # The standard error is that of the mean: 0.1 by itself would let C=1 in.
    far = [[0.6, 0.53, 0.59], [0.7, 0.63, 0.69], [0.8, 0.73, 0.79]]
    assert helpers.one_standard_error(results(far, [none, *l2])) == 2
    assert helpers.one_standard_error(results([[0.5]] * 3, [none])) == 0


def test_the_search_takes_the_rule_and_the_folds(data):
    X, y = data[0].head(300), data[1].head(300)
    cv = helpers.folds(np.arange(240) // 6, 60)
    grid = helpers.make_param_grid([1.0, 10.0], ["l2"])
    search = GridSearchCV(
        helpers.make_model(), grid, scoring="f1_micro", cv=cv, refit=helpers.one_standard_error
    ).fit(X, y)
    assert search.best_index_ == helpers.one_standard_error(search.cv_results_)
    assert search.best_estimator_["classifier"].estimator.C == helpers.C_of(search.best_params_)
    scores = []
    for train, test in cv:
        model = helpers.make_model(C=10.0).fit(X.iloc[train], y.iloc[train])
        scores.append(f1_score(y.iloc[test], model.predict(X.iloc[test]), average="micro"))
    assert search.cv_results_["mean_test_score"][1] == pytest.approx(np.mean(scores))


def test_the_calibration_finds_the_curve_and_the_threshold():
    decision = RNG.normal(size=(1500, 5)) * 3 - 2
    curve = 0.5 * log_expit(decision) - 0.8 * log_expit(-decision) - 1
    y = (RNG.random(decision.shape) < expit(curve)).astype(int)
    found = helpers.calibrate(decision, y)
    assert set(found) == {"curve", "threshold"} and all(type(v) is float for v in found["curve"])
    assert found["curve"] == pytest.approx((0.5, 0.8, -1), abs=0.2)
    below, above, offset = found["curve"]
    probability = expit(below * log_expit(decision) - above * log_expit(-decision) + offset)

    def f1(threshold):
        return f1_score(y, helpers.at_least_one(probability, threshold), average="micro")

    assert f1(found["threshold"]) >= max(f1(t / 100) for t in range(10, 91, 4))
    assert f1(found["threshold"]) > f1(0.5)
    model = helpers.make_model()
    model["classifier"].set_params(**found)
    assert model.get_params()["classifier__threshold"] == found["threshold"] == round(found["threshold"], 2)


def test_the_calibration_of_other_rows():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[9, 8\]"):
        helpers.calibrate(np.zeros((9, 3)), np.zeros((8, 3)))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        helpers.calibrate(np.zeros((0, 3)), np.zeros((0, 3)))


def test_a_curve_that_would_fall_gets_one_slope():
    decision = RNG.normal(size=(2000, 3)) * 2
    # Above even odds, a larger decision is true less often.
    y = (RNG.random(decision.shape) < np.where(decision > 0, 0.7 - 0.1 * decision, expit(decision))).astype(
        int
    )
    below, above, _ = helpers.calibrate(decision, y)["curve"]
    assert below == above > 0


def test_the_calibration_leaves_certain_labels_aside():
    decision = RNG.normal(size=(500, 4))
    y = (RNG.random(decision.shape) < expit(decision)).astype(int)
    certain = np.column_stack([decision, np.full(500, -np.inf), np.full(500, np.inf)])
    more = np.column_stack([y, np.zeros(500, int), np.ones(500, int)])
    found, expected = helpers.calibrate(certain, more), helpers.calibrate(decision, y)
    assert found["curve"] == expected["curve"]
    table = pd.DataFrame(y)
    assert helpers.calibrate(decision, table) == expected


def test_a_curve_where_nothing_was_learned():
    """It would fall, and a label that no row has would be certain."""
    decision, y = np.array([[-1.0, 1.0, -np.inf]] * 20), np.array([[1, 0, 0]] * 20)
    assert helpers.calibrate(decision, y)["curve"] == (1.0, 1.0, 0.0)
