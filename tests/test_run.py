"""The main job as its users run it: by mlflow run with each environment manager, and by hand."""

import json
import shutil
import subprocess
import sys

import mlflow
import numpy as np
from conftest import notebook_of, runs, shorten

import helpers

METRICS = {
    f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "macro", "samples")
}
METRICS |= {"accuracy", "hamming_loss", "hamming_score", "cv_f1_micro"}


def check_a_good_run(project, tmp_path, **chosen):
    client, [run] = runs(project)
    assert run.info.status == "FINISHED"
    assert METRICS <= set(run.data.metrics)
    assert chosen.items() <= run.data.params.items()
    assert run.inputs.dataset_inputs[0].dataset.digest == helpers.digest(helpers.load_tasks())
    assert {"cv_results.json", "per_gwa.json", "figures", "notebook"} <= {
        a.path for a in client.list_artifacts(run.info.run_id)
    }
    assert len(client.list_artifacts(run.info.run_id, "figures")) == 3
    per_gwa = json.load(open(client.download_artifacts(run.info.run_id, "per_gwa.json", str(tmp_path))))
    assert len(per_gwa["data"]) == 37 and {"f1", "support"} <= set(per_gwa["columns"])
    notebook = notebook_of(client, run, tmp_path)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert client.get_model_version_by_alias("onet-gwa", "champion").run_id == run.info.run_id
    return client, run


def test_mlflow_run(project, run, tmp_path, monkeypatch):
    """One run with the environment at hand; its model answers here and in an environment of its own."""
    source = (project / "notebooks" / "02_pipeline_training.ipynb").read_bytes()
    done = run("mlflow", "run", ".", "--env-manager", "local", "-P", "C=1,10", "-P", "penalty=l2")
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr and "f1_micro" in done.stdout
    # MLflow logs the parameters as the shell gets them, and the notebook what was chosen.
    client, finished = check_a_good_run(
        project, tmp_path, C="1,10", penalty="l2", grid="[1.0, 10.0]", best_penalty="l2"
    )
    assert (project / "notebooks" / "02_pipeline_training.ipynb").read_bytes() == source
    assert not list(project.glob("notebooks/*.html")) and not (project / "notebooks" / "mlruns").exists()

    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    questions = helpers.to_X_y(helpers.load_tasks())[0].head(50)
    served = mlflow.pyfunc.load_model("models:/onet-gwa@champion")
    answers = served.predict(questions)
    [logged] = [m for m in client.search_logged_models([finished.info.experiment_id]) if m.name == "pipeline"]
    pipeline = mlflow.sklearn.load_model(logged.model_uri)
    labels = pipeline.predict(questions)
    assert labels.shape == (50, 37) and list(pipeline.classes_) == sorted(helpers.load_gwas().index)
    for answer, row in zip(answers["GWA"], labels):
        assert sorted(answer) == list(pipeline.classes_[row == 1])
    assert not list(project.rglob("*.pkl"))
    flavor = mlflow.models.get_model_info("models:/onet-gwa@champion")
    assert (
        flavor.signature and flavor.saved_input_example_info and "code" in flavor.flavors["python_function"]
    )

    (tmp_path / "in.json").write_text(
        json.dumps({"dataframe_split": questions.to_dict("split", index=False)})
    )
    predict = ["mlflow", "models", "predict", "-m", "models:/onet-gwa@champion", "--env-manager", "uv"]
    fresh = run(
        *predict,
        "-i",
        str(tmp_path / "in.json"),
        "-o",
        str(tmp_path / "out.json"),
        MLFLOW_ENV_ROOT=str(tmp_path),
    )
    assert fresh.returncode == 0, fresh.stderr
    assert json.load(open(tmp_path / "out.json"))["predictions"] == json.loads(
        answers.to_json(orient="records")
    )


def test_by_hand(project, run, tmp_path):
    done = run(
        sys.executable,
        "run_notebook.py",
        "--C",
        "10",
        "--penalty",
        "none,l2",
        MLFLOW_EXPERIMENT_NAME="by hand",
    )
    assert done.returncode == 0, done.stderr
    client, finished = check_a_good_run(project, tmp_path, grid="[10.0, inf]")
    assert client.get_experiment(finished.info.experiment_id).name == "by hand"


def test_values_are_data(project, run, tmp_path):
    """A file whose name would be code, if anything evaluated it."""
    folder = tmp_path / "a'b\"c; import os {C} $(x)"
    folder.mkdir()
    shutil.copy(project / "data" / "tasks.csv", folder / "tasks.csv")
    shorten(project, "print('data is', ascii(data))")
    done = run("mlflow", "run", ".", "--env-manager", "local", "-P", f"data={folder / 'tasks.csv'}")
    assert done.returncode == 0, done.stderr
    assert f"data is {str(folder / 'tasks.csv')!a}" in done.stdout


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


def test_real_tasks(project, run, onet):
    """The release of 2020 through the whole job, against the scores measured before."""
    data = onet / "onet_2020_task_gwa.parquet"
    done = run("mlflow", "run", ".", "--env-manager", "local", "-P", f"data={data}", "-P", "C=1,10,100")
    assert done.returncode == 0, done.stderr
    _, [finished] = runs(project)
    assert finished.info.status == "FINISHED"
    assert finished.data.metrics["f1_micro"] >= 0.645
    assert finished.data.metrics["f1_macro"] >= 0.57
    assert finished.data.metrics["baseline_f1_micro"] < 0.2
    assert np.isclose(finished.data.metrics["cv_f1_micro"], finished.data.metrics["f1_micro"], atol=0.03)
