"""What was trained, when the store is lost: kept on disk, and recorded later."""

import json
import os
import shlex
from pathlib import Path

import onet_gwa_model
from onet_gwa.addresses import need_server, plain
from onet_gwa.job import KEPT, finish
from onet_gwa.labels import load_labels
from onet_gwa.registry import prepare_registration, register
from onet_gwa.serving import log_model
from onet_gwa.store import connect
from onet_gwa.tables import first_line

# A tracking server that is started anew is there again by then.
PATIENCE = 35


def keep(pipeline, labels, example, parameters, scores, data_digest):
    """Save what the job has trained into its folder, and then make sure that the tracking server still answers.

    What is saved is the fitted pipeline, the table of labels, an example (a DataFrame (1, 1) with a Task column), the
    notebook's parameters by name, the scores by metric (numbers), and the digest of the data: what `record` needs.
    Outside of the job nothing is saved. Raises OSError where the disk is full, or the server is lost.
    """
    import mlflow

    if folder := os.environ.get("ONET_GWA_FOLDER"):
        onet_gwa_model.save(pipeline, labels, f"{folder}/model")
        facts = {"run_id": mlflow.active_run().info.run_id, "store": plain(mlflow.get_tracking_uri())}
        facts |= {"parameters": parameters, "scores": {key: float(value) for key, value in scores.items()}}
        facts |= {"example": example.to_dict("list"), "data_digest": data_digest}
        part = Path(folder, f"{KEPT}.part")
        part.write_text(json.dumps(facts), encoding="utf-8")
        # Last and at once, and so the sign that all is there.
        part.replace(Path(folder, KEPT))
    need_server(mlflow.get_tracking_uri(), PATIENCE)


def record(folder):
    """Log what a job has kept in its folder to the run, register the model, end the run; return what to say, a text.

    The folder is then removed. A model that was registered before is not registered again. Raises OSError and
    ValueError, with one line, for a folder that holds nothing, or not all, and where the store cannot be used.
    """
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    folder = Path(folder)
    try:
        facts = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        run_id, store, parameters, scores = (
            facts[key] for key in ("run_id", "store", "parameters", "scores")
        )
    except OSError as error:
        raise OSError(f"FOLDER: {folder} holds no model; name the folder that the job told") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"FOLDER: {folder / KEPT} is not whole; train again, and remove the folder"
        ) from error
    connect()
    # MLflow would print the run's address, twice.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    client = mlflow.MlflowClient()
    try:
        run = client.get_run(run_id)
    except mlflow.MlflowException as error:
        hint = f"set MLFLOW_TRACKING_URI to {store}, where the run was opened"
        raise OSError(f"FOLDER: {first_line(error)}; {hint}") from error
    try:
        asked = {key: value for key, value in parameters.items() if key not in run.data.params}
        with mlflow.start_run(run_id=run_id):
            mlflow.log_params(asked)
            mlflow.log_metrics(scores)
            versions = client.search_model_versions(f"run_id = '{run_id}'")
            said = f"version {versions[0].version}" if versions else _register(folder, facts)
            mlflow.set_tag("mlflow.note.content", f"recorded later; {said}")
    except (mlflow.MlflowException, SQLAlchemyError) as error:
        raise OSError(
            f"the model stays in {folder}, it could not be recorded: {first_line(error)}"
        ) from error
    finish(run_id, "FINISHED", folder)
    return f"run {run_id} is recorded, with {said}"


def _register(folder, facts):
    """Log and register the model that is kept in a folder; return which version it is, a text."""
    import mlflow
    import pandas as pd

    name = facts["parameters"]["registered_model_name"]
    pipeline = onet_gwa_model._load_pyfunc(str(folder / "model")).pipeline
    labels = load_labels(folder / "model" / "labels.csv")
    logged = log_model(pipeline, labels, pd.DataFrame(facts["example"]))
    prepare_registration(name, labels)
    description = (
        f"Trained by the run {facts['run_id']}, recorded later. micro-F1 {facts['scores']['f1_micro']:.3f}"
    )
    score, data_digest = facts["scores"]["f1_micro"], facts["data_digest"]
    version = register(logged.model_uri, name, score, data_digest, "never", description)
    # The rule needs the data, which may be others by now.
    why = f"a person decides whether it is the champion: make promote VERSION={version} MODEL={shlex.quote(name)}"
    mlflow.MlflowClient().set_model_version_tag(name, str(version), "decision", why)
    return f"version {version} of {name}; {why}"
