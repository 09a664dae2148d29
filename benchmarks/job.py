"""How long the main job takes on the sample, as a user starts it, and where the time goes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import helpers


def main_job(arguments):
    """Seconds of the parts of `mlflow run . --env-manager local` on the sample."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        # Else mlflow run would make the store, with its artifacts in the working directory.
        connect = [sys.executable, "-c", "import helpers; helpers.connect()"]
        subprocess.run(connect, cwd=helpers.ROOT, env=env, check=True)
        begin = time.perf_counter()
        command = ["mlflow", "run", ".", "--env-manager", "local"]
        done = subprocess.run(command, cwd=helpers.ROOT, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode:
            sys.exit(done.stderr)
        notebook = json.loads(next(Path(folder).rglob("02_pipeline_training.ipynb")).read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    slow = sorted(
        ((cell["metadata"]["papermill"]["duration"], "".join(cell["source"])) for cell in cells), reverse=True
    )
    return {
        "seconds": seconds,
        "notebook": notebook["metadata"]["papermill"]["duration"],
        "cells": slow[:6],
        "sum": sum(taken for taken, _ in slow),
    }
