"""Compare this project with the pilot's method of 2022 and with what else a user might take.

    python benchmarks/bench.py [--data SOURCE] [--titles SOURCE] [--pilot-runs N]

All get the same statements and split in one run, each in a process of its own. Writes
benchmarks/results.md. Needs the network for the O*NET release, unless --data names another source, and for the
other libraries, which are installed for the time of the run; a quiet machine, too, for the times to mean
something.
"""

import contextlib
import io
import json
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import others
import page
from common import HERE, C, Training, by_statement, f1, helpers, load, options
from scipy.special import expit

SEEDS = range(helpers.SEED, helpers.SEED + 5)
RUNS = 3


def pilot(arguments):
    """The pilot's method as its users ran it, in today's spelling: a search for each GWA."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    X_train, X_test, y_train, y_test = by_statement(*load(arguments)[0])
    begin = time.perf_counter()
    searches = []
    for label in y_train:
        regression = LogisticRegression(class_weight="balanced", solver="lbfgs", max_iter=300)
        pipeline = Pipeline([("words", TfidfVectorizer()), ("classifier", regression)])
        # Its grid was C times penalty: it fitted "none" once for each C.
        candidates = [{"classifier__C": C}] + [{"classifier__C": [np.inf]}] * len(C)
        search = GridSearchCV(pipeline, candidates, scoring="f1_micro", cv=3)
        searches.append(search.fit(X_train["Task"], y_train[label]))
    seconds = time.perf_counter() - begin
    models = [search.best_estimator_ for search in searches]
    probability = np.column_stack([model.predict_proba(X_test["Task"])[:, 1] for model in models])
    size = len(pickle.dumps(models))
    return {"seconds": seconds, "size": size, **f1(y_test, helpers.at_least_one(probability))}


def stock(arguments):
    """scikit-learn's obvious way: one search over words and `OneVsRestClassifier`, all else as it comes."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import Pipeline

    X_train, X_test, y_train, y_test = by_statement(*load(arguments)[0])
    begin = time.perf_counter()
    words = ColumnTransformer([("words", TfidfVectorizer(), "Task")])
    pipeline = Pipeline([("words", words), ("classifier", OneVsRestClassifier(LogisticRegression()))])
    grid = {"classifier__estimator__C": C}
    search = GridSearchCV(pipeline, grid, scoring="f1_micro", cv=3, n_jobs=-1).fit(X_train, y_train)
    seconds = time.perf_counter() - begin
    probability = search.predict_proba(X_test)
    return {"seconds": seconds, **f1(y_test, helpers.at_least_one(probability))}


def ours(arguments):
    """This project's search, fit and calibration, and then how it is saved, loads and answers."""
    import onet_gwa_model

    tasks, titles, labels, _ = load(arguments)
    X_train, X_test, y_train, y_test = by_statement(*tasks)
    training = Training(X_train, y_train, titles)
    result = {name: getattr(training, name) for name in ("seconds", "final", "calibration", "C")}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "model")
        begin = time.perf_counter()
        onet_gwa_model.save(training.model, labels, folder)
        saved = time.perf_counter()
        labeler = onet_gwa_model._load_pyfunc(folder)
        result |= {"saving": saved - begin, "loading": time.perf_counter() - saved}
        result["size"] = sum(file.stat().st_size for file in folder.iterdir())
    many = X_test.sample(10_000, replace=True, random_state=helpers.SEED)
    for name, question, repeats in (("one", X_test.head(1), 300), ("many", many, 7)):
        taken = []
        for _ in range(repeats):
            begin = time.perf_counter()
            labeler.predict(question)
            taken.append(time.perf_counter() - begin)
        result[name] = statistics.median(taken)
    return result | f1(y_test, labeler.get_raw_model().predict(X_test))


def seeds(arguments):
    """Our scores for several splits, by statement and with near-twins on one side, with DWA titles and without."""
    tasks, titles, *_ = load(arguments)
    none = titles[0][:0], titles[1][:0]
    rows = []
    for seed in SEEDS:
        for kind, parts in {
            "by statement": by_statement(*tasks, seed),
            "near-twins on one side": helpers.split(*tasks, seed)[:4],
        }.items():
            X_train, X_test, y_train, y_test = parts
            for told, more in {"yes": titles, "no": none}.items() if len(titles[0]) else [("no", none)]:
                training = Training(X_train, y_train, more)
                scores = f1(y_test, training.model.predict(X_test))
                for told_error, probability in {
                    "ECE_before": expit(training.model.decision_function(X_test)),
                    "ECE_after": training.model.predict_proba(X_test),
                }.items():
                    scores[told_error] = helpers.expected_calibration_error(y_test, probability)
                row = {"split": kind, "titles": told, "seed": seed, "C": training.C, **training.calibrated}
                rows.append(row | scores)
    return rows


