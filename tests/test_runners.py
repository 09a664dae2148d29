"""The training notebook gives one result, whoever runs it: a reader, papermill or `mlflow run`."""

import os
import sys

import mlflow
import nbformat
import numpy as np
from conftest import runs
from nbclient import NotebookClient

import helpers


def test_three_runners_one_result(project, run):
    uri = f"sqlite:///{project / 'mlflow.db'}"
    path = project / "notebooks" / "02_pipeline_training.ipynb"
    notebook = nbformat.read(path, 4)
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = 'C = "1, 10"\npenalty = "l2"\ndata = "sample"'
    reader = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    reader.execute(env={**os.environ, "MLFLOW_TRACKING_URI": uri})
    for command in (
        [sys.executable, "run_notebook.py", "--C", "1, 10", "--penalty", "l2"],
        ["mlflow", "run", ".", "--env-manager", "local", "-P", "C=1, 10", "-P", "penalty=l2"],
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr

    client, finished = runs(project)
    assert len(finished) == 3
    assert len({frozenset(run.data.metrics.items()) for run in finished}) == 1
    # What was asked for, `mlflow run` logs with the quotes of a shell.
    asked = {"C", "penalty", "data"}
    chosen = {frozenset((k, v) for k, v in run.data.params.items() if k not in asked) for run in finished}
    assert len(chosen) == 1 and {"best_C", "best_penalty", "grid"} < set(dict(*chosen))

    mlflow.set_tracking_uri(uri)
    questions = helpers.to_X_y(helpers.load_tasks())[0].iloc[::10]
    pipelines = [
        mlflow.sklearn.load_model(model.model_uri)
        for model in client.search_logged_models([run.info.experiment_id for run in finished[:1]])
        if model.name == "pipeline"
    ]
    probabilities = [pipeline.predict_proba(questions) for pipeline in pipelines]
    assert len(probabilities) == 3 and probabilities[0].shape == (251, 37)
    for other in probabilities[1:]:
        np.testing.assert_array_equal(other, probabilities[0])
    served = [mlflow.pyfunc.load_model(f"models:/{helpers.MODEL_NAME}/{k}") for k in (1, 2, 3)]
    assert {served[0].predict(questions).to_json()} == {
        model.predict(questions).to_json() for model in served
    }
