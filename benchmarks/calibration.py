"""Ways to calibrate: what the log-odds of all labels become, and how far that is from the truth.

A way takes out-of-fold log-odds `decision` (n, n_labels) and the truth y (n, n_labels), and returns a function
from log-odds to probabilities of the same shape.
"""

import numpy as np
import pandas as pd
from common import f1, helpers
from scipy.special import expit, log_expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

THRESHOLDS = np.arange(10, 91) / 100


def none(decision, y):
    return expit


def one_sigmoid(decision, y):
    fitted = LogisticRegression(C=np.inf).fit(decision.reshape(-1, 1), y.ravel())
    return lambda new: expit(fitted.coef_[0, 0] * new + fitted.intercept_[0])


def one_beta(decision, y):
    """Beta calibration: a slope for log-odds below zero, one for those above, and an offset.

    (M. Kull and others, "Beta calibration", 2017.)
    """

    def columns(decision):
        return np.column_stack([log_expit(decision.ravel()), -log_expit(-decision.ravel())])

    fitted = LogisticRegression(C=np.inf).fit(columns(decision), y.ravel())
    return lambda new: fitted.predict_proba(columns(new))[:, 1].reshape(new.shape)


def one_isotonic(decision, y):
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(decision.ravel(), y.ravel())
    return lambda new: fitted.predict(new.ravel()).reshape(new.shape)


def each_label(way):
    """Return the way that fits `way` to each label by itself."""

    def columns_fitted(decision, y):
        # A label that no row has stays as it is.
        columns = [
            (way if 0 < truth.sum() < len(truth) else none)(log_odds, truth)
            for log_odds, truth in zip(decision.T, y.T)
        ]
        return lambda new: np.column_stack([column(log_odds) for column, log_odds in zip(columns, new.T)])

    return columns_fitted


WAYS = {
    "none": none,
    "one sigmoid for all": one_sigmoid,
    "a sigmoid a GWA": each_label(one_sigmoid),
    "beta, one for all": one_beta,
    "isotonic, one for all": one_isotonic,
    "isotonic, one a GWA": each_label(one_isotonic),
}


def finite(decision):
    """Return log-odds without infinities, which a label has that none of the training rows has."""
    return np.clip(decision, -30, 30)


def fit(way, decision, y):
    """Return (function from log-odds to probabilities, its best threshold), both from out-of-fold answers."""
    fitted = WAYS[way](finite(decision), y)

    def calibrated(new):
        # Isotonic regression makes ties; the largest of a row shall stay what it was.
        return fitted(finite(new)) + 1e-6 * expit(finite(new))

    return calibrated, best_threshold(calibrated(decision), y)


def best_threshold(probability, y):
    """Return the threshold with the highest micro-F1, with at least one label a row."""
    scores = [_micro(y, helpers.at_least_one(probability, threshold)) for threshold in THRESHOLDS]
    return THRESHOLDS[np.argmax(scores)]


def _micro(y, predicted):
    return 2 * (y * predicted).sum() / (y.sum() + predicted.sum())


def brier(probability, y):
    """Return the Brier score, summed over the labels of a row (G. Brier, 1950)."""
    return ((probability - y) ** 2).sum(axis=1).mean()


def judge(probability, y, threshold):
    """Return the scores of probabilities as a dict."""
    scores = f1(y, helpers.at_least_one(probability, threshold))
    return {
        "threshold": f"{threshold:.2f}",
        "Brier": brier(probability, y),
        "ECE": helpers.expected_calibration_error(y, probability),
        "micro-F1": scores["micro-F1"],
        "macro-F1": scores["macro-F1"],
    }


def on_training_rows(decision, y, folds):
    """Compare the ways by what they make of one fold when they saw the others: a DataFrame, a row a way.

    `decision` and y are out of fold, and `folds` (n,) numbers the rows' folds.
    """
    rows = []
    for way in WAYS:
        parts = []
        for fold in np.unique(folds):
            held = folds == fold
            calibrated, threshold = fit(way, decision[~held], y[~held])
            parts.append(judge(calibrated(decision[held]), y[held], threshold))
        rows.append({"calibration": way} | pd.DataFrame(parts).drop(columns="threshold").mean().to_dict())
    return pd.DataFrame(rows)


def on_test_rows(decision, y, new, y_new):
    """Compare the ways on test rows: a DataFrame, a row a way. The first is the classifier's own default."""
    rows = [{"calibration": "none"} | judge(expit(new), y_new, 0.5)]
    for way in WAYS:
        calibrated, threshold = fit(way, decision, y)
        rows.append({"calibration": way} | judge(calibrated(new), y_new, threshold))
    return pd.DataFrame(rows)
