"""What a user of a tracking server may not do is said before anything is trained; people, and their permissions."""

import io
import os
import re
import secrets
import subprocess
import sys

import mlflow
import mlflow.server
import people
import promote
import pytest
from conftest import copy_project, shorten
from messages import on_page
from prepared import call, empty_store, typed
from test_promotion import check_two_at_once, data, log_pipelines  # noqa: F401

import helpers

pytestmark = pytest.mark.slow
LABELS = helpers.load_labels()


@pytest.fixture(scope="module")
def passwords(team):
    return {team.user: team.password, "ada": secrets.token_hex(8), "bob": secrets.token_hex(8)}


@pytest.fixture
def login(team, passwords, monkeypatch):
    """Return a function that logs somebody in, as his variables do; the old store is the present one afterwards."""
    before = mlflow.get_tracking_uri()
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "onet-gwa")

    def login(name):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", passwords[name])
        helpers.connect()

    yield login
    os.environ.pop("MLFLOW_RUN_ID", None)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def tell(monkeypatch, capsys):
    """Return a function that runs people.py, and returns its lines, or the one line with which it refuses."""

    def tell(*arguments, given=""):
        monkeypatch.setattr(sys, "argv", ["people.py", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given + "\n"))
        try:
            people.main()
        except SystemExit as error:
            return error.code
        return capsys.readouterr().out.splitlines()

    return tell


def train(name):
    """What the job asks of a server: a run, and a version of a registered model."""
    run_id = helpers.open_run(name)
    del os.environ["MLFLOW_RUN_ID"]
    helpers.prepare_registration(name, LABELS)
    client = mlflow.MlflowClient()
    client.log_text(run_id, "model", "model.txt")
    version = client.create_model_version(name, mlflow.get_run(run_id).info.artifact_uri, run_id).version
    client.set_registered_model_alias(name, "champion", version)
    client.set_terminated(run_id)
    return version


@pytest.fixture
def trained(login, tell, passwords, team):
    """Ada and Bob can log in, and Ada has trained, which Bob may see."""
    login(team.user)
    if "onet-gwa" not in [experiment.name for experiment in mlflow.search_experiments()]:
        for name in ("ada", "bob"):
            assert tell("add", name, given=passwords[name]) == [f"{name} may log in."]
        login("ada")
        train("onet-gwa")


def test_a_colleague_is_refused_before_the_kernel_starts(trained, login):
    """By both programs that open runs, in one line."""
    login("bob")
    for program, kind in (("run_notebook.py", "registered model"), ("tools/run.py", "experiment")):
        done = subprocess.run([sys.executable, helpers.ROOT / program], capture_output=True, text=True)
        [line] = done.stderr.splitlines()
        assert done.returncode == 1 and done.stdout == ""
        assert f"bob has the permission READ for the {kind} 'onet-gwa'" in line
        assert on_page("MLFLOW_TRACKING_USERNAME: … has").search(line)
        # With the registered model, it is on the page.
        page = (helpers.ROOT / "docs" / "team-server.md").read_text()
        assert re.sub("^.*?MLFLOW", "MLFLOW", line).replace(kind, "registered model") in page


