"""The page on the model's quality that bench.py writes, with its plots; every number on that page is from here.

No statement of the O*NET database is written.
"""

import time

import calibration
import common
import errors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import HERE, between, f1, f1_drawn, helpers, markdown
from scipy.special import expit
from sklearn.base import clone

ROUNDS = 3


def draw(figure, name, finding):
    """Save a figure, and return the lines that show it: the finding is its alternative text and its caption."""
    figure.savefig(HERE / name)
    plt.close(figure)
    return [f"![{finding}]({name})", "", f"*{finding}*", ""]


def compared(y_test, answers):
    """Return a row for each of several answers (n, n_labels): its F1 scores, and how its micro-F1 differs.

    The difference is that to the answers before; its 95 % interval is by paired bootstrap over statements.
    """
    rows, before = [], None
    for answer in answers:
        drawn = np.array(f1_drawn(y_test, answer)["micro-F1"])
        row = f1(y_test, answer) | {"micro-F1 against the row above": ""}
        if before is not None:
            row["micro-F1 against the row above"] = between(drawn - before, "+.3f")
        rows.append(row)
        before = drawn
    return pd.DataFrame(rows)


def forced_rule(training, X_test, y_test):
    """Return the lines on what "at least one GWA" does."""
    probability = training.model.predict_proba(X_test)
    unforced = (probability >= training.calibrated["threshold"]).astype(int)
    rules = {"the threshold or more": unforced, "and at least one": training.model.predict(X_test)}
    table = compared(y_test, rules.values())
    table.insert(0, "rule", list(rules))
    table["tasks without a GWA"] = [f"{(answer.sum(axis=1) == 0).mean():.0%}" for answer in rules.values()]
    return [
        "## The forced rule",
        "",
        "With and without at least one GWA for each task:",
        "",
        *markdown(table),
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
    answers = []
    for kept in variants.values():
        X, y = pd.concat([X_train, titles[0][kept]]), pd.concat([y_train, titles[1][kept]])
        answers.append(clone(training.model).fit(X, y).predict(X_test))
    table = compared(y_test, answers)
    table.insert(0, "trained with", list(variants))
    return [
        "## DWA titles that are near-twins of test statements",
        "",
        f"{twin.sum()} titles are near-twins of a test statement, {plain[0].isin(plain[1]).sum()} are equal to one. "
        "With the C, curve and threshold of all titles:",
        "",
        *markdown(table),
    ]


def calibrated(training, X_test, y_test):
    """Return the lines on the calibration, and its plot."""
    before_each_fold = calibration.on_training_rows(training.decision, training.truth, training.folds)
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
        f"{last['after']['true']:.0%}. The mean distance from the diagonal is {error['before']:.3f} before and "
        f"{error['after']:.3f} after."
    )
    return [
        "## Calibration",
        "",
        "Ways to calibrate, all fitted on out-of-fold answers of the training rows, each with the threshold that has "
        "the highest micro-F1 there. Brier score, summed over the GWAs of a task; ECE, the expected calibration error, over "
        "bins as in `helpers.expected_calibration_error`. First on the training rows, where each fold is judged by "
        "what the others say; this is what a choice can rest on:",
        "",
        *markdown(before_each_fold, 4),
        "And on the test rows; the first row is without calibration and at even odds:",
        "",
        *markdown(calibration.on_test_rows(training.decision, training.truth, new, y), 4),
        f"The model has beta calibration, one curve for all: {len(training.calibrated['curve'])} numbers. On the training "
        f"rows the least ECE has: {before_each_fold.set_index('calibration')['ECE'].idxmin()}. Isotonic regression is a "
        "staircase, on whose steps answers tie, and a curve for each label has few answers where a label is rare.",
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


def shares(n):
    """Return the numbers of 25, 50 and 100 % of n rows, drawn at random, by the name of the share.

    They are in ascending order, for the answers depend on it a little: all of them then give the model of the table
    of titles that was trained without titles.
    """
    order = np.random.default_rng(helpers.SEED).permutation(n)
    return {f"{percent} %": np.sort(order[: n * percent // 100]) for percent in (25, 50, 100)}


def curves(training, parts, further):
    """Return the lines on what more training rows bring, and what they cost."""
    X_train, X_test, y_train, y_test = parts
    sides = {told: (X_train.iloc[rows], y_train.iloc[rows]) for told, rows in shares(len(X_train)).items()}
    if further:
        sides["with older tasks"] = pd.concat([X_train, further[0]]), pd.concat([y_train, further[1]])
    seconds, answers = {told: [] for told in sides}, {}
    # In rounds; their answers are the same, and the least time was disturbed the least.
    for told, (X, y) in list(sides.items()) * ROUNDS:
        begin = time.process_time()
        model = clone(training.model).fit(X, y)
        seconds[told].append(time.process_time() - begin)
        answers[told] = model.predict(X_test)
    table = compared(y_test, answers.values())
    table.insert(0, "trained with", list(sides))
    table.insert(1, "rows", [len(X) for X, _ in sides.values()])
    table.insert(2, "seconds", [min(each) for each in seconds.values()])
    error = 1 - table["micro-F1"][:3]
    growth = np.polyfit(np.log(table["rows"]), np.log(table["seconds"]), 1)[0]
    fall = np.polyfit(np.log(table["rows"][:3]), np.log(error), 1)[0]
    figure, axes = plt.subplots(1, 2)
    for ax, column, title in zip(axes, ("micro-F1", "seconds"), ("Learning curve", "Time curve")):
        ax.plot(table["rows"], table[column], marker="o")
        ylabel = "CPU seconds of a fit" if column == "seconds" else column
        ax.set(xlabel="training rows", ylabel=ylabel, title=title)
    finding = (
        f"With {table['rows'][0]:,} training rows micro-F1 is {table['micro-F1'][0]:.2f}, with {table['rows'][2]:,} it is "
        f"{table['micro-F1'][2]:.2f}, and a fit takes {table['seconds'][2] / table['seconds'][0]:.1f} times as long."
    )
    lines = [
        "## Learning curve and time curve",
        "",
        "One fit without DWA titles, with the C, curve and threshold chosen above; the least CPU seconds of "
        f"{ROUNDS} fits in one process.",
        "",
        *markdown(table),
        f"A fit's seconds go as rows^{growth:.2f}, and the error, which is what micro-F1 lacks of one, as rows^{fall:.2f}.",
        "",
    ]
    if further:
        known = further[0]["Task"].isin(X_train["Task"]).mean()
        lines[-2] += (
            f" Of the older tasks, none of them a near-twin of a test statement, {known:.0%} are training rows already."
        )
    return lines + draw(figure, "curves.png", finding)


def by_gwa(y_test, predicted, labels):
    """Return the lines on each GWA: F1, its 95 % interval by bootstrap over statements, and support."""
    y = y_test.to_numpy()
    [score] = common.f1_by_label(y, predicted, np.ones((1, len(y))))
    draws = common.f1_by_label(y, predicted, common.drawn(len(y)))
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    table = pd.DataFrame({"F1": score, "low": low, "high": high}, index=y_test.columns)
    table = table.assign(support=y.sum(axis=0)).join(labels["name"])
    table = table[table["support"] > 0].sort_values("F1")
    intro = (
        f"F1 with 95 % intervals (bootstrap over statements, {common.DRAWS:,} draws). Their median width is "
        f"{(table['high'] - table['low']).median():.2f}: rows that differ by much less are not known to differ."
    )
    return ["## GWA by GWA", "", intro, "", *markdown(table, 2)]


def write(arguments):
    """Write quality.md and its plots."""
    tasks, titles, labels, source = common.load(arguments)
    plt.style.use(helpers.ROOT / "notebooks" / "plots.mplstyle")
    seed = common.SEEDS[0]
    parts = common.by_family(*tasks, seed)
    X_train, X_test, y_train, y_test = parts
    training = common.train(X_train, y_train, titles)
    answer = training.model.predict(X_test)
    lines = [
        "# Quality on O\\*NET® data",
        "",
        f"Written by `benchmarks/bench.py`. {source}",
        "",
        f"{len(X_train):,} statements to train on and {len(X_test):,} to test on, near-twins on one side (seed {seed}; the "
        f"features were chosen on splits with seed {helpers.SEED}). C={training.C:g}, curve and threshold are chosen on the "
        f"training rows: curve {', '.join(f'{value:.2f}' for value in training.calibrated['curve'])}, threshold "
        f"{training.calibrated['threshold']:.2f}. The micro-F1 is {f1(y_test, answer)['micro-F1']:.3f}, with a 95 % "
        f"interval of {between(f1_drawn(y_test, answer)['micro-F1'])} (bootstrap over the test statements, "
        f"{common.DRAWS:,} draws); where two answers to the same statements are compared, the interval of their difference "
        "is given.",
        "",
        *forced_rule(training, X_test, y_test),
    ]
    if len(titles[0]):
        lines += near_twin_titles(training, parts, titles)
    lines += calibrated(training, X_test, y_test)
    lines += curves(training, parts, further_tasks(arguments, X_train, X_test, labels))
    lines += by_gwa(y_test, answer, labels)
    lines += errors.section()
    lines += ["", "## The data's terms", "", common.ATTRIBUTION]
    (HERE / "quality.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
