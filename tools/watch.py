"""Compare what was asked and answered with what the model that answered was trained on, week by week.

    python tools/watch.py --answers answers

`answers` is the FOLDER of a scoring server with ANSWERS=counts or texts, or what `score` wrote. Logs a run with the
statistics of each week, their limits, a table, a figure and a page, watch.html. Exit status: 0 when no limit was
passed in the newest weeks, 3 when one was, 2 for arguments, answers and training data that cannot be used, 1 when the
store cannot be, and 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM. (`mlflow run . -e watch` makes 1 of each but 0.)
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import helpers
from onet_gwa.reference import model_labels, training_data
from onet_gwa.tables import first_line, shorten
from onet_gwa.watch_page import render_page

PARAMETERS = {
    "answers": ("answers", "a server's FOLDER of answers, one of its files, or what score wrote"),
    "reference": ("", "other data to compare with than the model was trained on: what -P data takes"),
    "model": ("", "the version to watch, such as onet-gwa/3, by default the one that answered last"),
    "time": ("time", "of what score wrote, the column of times"),
    "column": ("Task", "of what score wrote, the column of texts"),
    "prefix": ("", "of what score wrote, the prefix of the answers' columns"),
    "limits": ("", 'limits of yours, such as "labels=0.2, unknown=0.1", in place of the computed ones'),
    "chance": ("0.02", "the share of weeks in which chance may pass a limit"),
    "weeks": ("2", "so many of the newest weeks decide"),
    "least": ("100", "a week of fewer answers is not judged"),
}


def say(message):
    print("watch:", " ".join(helpers.plain(message).split()), file=sys.stderr)


def refuse(message):
    say(message + f"; the parameters are {', '.join(PARAMETERS)}" * message.startswith("unrecognized"))
    sys.exit(2)


def number(name, text, low, high):
    """Return the number that a parameter's text is, an int unless `high` is a fraction; refuse others."""
    form = r"\d*\.?\d+" if high < 1 else r"\d{1,9}"
    if not re.fullmatch(form, text.strip(), re.ASCII) or not low <= float(text) <= high:
        refuse(f"{name}: {shorten(repr(text), 60)} is no number from {low} to {high}")
    return float(text) if high < 1 else int(text)


def parse_limits(text):
    """Return the limits of "labels=0.2, unknown=0.1" as a dict; refuse what is no such text."""
    given = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in helpers.STATISTICS or name in given or not re.fullmatch(r"\d*\.?\d+", value, re.ASCII):
            known = ", ".join(helpers.STATISTICS)
            refuse(
                f"limits: {shorten(repr(item), 60)} is not a new limit such as labels=0.2; there are {known}"
            )
        given[name] = float(value)
    return given


def parse_arguments(argv):
    """Return the parameters, texts made numbers where they are such; exit with status 2 for a bad one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.error = refuse
    for name, (default, text) in PARAMETERS.items():
        parser.add_argument(f"--{name}", default=default, help=f'{text} (default: "{default}")')
    asked = vars(parser.parse_args(argv))
    used = asked | {
        "limits": parse_limits(asked["limits"]),
        "chance": number("chance", asked["chance"], 0.001, 0.5),
    }
    used |= {name: number(name, asked[name], 1, 10**9) for name in ("weeks", "least")}
    return asked, used


def find(used):
    """Return the files of answers, the columns' names, and the model; raise ValueError or OSError."""
    columns = {name: used[name] for name in ("time", "column", "prefix")}
    files, newest = helpers.find_answers(used["answers"], **columns)
    return files, columns, used["model"] or newest


def prepare(used, model):
    """Return the labels of the model and the data to compare with; raise ValueError."""
    labels = model_labels(model)
    if not used["reference"]:
        return labels, training_data(model, labels)
    try:
        tasks = helpers.load_tasks(used["reference"], labels)
        helpers.split(*helpers.to_X_y(tasks, labels))
        return labels, tasks
    except OSError as error:
        raise ValueError(str(error)) from error


def decide(weeks, n, model, least):
    """Return the newest judged weeks, whether one passed a limit, and the verdict; ValueError where none is judged."""
    judged = weeks[weeks["labels_limit"].notna()] if len(weeks) else weeks
    if judged.empty:
        told = "there is none"
        if len(weeks):
            told = f"the fullest, of {weeks['answers'].idxmax()}, has {weeks['answers'].max():.0f}"
        raise ValueError(f"answers: no week has {least} of {model}; {told}; wait, or give a smaller least")
    newest = judged.tail(n)
    passed = [
        f"{monday}: {helpers.STATISTICS[name]} ({row[name]:.3f}, limit {row[f'{name}_limit']:.3f})"
        for monday, row in newest.iterrows()
        for name in helpers.STATISTICS
        if row[name] > row[f"{name}_limit"]
    ]
    if passed:
        return newest, True, f"{model} passed a limit in the week of {'; '.join(passed)}."
    return newest, False, f"{model} passed no limit in the weeks of {', '.join(newest.index)}."


