"""Run the training notebook with papermill inside an MLflow run.

    python run_notebook.py --C 1,10 --penalty "none, l2" --data sample

Under `mlflow run` this is the run that MLflow opened; otherwise it is a new one. The executed notebook
and its HTML become artifacts of the run, also when a cell failed. Exit status: 0 when every cell ran,
1 when one did not, 2 for arguments that cannot be used, 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.
"""

import argparse
import html
import logging
import os
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import helpers

NOTEBOOK = helpers.ROOT / "notebooks" / "02_pipeline_training.ipynb"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(message):
    """Print one line on stderr."""
    print("run_notebook.py:", " ".join(message.split()), file=sys.stderr)


def refuse(message):
    say(message)
    sys.exit(2)


def parse_arguments(argv):
    """Return the notebook's parameters and the seconds a cell may take; exit with status 2 for a bad one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.error = refuse
    parser.add_argument(
        "--C", default="1, 10, 100", help='values of C, such as "1, 10" (default: "%(default)s")'
    )
    parser.add_argument("--penalty", default="none, l2", help='"none", "l2" or both (default: "%(default)s")')
    parser.add_argument(
        "--data", default="sample", help="what helpers.load_tasks takes (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=int, default=3600, help="seconds a cell may take (default: %(default)s)"
    )
    arguments = vars(parser.parse_args(argv))
    timeout = arguments.pop("timeout")
    if timeout <= 0:
        refuse(f"argument --timeout: {timeout} is not a positive number of seconds")
    try:
        helpers.parse_grid(arguments["C"], arguments["penalty"])
        helpers.split(*helpers.to_X_y(helpers.load_tasks(arguments["data"])))
    except (ValueError, OSError) as error:
        refuse(str(error))
    # The notebook runs in its own folder, where a relative path would mean something else.
    if arguments["data"] != "sample" and arguments["data"].partition(":")[0] != "onet":
        arguments["data"] = os.path.join(os.getcwd(), arguments["data"])
    return arguments, timeout


def connect():
    """Import what is needed besides papermill, and return MLflow's client."""
    import nbconvert  # noqa: F401
    from mlflow import MlflowClient

    helpers.connect()
    return MlflowClient()


def open_run(connecting):
    """Leave the id of a new run in MLFLOW_RUN_ID, for the kernel; return None, or what went wrong."""
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    try:
        connecting.result()
        run_id = mlflow.start_run().info.run_id
    # An ImportError comes of a database whose driver is not installed.
    except (mlflow.MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        return f"no run could be opened: {error}"
    # Leave it to the notebook; this deletes the variable.
    mlflow.end_run("RUNNING")
    os.environ["MLFLOW_RUN_ID"] = run_id


def execute(output, parameters, timeout):
    """Run the notebook into the file `output`; return None, or what went wrong."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    unknown = set(parameters) - set(papermill.inspect_notebook(str(NOTEBOOK)))
    if unknown:
        return f"{NOTEBOOK.name} sets no {', '.join(sorted(unknown))} in a cell tagged 'parameters'"
    try:
        papermill.execute_notebook(
            NOTEBOOK, output, parameters, cwd=NOTEBOOK.parent, execution_timeout=timeout, log_output=True
        )
    except PapermillExecutionError as error:
        return (
            f"cell {error.exec_count} ({error.source.splitlines()[0]}) failed: {error.ename}: {error.evalue}"
        )
    except CellTimeoutError:
        return f"a cell took longer than {timeout} seconds; --timeout gives it more"
    except DeadKernelError:
        return "the kernel died; was there enough memory?"
    except (OSError, UnicodeError) as error:
        return f"the executed notebook could not be written: {error}"


def render(notebook):
    """Return an executed notebook as an HTML page, in which images keep their descriptions."""
    import nbformat
    from nbconvert import HTMLExporter

    node = nbformat.read(notebook, as_version=4)
    for output in (output for cell in node.cells for output in cell.get("outputs", [])):
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt:
            image = f"data:image/png;base64,{output.data.pop('image/png')}"
            output.data["text/html"] = f'<img src="{image}" alt="{html.escape(alt)}">'
    # Without these two addresses the page asks the network for scripts that it does not need.
    return HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(node)[0]


def finish(connecting, status, notebook):
    """Log an executed notebook and its HTML to the run, and end it; return whether that went well."""
    from mlflow import MlflowException

    run_id, folder = os.environ["MLFLOW_RUN_ID"], notebook.parent
    try:
        client = connecting.result()
        try:
            if notebook.exists():
                page = notebook.with_suffix(".html")
                page.write_text(render(notebook), encoding="utf-8")
                client.log_artifact(run_id, str(notebook), "notebook")
                client.log_artifact(run_id, str(page), "notebook")
        finally:
            client.set_terminated(run_id, status)
        shutil.rmtree(folder)
    # A ValueError comes of a notebook that was not written to its end.
    except (MlflowException, OSError, ValueError) as error:
        say(f"the executed notebook stays in {folder}, it could not be logged: {error}")
        return False
    return True


def stop(signum, frame):
    # `mlflow run` sends a second signal after the terminal's, which would come in the middle of finish.
    for further in STOPS:
        signal.signal(further, signal.SIG_IGN)
    sys.exit(128 + signum)


def main(argv=None):
    parameters, timeout = parse_arguments(argv)
    # Imports here and above wait for the check of the arguments, so that a refusal comes at once.
    import papermill  # noqa: F401

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("papermill").addFilter(lambda record: "ing Cell " not in record.getMessage())
    # MLflow takes seconds to import; where it has opened the run already, the notebook starts meanwhile.
    connecting = ThreadPoolExecutor().submit(connect)
    failure = None if "MLFLOW_RUN_ID" in os.environ else open_run(connecting)
    if failure:
        say(failure)
        return 1
    notebook = Path(tempfile.mkdtemp(prefix="onet-gwa-")) / NOTEBOOK.name
    failure, status = "stopped", "FAILED"
    try:
        failure = execute(notebook, parameters, timeout)
        status = "FAILED" if failure else "FINISHED"
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        # First, since nothing can be said any more when the terminal is gone.
        logged = finish(connecting, status, notebook)
        if failure:
            say(failure)
    if failure or not logged:
        return 1
    print(f"Recorded as run {os.environ['MLFLOW_RUN_ID']}; make ui shows it.")
    return 0


if __name__ == "__main__":
    for signum in STOPS:
        signal.signal(signum, stop)
    sys.exit(main())
