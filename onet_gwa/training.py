"""The pipeline, its candidates, and what is chosen after their scores: C, the curve and the threshold."""

import numpy as np
from scipy.special import expit, log_expit
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils import check_X_y

from onet_gwa import SEED
from onet_gwa_model import AtLeastOneLabelClassifier, at_least_one, terms


def make_model(C=10.0):
    """Return the unfitted Pipeline from a DataFrame with a Task column to columns of 0 and 1, one a label.

    It selects the column; a vectorizer that were given the DataFrame would read the column's *name*. `terms`
    are counted and weighted by TF-IDF, and each label gets a logistic regression. Anything else than such a
    DataFrame, and one without rows, is refused by scikit-learn in its own words.
    """
    counts = CountVectorizer(analyzer=terms, dtype=np.float32)
    regression = LogisticRegression(
        C=C, class_weight="balanced", solver="liblinear", dual=True, tol=0.1, random_state=SEED
    )
    return Pipeline(
        [
            ("counts", ColumnTransformer([("terms", counts, "Task")])),
            ("weights", TfidfTransformer(sublinear_tf=True)),
            ("classifier", AtLeastOneLabelClassifier(regression)),
        ]
    )


def make_param_grid(C, penalties):
    """Return the candidates for `GridSearchCV`, a list of dicts, of a list of values of C and one of penalties.

    "none" is one candidate, however many values C has, and needs a solver of its own, since liblinear refuses
    an infinite C. It comes first: it takes longest, and one that came last would have the others wait.
    """
    regression = LogisticRegression(C=np.inf, class_weight="balanced", solver="newton-cg")
    candidates = {
        "none": {"classifier__estimator": [regression]},
        "l2": {"classifier__estimator__C": C},
    }
    return [candidates[penalty] for penalty in ("none", "l2") if penalty in penalties]


def C_of(candidate):
    """Return the C of a candidate, one of `cv_results_["params"]`; infinity for no penalty."""
    return candidate.get("classifier__estimator__C", np.inf)


def one_standard_error(cv_results):
    """Return the index of the smallest C, the strongest penalty, within one standard error of the best mean.

    This is a `refit` callable for `GridSearchCV`. The rule is from L. Breiman and others, Classification and
    Regression Trees, 1984.
    """
    mean = cv_results["mean_test_score"]
    best = mean.argmax()
    scores = [cv_results[key][best] for key in cv_results if key.startswith("split")]
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    good = np.flatnonzero(mean >= mean[best] - error)
    return good[np.argmin([C_of(cv_results["params"][k]) for k in good])]


def calibrate(decision, y):
    """Return the classifier's parameters curve, three floats, and threshold, a float, as a dict.

    `decision` (n, n_labels) are out-of-fold values of the decision function and `y` (n, n_labels) the truth. The
    curve is that of beta calibration (M. Kull, T. Silva Filho and P. Flach, "Beta calibration", 2017), one for
    all labels: a slope below even odds, one above, and an offset. Where it would not rise, both slopes are the
    same (J. Platt, "Probabilistic outputs for support vector machines", 1999), and where that falls, too, nothing
    was learned, and the curve bends nothing. The threshold, a multiple of 0.01, has the highest micro-F1 with at
    least one label a row. Raises scikit-learn's ValueError for other shapes.
    """
    decision, y = check_X_y(decision, y, multi_output=True, ensure_all_finite=False)
    # A label that all rows of a fold or none have is certain there, and says nothing about the slopes.
    known = np.isfinite(decision)
    curve = LogisticRegression(C=np.inf).fit(_two_sides(decision[known]), y[known])
    if curve.coef_.min() <= 0:
        curve.fit(decision[known].reshape(-1, 1), y[known])
    slopes, offset = np.resize(curve.coef_[0], 2), curve.intercept_[0]
    if slopes.min() <= 0:
        slopes, offset = np.ones(2), 0.0
    probability = expit(_two_sides(decision) @ slopes + offset)
    thresholds = np.arange(10, 91) / 100
    named = [at_least_one(probability, threshold) for threshold in thresholds]
    micro_f1 = [2 * (y * each).sum() / (y.sum() + each.sum()) for each in named]
    return {
        "curve": (float(slopes[0]), float(slopes[1]), float(offset)),
        "threshold": float(thresholds[np.argmax(micro_f1)]),
    }


def _two_sides(decision):
    """Return two arrays in the last axis whose sum is `decision`: near it below zero, and near it above."""
    return np.stack([log_expit(decision), -log_expit(-decision)], axis=-1)