def install(name, folder):
    """Make an environment for one of the other libraries; return its Python, or None where it cannot be."""
    import sklearn

    uv, python = Path(sys.executable).with_name("uv"), folder / "bin" / "python"
    further = f"scikit-learn=={sklearn.__version__}"
    wanted = others.REQUIREMENTS[name] + ([further] if name == "napkinXC" else [])
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", python, *wanted],
    ):
        if subprocess.run(command, stdout=sys.stderr).returncode:
            return None
    return python


def other(arguments):
    """One fit of another library in its own environment; None where it could not be installed."""
    tasks, _, labels, _ = load(arguments)
    X_train, X_test, y_train, y_test = by_statement(*tasks)
    problem = {"train": list(X_train["Task"]), "test": list(X_test["Task"]), "n_labels": len(labels)}
    problem["labels"] = [np.flatnonzero(row).tolist() for row in y_train.to_numpy()]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        python = install(arguments.library, folder / "environment")
        if python is None:
            return None
        (folder / "problem.json").write_text(json.dumps(problem))
        command = [
            python,
            HERE / "others.py",
            arguments.library,
            folder / "problem.json",
            folder / "answer.json",
        ]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            return None
        answer = json.loads((folder / "answer.json").read_text())
    score = np.array(answer["score"])
    return {"seconds": answer["seconds"], **f1(y_test, helpers.at_least_one(score))}


def main_job(arguments):
    """Seconds of the parts of `mlflow run . --env-manager local` on the sample."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        # Else mlflow run would make the store, with its artifacts in the working directory.
        connect = [sys.executable, "-c", "import helpers; helpers.connect()"]
        subprocess.run(connect, cwd=helpers.ROOT, env=env, check=True)
        begin = time.perf_counter()
        command = ["mlflow", "run", ".", "--env-manager", "local"]
        done = subprocess.run(command, cwd=helpers.ROOT, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode:
            sys.exit(done.stderr)
        notebook = json.loads(next(Path(folder).rglob("02_pipeline_training.ipynb")).read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    slow = sorted(
        ((cell["metadata"]["papermill"]["duration"], "".join(cell["source"])) for cell in cells), reverse=True
    )
    return {
        "seconds": seconds,
        "notebook": notebook["metadata"]["papermill"]["duration"],
        "cells": slow[:6],
        "sum": sum(taken for taken, _ in slow),
    }


def run(part, *further):
    """Run one of the functions above in a fresh process; return its result, peak memory and the load before it."""
    load_before = os.getloadavg()[0]
    command = [sys.executable, __file__, *sys.argv[1:], "--part", part, *further]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    # Some parts take minutes, so each is told when it is done.
    print(f"{part} {' '.join(further)}: {done.stdout.strip()}", file=sys.stderr)
    return json.loads(done.stdout) | {"load": load_before}


def in_child(part, arguments):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = globals()[part](arguments)
    from joblib.externals.loky import get_reusable_executor

    # Only processes that have ended are counted.
    get_reusable_executor().shutdown(wait=True)
    own, child = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    # Linux counts in KB. The pilot's method starts none.
    memory = own * 1024 + (os.cpu_count() * child * 1024 if part == "ours" else 0)
    print(json.dumps({"result": result, "memory": memory}))


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--pilot-runs", type=int, default=1, help="how often the pilot's method runs")
    parser.add_argument("--part", help="run one function only, and print its result as JSON")
    parser.add_argument("--library", choices=others.REQUIREMENTS, help="for --part other")
    arguments = parser.parse_args()
    if arguments.part:
        return in_child(arguments.part, arguments)
    source = load(arguments)[-1]
    measured = {
        "main_job": run("main_job"),
        "ours": [run("ours") for _ in range(RUNS)],
        "pilot": [run("pilot") for _ in range(arguments.pilot_runs)],
        "stock": run("stock"),
        "others": {name: run("other", "--library", name) for name in others.REQUIREMENTS},
        "seeds": run("seeds"),
    }
    page.write(HERE / "results.md", measured, source)


if __name__ == "__main__":
    main()
