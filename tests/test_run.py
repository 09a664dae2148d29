"""The main job as its users run it: one result, be it by a reader, by hand or by `mlflow run`."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys

import mlflow
import nbformat
import numpy as np
import pytest
from conftest import copy_project, need_python, notebook_of, run_in, runs, shorten
from nbclient import NotebookClient
from prepared import as_before

import helpers

pytestmark = pytest.mark.slow
METRICS = {
    f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "macro", "samples")
}
METRICS |= {"accuracy", "hamming_loss", "hamming_score", "cv_f1_micro", "calibration_error"}
METRICS |= {"checks_minimum", "checks_invariance", "checks_direction", "f1_micro_short", "f1_micro_long"}


@pytest.fixture(scope="module")
def project_of_three(tmp_path_factory):
    """A copy of the project where a reader, run_notebook.py and `mlflow run` did one job, in this order."""
    project = copy_project(tmp_path_factory.mktemp("three") / "project")
    path = project / "notebooks" / "02_pipeline_training.ipynb"
    source = path.read_bytes()
    notebook = nbformat.reads(source, 4)
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = parameters.source.replace('"1, 10, 100"', '"1,10"').replace('"none, l2"', '"l2"')
    reader = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    reader.execute(env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"})
    by_hand = [sys.executable, "run_notebook.py", "--C", "1,10", "--penalty", "l2"]
    done = run_in(project, *by_hand, MLFLOW_EXPERIMENT_NAME="by hand")
    assert done.returncode == 0, done.stderr
    done = run_in(project, "mlflow", "run", ".", "--env-manager", "local", "-P", "C=1,10", "-P", "penalty=l2")
    assert done.returncode == 0, done.stderr
    # The sections' titles, and neither a progress bar nor outputs; then five lines.
    assert "100%" not in done.stderr and "The registry" in done.stderr
    scores, chosen, threshold, version, following = done.stdout.strip().splitlines()
    assert re.match(r"micro-F1 0\.\d{3}, baseline 0\.\d{3}; macro-F1 0\.\d{3}, baseline 0\.\d{3}", scores)
    assert chosen.startswith("chosen: C ") and threshold.startswith("threshold 0.")
    assert version.startswith("version 3 of onet-gwa is not the champion: it is no better")
    assert following.startswith("Next: make ui shows run ") and "make serve" in following
    assert path.read_bytes() == source
    assert not list(project.glob("notebooks/*.html")) and not (project / "notebooks" / "mlruns").exists()
    return project


@pytest.fixture
def three(project_of_three):
    """The copy, MLflow's client for its store, to which MLflow points, and the three runs in their order."""
    client, newest_first = runs(project_of_three)
    with as_before():
        mlflow.set_tracking_uri(f"sqlite:///{project_of_three / 'mlflow.db'}")
        yield project_of_three, client, newest_first[::-1]


def model_of(client, run):
    """The model that a run logged; there is one."""
    [model] = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return mlflow.pyfunc.load_model(model.model_uri)


def test_three_runners_record_a_run(three, tmp_path):
    _, client, finished = three
    names = [client.get_experiment(run.info.experiment_id).name for run in finished]
    assert names == ["Default", "by hand", "Default"]
    for run in finished:
        assert run.info.status == "FINISHED"
        assert METRICS <= set(run.data.metrics)
        # MLflow logs the parameters as the shell gets them, and the notebook what was chosen.
        chosen = {"C": "1,10", "penalty": "l2", "grid": "[1.0, 10.0]", "best_penalty": "l2"}
        assert chosen.items() <= run.data.params.items()
        assert run.inputs.dataset_inputs[0].dataset.digest == helpers.digest(helpers.load_tasks())
        assert run.info.run_name == "sample, C=1,10, l2"
        assert {"threshold", "curve"} <= set(run.data.params)
        assert run.data.tags["mlflow.note.content"].startswith("micro-F1 0.")
        artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"cv_results.json", "per_label.json", "slices.json", "figures"} <= artifacts
        assert len(client.list_artifacts(run.info.run_id, "figures")) == 4
        table = json.load(open(client.download_artifacts(run.info.run_id, "per_label.json", str(tmp_path))))
        assert len(table["data"]) == 37 and {"f1", "support"} <= set(table["columns"])
    for run in finished[1:]:
        notebook = notebook_of(client, run, tmp_path)
        assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_three_runners_one_result(three):
    _, client, finished = three
    metrics = [run.data.metrics for run in finished]
    met = [{key: each.pop(key) for key in list(each) if key.startswith("champion")} for each in metrics]
    assert metrics[0] == metrics[1] == metrics[2] and met[0] == {} and met[1] == met[2]
    assert met[1]["champion_f1_micro"] == metrics[0]["f1_micro"] and met[1]["champion_lead"] == 0
    assert len({frozenset(run.data.params.items()) for run in finished}) == 1
    assert {("promote", "better"), ("gate", "1.5")} <= set(finished[0].data.params.items())

    questions = helpers.load_tasks()[["Task"]].drop_duplicates().iloc[::10]
    models = [model_of(client, run).get_raw_model() for run in finished]
    first, *others = [model.predict_proba(questions) for model in models]
    assert first.shape == (251, 37)
    for other in others:
        np.testing.assert_array_equal(other, first)
    # The first stays champion, since the others are not better.
    assert client.get_model_version_by_alias(helpers.MODEL_NAME, "champion").run_id == finished[0].info.run_id
    versions = {v.run_id: v.version for v in client.search_model_versions()}
    served = [
        mlflow.pyfunc.load_model(f"models:/{helpers.MODEL_NAME}/{versions[run.info.run_id]}")
        for run in finished
    ]
    assert len({model.predict(questions).drop(columns="model").to_json() for model in served}) == 1
    registered = client.get_registered_model(helpers.MODEL_NAME)
    assert "37 labels" in registered.description
    assert all("sample, C=1,10, l2" in v.description for v in client.search_model_versions())


