"""Run the training notebook with papermill inside an MLflow run.

    python run_notebook.py --C 1,10 --penalty "none, l2" --data sample

Under `mlflow run` this is the run that MLflow opened; otherwise it is a new one. The executed notebook and its
HTML become artifacts of the run, also when a cell failed. Exit status: 0 when every cell ran, 1 when one did not or
the store cannot be used, 2 for arguments that cannot be, 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.
"""

import argparse
import os
import re
import shlex
import sys
import textwrap

from tqdm.auto import tqdm

# Python does this itself, unless PYTHONSAFEPATH is set.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import helpers

NOTEBOOK = helpers.ROOT / "notebooks" / "02_pipeline_training.ipynb"
PARAMETERS = {
    "C": ("1, 10, 100", 'values of C, such as "1, 10"'),
    "penalty": ("none, l2", '"none", "l2" or both'),
    "data": ("sample", "what helpers.load_tasks takes"),
    "labels": ("gwas", "what helpers.load_labels takes"),
    "registered_model_name": (helpers.MODEL_NAME, "where the model is registered"),
    "promote": ("better", 'when it becomes champion: "better", "not-worse" or "never"'),
    "gate": ("1.5", "the multiple of the baseline's micro-F1 that a champion must reach"),
}


def say(message):
    print("run_notebook.py:", " ".join(helpers.plain(message).split()), file=sys.stderr)


def refuse(message):
    known = f"; the parameters are {', '.join(PARAMETERS)}"
    say(message + known * message.startswith("unrecognized"))
    sys.exit(2)


def parse_arguments(argv):
    """Return the notebook's parameters and papermill's options, dicts; exit with status 2 for a bad one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.error = refuse
    for name, (default, text) in PARAMETERS.items():
        parser.add_argument(f"--{name}", default=default, help=f'{text} (default: "{default}")')
    parser.add_argument("--timeout", type=int, default=3600, help="seconds a cell may take (default: 3600)")
    log = {"action": "store_const", "const": sys.stdout, "dest": "stdout_file"}
    parser.add_argument("--log-output", **log, help="print what the notebook prints, too")
    options = vars(parser.parse_args(argv))
    parameters = {name: options.pop(name) for name in PARAMETERS}
    if options["timeout"] <= 0:
        refuse(f"argument --timeout: {options['timeout']} is not a positive number of seconds")
    try:
        helpers.check_parameters(**parameters)
    except (ValueError, OSError) as error:
        refuse(str(error))
    # The notebook runs in its own folder, where a relative path would mean something else.
    for name, ours in {"data": "sample|onet(:.*)?", "labels": "gwas"}.items():
        if not re.fullmatch(ours, parameters[name]):
            parameters[name] = os.path.join(os.getcwd(), parameters[name])
    options |= {"cwd": NOTEBOOK.parent, "on_cell_start": print_title, "progress_bar": sys.stderr.isatty()}
    return parameters, options


def print_title(cell, cell_index):
    for title in re.findall("^## (.+)", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else ():
        tqdm.write(title, file=sys.stderr)


def execute(folder, parameters, options):
    """Run the notebook into the job's folder; return None, or what went wrong."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import execute_notebook, inspect_notebook
    from papermill.exceptions import PapermillExecutionError

    # papermill fills in what is between braces in a path.
    paths = NOTEBOOK, folder / "notebook" / NOTEBOOK.name
    source, output = (str(path).replace("{", "{{").replace("}", "}}") for path in paths)
    unknown = set(parameters) - set(inspect_notebook(source))
    if unknown:
        return f"{NOTEBOOK.name} sets no {', '.join(sorted(unknown))} in a cell tagged 'parameters'"
    try:
        execute_notebook(source, output, parameters, **helpers.kernel(folder), **options)
    except PapermillExecutionError as error:
        first = error.source.splitlines()[0]
        # A database's error has the data, too.
        return (
            f"cell {error.exec_count} ({first}) failed: {error.ename}: {textwrap.shorten(error.evalue, 500)}"
        )
    except CellTimeoutError:
        return f"a cell took longer than {options['timeout']} seconds; --timeout gives it more"
    except DeadKernelError:
        return "the kernel died; was there enough memory?"
    except RuntimeError as error:
        return f"the kernel did not start: {error}"
    except (OSError, UnicodeError) as error:
        return f"the notebook could not be started, or written: {error}"


def main(argv=None):
    try:
        parameters, options = parse_arguments(argv)
        for sentence in helpers.reap():
            say(sentence)
        run_id = helpers.open_run(parameters["registered_model_name"])
        folder = helpers.claim(run_id)
    except (OSError, ValueError) as error:
        say(str(error))
        return 1
    except SystemExit as stopped:
        # By a signal: the run that `mlflow run` has opened is nobody's any more.
        if stopped.code > 2:
            helpers.close()
        raise
    failure, status, run = "stopped", "FAILED", None
    try:
        failure = execute(folder, parameters, options)
        status = "FAILED" if failure else "FINISHED"
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        helpers.ignore_signals()
        # First, since nothing can be said any more when the terminal is gone.
        try:
            run = helpers.finish(run_id, status, folder)
        except OSError as error:
            say(str(error))
        if failure:
            say(failure)
        if (folder / helpers.KEPT).exists():
            command = helpers.make(f"record FOLDER={shlex.quote(str(folder))}")
            mend = f"to log and register it, when the cause is mended: {command}{helpers.login_variables()}"
            say(f"the model stays in {folder}; {mend}")
    if failure or not run:
        return 1
    print(run.data.tags.get("mlflow.note.content", "The notebook gave the run no description."))
    serve = helpers.make(f"serve MODEL={shlex.quote(parameters['registered_model_name'])}")
    serve += f" serves the champion{helpers.login_variables()}"
    print(f"Next: {helpers.make('ui')} shows run {run.info.run_id}; {serve}.")


if __name__ == "__main__":
    helpers.keep_streams()
    helpers.end_on_signals()
    helpers.end_with_launcher()
    sys.exit(main())
