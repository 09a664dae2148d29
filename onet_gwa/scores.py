"""How good the answers are: scores, intervals, calibration, and checks of behavior."""

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    hamming_loss,
    jaccard_score,
    precision_recall_fscore_support,
)
from sklearn.utils import check_array, check_consistent_length

from onet_gwa import ROOT, SEED


def score(y_true, y_pred):
    """Return a dict of multilabel scores, all between 0 and 1, under scikit-learn's names.

    `y_true` and `y_pred` have the shape (n, n_labels). Macro averages are over the labels that `y_true` has.
    `hamming_score` is the mean over rows of the Jaccard index of true and predicted labels; the others are
    defined at https://scikit-learn.org/stable/modules/model_evaluation.html. Undefined ratios count as 0.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    scores = {"accuracy": accuracy_score(y_true, y_pred), "hamming_loss": hamming_loss(y_true, y_pred)}
    supported = np.flatnonzero(y_true.any(axis=0))
    for average in ("micro", "macro", "samples"):
        values = precision_recall_fscore_support(
            y_true, y_pred, average=average, zero_division=0, labels=supported if average == "macro" else None
        )
        for name, value in zip(("precision", "recall", "f1"), values):
            scores[f"{name}_{average}"] = float(value)
    scores["hamming_score"] = jaccard_score(y_true, y_pred, average="samples", zero_division=0)
    return scores


def _f1_drawn(y_true, y_pred, n_draws):
    """Return the micro-F1 of each draw of rows with replacement: an array (n_draws,), of the same draws each time."""
    # As numbers: the sum of two truth values would be one.
    y_true, y_pred = check_array(y_true, dtype=int), check_array(y_pred, dtype=int)
    check_consistent_length(y_true, y_pred)
    hits, named = (y_true * y_pred).sum(axis=1), (y_true + y_pred).sum(axis=1)
    rng = np.random.default_rng(SEED)
    draws = (rng.integers(len(y_true), size=len(y_true)) for _ in range(n_draws))
    return np.array([2 * hits[rows].sum() / max(1, named[rows].sum()) for rows in draws])


def bootstrap_interval(y_true, y_pred, other=None, n_draws=1000):
    """Return the 95 % interval of the micro-F1, a pair of floats, by drawing rows with replacement.

    With the predictions `other`, that of what `y_pred` has more than they, both scored in the same draws. All have
    the shape (n, n_labels) (percentile bootstrap: B. Efron and R. Tibshirani, An Introduction to the Bootstrap,
    1993). Raises scikit-learn's ValueError for other shapes and for no rows.
    """
    drawn = _f1_drawn(y_true, y_pred, n_draws)
    if other is not None:
        drawn -= _f1_drawn(y_true, other, n_draws)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def reliability(y_true, probability, n_bins=15, least=0.02):
    """Return how often answers come true, by their probability: a DataFrame, a row a bin of equal count.

    All entries of `probability` (n, n_labels) above `least` count, sorted into `n_bins`. The columns are the
    mean probability, the share of them that are true in `y_true` (n, n_labels), and their number n.
    """
    answers = pd.DataFrame({"probability": np.ravel(probability), "true": np.ravel(y_true)})
    answers = answers[answers["probability"] > least].sort_values("probability", ignore_index=True)
    bins = answers.groupby(np.arange(len(answers)) * n_bins // max(1, len(answers)))
    return bins.agg(probability=("probability", "mean"), true=("true", "mean"), n=("true", "size"))


def expected_calibration_error(y_true, probability):
    """Return the mean distance of probability and share of true over the bins of `reliability`, a float.

    (M. Naeini and others, "Obtaining well calibrated probabilities using Bayesian binning", 2015.)
    """
    table = reliability(y_true, probability)
    distance = (table["probability"] - table["true"]).abs()
    return float((distance * table["n"]).sum() / table["n"].sum())


def check_behavior(model):
    """Return the checks of `data/checks.csv` that a fitted pipeline can be asked: a DataFrame, a row a check.

    They are of three kinds (M. Ribeiro and others, "Beyond accuracy: behavioral testing of NLP models with
    CheckList", 2020). "minimum": the answer to Task has the code. "invariance": the answers to Task and Other
    are the same. "direction": the code is more probable for Other than for Task. The column passed says whether
    it is so. A check whose code is not one of the model's labels is left out.
    """
    checks = pd.read_csv(ROOT / "data" / "checks.csv", keep_default_na=False)
    classes = list(model.classes_)
    checks = checks[checks["GWA"].isin(classes)].reset_index(drop=True)
    if checks.empty:
        return checks.assign(passed=pd.Series(dtype=bool))
    tasks, others = checks[["Task"]], checks[["Other"]].set_axis(["Task"], axis="columns")
    answer, other = model.predict(tasks), model.predict(others)
    column = [classes.index(code) for code in checks["GWA"]]
    rows = np.arange(len(checks))
    more = (model.predict_proba(others) > model.predict_proba(tasks))[rows, column]
    passed = {
        "minimum": answer[rows, column] == 1,
        "invariance": (answer == other).all(axis=1),
        "direction": more,
    }
    return checks.assign(passed=[bool(passed[kind][row]) for row, kind in enumerate(checks["kind"])])
