"""The files of deploy/ that are not run here: units, the compose file, the Dockerfile; and what the pages name."""

import configparser
import os
import re
import shutil
import subprocess
import sys

import mlflow
import pytest
import yaml
from conftest import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
PAGES = [(ROOT / "docs" / f"{name}.md").read_text() for name in ("team-server", "operations", "run-the-job")]


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_units_are_verified(tmp_path):
    """By systemd itself, with the project where it is here, and this environment."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    for path in UNITS:
        text = path.read_text().replace("/opt/onet-gwa/.venv", sys.prefix).replace("/opt/onet-gwa", str(ROOT))
        (tmp_path / path.name).write_text(text)
    names = [str(path) for path in tmp_path.iterdir() if "@" not in path.name]
    names += [str(tmp_path / name) for name in ("onet-gwa-serve@5001.service", "onet-gwa-failed@x.service")]
    for name in names[-2:]:
        shutil.copy(re.sub("@.*", "@.service", name), name)
    done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "path", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name
)
def test_a_unit_that_fails_is_told_and_may_do_little(path):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(path)
    if path.name != "onet-gwa-failed@.service":
        assert unit["Unit"]["OnFailure"] == "onet-gwa-failed@%n.service"
        hardened = {"User": "onet-gwa", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "UMask": "0077"}
        assert hardened.items() <= dict(unit["Service"]).items()


def test_each_timer_starts_a_unit_that_is_there():
    timers = [path for path in UNITS if path.suffix == ".timer"]
    assert [path.stem for path in timers] == ["onet-gwa-backup", "onet-gwa-train"]
    assert all(path.with_suffix(".service") in UNITS for path in timers)


def test_the_nightly_job_starts_at_the_same_time_in_each_way():
    """The timer's is what systemd makes of it; cron's and the workflow's have cron's form."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    [told] = re.findall("^OnCalendar=(.*)", read_unit("onet-gwa-train.timer"), re.MULTILINE)
    done = subprocess.run(["systemd-analyze", "calendar", told], capture_output=True, text=True)
    [(hour, minute)] = re.findall(r"Next elapse: .* (\d\d):(\d\d):00", done.stdout)
    assert (hour, minute) == ("02", "30") and "trains at half past two" in PAGES[1]
    assert re.findall(r"^(\d+ \d+) \* \* \* onet-gwa .*run_notebook", PAGES[1], re.MULTILINE) == ["30 2"]
    assert re.findall(r'- cron: "(.*)"', PAGES[2]) == ["30 2 * * *"]


def test_the_pages_name_units_and_files_that_are_there():
    names = {path.name for path in UNITS}
    for page in PAGES:
        verbs = r"systemctl (?:enable --now|start|restart|stop|is-active|edit)|journalctl --unit"
        told = re.findall(rf"(?:{verbs}) ([^`\n]*)", page)
        for unit in re.findall(r"onet-gwa\S*", " ".join(told)):
            name = re.sub("@.*", "@", unit)
            assert {name, f"{name}.service"} & names, unit
        for path in re.findall(r"deploy/[\w./-]*\w", page):
            assert (ROOT / path).exists(), path


def test_the_compose_file_names_what_is_there():
    """It is checked as far as that goes without Docker, and says so."""
    text = (DEPLOY / "compose.yaml").read_text()
    assert "UNCHECKED" in text and "**It is unchecked**" in PAGES[0]
    services = compose()["services"]
    assert set(services) == {"nginx", "postgres", "tracking", "serve-5001", "serve-5002"}
    for service in services.values():
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (
                source in compose()["volumes"] or source == "/etc/onet-gwa/tls" or (DEPLOY / source).exists()
            )
            assert there, source
        for path in service.get("env_file", []):
            assert path in "".join(PAGES)
        for other in service.get("depends_on", {}):
            assert "healthcheck" in services[other]


