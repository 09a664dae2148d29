"""What goes wrong is said in one line, recorded in the run, and leaves nothing behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import notebook_of, run_in, runs, shorten, wait
from messages import on_page
from prepared import empty_store

import helpers
import run_notebook

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "cell, options, line",
    [
        (
            "raise ValueError('no\\nluck')",
            [],
            on_page("cell … failed: "),
        ),
        (
            "import time; time.sleep(60)",
            ["--timeout", "2"],
            on_page("a cell took longer"),
        ),
        ("import os; os._exit(1)", [], on_page("the kernel died")),
    ],
    ids=["cell", "timeout", "kernel"],
)
def test_failures_by_hand(project, run, tmp_path, cell, options, line):
    shorten(project, "print('before', C, penalty)", cell, "print('after')")
    done = run(sys.executable, "run_notebook.py", *options)
    assert done.returncode == 1
    [said] = [text for text in done.stderr.splitlines() if "run_notebook.py: " in text]
    assert line.search(said)
    client, [failed] = runs(project)
    assert failed.info.status == "FAILED"
    notebook = notebook_of(client, failed, tmp_path)
    text = "".join(output.get("text", "") for code in notebook.cells for output in code.get("outputs", []))
    assert "before 1, 10, 100 none, l2" in text and "after" not in text


def test_a_failure_that_nobody_foresaw(project, run):
    """It ends in a traceback, and the run is FAILED: nobody killed it."""
    (project / "notebooks" / "02_pipeline_training.ipynb").write_text("<<<<<<< not JSON")
    done = run(sys.executable, "run_notebook.py")
    assert done.returncode == 1 and "NotJSONError" in done.stderr
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"


def test_failure_by_mlflow_run(project, run, tmp_path):
    shorten(project, "import mlflow; mlflow.start_run()", "1 / 0")
    done = run("mlflow", "run", ".", "--env-manager", "local")
    assert (
        done.returncode == 1
        and "run_notebook.py: cell 4 (1 / 0) failed: ZeroDivisionError: division by zero\n" in done.stderr
    )
    client, [failed] = runs(project)
    assert failed.info.status == "FAILED"
    notebook_of(client, failed, tmp_path)


def test_artifacts_that_cannot_be_written(project, run):
    """The notebook is kept, and the run has its status all the same."""
    in_the_way = (
        "import pathlib, shutil; p = pathlib.Path('../mlruns'); shutil.rmtree(p, True); p.touch(); 1 / 0"
    )
    shorten(project, in_the_way)
    done = run(sys.executable, "run_notebook.py")
    assert done.returncode == 1
    [folder] = re.findall("the executed notebook stays in (.*), it could not be logged", done.stderr)
    assert os.listdir(folder) and not shutil.rmtree(folder)
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"


@pytest.mark.parametrize(
    "signum, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_stopped(project, tmp_path, monkeypatch, signum, status):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty_store(project) / 'mlflow.db'}")
    pid = tmp_path / "pid"
    shorten(project, f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    runner = subprocess.Popen(
        [sys.executable, "run_notebook.py"], cwd=project, stderr=subprocess.PIPE, text=True
    )
    wait(lambda: pid.exists() and pid.read_text())
    runner.send_signal(signum)
    # As MLflow does after Ctrl-C, which it gets too.
    while runner.poll() is None:
        time.sleep(0.1)
        runner.send_signal(signal.SIGTERM)
    assert runner.returncode == status
    client, [killed] = runs(project)
    assert killed.info.status == "KILLED"
    notebook_of(client, killed, tmp_path)
    wait(lambda: not os.path.exists(f"/proc/{pid.read_text()}"))


@pytest.mark.parametrize(
    "parameter, line",
    [
        ("C=-1,10", "C: '-1' is not a positive, finite number"),
        ("penalty=$(touch pwned)", "penalty: '$(touch pwned)' is neither 'none' nor 'l2'"),
    ],
)
def test_bad_parameters(project, run, parameter, line):
    done = run("mlflow", "run", ".", "--env-manager", "local", "-P", parameter)
    assert done.returncode == 1
    said = [text for text in done.stderr.splitlines() if "run_notebook.py: " in text]
    assert len(said) == 1 and f" run_notebook.py: {line}" in said[0]
    assert "Executing" not in done.stderr and "Traceback" not in done.stderr
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"
    assert not (project / "pwned").exists()


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["--C", "nan"], "C: 'nan' is not a positive, finite number"),
        (["--C="], "C: '' has an empty value"),
        (["--C=1", "--C"], "argument --C: expected one argument"),
        (
            ["--c", "1"],
            "unrecognized arguments: --c 1; the parameters are C, penalty, data, labels, registered",
        ),
        (["--penalty", "l1"], "penalty: 'l1' is neither 'none' nor 'l2'"),
        (["--data", "nowhere.csv"], "data: 'nowhere.csv' does not exist; give \"sample\""),
        (["--data", "onet:31"], "data: '31' is not an O*NET release"),
        (["--timeout", "0"], "argument --timeout: 0 is not a positive number of seconds"),
        (["--timeout", "soon"], "argument --timeout: invalid int value: 'soon'"),
    ],
)
def test_bad_arguments_by_hand(capsys, monkeypatch, arguments, line):
    monkeypatch.setattr(run_notebook, "execute", lambda *args: pytest.fail("the notebook was started"))
    with pytest.raises(SystemExit) as stopped:
        run_notebook.main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"run_notebook.py: {line}") and said.count("\n") == 1


def test_the_data_are_those_that_were_checked(tmp_path, monkeypatch):
    """Also where a symbolic link leads elsewhere, so that `..` is not the folder before it."""
    (tmp_path / "else" / "where").mkdir(parents=True)
    shutil.copy(helpers.ROOT / "data" / "tasks.csv", tmp_path / "else")
    (tmp_path / "link").symlink_to(tmp_path / "else" / "where")
    monkeypatch.chdir(tmp_path)
    parameters, _ = run_notebook.parse_arguments(["--data", "link/../tasks.csv"])
    monkeypatch.chdir(helpers.ROOT)
    assert os.path.samefile(parameters["data"], tmp_path / "else" / "tasks.csv")


@pytest.mark.parametrize("name", ["gwas", "sample:mine.csv"])
def test_data_called_like_what_comes_with_the_project(tmp_path, monkeypatch, name):
    if name == "gwas":
        (tmp_path / name).mkdir()
        helpers.load_tasks().to_parquet(tmp_path / name / "part.parquet")
    else:
        shutil.copy(helpers.source_path("sample"), tmp_path / name)
    (tmp_path / "sample").symlink_to(helpers.ROOT / "data" / "gwas.csv")
    monkeypatch.chdir(tmp_path)
    own = ["--data", name, "--labels", "sample", "--registered_model_name", "mine"]
    parameters, _ = run_notebook.parse_arguments(own)
    assert (parameters["data"], parameters["labels"]) == (str(tmp_path / name), str(tmp_path / "sample"))
    parameters, _ = run_notebook.parse_arguments([])
    assert (parameters["data"], parameters["labels"]) == ("sample", "gwas")


def test_a_name_that_cannot_be_written(project, run, tmp_path):
    data = tmp_path / os.fsdecode(b"tasks\xff.csv")
    shutil.copy(project / "data" / "tasks.csv", data)
    shorten(project)
    done = run(sys.executable, "run_notebook.py", "--data", str(data))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "run_notebook.py: the notebook could not be started, or written: 'utf-8' codec" in done.stderr
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"


def test_a_refusal_is_quick(project):
    done = run_in(project, sys.executable, "run_notebook.py", "--C", "0")
    assert done.returncode == 2 and not (project / "mlflow.db").exists()
    code = (
        "import sys, run_notebook\ntry: run_notebook.main(['--C', '0'])\n"
        "finally: print({'mlflow', 'papermill'} & set(sys.modules))"
    )
    assert run_in(project, sys.executable, "-c", code).stdout == "set()\n"


def test_a_notebook_without_the_parameters(project, run):
    shorten(project)
    path = project / "notebooks" / "02_pipeline_training.ipynb"
    path.write_text(path.read_text().replace('"parameters"', '"other"'))
    done = run(sys.executable, "run_notebook.py")
    assert done.returncode == 1
    missing = "C, data, gate, labels, penalty, promote, registered_model_name"
    assert f"sets no {missing} in a cell tagged 'parameters'" in done.stderr


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////no/such/folder/mlflow.db", "gopher://x"])
def test_a_store_that_cannot_be_reached(project, run, uri):
    env = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = run(sys.executable, "run_notebook.py", **env)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert " run_notebook.py: MLFLOW_TRACKING_URI: " in done.stderr.splitlines()[-1]
