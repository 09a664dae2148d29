"""Labels of one's own: ten codes and 150 statements of a city library, through the whole job to the answer."""

import json
import os
import re
import shutil
import signal
import subprocess

import mlflow
import pandas as pd
import pytest
from conftest import ROOT, copy_project, make_command, run_in, runs, wait
from prepared import as_before

import helpers
from onet_gwa.servers import _answers

OWN = ROOT / "tests" / "own"
PAGE = ROOT / "docs" / "own-data-and-labels.md"
COMMAND = (
    "mlflow run . --env-manager local -P data=tests/own/tasks.csv -P labels=tests/own/labels.csv "
    "-P registered_model_name=library-tasks"
)


def code_blocks(language):
    """The blocks of the page in a language, each as one line or more."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_example():
    labels = helpers.load_labels(OWN / "labels.csv")
    tasks = helpers.load_tasks(OWN / "tasks.csv", labels)
    assert len(labels) == 10 and list(labels.columns) == ["name", "description"]
    with_two = tasks.groupby("Task").size() == 2
    assert len(with_two) == 150 and 12 <= with_two.sum() <= 18
    assert set(tasks["GWA"]) == set(labels.index) and tasks["GWA"].value_counts().min() >= 12
    assert len(set(helpers.near_twins(with_two.index))) == 150
    assert with_two.index.str.endswith(".").all()
    helpers.check_parameters(
        "1", "l2", OWN / "tasks.csv", OWN / "labels.csv", "library-tasks", "better", "1.5"
    )


def test_the_page_shows_the_files_and_what_the_job_says():
    first, second = code_blocks("csv")
    for shown, name in ((first, "tasks.csv"), (second, "labels.csv")):
        assert (OWN / name).read_text().startswith(shown) and shown.count("\n") == 4
    assert COMMAND in [line.strip() for block in code_blocks("console") for line in block.splitlines()]


REFUSALS = [
    ("Task,GWA\na b,x\n", "code,name\na,Ape\nb,Bee\n"),
    ("Text,GWA\na b,a\n", "code,name\na,Ape\nb,Bee\n"),
    ("Task,GWA\n,a\n", "code,name\na,Ape\nb,Bee\n"),
    ("Task,GWA\na, b,a\n", "code,name\na,Ape\nb,Bee\n"),
    ("Task,GWA\n" + "".join(f"Word{k} does.,a\n" for k in range(99)), "code,name\na,Ape\nb,Bee\n"),
    (
        "Task,GWA\n" + "".join(f"Count the penguins on the ice near us {k}.,a\n" for k in range(200)),
        "code,name\na,Ape\nb,Bee\n",
    ),
    ("", "code,name\nx,Ape\nx,Bee\n"),
    ("", "code,name\na,x\nb,x\n"),
    ("", "code,name\na,Ape\n"),
    ("", "code,name\na,\nb,Bee\n"),
]


def test_the_page_quotes_the_refusals(tmp_path, monkeypatch):
    """Each first cell of its table is part of what the job says; those about names are tested below."""
    monkeypatch.chdir(tmp_path)
    said = ["'onet-gwa' is for the 37 GWAs", "the versions of 'library-tasks' give other labels"]
    for tasks, labels in REFUSALS:
        (tmp_path / "tasks.csv").write_text(tasks)
        (tmp_path / "labels.csv").write_text(labels)
        with pytest.raises(ValueError) as error:
            helpers.check_parameters("1", "l2", "tasks.csv", "labels.csv", "mine", "better", "1.5")
        said.append(str(error.value).replace("one of the 2 codes", "one of the 10 codes"))
    cells = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    quoted = [text.removesuffix("…") for cell in cells for text in re.findall("`(.*?)`", cell)]
    assert len(quoted) == len(said) == 12
    assert [text for text in quoted if not any(text in line for line in said)] == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A copy of the project in which the page's command was run."""
    project = copy_project(tmp_path_factory.mktemp("own") / "project")
    (project / "tests").mkdir()
    (project / "tests" / "own").symlink_to(OWN)
    done = run_in(project, *COMMAND.split())
    assert done.returncode == 0, done.stderr
    return project, done


