"""The entry point `score`: what it writes, logs and refuses, and what is left of one that is stopped."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import score
from conftest import ROOT, wait
from messages import fails, on_page
from prepared import as_before

from onet_gwa import batches, job

TEXTS = ["Repair boilers.", "Teach children to swim.", None, "Cook meals for guests."]


@pytest.fixture
def table(tmp_path):
    """A parquet file of 40 statements, a quarter of them without a text."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": range(40), "Task": TEXTS * 10}).to_parquet(path)
    return path


@pytest.fixture
def main():
    with as_before():
        yield score.main


def asked(**parameters):
    return [f"--{name}={value}" for name, value in parameters.items()]


def started(**parameters):
    """The program as a process, in a group of its own as a shell starts one."""
    command = [sys.executable, ROOT / "tools" / "score.py", *asked(**parameters)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def scored(client):
    """The runs of the entry point, newest first."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run for run in client.search_runs(ids) if "job.host" in run.data.tags]


@pytest.mark.slow
def test_what_it_writes_and_logs(versions, table, tmp_path, main, capsys):
    out = tmp_path / "answers"
    assert main(asked(input=table, output=out)) == 0
    answers = pd.read_parquet(out)
    assert answers.columns.tolist() == ["id", "Task", "GWA", "name", "probability", "model"]
    assert answers["id"].tolist() == list(range(40)) and answers["GWA"].isna().sum() == 10
    run = scored(versions)[0]
    assert run.info.status == "FINISHED"
    assert run.data.params["input_path"] == str(table) and run.data.params["output_path"] == str(out)
    assert run.data.params["model"] == "models:/onet-gwa@champion"
    assert run.data.params["answered_by"] == "onet-gwa/1" == answers["model"][0]
    assert run.data.metrics["rows"] == 40 and run.data.metrics["rows_without_text"] == 10
    rate = run.data.metrics["rows"] / run.data.metrics["seconds"]
    assert run.data.metrics["rows_per_second"] == pytest.approx(rate)
    said = capsys.readouterr().out
    assert said.startswith("40 rows in ") and "10 have no text" in said and str(out) in said
    assert run.data.tags["mlflow.note.content"] == said.strip()
    assert sorted(os.listdir(tmp_path)) == ["answers", "t.parquet"]


@pytest.mark.slow
def test_the_entry_point(versions, table, tmp_path):
    """By `mlflow run`, in the run that it opened, with a column and names of one's own, and another version."""
    pd.read_parquet(table).rename(columns={"Task": "my text", "id": "GWA"}).to_csv(
        tmp_path / "t.csv", index=False
    )
    given = {"input": tmp_path / "t.csv", "output": tmp_path / "out", "model": "models:/onet-gwa/2"}
    given |= {"column": "my text", "prefix": "its "}
    parameters = [part for name, value in given.items() for part in ("-P", f"{name}={value}")]
    command = ["mlflow", "run", str(ROOT), "-e", "score", "--env-manager", "local", *parameters]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = pd.read_parquet(tmp_path / "out")
    assert answers.columns.tolist() == [
        "GWA",
        "my text",
        "its GWA",
        "its name",
        "its probability",
        "its model",
    ]
    assert set(answers["its model"]) == {"onet-gwa/2"}
    run = scored(versions)[0]
    assert run.info.status == "FINISHED" and run.data.tags["mlflow.project.entryPoint"] == "score"
    assert run.data.params["prefix"] == "'its '" and run.data.params["answered_by"] == "onet-gwa/2"


def refusals(table, folder):
    """Parameters, and what is said of them."""
    out, absent = folder / "out", f"{folder}/none"
    return [
        (dict(input=absent, output=out), f"input: {absent} is not there; name a CSV or parquet file"),
        (dict(input=table, output=out, column="text"), "there is no column 'text'; found: 'id', 'Task'"),
        (dict(input=table, output=table), f"output: {table} is there; name a new folder, or remove it"),
        (dict(input=folder, output=out), f"output: {out} is in the input; name a folder elsewhere"),
        (dict(input=table, output=f"{absent}/out"), f"output: there is no folder {absent}; make it"),
        (dict(input=table, output=out, model="models:/onet-gwa/9"), "models:/onet-gwa/9 cannot be read: "),
        (dict(input=table, output=out, model="s3://a/b"), "s3://a/b cannot be read: No module named 'boto"),
        (
            dict(input=table, output=out, model="models:/onet-gwa@best"),
            "models:/onet-gwa@best cannot be read: ",
        ),
        (
            dict(input=table, output=out, model="onet-gwa"),
            "model: 'onet-gwa' is no address of a model; write",
        ),
        (dict(input=table, output=out, master="yarn"), "master: 'yarn' is no Spark master; write local[*]"),
        (dict(input=table), "the following arguments are required: --output"),
        (dict(input=table, output=out, colum="x"), "unrecognized arguments: --colum=x"),
    ]


def test_what_is_refused(versions, table, tmp_path, main, capsys):
    """In one line, with status 2, before a run is opened, and nothing is left."""
    before = len(scored(versions))
    for parameters, message in refusals(table, tmp_path):
        if parameters.get("master") and not shutil.which("java"):
            message = "master: Spark needs Java"
        try:
            status = main(asked(**parameters))
        except SystemExit as stopped:
            status = stopped.code
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("score.py: ") and message in line and status == 2, line
    assert len(scored(versions)) == before and os.listdir(tmp_path) == ["t.parquet"]


def test_an_output_in_the_input_through_a_link(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    for output, statements in (("link/out", "in"), ("in/out", "link")):
        with pytest.raises(FileExistsError, match=f"{output} is in the input; name a folder elsewhere"):
            score.new_folder(tmp_path / output, tmp_path / statements)


@pytest.mark.slow
def test_a_model_of_other_answers(versions, table, tmp_path, main, capsys):
    """One that somebody else has registered, which predicts a number."""
    with mlflow.start_run():
        signature = mlflow.models.infer_signature(pd.DataFrame({"x": [1.0]}), np.array([1.0]))
        logged = mlflow.pyfunc.log_model(
            name="other", python_model=lambda model_input: [1.0], signature=signature, pip_requirements=[]
        )
    assert main(asked(input=table, output=tmp_path / "out", model=logged.model_uri)) == 2
    said = capsys.readouterr().err
    assert on_page("model: … gives").search(said) and "gives [0], " in said


@pytest.mark.parametrize("content", ["", "{", "[]", "signature: 3", "signature: {}"])
def test_a_damaged_model(tmp_path, content):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text(content)
    uri = f"file://{tmp_path}/model"
    fails(on_page("model: … cannot be read: …; name"), score.fetch_model, uri, tmp_path / "copy")


def test_a_run_that_cannot_be_opened(versions, table, tmp_path, main, monkeypatch, capsys):
    """The store's fault, and not that of what was asked: the status is 1."""
    versions.delete_experiment(versions.create_experiment("deleted"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted")
    assert main(asked(input=table, output=tmp_path / "out")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert on_page("…; the answers of this job are not").search(line) and "deleted" in line
    assert os.listdir(tmp_path) == ["t.parquet"]


@pytest.mark.slow
def test_one_that_fails_on_its_way(versions, tmp_path, main, capsys):
    """A later file of other types is found when it is read."""
    (tmp_path / "in").mkdir()
    table = pd.DataFrame({"id": range(4), "Task": TEXTS})
    table.to_parquet(tmp_path / "in" / "a.parquet")
    table.assign(id="x").to_parquet(tmp_path / "in" / "b.parquet")
    assert main(asked(input=tmp_path / "in", output=tmp_path / "out")) == 1
    assert on_page("…; the answers of this job are not").search(capsys.readouterr().err)
    assert scored(versions)[0].info.status == "FAILED" and os.listdir(tmp_path) == ["in"]


@pytest.mark.slow
def test_a_model_of_older_code(versions, table, tmp_path, main):
    """Its onet_gwa_model.py, and not the one of this checkout, answers."""
    path = mlflow.artifacts.download_artifacts("models:/onet-gwa/1", dst_path=str(tmp_path / "old"))
    code = tmp_path / "old" / "code" / "onet_gwa_model.py"
    code.write_text(code.read_text().replace('"name": said', '"name": [["old"]] * len(said)'))
    process = started(input=table, output=tmp_path / "out", model=f"file:{path}")
    assert process.wait() == 0, process.stderr.read()
    assert str(pd.read_parquet(tmp_path / "out")["name"][0]) == "['old']"


# A Spark driver that is killed is in test_score_faults.py.
STOPPED = [(signal.SIGTERM, ""), (signal.SIGINT, ""), (signal.SIGKILL, "")]
STOPPED += [(signal.SIGINT, "local[2]")]


@pytest.mark.slow
@pytest.mark.parametrize("number, master", STOPPED)
def test_one_that_is_stopped(number, master, versions, tmp_path, main):
    """Nothing looks finished, no process is left, the run is closed, and the same command then does it."""
    if master and not (shutil.which("java") and find_spec("pyspark")):
        pytest.skip("pyspark or Java is absent")
    table, out = tmp_path / "t.parquet", tmp_path / "out"
    pd.DataFrame({"Task": TEXTS * 50_000}).to_parquet(table, row_group_size=10_000)
    process = started(input=table, output=out, master=master)
    # Spark makes the file with the first answered rows.
    parts = ".out-*/answers/**/part-*"
    wait(lambda: any(master or part.stat().st_size > 1000 for part in tmp_path.glob(parts)), 180)
    children = psutil.Process(process.pid).children(recursive=True)
    # A terminal sends Ctrl-C to all processes of the job.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    assert process.wait(30) == (-9 if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in process.stderr.read()
    assert not out.exists()
    psutil.wait_procs(children, timeout=10)
    # One that has ended is a zombie where nobody asks for its status.
    assert [child for child in children if child.is_running() and child.status() != "zombie"] == []
    assert len(list(tmp_path.glob(".out-*"))) == (number == signal.SIGKILL)
    job.reap()
    assert scored(versions)[0].info.status == "KILLED"
    pd.read_parquet(table).head(40).to_parquet(table)
    assert main(asked(input=table, output=out)) == 0
    assert sorted(os.listdir(tmp_path)) == ["out", "t.parquet"]
    assert batches.count(out, "") == (40, 10)
