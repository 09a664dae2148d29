"""Look at the quality of the model on O*NET from several sides, and write it down.

    python benchmarks/quality.py

Writes benchmarks/quality.md and its plots; every number on that page is from here. Needs the O*NET data in
../shared/onet. No O*NET statement is written.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench import ARCHIVE, GRID, TASKS, f1, more_rows, train

import helpers

HERE = Path(__file__).parent

# What a reader thought of the errors on the sample; a statement that is new among them has no remark.
READ = {
    "Monitor legislative news on employment law and advise managers about required changes.": (
        "It opens with the verb of the other activity; only its object says that this is about staying informed."
    ),
    "Evaluate brownfield cleanup records to judge whether soil and vapor standards were achieved before housing "
    "is built.": "Both verbs are of the other activity; that a standard decides stands late in the sentence.",
    "Draft planting plans that set crop order, row spacing, and cover crops for each field.": (
        "A plan can be a design or an order of steps; the label may be argued with."
    ),
    "Assess the risk of default among small businesses seeking lines of credit.": (
        "To assess usually is to judge; that a risk is analyzed has to be known."
    ),
    "Measure apprentices' mastery of wiring, soldering, and safety practice with timed bench tests.": (
        "Its verb is one of measuring; that a person is graded is in the object."
    ),
    "Plan field studies of bird migration, choosing observation stations, instruments, and seasons.": (
        "The verb misleads: planning a study counts as creative work in the labels."
    ),
    "Plan weekly school menus that meet nutritional requirements for protein, sodium, and whole grains.": (
        "The same: planning a menu counts as designing it."
    ),
    "Promote outstanding supervisors and terminate managers who miss production targets.": (
        "A word with two meanings: promoting a person is not promoting a product."
    ),
    "Plan the content of swimming lessons according to swimmers' ages and confidence in deep water.": (
        "Planning a course counts as creative work in the labels; the verb misleads again."
    ),
    "Examine water samples for coliform bacteria and enter findings in laboratory notebooks.": (
        "To examine usually is to inspect; that a sample is analyzed for something is in the object."
    ),
}


def f1_each(y, predicted):
    """Return F1 by column (n_labels,) of two arrays (n, n_labels) of 0 and 1."""
    both = y.sum(axis=0) + predicted.sum(axis=0)
    return 2 * (y * predicted).sum(axis=0) / np.maximum(both, 1)


def by_gwa(y_test, predicted):
    """Return F1, its 95 % interval by bootstrap over statements, and support: a row a GWA."""
    y, rng = y_test.to_numpy(), np.random.default_rng(helpers.SEED)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(1000)]
    low, high = np.percentile([f1_each(y[rows], predicted[rows]) for rows in draws], [2.5, 97.5], axis=0)
    table = pd.DataFrame({"F1": f1_each(y, predicted), "low": low, "high": high}, index=y_test.columns)
    return table.assign(support=y.sum(axis=0)).join(helpers.load_gwas()["Name"]).sort_values("F1")


def curves(X_train, X_test, y_train, y_test, C):
    """Return scores and seconds of a fit on parts of the training rows and with older tasks added."""
    groups = helpers.near_twins(pd.concat([X_train, X_test])["Task"])
    assert len(set(groups[: len(X_train)]) & set(groups[len(X_train) :])) == 0
    X_old, y_old = helpers.to_X_y(helpers.load_tasks(ARCHIVE))
    both = helpers.near_twins(pd.concat([X_test, X_old])["Task"])
    free = ~np.isin(both[len(X_test) :], both[: len(X_test)])
    # They are sorted by statement, so their first ones would be no sample.
    X_old = X_old[free].sample(len(X_train), random_state=helpers.SEED)
    y_old = y_old.loc[X_old.index]
    order = np.random.default_rng(helpers.SEED).permutation(len(X_train))
    rows = []
    for percent in (25, 50, 100, 200) * 3:
        part = order[: len(order) * percent // 100]
        X, y = X_train.iloc[part], y_train.iloc[part]
        if percent > 100:
            X, y = pd.concat([X, X_old]), pd.concat([y, y_old])
        begin = time.process_time()
        model = helpers.make_model(C).set_params(classifier__n_jobs=1).fit(X, y)
        seconds = time.process_time() - begin
        rows.append(
            {"percent": percent, "rows": len(X), "seconds": seconds, **f1(y_test, model.predict(X_test))}
        )
    known = X_old["Task"].isin(X_train["Task"]).mean()
    # The scores of the three rounds are the same; the least time was disturbed the least.
    return pd.DataFrame(rows).groupby("percent", as_index=False).min(), known


def reliability(y, probability):
    """Return mean probability, share of true and number in ten bins of equal width."""
    bins = np.minimum((probability.ravel() * 10).astype(int), 9)
    table = pd.DataFrame({"bin": bins, "probability": probability.ravel(), "true": np.asarray(y).ravel()})
    return table.groupby("bin").agg(
        probability=("probability", "mean"), true=("true", "mean"), n=("true", "size")
    )


def cross_probabilities(X, y, groups, more, C):
    """Return out-of-fold probabilities (n, n_labels) of the training rows."""
    from sklearn.model_selection import GroupKFold

    out = np.zeros(y.shape)
    for fit, hold in GroupKFold(n_splits=3, shuffle=True, random_state=helpers.SEED).split(X, y, groups):
        rows = helpers.add_rows(X.iloc[fit], y.iloc[fit], more)
        out[hold] = helpers.make_model(C).fit(*rows).predict_proba(X.iloc[hold])
    return out


def markdown(table, digits=3):
    """Return a DataFrame as lines of a Markdown table."""
    texts = [
        [f"{value:.{digits}f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *texts]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def main():
    if not TASKS.exists() or not ARCHIVE.exists():
        sys.exit(f"quality.py: the O*NET data in {TASKS.parent} are absent, and there is nothing to look at")
    import matplotlib.pyplot as plt
    from scipy.special import expit, logit
    from sklearn.linear_model import LogisticRegression

    plt.style.use(helpers.ROOT / "notebooks" / "plots.mplstyle")
    X, y = helpers.to_X_y(helpers.load_tasks(TASKS))
    X_train, X_test, y_train, y_test, groups = helpers.split(X, y)
    more = more_rows()
    model, C, *_ = train(X_train, y_train, more)
    probability = model.predict_proba(X_test)
    predicted = helpers.at_least_one(probability)
    page = ["# Quality on O\\*NET", ""]
    page += [
        f"Written by `benchmarks/quality.py`. Release of 2020, {len(X_train):,} statements to train on and "
        f"{len(X_test):,} to test on, near-twins on one side, {len(more[0]):,} DWA titles as further training rows, "
        f"C={C:g} by cross-validation on the training rows.",
        "",
    ]

    page += ["## The forced rule", "", "With and without at least one GWA for each task:", ""]
    unforced = (probability >= 0.5).astype(int)
    rules = {"0.5 or more": unforced, "and at least one": predicted}
    page += markdown(
        pd.DataFrame(
            [
                {
                    "rule": k,
                    **f1(y_test, v),
                    "tasks without a GWA": f"{(v.sum(axis=1) == 0).mean():.0%}",
                }
                for k, v in rules.items()
            ]
        )
    )

    page += ["## DWA titles that are near-twins of test statements", ""]
    both = helpers.near_twins(pd.concat([X_test, more[0]])["Task"])
    twin = np.isin(both[len(X_test) :], both[: len(X_test)])
    equal = more[0]["Task"].str.rstrip(".").str.lower().isin(X_test["Task"].str.rstrip(".").str.lower()).sum()
    clean = helpers.make_model(C).fit(*helpers.add_rows(X_train, y_train, (more[0][~twin], more[1][~twin])))
    bare = helpers.make_model(C).fit(X_train, y_train)
    page += [f"{twin.sum()} titles are near-twins of a test statement, {equal} are equal to one.", ""]
    variants = {"all titles": model, "without those near-twins": clean, "no titles": bare}
    page += markdown(
        pd.DataFrame([{"trained with": k, **f1(y_test, m.predict(X_test))} for k, m in variants.items()])
    )

    page += ["## One C for all, or one for each GWA", ""]
    by_C = {k: cross_probabilities(X_train, y_train, groups, more, k) for k in GRID}
    losses = pd.DataFrame(
        {
            k: -np.log(np.clip(np.where(y_train == 1, p, 1 - p), 1e-6, 1)).mean(axis=0)
            for k, p in by_C.items()
        },
        index=y_train.columns,
    )
    fitted = {
        k: helpers.make_model(k).fit(*helpers.add_rows(X_train, y_train, more)).predict_proba(X_test)
        for k in GRID
    }
    each = losses.idxmin(axis=1)
    mixed = np.column_stack([fitted[each.iloc[j]][:, j] for j in range(len(each))])
    chosen = {f"one C={k:g}": helpers.at_least_one(p) for k, p in fitted.items()}
    chosen["one for each GWA, by log-loss in the folds"] = helpers.at_least_one(mixed)
    page += markdown(pd.DataFrame([{"choice": k, **f1(y_test, v)} for k, v in chosen.items()]))
    page += ["We keep one C for all: it is simpler, and what the table shows is no gain that would pay.", ""]

    page += ["## Calibration", ""]
    held = by_C[C]
    scale = LogisticRegression(C=np.inf).fit(
        logit(np.clip(held, 1e-6, 1 - 1e-6)).reshape(-1, 1), y_train.to_numpy().ravel()
    )
    a, b = scale.coef_[0, 0], scale.intercept_[0]
    calibrated = expit(a * logit(np.clip(probability, 1e-6, 1 - 1e-6)) + b)

    def brier(p):
        return ((p - y_test.to_numpy()) ** 2).sum(axis=1).mean()

    page += [
        "Brier score, summed over the GWAs of a task, and scores, before and after Platt scaling of all "
        f"probabilities with one slope and intercept ({a:.2f}, {b:.2f}) fitted on the training rows out of fold:",
        "",
    ]
    page += markdown(
        pd.DataFrame(
            [
                {"probabilities": k, "Brier": brier(p), **f1(y_test, helpers.at_least_one(p))}
                for k, p in {"as served": probability, "scaled": calibrated}.items()
            ]
        )
    )
    page += ["We serve them as they are: scaled ones are closer to the truth, but fewer reach 0.5.", ""]
    figure, ax = plt.subplots(figsize=(6, 5))
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="perfect")
    for name, p, mark in (("as served", probability, "o"), ("scaled", calibrated, "s")):
        table = reliability(y_test, p)
        ax.plot(table["probability"], table["true"], marker=mark, label=name)
    ax.set(
        xlabel="probability", ylabel="share of true", title="How often a GWA with this probability is right"
    )
    ax.legend()
    figure.savefig(HERE / "reliability.png")
    page += [
        "![Line plot: share of true labels against the probability, as served and after scaling, with the diagonal.]"
        "(reliability.png)",
        "",
    ]
    served = reliability(y_test, probability).reset_index(drop=True)
    page += markdown(served)

    page += ["## Learning curve and time curve", ""]
    table, known = curves(X_train, X_test, y_train, y_test, C)
    small = table[table["percent"] <= 100]
    exponent = np.polyfit(np.log(table["rows"]), np.log(table["seconds"]), 1)[0]
    error = np.polyfit(np.log(small["rows"]), np.log(1 - small["f1_micro"]), 1)[0]
    page += [
        f"One fit with C={C:g}, without DWA titles, the least CPU seconds of three fits, with one thread. The last row adds tasks of the older "
        f"archive that are no near-twins of a test statement; {known:.0%} of them stand in the training rows too.",
        "",
    ]
    page += markdown(table)
    page += [
        f"Time grows as rows to the power of {exponent:.2f}. Up to 100 %, what micro-F1 lacks of 1 changes as rows to "
        f"the power of {error:.2f}.",
        "",
    ]
    figure, axes = plt.subplots(1, 2)
    axes[0].plot(table["rows"], table["f1_micro"], marker="o")
    axes[0].set(xlabel="training rows", ylabel="micro-F1", title="Learning curve")
    axes[1].plot(table["rows"], table["seconds"], marker="o")
    axes[1].set(xlabel="training rows", ylabel="CPU seconds of a fit", title="Time curve")
    figure.savefig(HERE / "curves.png")
    page += [
        "![Two line plots: micro-F1 and the seconds of a fit against the number of training rows.](curves.png)",
        "",
    ]

    page += ["## GWA by GWA", "", "F1 with 95 % intervals (bootstrap over statements, 1,000 draws):", ""]
    page += markdown(by_gwa(y_test, predicted), 2)

    page += ["## Ten errors on the sample", ""]
    page += [
        "The ten most certain errors of a model of the sample with notebook 02's C=10, whose statements may be copied:",
        "",
    ]
    X, y = helpers.to_X_y(helpers.load_tasks())
    X_train, X_test, y_train, y_test, _ = helpers.split(X, y)
    probability = helpers.make_model(10.0).fit(X_train, y_train).predict_proba(X_test)
    wrong = pd.DataFrame(probability, y_test.index, y_test.columns).where(y_test == 0, 0)
    names = helpers.load_gwas()["Name"]
    for k in wrong.max(axis=1).nlargest(10).index:
        true = ", ".join(names[y_test.loc[k] == 1])
        page += [
            f"- {X_test['Task'][k]} Labeled {true}; the model says {names[wrong.loc[k].idxmax()]} "
            f"({wrong.loc[k].max():.2f}). {READ.get(X_test['Task'][k], '')}".rstrip()
        ]
    (HERE / "quality.md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
