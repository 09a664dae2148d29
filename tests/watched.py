"""A model to watch, and logs of its weeks, for the tests that need them."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.data.sources import LocalArtifactDatasetSource

import helpers

NAME = "onet-gwa/1"


def register(data, params=True):
    """Register a model of a file of statements, with what the job logs of its data; return its version, a text."""
    labels = helpers.load_labels()
    tasks = helpers.load_tasks(data, labels)
    X, _, y, *_ = helpers.split(*helpers.to_X_y(tasks, labels))
    digest = helpers.digest(tasks)
    helpers.prepare_registration("onet-gwa", labels)
    with mlflow.start_run():
        source = LocalArtifactDatasetSource(str(helpers.source_path(data).resolve()))
        mlflow.log_input(
            mlflow.data.from_pandas(tasks, source=source, name="tasks", digest=digest), "training"
        )
        mlflow.set_tag("mlflow.project.entryPoint", "main")
        mlflow.log_param("data", f"'{data}'")
        logged = helpers.log_model(helpers.make_model().fit(X, y), labels, X.head(1))
    return str(helpers.register(logged.model_uri, "onet-gwa", 0.5, digest))


@pytest.fixture(scope="module")
def watched(store):
    """The Reference of onet-gwa/1, which was trained on the sample, in a new store; and the answers to its rows."""
    register("sample")
    labels = helpers.load_labels()
    reference = helpers.reference(NAME, labels, helpers.training_data(NAME, labels))
    X = helpers.split(*helpers.to_X_y(helpers.load_tasks("sample", labels), labels))[1]
    model = mlflow.pyfunc.load_model(f"models:/{NAME}")
    answers = model.predict(X).drop(columns="name").assign(Task=X["Task"].to_numpy())
    answers[["words", "unknown"]] = [helpers.measure(text, reference.known) for text in answers["Task"]]
    return reference, answers


def write_log(folder, answers, weeks=3, n=300, texts=True, seed=1):
    """Write a log of `n` answers a week, as the server does, a file a Monday; return the folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    rows = answers if texts else answers.drop(columns="Task")
    for day in pd.date_range("2026-09-07", periods=weeks, freq="7D").strftime("%Y-%m-%d"):
        drawn = rows.iloc[rng.integers(len(rows), size=n)].to_dict("records")
        lines = [json.dumps({"time": f"{day}T10:00:00.000+00:00"} | row) for row in drawn]
        (folder / f"answers-{day}.jsonl").write_text("\n".join(lines) + "\n")
    return folder
