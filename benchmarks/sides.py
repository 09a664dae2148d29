"""What is compared by bench.py: this project's way, the pilot's, scikit-learn's obvious one, other libraries.

Each takes bench.py's arguments, fits on the same training rows, and returns what it took and scored, to be put
into JSON.
"""

import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import others
from common import FOLDS, HERE, MANY, SEEDS, C, by_family, by_statement, f1, f1_drawn, helpers, load, train
from scipy.special import expit


def scored(y_test, predicted):
    """Return the three F1 scores, and those of the bootstrap's draws, as a dict."""
    return f1(y_test, predicted) | {"drawn": f1_drawn(y_test, predicted)}


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
        search = GridSearchCV(pipeline, candidates, scoring="f1_micro", cv=FOLDS)
        searches.append(search.fit(X_train["Task"], y_train[label]))
    seconds = time.perf_counter() - begin
    models = [search.best_estimator_ for search in searches]
    probability = np.column_stack([model.predict_proba(X_test["Task"])[:, 1] for model in models])
    size = len(pickle.dumps(models))
    return {"seconds": seconds, "size": size, **scored(y_test, helpers.at_least_one(probability))}


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
    search = GridSearchCV(pipeline, grid, scoring="f1_micro", cv=FOLDS, n_jobs=-1).fit(X_train, y_train)
    seconds = time.perf_counter() - begin
    probability = search.predict_proba(X_test)
    return {"seconds": seconds, **scored(y_test, helpers.at_least_one(probability))}


def ours(arguments):
    """This project's search, fit and calibration, and then how it is saved, loads and answers."""
    import onet_gwa_model

    tasks, titles, labels, _ = load(arguments)
    X_train, X_test, y_train, y_test = by_statement(*tasks)
    training = train(X_train, y_train, titles)
    result = {name: getattr(training, name) for name in ("seconds", "final", "calibration", "C")}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "model")
        begin = time.perf_counter()
        onet_gwa_model.save(training.model, labels, folder)
        saved = time.perf_counter()
        labeler = onet_gwa_model._load_pyfunc(folder)
        result |= {"saving": saved - begin, "loading": time.perf_counter() - saved}
        result["size"] = sum(file.stat().st_size for file in folder.iterdir())
    many = X_test.sample(MANY, replace=True, random_state=helpers.SEED)
    for name, question, repeats in (("one", X_test.head(1), 300), ("many", many, 7)):
        taken = []
        for _ in range(repeats):
            begin = time.perf_counter()
            labeler.predict(question)
            taken.append(time.perf_counter() - begin)
        result[name] = statistics.median(taken)
    return result | scored(y_test, labeler.get_raw_model().predict(X_test))


def seeds(arguments):
    """Our scores for several splits, by statement and with near-twins on one side, with DWA titles and without."""
    tasks, titles, *_ = load(arguments)
    none = titles[0][:0], titles[1][:0]
    rows = []
    for seed in SEEDS:
        plain, apart = by_statement(*tasks, seed), by_family(*tasks, seed)
        variants = [("by statement", plain, none), ("near-twins on one side", apart, titles)]
        if len(titles[0]):
            variants.insert(0, ("by statement", plain, titles))
        for kind, (X_train, X_test, y_train, y_test), more in variants:
            training = train(X_train, y_train, more)
            row = {"split": kind, "titles": "yes" if len(more[0]) else "no", "seed": seed, "C": training.C}
            for when, probability in {
                "before": expit(training.model.decision_function(X_test)),
                "after": training.model.predict_proba(X_test),
            }.items():
                row[f"ECE_{when}"] = helpers.expected_calibration_error(y_test, probability)
            rows.append(row | f1(y_test, training.model.predict(X_test)))
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
    return {"seconds": answer["seconds"], **scored(y_test, helpers.at_least_one(score))}