def write(run_id, asked, weeks, page, figure, verdict, rings):
    """Put parameters, metrics a week, the page and its figure into the run."""
    import mlflow
    from mlflow.entities import Metric, Param

    client = mlflow.MlflowClient()
    logged = client.get_run(run_id).data.params
    params = [Param(name, value) for name, value in asked.items() if value and name not in logged]
    metrics = [
        Metric(name, value, int(pd.Timestamp(monday).timestamp() * 1000), step)
        for step, (monday, row) in enumerate(weeks.iterrows())
        for name, value in row.dropna().items()
    ]
    client.log_batch(run_id, params=params)
    for k in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[k : k + 1000])
    client.set_tag(run_id, "limit_passed", "yes" if rings else "no")
    client.set_tag(run_id, "mlflow.note.content", verdict)
    client.log_text(run_id, page, "watch.html")
    client.log_figure(run_id, figure, "weeks.png")
    client.log_text(run_id, weeks.to_csv(index_label="week"), "weeks.csv")


def watch(run_id, used, files, columns, model, labels, tasks, asked):
    """Compare, and put all of it into the run; return whether a limit was passed, and the verdict."""
    against = helpers.reference(model, labels, tasks)
    sums, aside = helpers.count_weeks(files, model, against, **columns)
    weeks = helpers.judge(sums, against, used["chance"], used["least"], used["limits"])
    newest, rings, verdict = decide(weeks, used["weeks"], model, used["least"])
    source = f"the data of {used['reference']}" if used["reference"] else "the data that it was trained on"
    facts = [
        f"Answers: {int(weeks['answers'].sum()):,} of {model} from {used['answers']}, {len(weeks)} weeks",
        *(f"Left aside: {n:,} {kind}" for kind, n in aside.items() if n),
        f"Reference: its answers to {len(against.rows):,} statements of {source}, digest {helpers.digest(tasks)}, "
        "on which it was not trained",
        f"Decided by the weeks of {', '.join(newest.index)}",
    ]
    changed, monday = {}, newest.index[-1]
    last = next(
        counts for week, counts in sums.items() if str(pd.Timestamp(int(week), unit="D").date()) == monday
    )
    named = helpers.changes(last, against, "labels").join(labels["name"]).set_index("name", append=True)
    changed[f"Labels whose shares differ most in the week of {monday}"] = named
    if not pd.isna(newest["industries"].iloc[-1]):
        title = f"Industries, as naive Bayes tells them from the texts, in the week of {monday}"
        changed[title] = helpers.changes(last, against, "industries")
    figure = helpers.weeks_figure(weeks)
    page = render_page(f"Watch of {model}", verdict, rings, facts, weeks, figure, changed, used["chance"])
    write(run_id, asked, weeks, page, figure, verdict, rings)
    return rings, verdict


def main(argv=None):
    run_id = folder = None
    try:
        asked, used = parse_arguments(argv)
        try:
            files, columns, model = find(used)
        except (ValueError, OSError) as error:
            refuse(str(error))
        for sentence in helpers.reap():
            say(sentence)
        try:
            labels, tasks = prepare(used, model)
        except ValueError as error:
            refuse(str(error))
        run_id = helpers.open_run()
        folder = helpers.claim(run_id)
    except (OSError, ValueError) as error:
        say(str(error))
        return 1
    except SystemExit as stopped:
        # By a signal: the run that `mlflow run` has opened is nobody's any more.
        if stopped.code > 3:
            helpers.close()
        raise
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    status, rings = "FAILED", None
    try:
        rings, verdict = watch(run_id, used, files, columns, model, labels, tasks, asked)
        status = "FINISHED"
    except ValueError as error:
        refuse(str(error))
    except (OSError, mlflow.MlflowException, SQLAlchemyError) as error:
        say(f"run {run_id} failed: {first_line(error)}")
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        helpers.ignore_signals()
        try:
            helpers.finish(run_id, status, folder)
        except OSError as error:
            say(str(error))
            rings = None
    if rings is None:
        return 1
    print(verdict)
    print(f"Next: {helpers.make('ui')} shows run {run_id}, and its artifact watch.html.")
    return 3 if rings else 0


if __name__ == "__main__":
    helpers.keep_streams()
    helpers.end_on_signals()
    helpers.end_with_launcher()
    sys.exit(main())
