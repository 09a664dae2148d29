"""Scores, intervals, calibration, and the checks of behavior."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score

import helpers

RNG = np.random.default_rng(helpers.SEED)


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
    assert helpers.score(pd.DataFrame(y_true), y_pred) == scores


def test_macro_averages_are_over_labels_with_support():
    y_true, y_pred = np.array([[1, 0, 0], [0, 1, 0]]), np.array([[1, 0, 1], [0, 1, 0]])
    scores = helpers.score(y_true, y_pred)
    assert scores["f1_macro"] == scores["precision_macro"] == scores["recall_macro"] == 1
    # The answer that was wrong still counts where answers are counted.
    assert scores["precision_micro"] == pytest.approx(2 / 3)


def test_bootstrap_interval():
    y_true = RNG.integers(2, size=(300, 4))
    y_pred = np.where(RNG.random(y_true.shape) < 0.8, y_true, 1 - y_true)
    low, high = helpers.bootstrap_interval(y_true, y_pred, n_draws=200)
    middle = f1_score(y_true, y_pred, average="micro")
    assert low < middle < high and 0.03 < high - low < 0.1
    assert helpers.bootstrap_interval(y_true, y_pred, n_draws=200) == (low, high)
    few = helpers.bootstrap_interval(y_true[:50], y_pred[:50], n_draws=200)
    assert few[1] - few[0] > 1.5 * (high - low)
    assert helpers.bootstrap_interval(pd.DataFrame(y_true), y_pred, n_draws=200) == (low, high)
    rows = np.random.default_rng(helpers.SEED).integers(300, size=300)
    one = helpers.bootstrap_interval(y_true, y_pred, n_draws=1)
    assert one == pytest.approx([f1_score(y_true[rows], y_pred[rows], average="micro")] * 2)


def test_bootstrap_interval_of_truth_values():
    """Their sum is at most one, which made an interval of 2.0."""
    y_true = RNG.integers(2, size=(50, 4)).astype(bool)
    assert helpers.bootstrap_interval(y_true, y_true, n_draws=9) == (1, 1)


@pytest.mark.parametrize("rows", [0, 1])
def test_bootstrap_interval_of_other_rows(rows):
    """NumPy would spread one row over all."""
    with pytest.raises(ValueError, match=r"0 sample\(s\)|inconsistent numbers of samples: \[50, 1\]"):
        helpers.bootstrap_interval(np.ones((50, 4)), np.ones((rows, 4)))


def test_reliability():
    probability = np.array([[0.1, 0.9], [0.3, 0.01], [0.5, 0.7], [0.02, 0.015]])
    y_true = np.array([[0, 1], [1, 1], [0, 1], [1, 1]])
    table = helpers.reliability(y_true, probability, n_bins=2)
    # 0.02 and less are left out; the others, sorted, are 0.1, 0.3, 0.5 | 0.7, 0.9.
    assert table["n"].tolist() == [3, 2]
    assert table["probability"].tolist() == pytest.approx([0.3, 0.8])
    assert table["true"].tolist() == pytest.approx([1 / 3, 1])
    error = helpers.expected_calibration_error(y_true, probability)
    assert error == pytest.approx(np.mean([0.1, 0.7, 0.5, 0.3, 0.1]))


def test_honest_probabilities_have_a_small_error():
    probability = RNG.random((4000, 3))
    y_true = RNG.random(probability.shape) < probability
    assert helpers.expected_calibration_error(y_true, probability) < 0.02
    assert helpers.expected_calibration_error(y_true, probability**2) > 0.1


class Told:
    """A model that gives the first label to statements with an "a", and a probability by their length."""

    classes_ = np.array(["4A3a4", "4A4a7"])

    def predict(self, X):
        assert len(X) > 0, "scikit-learn refuses a table without rows"
        yes = X["Task"].str.contains("a").to_numpy()
        return np.column_stack([yes, ~yes]).astype(int)

    def predict_proba(self, X):
        return np.repeat(X["Task"].str.len().to_numpy()[:, np.newaxis] / 100, 2, axis=1)


def test_each_kind_of_check(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "checks.csv").write_text(
        "kind,Task,Other,GWA\n"
        "minimum,a,,4A3a4\nminimum,b,,4A3a4\n"
        "invariance,a,aa,4A3a4\ninvariance,a,b,4A3a4\n"
        "direction,b,bb,4A4a7\ndirection,bb,b,4A4a7\n"
        "minimum,a,,4A1a1\n"
    )
    monkeypatch.setattr("onet_gwa.scores.ROOT", tmp_path)
    checks = helpers.check_behavior(Told())
    assert checks["passed"].tolist() == [True, False] * 3
    assert checks["kind"].tolist() == ["minimum"] * 2 + ["invariance"] * 2 + ["direction"] * 2


def test_checks_of_a_model_of_other_labels():
    model = Told()
    model.classes_ = np.array(["x", "y"])
    checks = helpers.check_behavior(model)
    assert checks.empty and "passed" in checks


def test_the_checks_name_labels_and_have_what_their_kind_needs():
    checks = pd.read_csv(helpers.ROOT / "data" / "checks.csv", keep_default_na=False)
    assert set(checks["kind"]) == {"minimum", "invariance", "direction"} and len(checks) >= 12
    assert set(checks["GWA"]) <= set(helpers.load_labels().index)
    assert ((checks["Other"] == "") == (checks["kind"] == "minimum")).all()
    statements = set(helpers.load_tasks()["Task"])
    assert not statements & (set(checks["Task"]) | set(checks["Other"]))


def test_the_pipeline_passes_most_checks():
    labels = helpers.load_labels()
    model = helpers.make_model().fit(*helpers.to_X_y(helpers.load_tasks("sample", labels), labels))
    rates = helpers.check_behavior(model).groupby("kind")["passed"].mean()
    assert (rates >= 0.5).all() and rates["minimum"] >= 0.8
