"""What a user of a tracking server may not do is said before anything is trained; people, and their permissions."""

import os
import secrets
import subprocess
import sys

import mlflow
import pytest
from conftest import ROOT, copy_project, make_command, shorten

import helpers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project whose notebook registers a model without training one."""
    folder = copy_project(tmp_path_factory.mktemp("permissions") / "project")
    shorten(folder, *REGISTERS)
    make_command(folder)
    return folder


REGISTERS = [
    "import sys; sys.path.insert(0, '..'); import helpers, mlflow; helpers.connect()",
    "run = mlflow.start_run(); labels = helpers.load_labels(); helpers.prepare_registration('onet-gwa', labels)",
    "mlflow.MlflowClient().create_model_version('onet-gwa', run.info.artifact_uri, run_id=run.info.run_id)",
    "mlflow.end_run()",
]


@pytest.fixture(scope="module")
def people(team, project):
    """Two people whom the administrator added with the page's command: `people(name, *command)` runs one as `name`."""
    passwords = {team.user: team.password, "ada": secrets.token_hex(8), "bob": secrets.token_hex(8)}

    def run(name, *command, given=None, **env):
        env = {
            **os.environ,
            "MLFLOW_TRACKING_URI": team.address,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": passwords[name],
            **env,
        }
        return subprocess.run(command, cwd=project, env=env, input=given, capture_output=True, text=True)

    for name in ("ada", "bob"):
        added = run(team.user, *PEOPLE, "add", name, given=passwords[name] + "\n")
        assert (added.returncode, added.stdout) == (0, f"{name} may log in.\n"), added.stderr
    return run


PEOPLE = [sys.executable, "tools/people.py"]
JOB = [sys.executable, "run_notebook.py"]
RUN = [sys.executable, "tools/run.py"]


@pytest.fixture(scope="module")
def trained(people):
    """Ada's training."""
    done = people("ada", *JOB)
    assert done.returncode == 0, done.stderr


def test_a_colleague_is_refused_before_the_kernel_starts_and_then_let_in(team, people, trained):
    """All of it by what is printed: Bob tells Ada what to type, she types it, and his training works."""
    for command, name in ((JOB, "run_notebook.py"), (RUN, "make run")):
        refused = people("bob", *command)
        [line] = refused.stderr.splitlines()
        assert refused.returncode == 1 and line.startswith(
            f"{name}: MLFLOW_TRACKING_USERNAME: bob has the permission READ for the "
        )
    told = line.partition("its owner types: ")[2].partition(";")[0]
    assert told == "python tools/people.py let bob 'onet-gwa'"
    # Nobody but the owner or an administrator can.
    [said] = people("bob", *PEOPLE, "let", "bob", "onet-gwa").stderr.splitlines()
    assert said.startswith("people.py: Permission denied")
    given = people("ada", "sh", "-c", told)
    assert given.stdout.splitlines() == [
        "bob may write in the experiment onet-gwa.",
        "bob may write in the registered model onet-gwa.",
    ], given.stderr
    for command in (JOB, RUN):
        done = people("bob", *command)
        assert done.returncode == 0, done.stderr


def test_another_registered_model_of_somebody_else(people, trained):
    """In an experiment of one's own, too."""
    mine = {"MLFLOW_EXPERIMENT_NAME": "bobs"}
    code = "import helpers, mlflow; helpers.connect(); mlflow.MlflowClient().create_registered_model('adas')"
    assert people("ada", sys.executable, "-c", code).returncode == 0
    refused = people("bob", *JOB, "--registered_model_name", "adas", **mine)
    [line] = refused.stderr.splitlines()
    assert "bob has the permission READ for the registered model 'adas', and needs EDIT" in line
    # What is nobody's yet, he may make.
    assert people("bob", *JOB, "--registered_model_name", "bobs", **mine).returncode == 0


def test_a_user_who_may_see_nothing(team, people, trained):
    """Of experiments, experiment 0 included; and connecting is not refused."""
    code = "import helpers, mlflow; helpers.connect(); print(len(mlflow.search_experiments()))"
    client = administrator(team)
    client("2.0/mlflow/users/create", username="eve", password=team.password)
    for experiment in ("0", "onet-gwa"):
        identifier = experiment if experiment == "0" else of_name(team, experiment)
        fields = {"resource_type": "experiment", "resource_id": identifier, "permission": "NO_PERMISSIONS"}
        client("3.0/mlflow/users/permissions/grant", username="eve", **fields)
    as_eve = {"MLFLOW_TRACKING_USERNAME": "eve"}
    seen = people(team.user, sys.executable, "-c", code, **as_eve)
    assert seen.returncode == 0, seen.stderr
    [line] = people(team.user, *JOB, **as_eve).stderr.splitlines()
    assert "eve has the permission NO_PERMISSIONS for the experiment 'onet-gwa', and needs EDIT" in line


def administrator(team):
    """A function that posts to the server as the administrator."""
    import requests

    def post(path, **fields):
        auth = (team.user, team.password)
        requests.post(f"{team.address}/api/{path}", json=fields, auth=auth, timeout=60).raise_for_status()

    return post


def of_name(team, experiment):
    import requests

    answer = requests.get(
        f"{team.address}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": experiment},
        auth=(team.user, team.password),
        timeout=60,
    )
    return answer.json()["experiment"]["experiment_id"]


@pytest.mark.parametrize(
    "command, given, said",
    [
        (["add", "cy"], "short\n", "Password must be at least 12 characters."),
        (["add", "ada"], "long enough for it\n", "User (username=ada) already exists"),
        (["let", "bob", "else"], None, "you see no experiment and no registered model 'else'; name one"),
        (["let", "cy", "Default"], None, "cy"),
    ],
    ids=str,
)
def test_people_refuses_in_one_line(team, people, command, given, said):
    done = people(team.user, *PEOPLE, *command, given=given)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("people.py: ") and said in line


def test_a_wrong_password(team, people):
    done = people("bob", *JOB, MLFLOW_TRACKING_PASSWORD="wrong")
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("run_notebook.py: MLFLOW_TRACKING_URI: http://")
    assert "authenticated" in line


def test_a_store_without_users(store):
    """Neither SQLite nor a plain server has anybody to ask about."""
    helpers.need_permission("experiment", "onet-gwa")
    assert mlflow.get_tracking_uri().startswith("sqlite:")
    with helpers.server("mlflow", "server", "--workers", "1", "--port", "{port}", *at(store)) as address:
        code = f"import helpers; helpers.connect(); helpers.need_permission('experiment', '{helpers.MODEL_NAME}')"
        env = {**os.environ, "MLFLOW_TRACKING_URI": f"http://{address}"}
        subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True)


def at(folder):
    return (
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/server",
    )
