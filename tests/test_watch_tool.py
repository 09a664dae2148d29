"""`tools/watch.py`: what it logs, its exit statuses, what it refuses, and that it needs next to no environment."""

import functools
import json
import re
import shlex
import shutil
import subprocess
import sys

import mlflow
import pandas as pd
import pytest
import watch as tool
from conftest import ROOT
from prepared import call
from watched import NAME, register, watched, write_log  # noqa: F401

import helpers

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "keep-watch.md").read_text()


def watch(*arguments, **env):
    """Call the tool; return what subprocess.run returns."""
    return call(tool.main, list(map(str, arguments)), **env)


def newest_run():
    return mlflow.search_runs(search_all_experiments=True, output_format="list", max_results=1)[0]


@pytest.fixture(scope="module")
def quiet(watched, tmp_path_factory):  # noqa: F811
    """The folder of a log in which nothing has changed."""
    return write_log(tmp_path_factory.mktemp("quiet") / "log", watched[1])


def test_nothing_passed(quiet):
    command = [sys.executable, ROOT / "tools" / "watch.py", "--answers", quiet, "--chance", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, following = done.stdout.splitlines()
    assert "onet-gwa/1 passed no limit in the weeks of 2026-09-14, 2026-09-21." in first
    run, client = newest_run(), mlflow.MlflowClient()
    assert run.info.run_id in following and run.info.status == "FINISHED"
    assert run.data.tags["limit_passed"] == "no" and run.data.tags["mlflow.note.content"] in first
    assert {"answers": str(quiet), "chance": "0.01", "weeks": "2"}.items() <= run.data.params.items()
    history = client.get_metric_history(run.info.run_id, "labels")
    assert [metric.step for metric in history] == [0, 1, 2]
    assert pd.Timestamp(history[0].timestamp, unit="ms") == pd.Timestamp("2026-09-07")
    assert (
        run.data.metrics["answers"] == 300 and run.data.metrics["labels"] < run.data.metrics["labels_limit"]
    )
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "watch.html",
        "weeks.csv",
        "weeks.png",
    }
    page = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/watch.html")
    assert (
        "Answers: 900 of onet-gwa/1" in page and "531 statements of the data that it was trained on" in page
    )
    assert "Industries, as naive Bayes tells them" in page


def test_a_limit_is_passed(watched, tmp_path):  # noqa: F811
    """By job titles in the newest week, of which counts are kept; limits of one's own come first."""
    reference, answers = watched
    log = write_log(tmp_path / "log", answers, texts=False)
    newest = log / "answers-2026-09-21.jsonl"
    lines = [json.loads(line) for line in newest.read_text().splitlines()]
    for entry in lines[:60]:
        entry |= {"words": 2, "unknown": 0, "probability": [0.1] * len(entry["GWA"])}
    newest.write_text("\n".join(map(json.dumps, lines)) + "\n{torn\n")
    done = watch("--answers", log, "--weeks", "1")
    assert done.returncode == 3, done.stderr
    assert re.search(
        r"passed a limit in the week of 2026-09-21: .*words of a question, PSI \(0\.\d{3}, limit", done.stdout
    )
    page = mlflow.artifacts.load_text(f"{newest_run().info.artifact_uri}/watch.html")
    assert "Left aside: 1 that are no answer" in page
    assert "▲" in page and "naive Bayes" not in page
    assert newest_run().info.status == "FINISHED" and newest_run().data.tags["limit_passed"] == "yes"
    given = "length=9, probability=9, under_threshold=0.9, unknown=0.9,labels=9"
    assert watch("--answers", log, "--limits", given).returncode == 0


