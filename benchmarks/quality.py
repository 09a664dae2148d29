"""Look at the quality of the model from several sides, and write it down.

    python benchmarks/quality.py [--data SOURCE] [--titles SOURCE]

Writes benchmarks/quality.md and its plots; every number on that page is from here. No O*NET statement is
written. Needs the network for the O*NET release, unless --data names another source.
"""

import time

import calibration
import errors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import HERE, Training, f1, helpers, load, markdown, options
from scipy.special import expit
from sklearn.base import clone


def draw(figure, name, finding):
    """Save a figure, and return the lines that show it: the finding is its alternative text and its caption."""
    figure.savefig(HERE / name)
    plt.close(figure)
    return [f"![{finding}]({name})", "", f"*{finding}*", ""]


def forced_rule(training, X_test, y_test):
    """Return the lines on what "at least one GWA" does."""
    probability = training.model.predict_proba(X_test)
    unforced = (probability >= training.calibrated["threshold"]).astype(int)
    rules = {"the threshold or more": unforced, "and at least one": training.model.predict(X_test)}
    rows = [
        {"rule": rule, **f1(y_test, answer), "tasks without a GWA": f"{(answer.sum(axis=1) == 0).mean():.0%}"}
        for rule, answer in rules.items()
    ]
    return [
        "## The forced rule",
        "",
        "With and without at least one GWA for each task:",
        "",
        *markdown(pd.DataFrame(rows)),
    ]


def near_twin_titles(training, parts, titles):
    """Return the lines on DWA titles that are near-twins of a test statement, which could make the test too easy."""
    X_train, X_test, y_train, y_test = parts
    both = helpers.near_twins(pd.concat([X_test, titles[0]])["Task"])
    twin = np.isin(both[len(X_test) :], both[: len(X_test)])
    plain = [X["Task"].str.rstrip(".").str.lower() for X in (titles[0], X_test)]
    variants = {
        "all titles": np.ones(len(twin), bool),
        "without those near-twins": ~twin,
        "no titles": np.zeros(len(twin), bool),
    }
    rows = []
    for told, kept in variants.items():
        X, y = pd.concat([X_train, titles[0][kept]]), pd.concat([y_train, titles[1][kept]])
        model = clone(training.model)
        rows.append({"trained with": told, **f1(y_test, model.fit(X, y).predict(X_test))})
    return [
        "## DWA titles that are near-twins of test statements",
        "",
        f"{twin.sum()} titles are near-twins of a test statement, {plain[0].isin(plain[1]).sum()} are equal to one. "
        "With the C, curve and threshold of all titles:",
        "",
        *markdown(pd.DataFrame(rows)),
    ]


def calibrated(training, X_test, y_test):
    """Return the lines on the calibration, and its plot."""
    folds = np.repeat(range(len(training.cv)), [len(test) for _, test in training.cv])
    before_each_fold = calibration.on_training_rows(training.decision, training.truth, folds)
    new, y = training.model.decision_function(X_test), y_test.to_numpy()
    probability = {"before": expit(new), "after": training.model.predict_proba(X_test)}
    error = {name: helpers.expected_calibration_error(y, p) for name, p in probability.items()}
    table = {name: helpers.reliability(y, p) for name, p in probability.items()}
    figure, ax = plt.subplots(figsize=(6, 5))
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="perfect")
    for (name, rows), mark in zip(table.items(), "so"):
        ax.plot(rows["probability"], rows["true"], marker=mark, label=f"{name} calibration")
    ax.set(
        xlabel="probability",
        ylabel="share that is true",
        title="How often a GWA with this probability is right",
    )
    ax.legend()
    last = {name: rows.iloc[-2] for name, rows in table.items()}
    finding = (
        f"Before calibration, answers with a mean probability of {last['before']['probability']:.2f} are true in "
        f"{last['before']['true']:.0%}; after it, those with {last['after']['probability']:.2f} are true in "
        f"{last['after']['true']:.0%}. The mean distance from the diagonal falls from {error['before']:.3f} to "
        f"{error['after']:.3f}."
    )
    return [
        "## Calibration",
        "",
        "Ways to calibrate, all fitted on out-of-fold answers of the training rows, each with the threshold that has "
        "the highest micro-F1 there. Brier score, summed over the GWAs of a task; ECE, the expected calibration error "
        "(15 bins of equal count of the answers above 0.02). First on the training rows, where each fold is judged by "
        "what the others say; this is what a choice can rest on:",
        "",
        *markdown(before_each_fold, 4),
        "And on the test rows; the first row is without calibration and with the threshold 0.5:",
        "",
        *markdown(calibration.on_test_rows(training.decision, training.truth, new, y), 4),
        "The model has beta calibration, one curve for all: three numbers for all labels. Isotonic regression comes nearer to "
        "the truth, but as a staircase, on whose steps answers tie; and a curve for each label has too few answers "
        "where a label is rare.",
        "",
        *draw(figure, "reliability.png", finding),
        *markdown(table["after"].astype({"n": int})),
    ]


