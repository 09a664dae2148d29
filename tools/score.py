"""Give each statement of a large table its activities, by a registered model, inside an MLflow run.

    python tools/score.py --input statements.parquet --output answers --model models:/onet-gwa@champion

It runs on all cores of this machine or, with --master, on Apache Spark; memory does not grow with the table. The
answers are written beside `output` under another name, and get its name when all are there. Exit status: 0 when they
are, 1 when something failed or the store cannot be used, 2 for what cannot be, 129, 130 and 143 after SIGHUP, SIGINT
and SIGTERM.
"""

import argparse
import contextlib
import os
import re
import shutil
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Not `helpers`, which imports onet_gwa_model.py: the model, which may be older, brings its own.
from onet_gwa import batches, job, spark, store, surroundings
from onet_gwa.addresses import plain
from onet_gwa.processes import end_with_launcher
from onet_gwa.statements import answer_schema, open_statements
from onet_gwa.tables import first_line

PARAMETERS = {
    "input": (None, "a CSV or parquet file, or a folder of parquet files"),
    "output": (None, "a new folder, for parquet files with the input's columns and the answer's"),
    "model": ("models:/onet-gwa@champion", "the address of a model"),
    "master": (
        "",
        "a Spark master, such as local[*] or spark://host:7077; without one, this machine's cores",
    ),
    "column": ("Task", "the input's column of statements"),
    "prefix": ("", "what the names of the answer's columns begin with"),
}


def say(message):
    print("score.py:", " ".join(plain(message).split()), file=sys.stderr)


def refuse(message):
    say(message)
    sys.exit(2)


def parse_arguments(argv):
    """Return the parameters, a namespace; exit with status 2 for a bad one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )
    parser.error = refuse
    for name, (default, text) in PARAMETERS.items():
        told = "" if default is None else f' (default: "{default}")'
        parser.add_argument(f"--{name}", default=default, required=default is None, help=text + told)
    return parser.parse_args(argv)


def new_folder(path, statements):
    """Return the absolute path of a folder that can be made, and not in `statements`; raise OSError for another."""
    path = Path(os.path.abspath(path))
    if os.path.lexists(path):
        raise FileExistsError(f"output: {path} is there; name a new folder, or remove it")
    # Through links, too.
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(os.path.abspath(statements))):
        raise FileExistsError(f"output: {path} is in the input; name a folder elsewhere")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"output: there is no folder {path.parent}; make it, or name another")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"output: {path.parent} cannot be written; name a folder elsewhere")
    return path


def answer_names(path):
    """Return the names of what a model's answers hold, a list; raise OSError for a damaged MLmodel."""
    from mlflow.models import Model

    try:
        signature = Model.load(path).signature
        return signature.outputs.input_names() if signature and signature.outputs else []
    # MLflow takes for granted what is in the file.
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise OSError("its MLmodel is damaged") from error


