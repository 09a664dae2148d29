"""The registry: which version of a registered model is the champion."""

from onet_gwa.labels import labels_digest
from onet_gwa.store import create

MODEL_NAME = "onet-gwa"


def champion(name=MODEL_NAME):
    """Return the number of the version of a registered model with the alias `champion`; None without one."""
    from mlflow import MlflowClient

    models = [model for model in MlflowClient().search_registered_models() if model.name == name]
    return models[0].aliases.get("champion") if models else None


def prepare_registration(name, labels):
    """Make sure that there is a registered model `name`, and that it is for these labels (see `load_labels`).

    Raises ValueError where its versions give other labels: they could not be compared with a new one, and a
    server of the champion would answer with other codes from one day to the next.
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
    if not created and client.get_registered_model(name).tags.get("labels_digest", digest) != digest:
        raise ValueError(
            f"registered_model_name: the versions of {name!r} give other labels; "
            "name another registered model for these"
        )


def register(model_uri, name, f1_micro, data_digest, description=None):
    """Register a logged model as a version of the registered model `name`; return (version, is champion).

    The registered model must be there (see `prepare_registration`). The version is tagged with its `f1_micro`
    on the test split and the digest of the data it was trained on. It gets the alias `champion` when there is
    none yet, or when the champion was trained on the same data and has a lower f1_micro; scores on other data
    cannot be compared.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    model = client.get_logged_model(model_uri.removeprefix("models:/"))
    # mlflow.register_model makes the same call, and announces it on stderr.
    version = client.create_model_version(
        name,
        model_uri,
        run_id=model.source_run_id,
        model_id=model.model_id,
        tags={"f1_micro": repr(float(f1_micro)), "data_digest": data_digest},
        description=description,
    ).version
    present = champion(name)
    if present is not None:
        tags = client.get_model_version(name, present).tags
        if tags.get("data_digest") != data_digest or float(tags["f1_micro"]) >= f1_micro:
            return version, False
    client.set_registered_model_alias(name, "champion", version)
    return version, True
