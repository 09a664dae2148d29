"""What docs/team-server.md and docs/operations.md have an operator type, run on a real PostgreSQL and MLflow.

Folders are others, and what only a machine with systemd has is left out; all else is the pages' own commands.
"""

import os
import re
import subprocess
from pathlib import Path

import mlflow
import mlflow.server
import pytest
import requests
import server
from conftest import ROOT, copy_project, shorten
from messages import MESSAGES, on_page
from team_machine import PAGES, Machine, commands, contents, login, section
from team_server import need

import helpers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old(team):
    """What the first server holds, as its administrator sees it: two versions, two aliases, and Ann."""
    need("openssl", "pg_dump", "pg_restore")
    with pytest.MonkeyPatch.context() as patch:
        login(patch, team.address, team.user, team.password)
        helpers.choose_experiment()
        client = mlflow.MlflowClient()
        helpers.prepare_registration("kept", helpers.load_labels())
        for number in (1, 2):
            with mlflow.start_run(run_name=f"run {number}") as run:
                mlflow.log_param("C", number)
                mlflow.log_metric("f1_micro", number / 10)
                mlflow.log_text(f"model {number}", "model/model.txt")
            source = f"{run.info.artifact_uri}/model"
            client.create_model_version("kept", source, run.info.run_id, tags={"decision": f"{number}"})
        for alias, version in (("champion", "2"), ("previous", "1")):
            client.set_registered_model_alias("kept", alias, version)
        mlflow.server.get_app_client("basic-auth", tracking_uri=team.address).create_user(
            "ann", "ann's password"
        )
        yield contents()


@pytest.fixture(scope="module")
def new(team, old, tmp_path_factory):
    """A new machine on which the page's commands restored a backup of the first server, and upgraded it."""
    folder = Path(team.folder, "new")
    folder.mkdir()
    os.chmod(folder, 0o711)
    # As on the first machine, by its nightly unit; but for the folders, which its server has elsewhere.
    machine = Machine(folder, team.sockets)
    (folder / "var/lib/onet-gwa/artifacts").symlink_to(Path(team.folder, "artifacts"))
    command, where = machine.unit("onet-gwa-backup.service")
    subprocess.run(command, env={**os.environ, **where}, check=True)
    (folder / "var/lib/onet-gwa/artifacts").unlink()
    with server.cluster(folder) as machine.sockets:
        _, databases, secrets, certificate, start = commands("team-server", "The team's machine")
        [upgrade] = commands("team-server", "Upgrade")
        for block in (databases, secrets, certificate, start, *commands("team-server", "Restore"), upgrade):
            # Nothing answers and nothing is served here yet.
            machine.type(re.sub("^(curl|set -a).*\n", "", block, flags=re.MULTILINE))
        command, env = machine.unit("onet-gwa-mlflow.service")
        command[command.index("5000")] = "{port}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                # The port is known when the server runs.
                patch.setenv(name, value.replace(":5000", ":*"))
            with helpers.server(*command) as machine.address:
                patch.undo()
                [wait] = set(re.findall("^curl.*", start + upgrade, re.MULTILINE))
                assert machine.type(wait) == "OK"
                yield machine


def test_all_is_there_after_a_restore(team, old, new, monkeypatch):
    login(monkeypatch, f"http://{new.address}", team.user, team.password)
    assert contents() == old
    assert len(old) >= 2 + 1 + 2 and old["kept"][0] == {"champion": "2", "previous": "1"}
    # It goes on from there.
    assert (
        mlflow.MlflowClient().create_model_version("kept", old["kept", "1"][1], old["kept", "1"][0]).version
        == "3"
    )


def test_people_log_in_with_the_passwords_they_had(team, new, monkeypatch):
    """The administrator too: the password in server.env is for the first start."""
    login(monkeypatch, f"http://{new.address}", "ann", "ann's password")
    password = dict(
        line.split("=", 1) for line in (new.folder / "etc/onet-gwa/server.env").read_text().splitlines()
    )
    with pytest.raises(OSError, match=on_page("MLFLOW_TRACKING_USERNAME, ")):
        login(monkeypatch, f"http://{new.address}", "admin", password["MLFLOW_AUTH_ADMIN_PASSWORD"])
    login(monkeypatch, f"http://{new.address}", team.user, team.password)


def test_under_which_names_it_answers(new):
    """Under this machine's, which server.env has, and no other."""
    mine = subprocess.run(["hostname", "-f"], capture_output=True, text=True, check=True).stdout.strip()
    for name, status in ((mine, 401), ("elsewhere.example", 403)):
        path = f"http://{new.address}/api/2.0/mlflow/users/current"
        answer = requests.get(path, headers={"Host": name}, timeout=60)
        assert answer.status_code == status
    assert on_page("Invalid Host header").search(answer.text)


@pytest.fixture
def nightly(team, new, tmp_path):
    """The nightly job's user and file, by the page's commands, and a project whose notebook trains nothing."""
    path = new.folder / "etc/onet-gwa/server.env"
    path.write_text(re.sub("(PASSWORD=).*", rf"\g<1>{team.password}", path.read_text()))
    if not (new.folder / "etc/onet-gwa/job.env").exists():
        *blocks, let = commands("operations", "Nightly retraining")
        for block in blocks:
            new.type(block)
        names = {"URI": f"http://{new.address}", "USERNAME": team.user, "PASSWORD": team.password}
        new.type(let, **{f"MLFLOW_TRACKING_{name}": value for name, value in names.items()})
    new.project = copy_project(tmp_path / "project")
    shorten(new.project)
    yield new
    new.project = ROOT


