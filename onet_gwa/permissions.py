"""What a tracking server lets its user do, asked before a training and not found out after it."""


def call(method, path, **fields):
    """Call the tracking server as MLflow does, with its variables for user, password and TLS; return the response.

    The fields are the query of a GET, and the JSON of another method. Raises OSError where nothing answers.
    """
    import mlflow
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    creds = get_default_host_creds(mlflow.get_tracking_uri())
    sent = {"params" if method == "GET" else "json": fields}
    try:
        return http_request(creds, f"/api/{path}", method, max_retries=0, raise_on_status=False, **sent)
    except mlflow.MlflowException as error:
        raise OSError(f"MLFLOW_TRACKING_URI: there is no answer: {error.message}") from error


def need_permission(kind, name):
    """Raise OSError where the user may not write in the "experiment" or "registered_model" of this name.

    The message names the user, and what its owner types. What is not there yet anybody may make, and a store
    without users has none to ask.
    """
    import mlflow

    if not mlflow.get_tracking_uri().startswith("http"):
        return
    answer = call("GET", "2.0/mlflow/users/current")
    # A server without users has no such path.
    user = answer.json()["user"] if answer.ok else {"is_admin": True}
    if user["is_admin"]:
        return
    permission = _permission(user["username"], kind, name)
    if permission not in ("EDIT", "MANAGE", None):
        raise OSError(
            f"MLFLOW_TRACKING_USERNAME: {user['username']} has the permission {permission} for the "
            f"{kind.replace('_', ' ')} {name!r}, and needs EDIT; its owner types: "
            f"python tools/people.py let {user['username']} {name!r}; or name another"
        )


def _permission(user, kind, name):
    """Return the name of a user's permission, such as "READ"; None for what is not there."""
    import mlflow

    client = mlflow.MlflowClient()
    try:
        if kind == "experiment":
            found = client.get_experiment_by_name(name)
            identifier = found and found.experiment_id
        else:
            identifier = client.get_registered_model(name).name
    except mlflow.MlflowException as error:
        if error.error_code == "PERMISSION_DENIED" and kind == "experiment":
            return "NO_PERMISSIONS"
        # Of a registered model, this may also say that there is none.
        if error.error_code in ("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST"):
            return None
        raise OSError(f"MLFLOW_TRACKING_URI: {error.message}") from error
    if identifier is None:
        return None
    asked = {"username": user, "resource_type": kind, "resource_id": identifier}
    answer = call("GET", "3.0/mlflow/users/permissions/get", **asked)
    return answer.json()["permission"] if answer.ok else None
