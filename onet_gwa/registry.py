"""The registry: which version of a registered model is the champion, and what a version says."""

import json
import os
import subprocess
import sys
import tempfile

from onet_gwa import ROOT
from onet_gwa.labels import labels_digest
from onet_gwa.store import create
from onet_gwa.tables import shorten

MODEL_NAME = "onet-gwa"
# How a version's training rows were told from test rows, so that none of them is a test row of a later version.
SPLIT = "crc32"


def champion(name=MODEL_NAME):
    """Return the number of the version of a registered model with the alias `champion`; None without one."""
    import mlflow

    # MlflowClient's lists a hundred at most; asked for one by its name, a server refuses who may not see it.
    models = [model for model in mlflow.search_registered_models() if model.name == name]
    return models[0].aliases.get("champion") if models else None


def prepare_registration(name, labels):
    """Make sure that there is a registered model `name`, and that it is for these labels (see `load_labels`).

    Raises ValueError where its versions give other labels, or do not say which: they could not be compared with a
    new one, and a server of the champion would answer with other codes from one day to the next.
    """
    from mlflow import MlflowClient

    client, digest = MlflowClient(), labels_digest(labels)
    first, last = labels["name"].iloc[[0, -1]]
    created = create(
        client.create_registered_model,
        name,
        tags={"labels_digest": digest},
        description=f"Gives task statements one or more of {len(labels)} labels, from {labels.index[0]} ({first}) "
        f"to {labels.index[-1]} ({last}). The alias champion marks the version to serve.",
    )
    if created:
        return
    model = client.get_registered_model(name)
    known = model.tags.get("labels_digest")
    # Somebody has made it by hand, as in MLflow's UI.
    if known is None and not model.latest_versions:
        client.set_registered_model_tag(name, "labels_digest", digest)
    elif known != digest:
        said = "give other labels" if known else "do not say which labels they give"
        raise ValueError(
            f"registered_model_name: the versions of {name!r} {said}; name another registered model for these"
        )


def register(model_uri, name, f1_micro, data_digest, promote="better", description=None):
    """Register a logged model as a version of the registered model `name`; return its number.

    The registered model must be there (see `prepare_registration`). The version is tagged with its `f1_micro` on
    the test split, the digest of the data, the rule by which it may become champion (see `promote`), and the kind of
    its split.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    model = client.get_logged_model(model_uri.removeprefix("models:/"))
    tags = {"f1_micro": repr(float(f1_micro)), "data_digest": data_digest, "promote": promote, "split": SPLIT}
    # mlflow.register_model makes the same call, and announces it on stderr.
    registered = client.create_model_version(
        name,
        model_uri,
        run_id=model.source_run_id,
        model_id=model.model_id,
        tags=tags,
        description=description,
    )
    return int(registered.version)


def set_champion(name, version):
    """Give a version of a registered model the alias `champion`, and the champion before it the alias `previous`.

    Raises MlflowException for a version that is not there.
    """
    from mlflow import MlflowClient

    client, present = MlflowClient(), champion(name)
    client.get_model_version(name, str(version))
    if present is not None and int(present) != int(version):
        client.set_registered_model_alias(name, "previous", present)
    client.set_registered_model_alias(name, "champion", str(version))


def ask(program, model_uri, texts):
    """Return what a Python program says, in JSON, when it is given the address of a model, and texts in JSON on stdin.

    It is a process of its own, since the model's code may be of another version than ours. What MLflow downloads for it
    is removed. Raises ChildProcessError, with the last line of its stderr, where it fails.
    """
    with tempfile.TemporaryDirectory(prefix="onet-gwa-asked-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, model_uri],
            env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": folder},
            input=json.dumps(list(texts)),
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise ChildProcessError(shorten(done.stderr.strip().rpartition("\n")[2], 200))
    return json.loads(done.stdout.splitlines()[-1])
