"""Let people use the tracking server at MLFLOW_TRACKING_URI.

    python tools/people.py add bob         # an administrator adds a user, and is asked for the password
    python tools/people.py password bob    # an administrator, or bob himself, gives him a new password
    python tools/people.py let bob NAME    # the owner of the experiment and the registered model NAME lets him write

Who you are, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD say. Where there is no terminal, the password is
the first line of stdin. Exit status: 0, or 1, with one line, for what the server refuses.
"""

import argparse
import getpass
import os
import shlex
import sys

from serve import connect

from onet_gwa.addresses import plain


def refuse(reason):
    sys.exit(f"people.py: {' '.join(reason.split())}")


def ask(method, path, **fields):
    """Send something to the server; exit with its message where it refuses."""
    import mlflow

    from onet_gwa.permissions import call
    from onet_gwa.tables import first_line

    answer = call(method, path, **fields)
    if answer.ok:
        return
    if answer.status_code == 404 and "json" not in answer.headers.get("Content-Type", ""):
        why = "since it was started without passwords; docs/team-server.md starts one that has some"
        refuse(f"{mlflow.get_tracking_uri()} has no users, {why}")
    if "json" not in answer.headers.get("Content-Type", ""):
        refuse(f"{answer.text[:200]} (status {answer.status_code})")
    said = answer.json()
    if said["error_code"] == "RESOURCE_ALREADY_EXISTS":
        user = fields["username"]
        mend = f"for a new password, type: python tools/people.py password {shlex.quote(user)}"
        refuse(f"{user} is there already; {mend}")
    # The other lines are SQL and its values, of which one is the hash of a password.
    refuse(first_line(said["message"]))


def ask_password(user):
    """Return the password that somebody types, or that the first line of stdin is."""
    if sys.stdin.isatty():
        try:
            return getpass.getpass(f"password for {user}: ")
        # Ctrl-D and Ctrl-C.
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
            refuse("nothing was changed")
    return sys.stdin.readline().rstrip("\n")


def add(user):
    """Add a user who may log in."""
    ask("POST", "2.0/mlflow/users/create", username=user, password=ask_password(user))
    print(f"{user} may log in.")


def password(user):
    """Give a user a new password."""
    import mlflow
    from mlflow.utils.credentials import get_default_host_creds

    # The server asks for it where one's own is changed.
    mine = get_default_host_creds(mlflow.get_tracking_uri()).password
    new = ask_password(user)
    ask("PATCH", "2.0/mlflow/users/update-password", username=user, password=new, current_password=mine)
    print(f"{user} has a new password.")


def let(user, name):
    """Let a user write in the experiment and the registered model of this name, whichever there are."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(name)
    found = [("experiment", experiment.experiment_id)] if experiment else []
    if name in [model.name for model in mlflow.search_registered_models()]:
        found.append(("registered_model", name))
    for kind, identifier in found:
        fields = {"resource_type": kind, "resource_id": identifier, "permission": "EDIT"}
        ask("POST", "3.0/mlflow/users/permissions/grant", username=user, **fields)
        print(f"{user} may write in the {kind.replace('_', ' ')} {name}.")
    if not found:
        refuse(f"you see no experiment and no registered model {name!r}; name one that is there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (add, password, let):
        commands.add_parser(command.__name__, help=command.__doc__).add_argument("user")
    commands.choices["let"].add_argument("name")
    options = vars(parser.parse_args())
    command = options.pop("command")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri.startswith("http"):
        refuse(
            f"MLFLOW_TRACKING_URI: {plain(uri)!r} is no tracking server; name one, such as http://127.0.0.1:5000"
        )
    connect("people.py")
    from mlflow import MlflowException

    from onet_gwa.tables import first_line

    try:
        {"add": add, "password": password, "let": let}[command](**options)
    except (OSError, MlflowException) as error:
        refuse(first_line(error))


if __name__ == "__main__":
    main()