def test_images_are_pinned_and_only_nginx_is_open():
    services = compose()["services"]
    base = re.findall("^FROM (.*)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for image in [*base, *(service["image"] for service in services.values())]:
        assert re.search(r":\d+\.\d+", image), image
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert {service.get("network_mode") for name, service in services.items() if name != "nginx"} == {
        "service:nginx"
    }


def test_the_server_is_the_same_in_a_container_and_as_a_unit():
    [unit] = re.findall("^ExecStart=(.*)", read_unit("onet-gwa-mlflow.service"), re.MULTILINE)
    assert (
        compose()["services"]["tracking"]["command"].split()
        == unit.replace("/opt/onet-gwa/.venv/bin/", "").split()
    )
    [unit] = re.findall("^ExecStart=(.*)", read_unit("onet-gwa-serve@.service"), re.MULTILINE)
    assert unit.endswith(compose()["services"]["serve-5001"]["command"])


def read_unit(name):
    return (DEPLOY / "systemd" / name).read_text().replace("\\\n", "")


def test_the_image_has_no_more_than_it_names():
    copied = re.findall("^COPY (.*)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()[:-1]}
    assert [name for name in names if not (ROOT / name).exists()] == []
    tracked = subprocess.run(["git", "ls-files", *names], cwd=ROOT, capture_output=True, text=True).stdout
    assert "." not in names and not re.search(r"\.env|password|\.key", tracked)


def test_the_ini_has_what_mlflow_asks_for():
    ini, theirs = configparser.ConfigParser(), configparser.ConfigParser()
    ini.read(DEPLOY / "auth.ini")
    theirs.read(f"{mlflow.__path__[0]}/server/auth/basic_auth.ini")
    # MLflow 3.16 had a password there.
    assert set(theirs["mlflow"]) - set(ini["mlflow"]) <= {"grant_default_workspace_access", "admin_password"}
    for key in ("admin_username", "authorization_function", "default_permission"):
        assert ini["mlflow"][key] == theirs["mlflow"][key]
    assert "admin_password" not in ini["mlflow"] and int(ini["mlflow"]["auth_cache_ttl_seconds"]) > 0


def test_the_workflow_on_the_page_uses_what_the_projects_own_use():
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGES[2], re.MULTILINE | re.DOTALL)
    used = re.findall("uses: (.*)", text)
    own = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").iterdir())
    assert used and [action for action in used if f"uses: {action}" not in own] == []
    [job] = yaml.safe_load(text)["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make run"]


def test_ci_installs_what_these_tests_need():
    assert {"nginx", "postgresql"} <= set(re.findall(r"\w+", (ROOT / ".ci" / "run").read_text()))


def test_what_apt_installs_is_there_on_each_debian():
    """There is no sudo where root was given a password, and a Java with a number is of some releases only."""
    [packages] = re.findall("^apt install (.*)", PAGES[0], re.MULTILINE)
    assert {"sudo", "openssl", "curl", "make", "git"} <= set(packages.split())
    asked = ("docs/score-a-large-file.md", "docs/when-it-breaks.md", "CONTRIBUTING.md", ".ci/run")
    for name in (*asked, "onet_gwa/spark.py"):
        assert re.findall(r"[\w-]+-jre-headless", (ROOT / name).read_text()) == ["default-jre-headless"]


def test_the_backup_script_refuses_in_one_line(tmp_path):
    backup = str(DEPLOY / "backup.sh")
    said = subprocess.run([backup], capture_output=True, text=True)
    assert said.returncode == 2 and said.stderr == (
        "backup.sh: name two folders: where the backups are, and the artifacts\n"
    )
    today = subprocess.run(["date", "+%F"], capture_output=True, text=True).stdout.strip()
    (tmp_path / today).mkdir()
    said = subprocess.run([backup, str(tmp_path), str(tmp_path)], capture_output=True, text=True)
    assert said.returncode == 1 and said.stderr.startswith(f"backup.sh: {tmp_path}/{today} is there; ")


@pytest.fixture
def back_up(tmp_path, monkeypatch):
    """Return a function that backs up a folder, while a command of the shell runs there; PostgreSQL dumps nothing."""
    (tmp_path / "pg_dump").write_text("#!/bin/sh\n")
    (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def back_up(folder, meanwhile):
        # By name, so that tar has read the names in 1/, and is at the first of its files.
        options = f"--sort=name --checkpoint=1 --checkpoint-action=exec='cd {folder}; {meanwhile}'"
        monkeypatch.setenv("TAR_OPTIONS", options)
        done = subprocess.run(
            [DEPLOY / "backup.sh", tmp_path / "backups", folder], capture_output=True, text=True
        )
        monkeypatch.delenv("TAR_OPTIONS")
        return done, next((tmp_path / "backups").iterdir())

    return back_up


@pytest.mark.parametrize(
    "meanwhile, said",
    [
        ("touch 1/new", "./1: file changed as we read it"),
        ("echo more >> 1/a", "./1/a: file changed as we read it"),
        ("rm -f 1/b", "./1/b: File removed before we read it"),
        ("rm -rf 1", "./1/b: File removed before we read it"),
        ("rm -rf 1/c", "./1/c: File removed before we read it"),
        (": > 1/a", "./1/a: File shrank by"),
    ],
)
def test_a_backup_while_something_is_recorded_or_removed(tmp_path, back_up, meanwhile, said):
    (tmp_path / "artifacts/1/c").mkdir(parents=True)
    (tmp_path / "artifacts/1/a").write_bytes(bytes(50_000))
    (tmp_path / "artifacts/1/b").touch()
    (tmp_path / "artifacts/2").write_text("whole")
    done, folder = back_up(tmp_path / "artifacts", meanwhile)
    assert done.returncode == 0 and said in done.stderr and folder.suffix == ""
    command = ["tar", "--extract", "--to-stdout", f"--file={folder}/artifacts.tar", "./2"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "whole"


def test_a_backup_that_cannot_be_read(tmp_path, back_up):
    done, folder = back_up(tmp_path / "none", "true")
    assert done.returncode != 0 and "Cannot open" in done.stderr and folder.suffix == ".part"
