"""What bench.py and quality.py share: their options, the data, and the training of notebook 02."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import helpers

HERE = Path(__file__).resolve().parent
C, PENALTIES = [1.0, 10.0, 100.0], ["none", "l2"]
AVERAGES = ("f1_micro", "f1_macro", "f1_samples")
# Starting processes takes 2 to 3 s, which so many rows pay back.
ROWS_FOR_PROCESSES = 5_000


def options(description):
    """Return a parser of the options that both scripts have."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--data", default="onet:31.0", help="what to train and test on, as in MLproject")
    parser.add_argument(
        "--titles", help="the O*NET release or archive whose DWA titles are added; else that of --data"
    )
    return parser


def load(arguments):
    """Return (X, y), the titles as (X, y), the labels, and a sentence on the source; exit with 2 without data."""
    # It tells each attempt to download; what came of them is told below, in one line.
    pooch.get_logger().setLevel("ERROR")
    labels = helpers.load_labels()
    try:
        tasks = helpers.load_tasks(arguments.data, labels)
        titles = helpers.load_dwa_titles(arguments.titles or arguments.data, labels)
    except (ValueError, OSError) as error:
        # By hand, since sys.exit with a text exits with 1.
        print(f"{Path(sys.argv[0]).name}: {error}, with --data", file=sys.stderr)
        sys.exit(2)
    X, y = helpers.to_X_y(tasks, labels)
    source = f"{len(X):,} statements of `{source_name(arguments.data)}` (digest {helpers.digest(tasks)})"
    if len(titles):
        source += (
            f" and {titles['Task'].nunique():,} titles of detailed work activities (DWAs) of "
            f"`{source_name(arguments.titles or arguments.data)}` as further training rows"
        )
    return (X, y), helpers.to_X_y(titles, labels), labels, source


def source_name(source):
    """Return a release as it is, and a path without its folders."""
    return source if source.partition(":")[0] == "onet" else Path(source).name


def by_statement(X, y, seed=helpers.SEED):
    """Return (X_train, X_test, y_train, y_test): a fifth of the statements for testing, near-twins on both sides."""
    from sklearn.model_selection import train_test_split

    return train_test_split(X, y, test_size=0.2, random_state=seed)


def f1(y_test, predicted):
    """Return the three F1 scores as a dict."""
    scores = helpers.score(y_test, predicted)
    return {name: scores[name] for name in AVERAGES}


class Training:
    """Search, final fit and calibration as in notebook 02, with the seconds of each.

    `model` is the fitted and calibrated pipeline, `C` the chosen one. `decision` and `truth`, both of shape
    (n_train, n_labels), are the out-of-fold answers that calibrated it, and `groups` (n_train,) their rows'
    families of near-twins.
    """

    def __init__(self, X_train, y_train, titles):
        from sklearn.model_selection import GridSearchCV, cross_validate

        self.X = pd.concat([X_train, titles[0]], ignore_index=True)
        self.y = pd.concat([y_train, titles[1]], ignore_index=True)
        n_jobs = -1 if len(self.X) > ROWS_FOR_PROCESSES else None
        begin = time.perf_counter()
        groups = helpers.near_twins(X_train["Task"])
        self.cv = helpers.folds(groups, len(titles[0]))
        search = GridSearchCV(
            helpers.make_model(),
            helpers.make_param_grid(C, PENALTIES),
            scoring="f1_micro",
            cv=self.cv,
            refit=helpers.one_standard_error,
            n_jobs=n_jobs,
        ).fit(self.X, self.y)
        self.model, self.C = search.best_estimator_, helpers.C_of(search.best_params_)
        self.final = search.refit_time_
        fitted = time.perf_counter()
        models = cross_validate(self.model, self.X, self.y, cv=self.cv, return_estimator=True, n_jobs=n_jobs)[
            "estimator"
        ]
        self.decision = np.concatenate(
            [model.decision_function(self.X.iloc[test]) for model, (_, test) in zip(models, self.cv)]
        )
        self.truth = np.concatenate([self.y.iloc[test] for _, test in self.cv])
        self.calibrated = helpers.calibrate(self.decision, self.truth)
        calibrated = time.perf_counter()
        self.model["classifier"].set_params(**self.calibrated)
        self.seconds, self.calibration = fitted - begin, calibrated - fitted


def markdown(table, digits=3):
    """Return a DataFrame as lines of a Markdown table."""
    texts = [
        [f"{value:.{digits}f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *texts]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]
