"""The classifier with at least one label, as scikit-learn asks of an estimator, and beside stock regressions."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.estimator_checks import estimator_checks_generator

import helpers
from helpers import AtLeastOneLabelClassifier

RNG = np.random.default_rng(helpers.SEED)
X = RNG.normal(size=(90, 6))
# More likely than not without a label, so that the rule of at least one has something to do.
Y = (X[:, :4] + RNG.normal(size=(90, 4)) > 1).astype(int)


def regression(C=1.0):
    return LogisticRegression(C=C)


def classifier(**parameters):
    return AtLeastOneLabelClassifier(regression(), **parameters)


CANNOT_APPLY = {
    "check_classifier_multioutput": "it asks for a row without labels where no label has a probability of 0.5; "
    "this classifier names one",
}


CHECKS = [
    check
    for check in estimator_checks_generator(
        classifier(), expected_failed_checks=CANNOT_APPLY, mark="xfail", xfail_strict=True
    )
    # About arrays on other devices; it skips itself unless SciPy was imported with a variable set.
    if "check_array_api_input" not in str(check)
]


@pytest.mark.parametrize(
    "estimator, check", CHECKS, ids=lambda value: getattr(value, "func", type(value)).__name__
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("as_y", [np.asarray, pd.DataFrame, scipy.sparse.csr_array, np.ndarray.tolist, bool])
@pytest.mark.parametrize("as_X", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_every_form_of_X_and_y(as_X, as_y):
    y = Y.astype(bool) if as_y is bool else as_y(Y)
    model = classifier().fit(as_X(X), y)
    expected = classifier().fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(as_X(X)), expected.predict_proba(X), atol=1e-4)
    assert model.predict(as_X(X)).tolist() == expected.predict(X).tolist()
    assert list(model.classes_) == [0, 1, 2, 3] and model.n_classes_ == 4 and model.multilabel_


def test_the_columns_of_a_table_are_the_classes():
    model = classifier().fit(X, pd.DataFrame(Y, columns=list("abcd")))
    assert list(model.classes_) == list("abcd")
    assert model.coef_.shape == (4, 6) and model.intercept_.shape == (4,)


def test_same_as_stock_logistic_regressions():
    """37 labels of the sample, each asked by itself; `expit` of the decision function is the probability."""
    texts, y = helpers.to_X_y(helpers.load_tasks(), helpers.load_labels())
    features = helpers.make_model()[:-1].fit_transform(texts.head(800)).astype(float)
    y = y.head(800)
    model = helpers.make_model()["classifier"].fit(features, y)
    stock = [clone(model.estimator).fit(features, y[label]) for label in y if y[label].any()]
    assert len(stock) == 37 and model.curve == (1, 1, 0)
    probability = model.predict_proba(features)
    expected = np.column_stack([one.predict_proba(features)[:, 1] for one in stock])
    np.testing.assert_allclose(probability, expected, atol=1e-5)
    np.testing.assert_allclose(probability, expit(model.decision_function(features)))


def test_the_curve_changes_the_probability_and_not_the_decision():
    plain, changed = classifier().fit(X, Y), classifier(curve=(2.0, 2.0, -1.0)).fit(X, Y)
    decision = plain.decision_function(X)
    assert np.array_equal(changed.decision_function(X), decision)
    np.testing.assert_allclose(changed.predict_proba(X), expit(2 * decision - 1))
    below, above = changed.set_params(curve=(2.0, 1.0, 0.0)), classifier(curve=(1.0, 2.0, 0.0)).fit(X, Y)
    far = decision < -5
    assert far.any()
    np.testing.assert_allclose(below.predict_proba(X)[far], expit(2 * decision[far]), rtol=0.02)
    np.testing.assert_allclose(above.predict_proba(X)[far], expit(decision[far]), rtol=0.02)


def test_the_threshold():
    probability = classifier().fit(X, Y).predict_proba(X)
    few, many = (classifier(threshold=t).fit(X, Y).predict(X) for t in (0.9, 0.2))
    assert np.array_equal(few, helpers.at_least_one(probability, 0.9))
    assert (few.sum(axis=1) >= 1).all() and few.sum() < many.sum()


@pytest.mark.parametrize("varying", [0, 1, 2], ids="{} varying".format)
def test_labels_that_all_rows_or_none_have(varying):
    y = np.column_stack([Y[:, :varying], np.ones(len(Y), int), np.zeros(len(Y), int)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = classifier().fit(X, y)
        probability, answers = model.predict_proba(X), model.predict(X)
    assert (probability[:, -2:] == [1, 0]).all() and (answers[:, -2:] == [1, 0]).all()
    assert (model.coef_[-2:] == 0).all() and list(model.intercept_[-2:]) == [np.inf, -np.inf]
    assert model.multilabel_ and model.n_classes_ == varying + 2 and len(model.coef_) == varying + 2
    for k in range(varying):
        expected = regression().fit(X, y[:, k]).predict_proba(X)[:, 1]
        np.testing.assert_allclose(probability[:, k], expected, atol=1e-4)


@pytest.mark.parametrize("no, yes", [(0, 2), (-1, 1), (False, True)])
def test_other_pairs_of_values(no, yes):
    """The larger one is the label, in a column that is all of it as well."""
    y = np.column_stack([Y, np.ones(len(Y), int), np.zeros(len(Y), int)])
    model = classifier().fit(X, np.where(y, yes, no))
    np.testing.assert_allclose(model.predict_proba(X), classifier().fit(X, y).predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("y", [Y @ [1, 2, 4, 8] % 3, Y[:, 0], np.array(list("abc"))[Y @ [1, 2, 4, 8] % 3]])
def test_any_other_y_is_the_parents(y):
    model, parent = classifier(threshold=0.9).fit(X, y), OneVsRestClassifier(regression()).fit(X, y)
    assert np.array_equal(model.predict(X), parent.predict(X)) and not model.multilabel_
    assert np.array_equal(model.predict_proba(X), parent.predict_proba(X))
    assert np.array_equal(model.decision_function(X), parent.decision_function(X))
    assert not hasattr(model, "coef_")


ONE_OF_THREE = Y @ [1, 2, 4, 8] % 3
NONE_VARIES = np.ones_like(Y)


@pytest.mark.parametrize("second", [Y, ONE_OF_THREE, NONE_VARIES], ids=["labels", "classes", "constant"])
@pytest.mark.parametrize("first", [Y, ONE_OF_THREE, NONE_VARIES], ids=["labels", "classes", "constant"])
def test_a_second_fit_forgets_the_first(first, second):
    twice, fresh = classifier().fit(X[:, :3], first).fit(X, second), classifier().fit(X, second)
    assert np.array_equal(twice.predict(X), fresh.predict(X))
    assert np.array_equal(twice.predict_proba(X), fresh.predict_proba(X))
    assert hasattr(twice, "coef_") == hasattr(fresh, "coef_")
    assert hasattr(twice, "estimators_") == hasattr(fresh, "estimators_")
    assert np.array_equal(twice.classes_, fresh.classes_) and twice.n_features_in_ == 6


def test_clone_and_parameters():
    model = classifier(n_jobs=1, threshold=0.3, curve=(2.0, 1.0, 0.1)).fit(X, Y)
    copy = clone(model)
    own = {"n_jobs": 1, "verbose": 0, "threshold": 0.3, "curve": (2.0, 1.0, 0.1)}
    assert own.items() <= copy.get_params().items() and copy.get_params()["estimator__C"] == 1
    assert copy.set_params(estimator__C=7).estimator.C == 7 and model.estimator.C == 1
    with pytest.raises(NotFittedError):
        copy.predict(X)
    with pytest.raises(NotFittedError):
        copy.predict_proba(X)


def test_feature_names():
    table = pd.DataFrame(X, columns=[f"x{k}" for k in range(6)])
    model = classifier().fit(table, Y)
    assert list(model.feature_names_in_) == list(table.columns) and model.n_features_in_ == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = model.predict(table)
    assert np.array_equal(answers, classifier().fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="X has 5 features, but AtLeastOneLabelClassifier is expecting 6"):
        classifier().fit(X, Y).predict(X[:, :5])


def unsorted(matrix):
    """The same sparse matrix with the indices of each row in reverse."""
    matrix = scipy.sparse.csr_array(matrix)
    for start, end in zip(matrix.indptr, matrix.indptr[1:]):
        matrix.indices[start:end] = matrix.indices[start:end][::-1].copy()
        matrix.data[start:end] = matrix.data[start:end][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


@pytest.mark.parametrize("solver", ["liblinear", "lbfgs"])
def test_the_callers_matrix_is_not_changed(solver):
    matrix = unsorted(X)
    before = matrix.indices.copy(), matrix.data.copy()
    estimator = LogisticRegression(solver=solver, random_state=0)
    model = AtLeastOneLabelClassifier(estimator).fit(matrix, Y)
    model.predict(matrix)
    assert np.array_equal(matrix.indices, before[0]) and np.array_equal(matrix.data, before[1])
    expected = AtLeastOneLabelClassifier(estimator).fit(scipy.sparse.csr_array(X), Y)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-5)


@pytest.mark.slow
def test_two_processes_fit_the_same():
    """On a matrix of more than 1 MB, which joblib hands to its processes as read-only memory, and unsorted."""
    many = unsorted(RNG.normal(size=(4000, 80)))
    assert min(many.data.nbytes, many.indices.nbytes) > 2**20
    labels = (many[:, :4].toarray() > 0.5).astype(int)
    estimator = LogisticRegression(solver="liblinear", dual=True, tol=0.1, random_state=helpers.SEED)
    two, one = (AtLeastOneLabelClassifier(estimator, n_jobs=n).fit(many, labels) for n in (2, 1))
    assert np.array_equal(one.coef_, two.coef_) and np.array_equal(one.intercept_, two.intercept_)
