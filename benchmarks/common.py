"""What the parts of the benchmark share: the data, the training of notebook 02, scores with intervals, tables."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pooch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import helpers
from onet_gwa.tasks import ONET_RELEASE

HERE = Path(__file__).resolve().parent
C, PENALTIES, FOLDS = [1.0, 10.0, 100.0], ["none", "l2"], 3
# Not the seed of the splits on which the features were chosen.
SEEDS = range(helpers.SEED + 1, helpers.SEED + 6)
AVERAGES = {"f1_micro": "micro-F1", "f1_macro": "macro-F1", "f1_samples": "samples-F1"}
DRAWS = 1000
# So many tasks are asked at once.
MANY = 10_000
# The load of the last minute above which times are not measured.
MOST_LOAD = 0.3
# Starting processes takes 2 to 3 s, which so many rows pay back.
ROWS_FOR_PROCESSES = 5_000

# What is known of files that do not tell their release, by the digest of what was read. An archive's titles have
# a digest of their own.
PILOTS, OLDER, TITLES = "fd169b60e6ffcc06", "e809ef9db76fc6a9", "78eda4047e5a0864"
RELEASES = {
    PILOTS: "the pilot's table, made in 2020 of a release whose number was not recorded",
    OLDER: "release 18.1 of March 2014, to judge by the dates in it",
    TITLES: "release 18.1 of March 2014, to judge by the dates in it",
}
A_TENTH = (
    " A tenth of the statements, grouped by their opening words, is not in this file. It was left out before we got "
    "the file; we take it to be kept for measuring on statements that this project has not seen."
)
ATTRIBUTION = (
    "This page includes information from the [O\\*NET® Database](https://www.onetcenter.org/database.html) by the U.S. "
    "Department of Labor, Employment and Training Administration (USDOL/ETA), of the releases named above; the names "
    "of the GWAs are of release 31.0. Used under the [CC BY 4.0 license]"
    "(https://creativecommons.org/licenses/by/4.0/). O\\*NET® is a trademark of USDOL/ETA. We have modified all or some "
    "of this information: each statement is there once, with the GWAs that it is linked to, and what is shown was "
    "computed from the statements. USDOL/ETA has not approved, endorsed, or tested these modifications."
)


def load(arguments):
    """Return (X, y), the titles as (X, y), the labels, and a paragraph on the source; exit with 2 without data."""
    # It tells each attempt to download; what came of them is told below, in one line.
    pooch.get_logger().setLevel("ERROR")
    labels = helpers.load_labels()
    more = arguments.titles or arguments.data
    option = "--data"
    try:
        tasks = helpers.load_tasks(arguments.data, labels)
        option = "--titles" if arguments.titles else "--data"
        titles = helpers.load_dwa_titles(more, labels)
    except (ValueError, OSError) as error:
        # By hand, since sys.exit with a text exits with 1.
        print(f"{Path(sys.argv[0]).name}: {error}, with {option}", file=sys.stderr)
        sys.exit(2)
    X, y = helpers.to_X_y(tasks, labels)
    source = f"Source: {len(X):,} statements of {named(arguments.data, tasks)}"
    if len(titles):
        count = titles["Task"].nunique()
        source += f" and, as further training rows, {count:,} titles of detailed work activities (DWAs) of {named(more, titles)}"
    source += "." + (A_TENTH if helpers.digest(tasks) in (PILOTS, OLDER) else "")
    return (X, y), helpers.to_X_y(titles, labels), labels, source


def named(source, table):
    """Return the name of a release, or of a file without its folders, with its digest and what is known of it."""
    kind, _, release = source.partition(":")
    digest = helpers.digest(table)
    if kind == "onet":
        return f"the O\\*NET® {release or ONET_RELEASE} Database (digest {digest})"
    known = f"; {RELEASES[digest]}" if digest in RELEASES else ""
    return f"`{Path(source).name}` (digest {digest}{known})"


def check_load(load, force):
    """Exit with 2 and one line where the load of the last minute is too high to measure times."""
    if load > MOST_LOAD and not force:
        print(
            f"{Path(sys.argv[0]).name}: the load of the last minute is {load:.2f}, and above {MOST_LOAD} the times would not be the "
            "project's own; end what else runs and wait two minutes, or add --force",
            file=sys.stderr,
        )
        sys.exit(2)


def by_statement(X, y, seed=SEEDS[0]):
    """Return (X_train, X_test, y_train, y_test): a fifth of the statements for testing, near-twins on both sides."""
    from sklearn.model_selection import train_test_split

    return train_test_split(X, y, test_size=0.2, random_state=seed)


def by_family(X, y, seed=SEEDS[0]):
    """Return (X_train, X_test, y_train, y_test): a fifth of the families of near-twins is for testing.

    The split of the notebooks, `helpers.split`, is always the same one, and leaves some near-twins out.
    """
    from sklearn.model_selection import GroupShuffleSplit

    sides = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(sides.split(X, groups=helpers.near_twins(X["Task"])))
    return X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test]


def train(X_train, y_train, titles):
    """Search, fit and calibrate as notebook 02 does, and return what came of it in a SimpleNamespace.

    `model` is the fitted and calibrated pipeline, `C` the chosen one, `calibrated` the curve and the threshold;
    `seconds`, `final` and `calibration` are those of the search with the final fit, the final fit, and the rest.
    `decision` and `truth`, both of shape (n_train, n_labels), are the out-of-fold answers that calibrated it, and
    `folds` (n_train,) numbers their folds.
    """
    from sklearn.model_selection import GridSearchCV, cross_validate

    X, y = (pd.concat([mine, more], ignore_index=True) for mine, more in zip((X_train, y_train), titles))
    n_jobs = -1 if len(X) > ROWS_FOR_PROCESSES else None
    begin = time.perf_counter()
    cv = helpers.folds(helpers.near_twins(X_train["Task"]), len(titles[0]))
    search = GridSearchCV(
        helpers.make_model(),
        helpers.make_param_grid(C, PENALTIES),
        scoring="f1_micro",
        cv=cv,
        refit=helpers.one_standard_error,
        n_jobs=n_jobs,
    ).fit(X, y)
    model = search.best_estimator_
    fitted = time.perf_counter()
    again = cross_validate(model, X, y, cv=cv, return_estimator=True, n_jobs=n_jobs)["estimator"]
    decision = np.concatenate([each.decision_function(X.iloc[test]) for each, (_, test) in zip(again, cv)])
    truth = np.concatenate([y.iloc[test] for _, test in cv])
    calibrated = helpers.calibrate(decision, truth)
    end = time.perf_counter()
    model["classifier"].set_params(**calibrated)
    return SimpleNamespace(
        model=model,
        C=helpers.C_of(search.best_params_),
        calibrated=calibrated,
        decision=decision,
        truth=truth,
        folds=np.repeat(range(len(cv)), [len(test) for _, test in cv]),
        seconds=fitted - begin,
        final=search.refit_time_,
        calibration=end - fitted,
    )


def f1(y, predicted):
    """Return the three F1 scores as a dict."""
    scores = helpers.score(y, predicted)
    return {title: scores[name] for name, title in AVERAGES.items()}


def drawn(n):
    """Return how often each of n rows is in each of the bootstrap's draws: an array (DRAWS, n), each time the same."""
    rng = np.random.default_rng(helpers.SEED)
    return np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(DRAWS)]).astype(float)