def test_another_registered_model_of_somebody_else(trained, login, monkeypatch):
    """In an experiment of one's own, too; what is nobody's yet, anybody may make."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "bobs")
    login("bob")
    with pytest.raises(OSError, match="READ for the registered model 'onet-gwa', and needs EDIT"):
        helpers.open_run("onet-gwa")
    assert train("bobs") == "1"


def test_nobody_but_the_owner_lets_people_in(trained, login, tell):
    login("bob")
    assert on_page("Permission denied").search(tell("let", "bob", "onet-gwa"))


def test_what_the_owner_types(trained, login, tell, tmp_path, monkeypatch):
    """It is in the refusal; then the job runs, and its model is a version of the colleague's."""
    login("bob")
    with pytest.raises(OSError) as refused:
        helpers.open_run("onet-gwa")
    [command] = re.findall(r"types: python tools/people.py (let bob) 'onet-gwa'", str(refused.value))
    login("ada")
    assert tell(*command.split(), "onet-gwa") == [
        "bob may write in the experiment onet-gwa.",
        "bob may write in the registered model onet-gwa.",
    ]
    login("bob")
    assert train("onet-gwa") == "2"
    project = copy_project(tmp_path / "project")
    shorten(project)
    command = ["mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "onet-gwa"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_user_who_may_see_nothing(trained, login, team, passwords):
    """Not even experiment 0: connecting is not refused."""
    login(team.user)
    client = mlflow.server.get_app_client("basic-auth", tracking_uri=team.address)
    passwords["eve"] = secrets.token_hex(8)
    client.create_user("eve", passwords["eve"])
    for name in ("Default", "onet-gwa"):
        identifier = mlflow.get_experiment_by_name(name).experiment_id
        client.grant_user_permission("eve", "experiment", identifier, "DENY")
    client.grant_user_permission("eve", "registered_model", "onet-gwa", "DENY")
    login("eve")
    with pytest.raises(OSError, match="eve has the permission NO_PERMISSIONS for the experiment 'onet-gwa'"):
        helpers.open_run("onet-gwa")
    assert helpers.champion("onet-gwa") is None
    said = call(promote.main, [], VERSION="1").stderr
    assert on_page("… cannot be changed").search(said) and "Permission denied" in said


def test_another_champion(trained, login):
    """A version that is there, of a model that one may only see, cannot be made the champion."""
    login("ada")
    assert [train("adas") for _ in range(2)] == ["1", "2"]
    said = call(promote.main, [], MODEL="adas", VERSION="7").stderr
    assert on_page("… has no version …").search(said)
    said = call(promote.main, ["rollback"], MODEL="adas").stderr
    assert on_page("… has no champion before").search(said)
    login("bob")
    done = call(promote.main, [], MODEL="adas", VERSION="1")
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and on_page("… cannot be changed").search(line)
    assert "its owner types: python tools/people.py let bob 'adas'" in line
    assert str(helpers.champion("adas")) == "2"


def test_a_hundred_other_models(trained, login, tell):
    """MLflow gives them by the hundred, sorted by name."""
    login("ada")
    client = mlflow.MlflowClient()
    for number in range(100):
        client.create_registered_model(f"a{number:03}")
    client.create_registered_model("z")
    assert tell("let", "bob", "z") == ["bob may write in the registered model z."]


def test_people_refuses_in_one_line(trained, login, team, tell):
    login(team.user)
    assert tell("add", "cy", given="short") == "people.py: Password must be at least 12 characters."
    assert on_page("… is there already; for").search(tell("add", "ada", given="x" * 12))
    assert tell("password", "cy", given="x" * 12) == "people.py: User with username=cy not found"
    # The database refuses it, with the user's row, in which is the hash of the password.
    said = tell("add", "x" * 256, given="x" * 12)
    assert "too long" in said and "INSERT" not in said and "scrypt" not in said
    assert tell("let", "ada", "else").startswith("people.py: you see no experiment and no registered model")
    assert "cy" in tell("let", "cy", "Default")


@pytest.mark.parametrize("address", [None, "sqlite:///mlflow.db"])
def test_people_of_no_server(tell, monkeypatch, address):
    """Nobody is asked for a password then; the store is not even opened."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setattr(people, "ask_password", None)
    assert on_page("MLFLOW_TRACKING_URI: … is no tracking").search(tell("add", "bob"))


def test_people_of_a_server_without_users(login, tell, tmp_path, monkeypatch):
    command = ["mlflow", "server", "--backend-store-uri", f"sqlite:///{empty_store(tmp_path)}/mlflow.db"]
    with helpers.server(*command, "--workers", "1", "--port", "{port}") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        said = tell("add", "bob", given="x" * 12)
    assert on_page("… has no users").search(said) and f"http://{address} has no users" in said


@pytest.mark.parametrize("key", [b"\x04", b"\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_people_is_given_no_password(trained, login, team, key):
    login(team.user)
    command = [sys.executable, helpers.ROOT / "tools" / "people.py", "add", "cy"]
    status, said = typed(command, b"password for cy: ", key)
    assert status == 1 and said.endswith("\npeople.py: nothing was changed\n") and "Traceback" not in said


def test_a_new_password(trained, login, team, tell, passwords):
    """From the administrator and from oneself, not from others; the old one is refused from then on."""
    login("bob")
    assert on_page("Permission denied").search(tell("password", "ada", given="x" * 12))
    for who in (team.user, "ada"):
        new = secrets.token_hex(8)
        # From now on, the server has the old one in its cache.
        login("ada")
        login(who)
        assert tell("password", "ada", given=new) == ["ada has a new password."]
        with pytest.raises(OSError, match=on_page("MLFLOW_TRACKING_USERNAME, ")):
            login("ada")
        passwords["ada"] = new
        login("ada")


def test_a_wrong_password(login, passwords, team, monkeypatch):
    """The line names what to mend, and shows no password."""
    monkeypatch.setitem(passwords, "nobody", "a-wrong-password")
    with pytest.raises(OSError) as refused:
        login("nobody")
    names = "MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD"
    assert str(refused.value) == f"{names}: {team.address} does not know them; set both"


def test_two_at_once_on_postgresql(data, trained, login, team):  # noqa: F811
    """Two versions that are registered at once, as in test_promotion.py on SQLite."""
    login(team.user)
    helpers.choose_experiment()
    check_two_at_once(data, log_pipelines(data), "at once")
