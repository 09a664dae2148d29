"""A team's machine in a folder, where tests type what the pages for it have an operator type."""

import hashlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import mlflow
from conftest import ROOT

import helpers

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("team-server", "operations")}
# `sudo -u USER` is us, since the databases of a test are ours; the others are of a machine that is set up for good.
STANDINS = """
sudo() { shift 2; "$@"; }
for left_out in apt useradd chown systemctl git make; do eval "$left_out() { :; }"; done
install() { for word; do shift; case $word in --owner=*) ;; *) set -- "$@" "$word";; esac; done; command install "$@"; }
"""


def section(page, heading):
    """What is under a heading of a page."""
    [section] = re.findall(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    return section


def commands(page, heading):
    """The console blocks under a heading of a page."""
    return re.findall(r"^```console\n(.*?)^```", section(page, heading), re.MULTILINE | re.DOTALL)


class Machine:
    """A team's machine in a folder: what is below /etc and /var on a real one, and PostgreSQL's socket."""

    def __init__(self, folder, sockets):
        self.folder, self.sockets, self.project, self.address = folder, sockets, ROOT, "127.0.0.1:5000"
        for name in ("etc/nginx/conf.d", "etc/systemd/system", "var/lib/onet-gwa", "var/backups/onet-gwa"):
            (folder / name).mkdir(parents=True)

    def place(self, text):
        """A text with this machine's folders; the project itself is the one that is tested."""
        text = text.replace("/var/run/postgresql", self.sockets).replace("127.0.0.1:5000", self.address)
        text = re.sub(r"(/opt/onet-gwa/)?\.venv/", f"{sys.prefix}/", text).replace(
            "/opt/onet-gwa", str(self.project)
        )
        return re.sub(r"(?<![\w.])/(etc|var)/", rf"{self.folder}/\1/", text)

    def type(self, text, **env):
        """Type commands in the project's folder, as root on a real machine; return what they printed."""
        env = {**os.environ, "PGHOST": self.sockets, **env}
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", STANDINS + self.place(text)],
            cwd=self.project,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def unit(self, name):
        """The command of a unit and its environment, without those of the files that it names."""
        text = self.place((ROOT / "deploy" / "systemd" / name).read_text()).replace("\\\n", "")
        env = dict(
            pair.split("=", 1)
            for line in re.findall("^Environment=(.*)", text, re.M)
            for pair in line.split()
        )
        for path in re.findall("^EnvironmentFile=(.*)", text, re.M):
            env |= dict(line.split("=", 1) for line in Path(path).read_text().splitlines())
        [command] = re.findall("^ExecStart=(.*)", text, re.M)
        return shlex.split(command), env


def login(patch, address, user, password):
    for name, value in {"URI": address, "USERNAME": user, "PASSWORD": password}.items():
        patch.setenv(f"MLFLOW_TRACKING_{name}", value)
    patch.setenv("MLFLOW_EXPERIMENT_NAME", "onet-gwa")
    helpers.connect()


def contents():
    """Every run, file, version and alias of the present server."""
    client = mlflow.MlflowClient()
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    models = client.search_registered_models()
    found = {
        run.info.run_id: (run.info.status, run.data.params, run.data.metrics, files(run)) for run in runs
    }
    found |= {model.name: (model.aliases, model.tags) for model in models}
    versions = client.search_model_versions()
    return found | {(v.name, v.version): (v.run_id, v.source, v.tags, v.status) for v in versions}


def files(run):
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id))
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
