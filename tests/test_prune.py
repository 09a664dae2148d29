"""What removes things: old runs but not a champion's, the environment but not the records."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from conftest import make_command, run_in
from messages import on_page
from prepared import empty_store, typed

import helpers

pytestmark = pytest.mark.slow
OUTER = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


@pytest.fixture
def prune(project, tmp_path, connect):
    """Return a function that prunes a new store, and says what it printed, and the folder of that store."""
    store = f"sqlite:///{empty_store(tmp_path)}/mlflow.db"
    connect(store)
    helpers.choose_experiment()
    command = make_command(project, "prune")

    def prune(**env):
        return run_in(project, *command, **{"MLFLOW_TRACKING_URI": store, **env})

    return prune, tmp_path / "mlruns"


def six_runs(model):
    """Six runs, each with a model and a version of it; return their ids, the oldest first."""
    client = mlflow.MlflowClient()
    client.create_registered_model("onet-gwa")
    runs = []
    for _ in range(6):
        with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name("onet-gwa").experiment_id) as run:
            logged = helpers.log_model(*model)
            mlflow.log_text("x" * 100_000, "text.txt")
        client.create_model_version(
            "onet-gwa", logged.model_uri, run_id=run.info.run_id, model_id=logged.model_id
        )
        runs.append(run.info.run_id)
    return client, runs


def occupied(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def model():
    labels = helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    return helpers.make_model().fit(X.head(200), y.head(200)), labels, X.head(1)


def test_prune(prune, model):
    """The two newest stay, what an alias points at, and what is running; of the others nothing is on disk."""
    prune, folder = prune
    client, runs = six_runs(model)
    client.set_registered_model_alias("onet-gwa", "champion", "1")
    client.set_registered_model_alias("onet-gwa", "previous", "3")
    client.set_terminated(runs[3], "RUNNING")
    before = occupied(folder)
    done = prune(KEEP="2")
    assert done.returncode == 0, done.stderr
    freed = re.fullmatch("make prune: 1 of 6 runs of 'onet-gwa' removed, ([0-9.]+) MB freed\n", done.stdout)[
        1
    ]
    assert float(freed) == pytest.approx((before - occupied(folder)) / 2**20, abs=0.06)
    assert occupied(folder) / before == pytest.approx(5 / 6, abs=0.01)
    left = client.search_runs([client.get_run(runs[0]).info.experiment_id])
    assert {run.info.run_id for run in left} == set(runs) - {runs[1]}
    assert [int(version.version) for version in client.search_model_versions()] == [6, 5, 4, 3, 1]
    for version in client.search_model_versions():
        served = mlflow.pyfunc.load_model(f"models:/onet-gwa/{version.version}")
        assert len(served.predict(model[2])) == 1
    assert prune(KEEP="2").stdout.startswith("make prune: 0 of 5 runs")
    # Ten by themselves.
    assert prune().stdout.startswith("make prune: 0 of 5 runs")


def test_a_model_that_another_run_registered(prune, model):
    prune, _ = prune
    client, runs = six_runs(model)
    [first] = client.search_model_versions(f"run_id = '{runs[0]}'")
    client.create_registered_model("other")
    client.create_model_version("other", first.source, run_id=runs[5], model_id=first.model_id)
    client.set_registered_model_alias("other", "champion", "1")
    assert prune(KEEP="0").stdout.startswith("make prune: 4 of 6 runs")
    assert len(mlflow.pyfunc.load_model("models:/other@champion").predict(model[2])) == 1


def test_an_alias_whose_model_is_gone(prune, model):
    prune, _ = prune
    client, runs = six_runs(model)
    client.set_registered_model_alias("onet-gwa", "champion", "1")
    client.delete_logged_model(client.get_model_version("onet-gwa", "1").source.removeprefix("models:/"))
    done = prune(KEEP="0")
    assert done.stdout.startswith("make prune: 5 of 6 runs"), done.stderr
    assert client.get_run(runs[0]).info.lifecycle_stage == "active"


@pytest.mark.parametrize(
    "env, said",
    [
        ({"KEEP": "-1"}, "KEEP=-1 is not a number of runs; write for example make prune KEEP=10"),
        ({"KEEP": "all"}, "KEEP=all is not a number of runs"),
        (
            {"MLFLOW_EXPERIMENT_NAME": "else"},
            "there is no experiment 'else'; MLFLOW_EXPERIMENT_NAME names another",
        ),
    ],
)
def test_what_cannot_be_pruned(prune, env, said):
    done = prune[0](**env)
    assert done.returncode != 0 and done.stderr.startswith(f"make prune: {said}")


@pytest.fixture
def records(project):
    """A copy of the project in which something was recorded."""
    make_command(project)
    (project / "mlflow.db").touch()
    (project / "mlruns" / "0").mkdir(parents=True)
    return project


def make(project, *arguments, **options):
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=project, env=OUTER, capture_output=True, text=True, **options)
    return done.returncode, done.stdout, done.stderr


def test_clean_keeps_the_records(records):
    assert make(records, "clean")[0] == 0
    assert (
        (records / "mlflow.db").exists()
        and (records / "mlruns").exists()
        and not (records / ".venv").exists()
    )


def test_clean_records_without_a_terminal(records):
    status, _, said = make(records, "clean-records", stdin=subprocess.DEVNULL)
    assert status != 0 and said.startswith(
        "make clean-records: there is no terminal to ask on; make clean-records YES=1"
    )
    assert (records / "mlflow.db").exists()
    assert make(records, "clean-records", "YES=1")[0] == 0
    assert not (records / "mlflow.db").exists() and not (records / "mlruns").exists()
    assert make(records, "clean-records", "YES=1")[2].startswith(
        "make clean-records: nothing was recorded in "
    )


@pytest.mark.parametrize("answer, left", [("yes", False), ("no", True), ("", True)])
def test_clean_records_asks(records, answer, left):
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    status, asked, _ = make(records, "clean-records", stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert asked.startswith(
        f"Remove {records}/mlflow.db and {records}/mlruns, all runs and models? Type yes: "
    )
    assert (records / "mlflow.db").exists() == left and (status == 0) != left


@pytest.mark.parametrize("key", [b"\x04", b"\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_clean_records_is_asked_no_more(records, key):
    command = [sys.executable, records / "tools" / "clean_records.py"]
    status, said = typed(command, b"Type yes: ", key)
    assert status == 1 and said.endswith("\nmake clean-records: nothing was removed\n")
    assert (records / "mlflow.db").exists() and (records / "mlruns").exists()


@pytest.mark.parametrize("name", ["mlflow.db", "mlruns"])
def test_clean_records_of_another_disk(records, tmp_path, name):
    """What a link leads to may be there for others, too."""
    (records / name).rename(tmp_path / "disk")
    (records / name).symlink_to(tmp_path / "disk")
    status, _, said = make(records, "clean-records", "YES=1")
    assert status != 0 and on_page("… is a link").search(said)
    assert said.startswith(f"make clean-records: {records / name} is a link; ")
    assert (records / "mlflow.db").exists() and (records / "mlruns" / "0").exists()


def test_another_python_makes_another_environment(project):
    """With a lock that has uv alone; the same Python again makes nothing."""
    import environment
    from canary import find

    other = find("3.12") or find("3.13")
    if other is None:
        pytest.skip("there is no second Python, 3.12 or 3.13")
    make_command(project)
    (project / ".venv").unlink()
    lock = project / "requirements.txt"
    lock.write_text(environment.locked(lock.read_text(), "uv"))

    def made(*arguments):
        assert make(project, ".venv/ready", *arguments)[0] == 0
        python = subprocess.run(
            [project / ".venv" / "bin" / "python", "-V"], capture_output=True, text=True, check=True
        )
        return python.stdout, (project / ".venv" / "ready").stat().st_mtime_ns

    first = made(f"PYTHON={sys.executable}")
    assert made(f"PYTHON={sys.executable}") == first
    second = made(f"PYTHON={other}")
    assert second[0] != first[0] and len(list((project / ".venv" / "lib").glob("python*"))) == 1
    # Without a name, it is the environment that is there; a new lock is put into it.
    assert made() == second
    time.sleep(0.01)
    Path(lock).touch()
    assert made()[1] > second[1]
