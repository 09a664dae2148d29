"""Make a version of a registered model the champion by hand, or the champion before this one.

    VERSION=7 MODEL=onet-gwa python tools/promote.py
    MODEL=onet-gwa python tools/promote.py rollback

MODEL has a default. Exit status: 1, with one line, when the store cannot be used, there is no such version, or
one may not change the model.
"""

import os
import re
import sys

from serve import connect

# The second is MLflow's for an alias that is not there.
MISSING = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"


def main(arguments):
    name = os.environ.get("MODEL") or "onet-gwa"
    command = "make rollback" if arguments else "make promote"
    version = os.environ.get("VERSION", "").strip()
    if not arguments and not re.fullmatch(r"[1-9]\d{0,8}", version, re.ASCII):
        sys.exit(f"make promote: {version!r} is no number of a version; name one: make promote VERSION=7")
    helpers = connect(command)
    from mlflow import MlflowClient, MlflowException

    from onet_gwa.permissions import need_permission

    client, present = MlflowClient(), helpers.champion(name)
    if str(present) == version:
        print(f"version {version} of {name} is the champion already")
        return
    try:
        need_permission("registered_model", name)
        if arguments:
            version = str(client.get_model_version_by_alias(name, "previous").version)
            if version == str(present):
                mend = "make promote VERSION=7 names another"
                sys.exit(
                    f"{command}: {name} has no champion before this one (it is version {version}, too; {mend})"
                )
        helpers.set_champion(name, version)
    except (OSError, MlflowException) as error:
        wanted = "champion before this one" if arguments else f"version {version}"
        said = f"has no {wanted}" if getattr(error, "error_code", None) in MISSING else "cannot be changed"
        sys.exit(f"{command}: {name} {said} ({' '.join(str(error).split())})")
    before = "there was none" if present is None else f"before it, version {present} was"
    said = f"version {version} of {name} became the champion, by {command}; {before}"
    client.set_model_version_tag(name, str(version), "decision", said)
    print(f"{said}. A server that runs keeps the model that it has loaded.")


if __name__ == "__main__":
    main(sys.argv[1:])
