"""Let people use the tracking server at MLFLOW_TRACKING_URI.

    python tools/people.py add bob         # an administrator adds a user, and is asked for the password
    python tools/people.py let bob NAME    # the owner of the experiment and the registered model NAME lets him write

Who you are, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD say. Where there is no terminal, the password is
the first line of stdin. Exit status: 0, or 1, with one line, for what the server refuses.
"""

import argparse
import getpass
import sys

from serve import connect


def refuse(reason):
    sys.exit(f"people.py: {' '.join(reason.split())}")


def ask(path, **fields):
    """Post to the server; exit with its message where it refuses."""
    from onet_gwa.permissions import call

    answer = call("POST", path, **fields)
    if not answer.ok:
        json = "json" in answer.headers.get("Content-Type", "")
        refuse(answer.json()["message"] if json else f"{answer.text[:200]} (status {answer.status_code})")


def add(user):
    """Add a user who may log in."""
    terminal = sys.stdin.isatty()
    password = getpass.getpass(f"password for {user}: ") if terminal else sys.stdin.readline().rstrip("\n")
    ask("2.0/mlflow/users/create", username=user, password=password)
    print(f"{user} may log in.")


def let(user, name):
    """Let a user write in the experiment and the registered model of this name, whichever there are."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(name)
    found = [("experiment", experiment.experiment_id)] if experiment else []
    if name in [model.name for model in client.search_registered_models()]:
        found.append(("registered_model", name))
    for kind, identifier in found:
        fields = {"resource_type": kind, "resource_id": identifier, "permission": "EDIT"}
        ask("3.0/mlflow/users/permissions/grant", username=user, **fields)
        print(f"{user} may write in the {kind.replace('_', ' ')} {name}.")
    if not found:
        refuse(f"you see no experiment and no registered model {name!r}; name one that is there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (add, let):
        commands.add_parser(command.__name__, help=command.__doc__).add_argument("user")
    commands.choices["let"].add_argument("name")
    options = vars(parser.parse_args())
    command = options.pop("command")
    connect("people.py")
    try:
        {"add": add, "let": let}[command](**options)
    except OSError as error:
        refuse(str(error))


if __name__ == "__main__":
    main()
