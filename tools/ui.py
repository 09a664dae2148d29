"""Open MLflow's UI on what was recorded: become `mlflow ui`.

    PORT=5000 python tools/ui.py

Where the store is a tracking server, print its address instead: the UI is there. Exit status: 1, with one
line, when the store cannot be used or the port is taken.
"""

import os

from serve import become, connect, need_port

from onet_gwa.addresses import plain


def main():
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    if store.startswith("http"):
        print(f"make ui: the tracking server has its UI at {plain(store)}")
        return
    port = need_port("make ui", "5000")
    connect("make ui")
    # An argument would be shown by ps, and some addresses have a password in them.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = os.environ["MLFLOW_TRACKING_URI"]
    # Eight more processes, for jobs that this project has none of.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    # One process serves one person, and starts in half the time of MLflow's four.
    become("mlflow", "ui", "--workers", "1", "--port", port)


if __name__ == "__main__":
    main()