@pytest.mark.slow
@as_before()
def test_the_registered_champion_answers_with_these_codes(trained):
    project, done = trained
    client, [run] = runs(project)
    assert run.info.status == "FINISHED" and run.data.params["statements"] == "150"
    # The page says "about 0.2".
    assert 0.1 < run.data.metrics["f1_micro"] < 0.3 and 0 < run.data.metrics["f1_macro"] <= 1
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    labels = helpers.load_labels(OWN / "labels.csv")
    registered = client.get_registered_model("library-tasks")
    assert registered.tags == {"labels_digest": helpers.labels_digest(labels)}
    assert str(registered.aliases["champion"]) == "1"
    assert [model.name for model in client.search_registered_models()] == ["library-tasks"]
    model = mlflow.pyfunc.load_model("models:/library-tasks@champion")
    tasks = helpers.load_tasks(OWN / "tasks.csv", labels)
    answer = model.predict(pd.DataFrame({"Task": tasks["Task"].unique()}), params={"reasons": True})
    found = {(code, name) for row in answer.itertuples() for code, name in zip(row.GWA, row.name)}
    assert found <= set(labels["name"].items()) and len(found) >= 8
    truth = tasks.groupby("Task")["GWA"].agg(set)
    right = [bool(set(codes) & truth[task]) for task, codes in zip(tasks["Task"].unique(), answer["GWA"])]
    assert sum(right) > 100  # Most of them it was trained on.


@pytest.mark.slow
def test_the_pages_server_and_question(trained):
    """The page's `make serve` and curl get the page's answer; probabilities are those of one machine."""
    project, _ = trained
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    [_, serve, call] = code_blocks("console")
    [shown] = code_blocks("json")
    program, *arguments = serve.split()
    command = make_command(project, *arguments)
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"}
    process = subprocess.Popen(
        command, cwd=project, env=env, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait(lambda: process.poll() is not None or _answers(5002, "/ping"), 120)
        done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    [answer], [expected] = json.loads(done.stdout)["predictions"], json.loads(shown)["predictions"]
    assert program == "make" and answer.keys() == expected.keys()
    assert (answer["GWA"], answer["name"]) == (expected["GWA"], expected["name"])
    assert answer["probability"] == pytest.approx(expected["probability"], abs=0.05)
    assert answer["reasons"][0][0] == expected["reasons"][0][0] and answer["model"] == expected["model"]


@pytest.mark.slow
def test_other_labels_under_this_name_are_refused(trained):
    """Before the model is trained or registered, in one line, and what is there stays."""
    project, _ = trained
    other = project / "other.csv"
    other.write_text((OWN / "labels.csv").read_text() + "z,Something else,\n")
    command = COMMAND.replace("tests/own/labels.csv", str(other)) + " -P C=1 -P penalty=l2"
    done = run_in(project, *command.split())
    assert done.returncode != 0
    assert "the versions of 'library-tasks' give other labels; name another registered model" in done.stderr
    client, _ = runs(project)
    assert len(client.search_model_versions("name='library-tasks'")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, said",
    [
        (["registered_model_name=onet-gwa"], "'onet-gwa' is for the 37 GWAs, and labels is "),
        (["data=sample"], "row 1: GWA '4A4c3' is not one of the 10 codes of the labels, such as acquire"),
    ],
    ids=str,
)
def test_refused_in_one_line(project, arguments, said):
    (project / "tests").mkdir()
    (project / "tests" / "own").symlink_to(OWN)
    values = [part for part in COMMAND.split() if "=" in part]
    # Of an option that is there twice, the last counts.
    options = [f"--{value}" for value in [*values, *arguments]]
    done = subprocess.run(
        ["python", "run_notebook.py", *options], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr and not (project / "mlflow.db").exists()