def test_the_nightly_job_by_its_unit_and_by_cron(nightly):
    """With the variables that each gives it, and no others."""
    command, env = nightly.unit("onet-gwa-train.service")
    command = [re.sub(r"^\$\{(\w+)\}$", lambda name: env[name[1]], word) for word in command]
    [line] = re.findall(r"^```cron\n30 2 \* \* \* onet-gwa (.*)\n```", PAGES["operations"], re.MULTILINE)
    line, _, otherwise = line.partition(" || ")
    assert otherwise.startswith("logger --priority user.err ")
    bare = {"HOME": str(nightly.folder), "LOGNAME": "onet-gwa", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    for words, variables in ((command, env), (["/bin/sh", "-c", nightly.place(line)], bare)):
        done = subprocess.run(words, cwd=nightly.project, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert env["MLFLOW_TRACKING_PASSWORD"] not in done.stdout + done.stderr


def test_the_job_has_its_file_written_anew(team, nightly, monkeypatch):
    """By the blocks that wrote it, with a password of its own, and with the word that docs/when-it-breaks.md says."""
    monkeypatch.setattr(nightly, "project", ROOT)
    *blocks, _ = commands("operations", "Nightly retraining")
    for block in blocks:
        nightly.type(block.replace("people.py add", "people.py password"))
    text = (nightly.folder / "etc/onet-gwa/job.env").read_text()
    [password] = re.findall("^MLFLOW_TRACKING_PASSWORD=(.*)", text, re.MULTILINE)
    login(monkeypatch, f"http://{nightly.address}", "nightly", password)
    login(monkeypatch, f"http://{nightly.address}", team.user, team.password)


def test_secrets_are_for_their_owner_only(nightly):
    files = [path for path in (nightly.folder / "etc/onet-gwa").rglob("*") if path.suffix in (".env", ".key")]
    assert len(files) == 3
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_what_to_watch(nightly):
    """The commands that ask no scoring server and no nginx; a stale backup is told."""
    [block] = commands("operations", "What to watch")
    asked = [line for line in block.splitlines() if not re.search("500[12]|8443", line)]
    assert len(asked) == len(block.splitlines()) - 5
    for line in asked:
        nightly.type(line)
    [backup] = (nightly.folder / "var/backups/onet-gwa").iterdir()
    os.utime(backup, (0, 0))
    with pytest.raises(AssertionError):
        nightly.type(asked[-1])


def test_what_to_type_for_each_check():
    [block] = commands("operations", "What to watch")
    rows = re.findall(r"^\| (.*?) \|", section("operations", "When you are called"), re.MULTILINE)
    fails = [word for row in rows for word in re.findall("`(.*?)`", row)]
    assert [line for line in block.splitlines() if not any(word in line for word in fails)] == []
    assert [word for word in fails if word not in block] == []


def test_thirty_backups_stay(new, tmp_path):
    """By their names, so that the last ones stay even when no more are made."""
    [line] = re.findall(r"^0 3 \* \* \* onet-gwa (.*) \|\| logger .*", PAGES["operations"], re.MULTILINE)
    names = [f"2020-{month}-{day}" for month in (10, 11) for day in range(10, 26)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "artifacts.tar").touch()
    for _ in "12":
        new.type(line.replace("/var/backups/onet-gwa", str(tmp_path)))
        assert sorted(path.name for path in tmp_path.iterdir()) == names[2:]


@pytest.fixture
def versions(nightly, monkeypatch):
    """The numbers of three versions that the nightly job's user has registered; nothing is trained for them."""
    env = nightly.unit("onet-gwa-train.service")[1]
    login(monkeypatch, f"http://{nightly.address}", "nightly", env["MLFLOW_TRACKING_PASSWORD"])
    helpers.choose_experiment()
    helpers.prepare_registration("onet-gwa", helpers.load_labels())
    with mlflow.start_run() as run:
        mlflow.log_metric("cv_f1_micro", 0.5)
    client, source = mlflow.MlflowClient(), f"{run.info.artifact_uri}/model"
    return [client.create_model_version("onet-gwa", source, run.info.run_id).version for _ in range(3)]


def test_the_last_trainings(nightly, versions):
    """Each refusal that the job can give, as docs/when-it-breaks.md has it, for three nights; then one for two."""
    [block] = commands("operations", "The last trainings, and the champion")
    load, finished, decided, _ = block.splitlines()
    nightly.type(f"{load}\n{finished}")
    refusals = [message for message in MESSAGES if message.startswith("version … of … is not the champion: ")]
    client, rings = mlflow.MlflowClient(), []
    for message in refusals:
        for version in versions:
            client.set_model_version_tag("onet-gwa", version, "decision", message)
        try:
            nightly.type(f"{load}\n{decided}")
        except AssertionError as error:
            assert message in str(error)
            rings.append(message)
    no_better = ("it is no better", "it is worse", "promote is 'never'")
    assert rings == [message for message in refusals if not any(why in message for why in no_better)]
    assert len(rings) == 4 and message in rings
    client.set_model_version_tag("onet-gwa", versions[0], "decision", "version … became the champion: …")
    nightly.type(f"{load}\n{decided}")


def test_bad_answers(nightly, versions):
    """The page's lines, of which `make switch` is for running servers: the champion before this one is back."""
    client = mlflow.MlflowClient()
    for alias, version in (("previous", versions[1]), ("champion", versions[2])):
        client.set_registered_model_alias("onet-gwa", alias, version)
    nightly.project = ROOT
    [block] = commands("operations", "Bad answers")
    make = "make() { if [ $1 = rollback ]; then .venv/bin/python tools/promote.py rollback; fi; }\n"
    assert f"version {versions[1]} of onet-gwa became the champion" in nightly.type(make + block)
    assert helpers.champion("onet-gwa") == versions[1]
    assert [line for line in block.splitlines() if line.startswith("make")] == [
        "make rollback",
        "make switch",
    ]
