"""The statistics of a week, and limits that chance passes as rarely as they say."""

import numpy as np
import pandas as pd
import pytest

import helpers
from onet_gwa.watch import growth

LABELS = pd.DataFrame({"name": ["a", "b", "c"]}, index=["A", "B", "C"])
RNG = np.random.default_rng(helpers.SEED)


def answers(n=400, seed=1):
    """Invented answers: half of the texts are of each industry, and one in ten has two labels."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        code, p = "AAAAABBBCC"[rng.integers(10)], rng.random()
        two = rng.random() < 0.1 and code != "C"
        words = rng.choice(
            ["haul", "load", "drive"] if k % 2 else ["teach", "grade", "tutor"], rng.integers(3, 9)
        )
        rows.append([" ".join(words), [code, "C"] if two else [code], [p, p / 2] if two else [p]])
    return pd.DataFrame(rows, columns=["Task", "GWA", "probability"])


def measured(rows, known):
    return rows.assign(
        **dict(zip(("words", "unknown"), zip(*[helpers.measure(t, known) for t in rows["Task"]])))
    )


@pytest.fixture(scope="module")
def reference():
    texts = ["haul load drive", "drive load", "teach grade", "tutor grade"]
    industries = helpers.tell_industries(pd.DataFrame({"Task": texts, "SOC": ["53", "53", "25", "25"]}))
    return helpers.refer(answers(), LABELS, 0.3, frozenset({"haul", "load", "teach", "grade"}), industries)


def test_psi():
    """By hand: (0.6 − 0.5) ln(0.6 / 0.5) + (0.4 − 0.5) ln(0.4 / 0.5), the half cases being next to nothing."""
    found = helpers.psi([6e6, 4e6], [5e6, 5e6])
    assert found == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8), abs=1e-5)
    assert helpers.psi([3, 5], [3, 5]) == 0 and np.isfinite(helpers.psi([0, 8], [8, 0]))
    assert helpers.psi([[1, 9], [5, 5]], [5, 5]).shape == (2,)


def test_growth():
    """By hand: from 1 to 3 in ten of 100 each; a share that shrinks is none; nothing is 0."""
    assert growth(np.array([30, 70]), np.array([10, 90])) == pytest.approx(
        0.2 / np.sqrt(41 / 202 * 161 / 202 / 50)
    )
    assert growth(np.array([0, 0]), np.array([10, 90])) == 0
    assert growth(np.zeros((2, 0)), np.zeros(0)).tolist() == [0, 0]


def test_counts(reference):
    rows = measured(answers(5), reference.known)
    counts, at = helpers.counted(rows, reference), helpers.places(reference)
    assert counts[:, 0].tolist() == [1] * 5
    for k, row in enumerate(rows.itertuples()):
        assert set(np.array(["A", "B", "C"])[counts[k, at["labels"]] > 0]) == set(row.GWA)
        assert counts[k, at["under_threshold"]] == (max(row.probability) < 0.3)
        assert (counts[k, at["words"]], counts[k, at["unknown"]]) == (row.words, row.unknown)
        assert counts[k, at["industries"]].tolist() == ([0, 1] if k % 2 else [1, 0])
        assert counts[k, at["probability"]].sum() == counts[k, at["length"]].sum() == 1
    assert helpers.counted(rows.assign(Task=None), reference)[:, at["industries"]].sum() == 0
    with pytest.raises(ValueError, match="'X' is no label of the model"):
        helpers.counted(rows.assign(GWA=[["A"]] * 4 + [["X"]], probability=[[0.5]] * 5), reference)


def test_bins_have_about_the_same_number(reference):
    at = helpers.places(reference)
    bins = reference.rows[:, at["probability"]].sum(axis=0)
    assert len(bins) == 10 and bins.min() == bins.max() == 40


def test_the_statistics(reference):
    whole = reference.rows.sum(axis=0)
    assert helpers.statistics(whole, reference).tolist() == [0] * 6
    at, week = helpers.places(reference), whole.copy()
    week[at["unknown"]] += 0.1 * week[at["words"]]
    week[at["under_threshold"]] += 0.2 * week[0]
    found = dict(zip(helpers.STATISTICS, helpers.statistics(week, reference)))
    assert found == pytest.approx({name: 0 for name in found} | {"unknown": 0.1, "under_threshold": 0.2})


@pytest.mark.parametrize("n, chance", [(100, 0.2), (1000, 0.02)])
def test_chance_rings_as_rarely_as_asked(reference, n, chance):
    """Weeks and references are fresh answers of the same kind; the bounds are three standard errors wide."""
    pool, alarms, tries = helpers.counted(measured(answers(6000), reference.known), reference), 0, 60
    for _ in range(tries):
        drawn = pool[RNG.permutation(len(pool))[: 400 + n]]
        other = reference._replace(rows=drawn[:400])
        found = helpers.statistics(drawn[400:].sum(axis=0), other)
        alarms += (found > helpers.limits(other, n, chance, draws=200)).any()
    assert alarms / tries <= chance + 3 * np.sqrt(chance * (1 - chance) / tries)
    # And no more rarely than that, where there is something to count.
    assert chance < 0.1 or alarms / tries > 0.05


def test_limits_are_the_same_each_time_and_fall_with_the_answers(reference):
    few, many = helpers.limits(reference, 100, draws=400), helpers.limits(reference, 5000, draws=400)
    assert (few == helpers.limits(reference, 100, draws=400)).all() and (few > many)[:-1].all()
    # What is always the same takes nothing from the others.
    dumb = helpers.refer(answers(), LABELS, 0.3, reference.known)
    assert helpers.limits(dumb, 100, draws=400)[-1] == 0
    assert (helpers.limits(dumb, 100, draws=400)[:-1] <= few[:-1]).all()


def test_weeks_are_judged(reference):
    counts = helpers.counted(measured(answers(), reference.known), reference)
    longer = counts.copy()
    longer[:, helpers.places(reference)["length"]] = [0] * len(reference.edges["length"]) + [1]
    sums = {20780: longer[:150].sum(axis=0), 20773: counts[:150].sum(axis=0), 20787: counts[:90].sum(axis=0)}
    weeks = helpers.judge(sums, reference)
    assert list(weeks.index) == ["2026-11-16", "2026-11-23", "2026-11-30"]
    assert weeks["answers"].tolist() == [150, 150, 90] and weeks["passed"].tolist() == [0, 1, 0]
    assert weeks["labels_limit"].isna().tolist() == [False, False, True]
    assert weeks["length"].iloc[1] > weeks["length_limit"].iloc[1]
    assert helpers.judge(sums, reference, given={"length": 9.0})["passed"].sum() == 0
    assert helpers.judge(sums, reference, least=200)["labels_limit"].isna().all()
