"""Do the answers of a week differ from what the model answers to statements like those it was trained on?

A week and a Reference are compared by STATISTICS, each with a limit that chance passes rarely.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from onet_gwa import SEED
from onet_gwa.answers import measure
from onet_gwa.tables import shorten
from onet_gwa.weeks import read_weeks

STATISTICS = {
    "labels": "labels, PSI",
    "probability": "highest probability, PSI",
    "under_threshold": "answers under the threshold, difference",
    "length": "words of a question, PSI",
    "unknown": "words never seen, difference",
    "industries": "growth of an industry, z",
}
BINS, DRAWS = 10, 2000


class Reference(NamedTuple):
    """What weeks are compared with.

    `labels` are those of the model, `known` its words, `industries` tells a text's (None where no training row has
    one), `edges` are between the bins of probabilities and lengths, and `rows` (n, n_counts) has what each answer
    adds to the counts of its week (see `counted`).
    """

    labels: pd.DataFrame
    threshold: float
    known: frozenset
    industries: object
    edges: dict
    rows: np.ndarray


def refer(rows, labels, threshold, known, industries=None):
    """Return the Reference of answers, a DataFrame with Task, GWA and probability, whose model is at hand."""
    counts = [measure(text, known) for text in rows["Task"]]
    rows = rows.assign(words=[n for n, _ in counts], unknown=[n for _, n in counts])
    inner = np.arange(1, BINS) / BINS
    # Bins of about the same number of answers, as credit scoring has them.
    edges = {
        "probability": np.unique(np.quantile(rows["probability"].map(max), inner)),
        "length": np.unique(np.quantile(rows["words"], inner)),
    }
    found = Reference(labels, threshold, known, industries, edges, np.empty(0))
    return found._replace(rows=counted(rows, found))


def counted(rows, reference):
    """Return what each answer adds to the counts of its week, an array (n, n_counts).

    The counts are answers, those with each label, those in each bin of the highest probability and of the number of
    words, texts of each industry (where there are texts), answers under the threshold, words, and words that the
    model has never seen. Raises ValueError for a label that the model does not have.
    """
    n, at = len(rows), places(reference)
    lengths = rows["GWA"].map(len).to_numpy(int)
    flat = np.array([code for codes in rows["GWA"] for code in codes], dtype=object)
    columns = pd.Index(reference.labels.index).get_indexer(flat)
    if (columns < 0).any():
        code = shorten(repr(flat[(columns < 0).argmax()]), 60)
        raise ValueError(f"answers: {code} is no label of the model; give it answers of its own")
    best = np.array([max(row) for row in rows["probability"]], float)
    counts = np.zeros((n, at["unknown"] + 1))
    counts[:, 0] = 1
    counts[np.repeat(np.arange(n), lengths), at["labels"].start + columns] = 1
    for name, values in (("probability", best), ("length", rows["words"].to_numpy())):
        place = np.searchsorted(reference.edges[name], values, side="right")
        counts[np.arange(n), at[name].start + place] = 1
    texts = rows["Task"].notna().to_numpy() if "Task" in rows else np.zeros(n, bool)
    if reference.industries and texts.any():
        told = reference.industries.predict(rows["Task"][texts])
        place = np.searchsorted(reference.industries.classes_, told)
        counts[np.flatnonzero(texts), at["industries"].start + place] = 1
    counts[:, at["under_threshold"]] = best < reference.threshold
    counts[:, at["words"]], counts[:, at["unknown"]] = rows["words"], rows["unknown"]
    return counts


def count_weeks(files, model, reference, **columns):
    """Return the counts (n_counts,) of each week in the files of `find_answers`, a dict, and what was left aside.

    `columns` and the Counter of what was left aside are those of `read_weeks`, which raises ValueError.
    """
    sums, aside = {}, Counter()
    for rows, left in read_weeks(files, model, reference.known, **columns):
        aside += left
        counts = counted(rows, reference)
        for week in rows["week"].unique():
            sums[int(week)] = sums.get(int(week), 0) + counts[(rows["week"] == week).to_numpy()].sum(axis=0)
    return sums, aside


def places(reference):
    """Return where in the counts each statistic finds its own, slices and numbers."""
    at, begin = {}, 1
    industries = len(reference.industries.classes_) if reference.industries else 0
    sizes = {name: len(edges) + 1 for name, edges in reference.edges.items()}
    for name, size in ({"labels": len(reference.labels)} | sizes | {"industries": industries}).items():
        at[name], begin = slice(begin, begin + size), begin + size
    return at | {"under_threshold": begin, "words": begin + 1, "unknown": begin + 2}


def psi(actual, expected):
    """Return the population stability index of counts (…, n_bins) against others, an array (…).

    That is the sum over bins of (a − e) ln(a / e) for the shares a and e (N. Siddiqi, Credit Risk Scorecards, 2006;
    it is the symmetric divergence of S. Kullback and R. Leibler, 1951). Half a case is added to each bin, so that an
    empty one has a logarithm.
    """
    a, e = (counts + 0.5 for counts in (np.asarray(actual), np.asarray(expected)))
    a, e = a / a.sum(axis=-1, keepdims=True), e / e.sum(axis=-1, keepdims=True)
    return ((a - e) * np.log(a / e)).sum(axis=-1)


def growth(actual, expected):
    """Return the largest growth of a share in standard errors, from counts (…, n) to counts: an array (…), 0 of none.

    That is the z of two proportions with a pooled error (G. Snedecor and W. Cochran, Statistical Methods, 1989,
    section 7.10), a case being added on both sides, so that no error is 0.
    """
    n, m = (np.maximum(1, counts.sum(axis=-1, keepdims=True)) for counts in (actual, expected))
    pooled = (actual + expected + 1) / (n + m + 2)
    z = (actual / n - expected / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.where(actual.any(axis=-1), z.max(axis=-1, initial=0), 0)


def shares(sums, reference):
    """Return the shares of answers under the threshold and of words never seen in counts (…, n_counts): a dict."""
    at = places(reference)
    return {
        "under_threshold": sums[..., at["under_threshold"]] / np.maximum(1, sums[..., 0]),
        "unknown": sums[..., at["unknown"]] / np.maximum(1, sums[..., at["words"]]),
    }


def statistics(sums, reference, against=None):
    """Return the STATISTICS of the counts of weeks (…, n_counts) against the reference: an array (…, n_statistics)."""
    against = reference.rows.sum(axis=0) if against is None else against
    at, ours, theirs = places(reference), shares(sums, reference), shares(against, reference)
    found = {
        name: psi(sums[..., at[name]], against[..., at[name]]) for name in ("labels", "probability", "length")
    }
    found |= {name: np.abs(ours[name] - theirs[name]) for name in ours}
    found["industries"] = growth(sums[..., at["industries"]], against[..., at["industries"]])
    return np.stack([found[name] for name in STATISTICS], axis=-1)


def limits(reference, n, chance=0.02, draws=DRAWS):
    """Return what a week of `n` answers passes by chance, in any of the STATISTICS, this rarely: (n_statistics,).

    Weeks are drawn from the reference, and each is compared with a reference that is drawn, too, since that is a
    sample as well. All limits are the same quantile of their statistic, chosen so that the share of drawn weeks in
    which at least one is passed is `chance` (single-step minP: P. Westfall and S. Young, Resampling-Based Multiple
    Testing, 1993).
    """
    rng, m = np.random.default_rng(SEED), len(reference.rows)
    drawn, even = [], np.full(m, 1 / m)
    for _ in range(0, draws, 100):
        week, against = (rng.multinomial(size, even, size=100) @ reference.rows for size in (n, m))
        drawn.append(statistics(week, reference, against))
    drawn = np.concatenate(drawn)
    # A statistic that is always the same has no rank above 0.
    rank = rankdata(drawn, method="min", axis=0).astype(int) - 1
    # So many draws, and no more, have a statistic of a higher rank.
    level = np.sort(rank.max(axis=1))[::-1][int(chance * draws)]
    return np.sort(drawn, axis=0)[level]


def counts_of(sums, reference, name):
    """Return the counts of `labels` or `industries`, those of the reference, and their codes: arrays (n,), a list."""
    at = places(reference)[name]
    codes = reference.labels.index if name == "labels" else reference.industries.classes_
    return sums[at], reference.rows.sum(axis=0)[at], list(codes)


def judge(sums, reference, chance=0.02, least=100, given=None):
    """Return the STATISTICS of weeks and their limits: a DataFrame with a row a week, indexed by its Monday.

    `sums` maps weeks, as `read_weeks` numbers them, to counts (n_counts,). Besides the statistics, which are NaN for
    industries without texts, there are answers, the shares of `shares` as share_under_threshold and share_unknown, a
    limit for each statistic, such as labels_limit, NaN for weeks of fewer than `least` answers, and passed, the number
    of passed limits. `given` maps statistics to limits that take the place of those of `limits`.
    """
    computed, rows = {}, {}
    for week, counts in sorted(sums.items()):
        n, found = int(counts[0]), dict(zip(STATISTICS, statistics(counts, reference).tolist()))
        if not counts[places(reference)["industries"]].any():
            found["industries"] = np.nan
        # Two digits of a number of answers are enough, and the fewer answers the higher the limit.
        size = n // 10 ** max(0, len(str(n)) - 2) * 10 ** max(0, len(str(n)) - 2)
        if n >= least and size not in computed:
            computed[size] = dict(zip(STATISTICS, limits(reference, size, chance).tolist())) | (given or {})
        limit = {name: computed[size][name] if n >= least else np.nan for name in STATISTICS}
        passed = sum(found[name] > limit[name] for name in STATISTICS)
        row = {"answers": n} | found | {f"{name}_limit": value for name, value in limit.items()}
        row |= {f"share_{name}": float(share) for name, share in shares(counts, reference).items()}
        rows[str(np.datetime64(int(week), "D"))] = row | {"passed": passed}
    return pd.DataFrame.from_dict(rows, orient="index")
