"""Remove the files of old runs and of their models, but of none whose version an alias points at.

    KEEP=10 python tools/prune.py

It is about the runs of one experiment: MLFLOW_EXPERIMENT_NAME, else "onet-gwa". The KEEP newest stay, and what is
RUNNING. The others, their models and versions are deleted, as MLflow calls it, and their files are gone. Exit status:
1, with one line, when the store cannot be used, or something cannot be deleted; what was deleted before stays so.
"""

import os
import re
import sys

from serve import connect


def aliased(client):
    """Return the ids of the runs whose model is a version of a registered model with an alias, such as champion."""
    import mlflow

    runs = set()
    for model in mlflow.search_registered_models():
        for number in model.aliases.values():
            version = client.get_model_version(model.name, number)
            runs.add(version.run_id)
            # One may register the model of another run.
            if model_id := re.fullmatch(r"models:/(m-\w+)", version.source):
                try:
                    runs.add(client.get_logged_model(model_id[1]).source_run_id)
                except mlflow.MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                        raise
    return runs


def remove_files(address):
    """Remove the artifacts at an address; return how many bytes they had."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files = get_artifact_repository(address)

    def size(path=None):
        return sum(size(i.path) if i.is_dir else i.file_size or 0 for i in files.list_artifacts(path))

    freed = size()
    files.delete_artifacts()
    return freed


def remove(client, run):
    """Delete a run, its models and their versions, with their files; return how many bytes these had."""
    for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
        client.delete_model_version(version.name, version.version)
    freed = 0
    condition = f"source_run_id = '{run.info.run_id}'"
    for model in client.search_logged_models([run.info.experiment_id], condition):
        freed += remove_files(model.artifact_location)
        client.delete_logged_model(model.model_id)
    freed += remove_files(run.info.artifact_uri)
    client.delete_run(run.info.run_id)
    return freed


def main():
    keep = os.environ.get("KEEP", "").strip() or "10"
    if not re.fullmatch(r"\d{1,6}", keep, re.ASCII):
        sys.exit(f"make prune: KEEP={keep} is not a number of runs; write for example make prune KEEP=10")
    connect("make prune")
    import mlflow

    from onet_gwa.store import find_experiment

    client, name = mlflow.MlflowClient(), os.environ.get("MLFLOW_EXPERIMENT_NAME") or "onet-gwa"
    try:
        if find_experiment(name) is None:
            sys.exit(f"make prune: there is no experiment {name!r}; MLFLOW_EXPERIMENT_NAME names another")
        runs = mlflow.search_runs(experiment_names=[name], order_by=["start_time DESC"], output_format="list")
        removed, freed = 0, 0
        for run in runs[int(keep) :]:
            # Asked each time: a version may become the champion meanwhile.
            if run.info.status != "RUNNING" and run.info.run_id not in aliased(client):
                freed += remove(client, run)
                removed += 1
    except (mlflow.MlflowException, OSError) as error:
        sys.exit(f"make prune: {' '.join(str(error).split())}")
    print(f"make prune: {removed} of {len(runs)} runs of {name!r} removed, {freed / 2**20:.1f} MB freed")


if __name__ == "__main__":
    main()
