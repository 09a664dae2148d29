"""Run the main job on the sample: make the store, and become `mlflow run` on it.

    python tools/run.py

The store and the experiment are made here, since two first runs of MLflow's command at once would both make
them, and one of the two would fail. Exit status: 1, with one line, when the store or the experiment cannot be
used; otherwise that of `mlflow run`.
"""

import os
import sys

from serve import ROOT, become, connect


def main():
    import helpers

    # A log's lines have a time from the first one on.
    helpers.keep_streams()
    connect("make run")
    try:
        experiment = helpers.choose_experiment()
    except OSError as error:
        sys.exit(f"make run: {error}")
    command = ["mlflow", "run", ".", "--env-manager", "local", "--experiment-name", experiment]
    print(*command, flush=True)
    os.chdir(ROOT)
    become(*command)


if __name__ == "__main__":
    main()