def test_a_scored_folder_under_mlflow_run(watched, tmp_path):  # noqa: F811
    """Of other columns; `mlflow run` opens the run, and its own exit status is 1 where ours is 3."""
    reference, answers = watched
    rows = answers.drop(columns=["words", "unknown"]).sample(600, replace=True, random_state=1)
    rows = rows.rename(
        columns={"Task": "text"} | {name: f"p_{name}" for name in ("GWA", "probability", "model")}
    )
    (tmp_path / "scored").mkdir()
    asked = pd.date_range("2026-09-07", periods=600, freq="20min")
    rows.assign(asked=asked).to_parquet(tmp_path / "scored" / "part-0.parquet")
    names = {"answers": tmp_path / "scored", "time": "asked", "column": "text", "prefix": "p_"}
    command = ["mlflow", "run", ".", "-e", "watch", "--env-manager", "local"]
    for name, value in (names | {"limits": "labels=0.000001"}).items():
        command += ["-P", f"{name}={value}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1 and "passed a limit in the week of" in done.stdout + done.stderr
    run = newest_run()
    assert (
        run.info.status == "FAILED" and run.data.metrics["answers"] > 90 and run.data.params["prefix"] == "p_"
    )


def refused(capsys, *arguments):
    """The one line with which arguments are refused with status 2, before there is a run."""
    with pytest.raises(SystemExit) as stopped:
        tool.main(list(map(str, arguments)))
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("watch: ")
    return line


def test_what_is_refused(quiet, watched, tmp_path, capsys):  # noqa: F811
    before = newest_run().info.run_id
    of_log = functools.partial(refused, capsys, "--answers", quiet)
    assert "does not exist" in refused(capsys, "--answers", tmp_path / "no")
    assert "is no log" in refused(capsys, "--answers", tmp_path)
    assert "chance: '2' is no number from 0.001 to 0.5" in of_log("--chance", "2")
    assert "weeks: '0' is no number" in of_log("--weeks", "0")
    assert "limits: 'psi=1' is not a new limit such as labels=0.2" in of_log("--limits", "psi=1")
    assert "the parameters are answers, reference" in refused(capsys, "--answer-log", quiet)
    assert "onet-gwa/9 is no version" in of_log("--model", "onet-gwa/9")
    assert "data: 'no.csv' does not exist" in of_log("--reference", "no.csv")
    assert "codes of the labels" in of_log("--reference", ROOT / "tests" / "own" / "tasks.csv")
    assert newest_run().info.run_id == before


def test_a_store_that_cannot_be_used(quiet):
    done = watch("--answers", quiet, MLFLOW_TRACKING_URI="sqlite:////no/where.db")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "watch: MLFLOW_TRACKING_URI: there is no folder" in done.stderr


def test_no_week_to_judge(quiet):
    done = watch("--answers", quiet, "--least", "301")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    told = "the fullest, of 2026-09-07, has 300; wait, or give a smaller least"
    assert f"watch: answers: no week has 301 of onet-gwa/1; {told}\n" in done.stderr
    assert newest_run().info.status == "FAILED"
    register("sample")
    done = watch("--answers", quiet, "--model", "onet-gwa/2")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "watch: answers: no week has 100 of onet-gwa/2; there is none; wait" in done.stderr


def test_a_log_that_goes_meanwhile(quiet, tmp_path):
    """A file that cannot be opened, which is not the newest, is told in one line, and the run is FAILED."""
    shutil.copytree(quiet, tmp_path / "log")
    first = min((tmp_path / "log").iterdir())
    first.unlink()
    first.symlink_to(tmp_path / "gone")
    done = watch("--answers", tmp_path / "log")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"run {newest_run().info.run_id} failed: [Errno 2]" in done.stderr
    assert newest_run().info.status == "FAILED"


def test_another_reference(quiet, tmp_path):
    """Statements of some occupations are another reference, beside which all of them look like a shift."""
    tasks = helpers.load_tasks("sample")
    tasks[tasks["SOC"].isin(["47-0000", "51-0000", "53-0000"])].to_csv(tmp_path / "some.csv", index=False)
    done = watch("--answers", quiet, "--reference", tmp_path / "some.csv")
    assert done.returncode == 3, done.stdout
    assert "statements of the data of" in mlflow.artifacts.load_text(
        f"{newest_run().info.artifact_uri}/watch.html"
    )


def test_the_line_for_cron_needs_no_environment(quiet, watched):  # noqa: F811
    """The page's own line, but for the places: cron's sh, with its few variables."""
    [line] = re.findall(r"^\d+ \d+ \* \* \d onet-gwa (.*)$", PAGE, re.MULTILINE)
    line = line.replace("/opt/onet-gwa", shlex.quote(str(ROOT))).replace(
        ".venv/bin/python", shlex.quote(sys.executable)
    )
    settings = quiet.parent / "job.env"
    variables = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "DATA": "sample"}
    settings.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    line = line.replace("/etc/onet-gwa/job.env", str(settings)).replace(
        "/var/lib/onet-gwa/answers", str(quiet)
    )
    line, _, otherwise = line.partition(" || ")
    assert otherwise.startswith("logger --priority user.err ")
    bare = ["env", "-i", "HOME=/tmp", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "LOGNAME=onet-gwa"]
    done = subprocess.run([*bare, "/bin/sh", "-c", line], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert f"{NAME} passed no limit" in done.stdout


def test_the_page_s_parameters_and_statuses():
    table = dict(re.findall(r"^\| `(\w+)` \|.*\| `(.*)` \|$", PAGE, re.MULTILINE))
    assert table == {name: default or '""' for name, (default, _) in tool.PARAMETERS.items()}
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == [0, 3, 2, 1]