def f1_by_label(y, predicted, weights):
    """Return F1 by draw and label, an array (DRAWS, n_labels): `weights` is what `drawn` returns."""
    return 2 * (weights @ (y * predicted)) / np.maximum(weights @ (y + predicted), 1)


def f1_drawn(y, predicted):
    """Return the three F1 scores of each draw as a dict of lists.

    Draws are of rows of `y` and `predicted` (n, n_labels). Since those of as many rows are the same, two methods
    can be compared draw by draw (paired bootstrap).
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    weights = drawn(len(y))
    hits, total = (y * predicted).sum(axis=1), (y + predicted).sum(axis=1)
    micro = 2 * (weights @ hits) / (weights @ total)
    macro = f1_by_label(y, predicted, weights).mean(axis=1, where=weights @ y > 0)
    samples = weights @ (2 * hits / total) / len(y)
    return dict(zip(AVERAGES.values(), (micro.tolist(), macro.tolist(), samples.tolist())))


def between(values, form=".3f"):
    """Return the 95 % interval of values of draws (percentiles) as a text such as 0.512 to 0.534."""
    return " to ".join(f"{limit:{form}}" for limit in np.percentile(values, [2.5, 97.5]))


def markdown(table, digits=3):
    """Return a DataFrame as lines of a Markdown table."""
    texts = [
        [f"{value:.{digits}f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *texts]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]