def further_tasks(arguments, X_train, X_test, labels):
    """Return (X, y) of tasks of the titles' archive that are no near-twins of a test statement, or None."""
    if arguments.titles in (None, arguments.data):
        return None
    X, y = helpers.to_X_y(helpers.load_tasks(arguments.titles, labels), labels)
    both = helpers.near_twins(pd.concat([X_test, X])["Task"])
    free = ~np.isin(both[len(X_test) :], both[: len(X_test)])
    # They are sorted by statement, so their first ones would be no sample.
    X = X[free].sample(min(len(X_train), free.sum()), random_state=helpers.SEED)
    return X, y.loc[X.index]


def curves(training, parts, further):
    """Return the lines on what more training rows bring, and what they cost."""
    X_train, X_test, y_train, y_test = parts
    order = np.random.default_rng(helpers.SEED).permutation(len(X_train))
    sizes = {f"{percent} %": order[: len(order) * percent // 100] for percent in (25, 50, 100)}
    sides = {told: (X_train.iloc[rows], y_train.iloc[rows]) for told, rows in sizes.items()}
    if further:
        sides["with older tasks"] = pd.concat([X_train, further[0]]), pd.concat([y_train, further[1]])
    rows = []
    # Three rounds; their scores are the same, and the least time was disturbed the least.
    for told, (X, y) in list(sides.items()) * 3:
        begin = time.process_time()
        model = clone(training.model).fit(X, y)
        seconds = time.process_time() - begin
        rows.append(
            {"trained with": told, "rows": len(X), "seconds": seconds, **f1(y_test, model.predict(X_test))}
        )
    table = pd.DataFrame(rows).groupby("trained with", as_index=False, sort=False).min()
    error = 1 - table["f1_micro"][:3]
    growth = np.polyfit(np.log(table["rows"]), np.log(table["seconds"]), 1)[0]
    fall = np.polyfit(np.log(table["rows"][:3]), np.log(error), 1)[0]
    figure, axes = plt.subplots(1, 2)
    for ax, column, title in zip(axes, ("f1_micro", "seconds"), ("Learning curve", "Time curve")):
        ax.plot(table["rows"], table[column], marker="o")
        ax.set(
            xlabel="training rows",
            ylabel={"f1_micro": "micro-F1"}.get(column, "CPU seconds of a fit"),
            title=title,
        )
    finding = (
        f"From {table['rows'][0]:,} to {table['rows'][2]:,} training rows micro-F1 rises from "
        f"{table['f1_micro'][0]:.2f} to {table['f1_micro'][2]:.2f}, and a fit takes "
        f"{table['seconds'][2] / table['seconds'][0]:.1f} times as long."
    )
    lines = [
        "## Learning curve and time curve",
        "",
        "One fit without DWA titles, with the C, curve and threshold chosen above; the least CPU seconds of three "
        "fits in one process.",
        "",
        *markdown(table),
        f"A fit's seconds grow as rows^{growth:.2f}. The error, 1 - micro-F1, falls as rows^{fall:.2f}.",
        "",
    ]
    if further:
        known = further[0]["Task"].isin(X_train["Task"]).mean()
        lines[-2] += (
            f" Of the older tasks, none of them a near-twin of a test statement, {known:.0%} are training rows already."
        )
    return lines + draw(figure, "curves.png", finding)


def f1_each(y, predicted):
    """Return F1 by column (n_labels,) of two arrays (n, n_labels) of 0 and 1."""
    both = y.sum(axis=0) + predicted.sum(axis=0)
    return 2 * (y * predicted).sum(axis=0) / np.maximum(both, 1)


def by_gwa(y_test, predicted, labels):
    """Return the lines on each GWA: F1, its 95 % interval by bootstrap over statements, and support."""
    y, rng = y_test.to_numpy(), np.random.default_rng(helpers.SEED)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(1000)]
    low, high = np.percentile([f1_each(y[rows], predicted[rows]) for rows in draws], [2.5, 97.5], axis=0)
    table = pd.DataFrame({"F1": f1_each(y, predicted), "low": low, "high": high}, index=y_test.columns)
    table = table.assign(support=y.sum(axis=0)).join(labels["name"])
    table = table[table["support"] > 0].sort_values("F1")
    intro = "F1 with 95 % intervals (bootstrap over statements, 1,000 draws):"
    return ["## GWA by GWA", "", intro, "", *markdown(table, 2)]


def main():
    arguments = options(__doc__.splitlines()[0]).parse_args()
    tasks, titles, labels, source = load(arguments)
    plt.style.use(helpers.ROOT / "notebooks" / "plots.mplstyle")
    *parts, _ = helpers.split(*tasks)
    X_train, X_test, y_train, y_test = parts
    training = Training(X_train, y_train, titles)
    lines = [
        "# Quality on O\\*NET",
        "",
        f"Written by `benchmarks/quality.py`. Source: {source}. {len(X_train):,} statements to train on and "
        f"{len(X_test):,} to test on, near-twins on one side. C={training.C:g}, curve and threshold are chosen on the "
        "training rows: "
        f"curve {', '.join(f'{value:.2f}' for value in training.calibrated['curve'])}, "
        f"threshold {training.calibrated['threshold']:.2f}.",
        "",
        *forced_rule(training, X_test, y_test),
    ]
    if len(titles[0]):
        lines += near_twin_titles(training, parts, titles)
    lines += calibrated(training, X_test, y_test)
    lines += curves(training, parts, further_tasks(arguments, X_train, X_test, labels))
    lines += by_gwa(y_test, training.model.predict(X_test), labels)
    lines += errors.section()
    (HERE / "quality.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