def test_the_model_answers_in_an_environment_of_its_own(three, tmp_path):
    project, client, finished = three
    questions = helpers.load_tasks()[["Task"]].drop_duplicates().head(50)
    served = mlflow.pyfunc.load_model("models:/onet-gwa@champion")
    answers = served.predict(questions)
    pipeline = model_of(client, finished[0]).get_raw_model()
    labels = pipeline.predict(questions)
    assert labels.shape == (50, 37) and list(pipeline.classes_) == list(helpers.load_labels().index)
    for answer, row in zip(answers["GWA"], labels):
        assert sorted(answer) == list(pipeline.classes_[row == 1])
    assert not list(project.rglob("*.pkl"))
    flavor = mlflow.models.get_model_info("models:/onet-gwa@champion")
    assert (
        flavor.signature and flavor.saved_input_example_info and "code" in flavor.flavors["python_function"]
    )

    need_python(platform.python_version())
    asked, answered = tmp_path / "in.json", tmp_path / "out.json"
    asked.write_text(json.dumps({"dataframe_split": questions.to_dict("split", index=False)}))
    predict = ["mlflow", "models", "predict", "-m", "models:/onet-gwa@champion", "--env-manager", "uv"]
    fresh = run_in(project, *predict, "-i", str(asked), "-o", str(answered), MLFLOW_ENV_ROOT=str(tmp_path))
    assert fresh.returncode == 0, fresh.stderr
    assert json.loads(answered.read_text())["predictions"] == json.loads(answers.to_json(orient="records"))


def test_values_are_data(project, run, tmp_path):
    """A file whose name would be code, if anything evaluated it."""
    folder = tmp_path / "a'b\"c; import os {C} $(x)"
    folder.mkdir()
    shutil.copy(project / "data" / "tasks.csv", folder / "tasks.csv")
    shorten(project, "print('data is', ascii(data))")
    done = run("mlflow", "run", ".", "--env-manager", "local", "-P", f"data={folder / 'tasks.csv'}")
    assert done.returncode == 0, done.stderr
    client, [finished] = runs(project)
    said = notebook_of(client, finished, tmp_path).cells[-1].outputs[0].text
    assert f"data is {str(folder / 'tasks.csv')!a}" in said


def test_two_runs_at_the_same_time(project, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    subprocess.run([sys.executable, "-c", "import helpers; helpers.connect()"], cwd=project, check=True)
    shorten(project, "import time; time.sleep(3); print('C is', C)")
    both = [
        subprocess.Popen(
            [sys.executable, "run_notebook.py", "--C", C], cwd=project, stdout=subprocess.DEVNULL
        )
        for C in ("3", "5")
    ]
    assert [runner.wait(120) for runner in both] == [0, 0]
    client, finished = runs(project)
    said = set()
    for k, run in enumerate(finished):
        (tmp_path / str(k)).mkdir()
        said.add(notebook_of(client, run, tmp_path / str(k)).cells[-1].outputs[0].text)
    assert said == {"C is 3\n", "C is 5\n"}