def fetch_model(uri, folder):
    """Return the path of a copy of the model, in `folder`, and its name, such as "onet-gwa/3" whatever the alias.

    Raises OSError for one that is not there, and ValueError for one that gives other answers.
    """
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    if not re.match(r"[a-z][a-z0-9+.-]*:/.", uri):
        raise ValueError(
            f"model: {uri!r} is no address of a model; write for example models:/onet-gwa@champion"
        )
    try:
        path = mlflow.artifacts.download_artifacts(uri, dst_path=str(folder))
        given = answer_names(path)
    # For some addresses a package is needed that is not here.
    except (mlflow.MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise OSError(
            f"model: {uri} cannot be read: {first_line(error)}; name one that is there, or train one: make run"
        ) from error
    if given != answer_schema("").names:
        raise ValueError(f"model: {uri} gives {given}, and not {answer_schema('').names}; name another")
    # Written for what comes from the registry.
    meta = Path(path, "registered_model_meta")
    told = yaml.safe_load(meta.read_text(encoding="utf-8")) if meta.exists() else {}
    return path, "{model_name}/{model_version}".format(**told) if told else uri


def answer(options, folder, statements, path, model):
    """Answer all statements into `folder`/answers, with a progress bar on a terminal."""
    from tqdm import tqdm

    known = model, options.column, options.prefix, folder / "answers"
    with tqdm(total=statements.count_rows(), unit=" rows", unit_scale=True, disable=None) as bar:
        if not options.master:
            for rows in batches.answer_here(statements, *known):
                bar.update(rows)
            return
        with (
            open(folder / "spark.log", "w+", encoding="utf-8", errors="replace") as log,
            spark.session(options.master, log) as session,
        ):
            for rows in spark.answer_on_spark(session, statements, path, *known):
                bar.update(rows)


def record(run_id, options, facts, metrics):
    """Log to the run what was asked, found and measured, and a sentence about it, which is returned."""
    import mlflow

    client = mlflow.MlflowClient()
    # `mlflow run` has logged the parameters.
    asked = {k: v for k, v in vars(options).items() if k not in client.get_run(run_id).data.params}
    for key, value in {**asked, **facts}.items():
        client.log_param(run_id, key, plain(value))
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    said = (
        "{rows:,} rows in {seconds:.1f} s, {rows_per_second:,.0f} a second; {rows_without_text:,} have no text, "
        "and so no answer; the answers of {answered_by} are in {output_path}"
    ).format(**metrics, **facts)
    client.set_tag(run_id, "mlflow.note.content", said)
    return said


def main(argv=None):
    options = parse_arguments(argv)
    try:
        return score(options)
    except SystemExit:
        # By a signal: the run that `mlflow run` has opened is nobody's any more.
        job.close()
        raise


def score(options):
    """Do all of it; return the exit status."""
    folder, run_id, status = None, None, "FAILED"
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    store_errors = OSError, mlflow.MlflowException, SQLAlchemyError
    try:
        store.connect()
    except (OSError, ValueError) as error:
        say(str(error))
        return 1
    try:
        try:
            output = new_folder(options.output, options.input)
            if options.master:
                spark.need_java()
                spark.need_master(options.master)
            # What a night left has another name than tonight's output.
            job.remove_dead(".", output.parent)
            folder = job.own_folder(f".{output.name}-", output.parent)
            model, name = fetch_model(options.model, folder / "model")
            statements, path = open_statements(options.input, options.column, options.prefix, folder)
            if options.master:
                spark.need_types(statements)
        except (OSError, ValueError, RuntimeError) as error:
            say(str(error))
            return 2
        try:
            run_id = store.open_run()
            job.mark(run_id)
            begin = time.monotonic()
            answer(options, folder, statements, path, model)
            seconds = time.monotonic() - begin
            rows, without = batches.count(folder / "answers", options.prefix)
            if rows != statements.count_rows():
                raise RuntimeError(f"{rows:,} of {statements.count_rows():,} rows were answered")
            # After a power cut, what has the name is whole.
            os.sync()
            (folder / "answers").rename(output)
        except (OSError, RuntimeError) as error:
            say(f"{error}; the answers of this job are not in {output}")
            return 1
        facts = {"input_path": os.path.abspath(options.input), "output_path": str(output)}
        facts["answered_by"] = name
        metrics = {"rows": rows, "rows_without_text": without, "seconds": seconds}
        metrics["rows_per_second"] = rows / seconds
        try:
            print(record(run_id, options, facts, metrics))
        except store_errors as error:
            say(f"the answers are in {output}, but run {run_id} was not recorded: {first_line(error)}")
            return 1
        status = "FINISHED"
        return 0
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        surroundings.ignore_signals()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        if run_id:
            with contextlib.suppress(*store_errors):
                mlflow.MlflowClient().set_terminated(run_id, status)


if __name__ == "__main__":
    surroundings.keep_streams()
    surroundings.end_on_signals()
    end_with_launcher()
    sys.exit(main())
