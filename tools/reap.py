"""Close the runs that dead processes of this machine left RUNNING, and remove their temporary folders.

    python tools/reap.py

Each is told in a line. Exit status: 1, with one line, when the store cannot be used.
"""

import sys

from serve import connect


def main():
    helpers = connect("make reap")
    import mlflow

    store = helpers.plain(mlflow.get_tracking_uri())
    for sentence in helpers.reap() or [f"there is nothing to close in {store}, and nothing to remove"]:
        print(f"make reap: {sentence}")


if __name__ == "__main__":
    sys.exit(main())
