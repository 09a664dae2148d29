"""The search of notebook 02 on Spark's workers: the same pipeline, the same scores, the same model."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from sklearn.model_selection import GridSearchCV

import helpers

# Spark's Python warns of pandas 3 wherever it is imported, and joblibspark of each cluster: see notebook 06.
SEARCH = """
import json, sys, joblib, joblibspark, helpers
from test_spark_search import search
with open(sys.argv[2], "w+") as log, helpers.session(sys.argv[1], log) as spark:
    hosts = spark.sparkContext.parallelize(range(4), 4).map(lambda _: __import__("os").getppid()).distinct().count()
    spark.sparkContext.environment["PYTHONPATH"] = str(helpers.ROOT)
    joblibspark.register_spark()
    with joblib.parallel_config(backend="spark", n_jobs=2):
        found = search()
print(json.dumps([hosts, *found]))
"""


def search():
    """Return the chosen C, the scores of the folds, and the chosen model's answers, of the search of notebook 02."""
    labels = helpers.load_labels()
    X, X_test, y, _, groups = helpers.split(*helpers.to_X_y(helpers.load_tasks("sample", labels), labels))
    search = GridSearchCV(
        helpers.make_model(),
        helpers.make_param_grid([1.0, 10.0, 100.0], ["none", "l2"]),
        scoring="f1_micro",
        cv=helpers.folds(groups),
        refit=helpers.one_standard_error,
    ).fit(X, y)
    scores = [search.cv_results_[f"split{k}_test_score"].tolist() for k in range(3)]
    return helpers.C_of(search.best_params_), scores, search.predict_proba(X_test).tolist()


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("java") and importlib.util.find_spec("pyspark")), reason="java or pyspark is absent"
)
def test_the_search_on_spark(tmp_path):
    """To the last bit."""
    with helpers.cluster() as master:
        done = subprocess.run(
            [sys.executable, "-c", SEARCH, master, str(tmp_path / "log")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    executors, *found = json.loads(done.stdout)
    assert executors == 2 and found == list(search())
