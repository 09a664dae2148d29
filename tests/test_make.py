"""The Makefile and its small scripts: what a newcomer sees, and refusals of one line."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import environment
import pytest
import requests
import serve
import ui
from canary import find
from conftest import copy_project, make_command, runs, shorten, wait
from help import targets
from messages import on_page
from prepared import call
from refresh import NBVAL, ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


# The tests may have been started by make, which tells a make below it so.
OUTER = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def make(project, *arguments, **env):
    """Run `make` in a copy of the project; return what subprocess.run returns, with stderr in stdout."""
    store = f"sqlite:///{project / 'mlflow.db'}"
    return subprocess.run(
        make_command(project, *arguments),
        cwd=project,
        env={**OUTER, "MLFLOW_TRACKING_URI": store, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def test_make_alone_lists_every_target():
    done = subprocess.run(["make"], cwd=ROOT, env=OUTER, capture_output=True, text=True, check=True)
    [names] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert [name for name, _ in targets(MAKEFILE)] == names.split()
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["make", n] for n in names.split()]


def test_no_program_in_the_makefile():
    assert not re.search(r"python3? -c|\bsed\b|\bawk\b|\bcase\b|\$\$", MAKEFILE)


def test_commands_are_called_by_their_path():
    lines = [line.strip("\t@") for line in MAKEFILE.splitlines() if line.startswith("\t")]
    called = {line.split()[0] for line in lines if not line.startswith("-")}
    assert {name for name in called if not name.startswith("$(BIN)/")} == {"$(PYTHON)", "rm", "touch"}


def test_make_test_replays_as_the_tools_do():
    name, _, path = NBVAL[1].partition("=")
    assert f"--nbval {name}={Path(path).relative_to(ROOT)} " in MAKEFILE


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.10"])
def test_an_old_python_is_refused_in_one_line(version, tmp_path):
    python = find(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    script = Path("tools", "environment.py")
    done = subprocess.run([python, script], cwd=ROOT, capture_output=True, text=True)
    said = f"Python {version} is too old, 3.11 is needed; name another: make PYTHON=python3.12\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    listed = subprocess.run([python, "tools/help.py", "Makefile"], cwd=ROOT, capture_output=True, check=True)
    assert listed.stdout.startswith(b"make help ")


def test_this_python_is_new_enough():
    assert environment.too_old(tuple(sys.version_info)) is None


def test_uv_comes_with_its_hashes():
    lines = environment.locked((ROOT / "requirements.txt").read_text(), "uv").splitlines()
    assert lines[0].startswith("uv==") and len(lines) > 1
    assert all(line.startswith("    --hash=sha256:") for line in lines[1:])


def test_a_users_settings_of_pip_and_uv():
    """Where packages come from stays; what would put them elsewhere, or take others, does not."""
    kept = "PIP_INDEX_URL PIP_CERT PIP_NO_INDEX PIP_CONFIG_FILE UV_DEFAULT_INDEX UV_SYSTEM_CERTS HTTP_PROXY"
    dropped = (
        "PIP_USER PIP_REQUIRE_HASHES PIP_TARGET PIP_CONSTRAINT UV_PYTHON UV_NO_DEPS PYTHONPATH PYTHONHOME"
    )
    environ = dict.fromkeys([*kept.split(), *dropped.split()], "x")
    assert list(environment.settings(environ)) == kept.split()


@pytest.mark.slow
def test_an_environment_in_spite_of_a_users_settings(project, tmp_path):
    """The first two steps of three, the environment and uv, as make does them; pip alone fails with each setting."""
    shutil.copytree(ROOT / "tools", project / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    lock = project / "requirements.txt"
    lock.write_text(environment.locked(lock.read_text(), "uv"))
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[install]\nuser = true\n")
    env = {
        "PIP_USER": "1",
        "PIP_REQUIRE_HASHES": "1",
        "PIP_TARGET": str(tmp_path / "target"),
        "UV_NO_DEPS": "1",
    }
    env |= {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path), "PYTHONHOME": ""}
    command = [sys.executable, "tools/environment.py"]
    done = subprocess.run(command, cwd=project, env={**OUTER, **env}, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and (project / ".venv" / "bin" / "uv").exists()
    assert done.stdout == "Making the environment in .venv, which takes a minute or more\n"
    assert not (tmp_path / "target").exists()


@pytest.mark.slow
def test_an_environment_that_was_moved(project):
    """Its commands name a Python that is gone."""
    command = make_command(project, "ui", "PORT=5996")
    (project / ".venv").unlink()
    (project / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "mlflow"):
        (project / ".venv" / "bin" / name).symlink_to(Path(sys.executable).parent / name)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", project / ".venv")
    (project / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    done = subprocess.run(
        command, cwd=project, env=OUTER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode != 0
    assert on_page("the environment was made in another folder").search(done.stdout.splitlines()[0])
    assert f"remove {project}/.venv, " in done.stdout


@pytest.mark.slow
def test_make_run_at_once_in_an_odd_folder(tmp_path):
    """Two first ones, in a folder with a blank and an accent, with settings for another Python; no folder is left."""
    project = copy_project(tmp_path / "mes caf\u00e9s")
    shorten(project)
    command = make_command(project, "run")
    env = {
        **OUTER,
        "MLFLOW_TRACKING_URI": "",
        "PYTHONSAFEPATH": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONPATH": "/",
    }
    several = [
        subprocess.Popen(
            command, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    for process in several:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert " mlflow run . --env-manager local --experiment-name onet-gwa\n" in said
    client, both = runs(project)
    assert [run.info.status for run in both] == ["FINISHED"] * 2
    assert {client.get_experiment(run.info.experiment_id).name for run in both} == {"onet-gwa"}
    assert os.listdir(tmp_path) == [project.name]


NOWHERE = {"MLFLOW_TRACKING_URI": "sqlite:////no/where/mlflow.db"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "target, env, said",
    [
        ("serve", {}, "/mlflow.db; make run trains one"),
        ("serve", {"PORT": "99999"}, "port 99999 cannot be used (it is no number from 1 to 65535)"),
        ("ui", {"PORT": "http"}, "port http cannot be used"),
        ("ui", {"PORT": "50 01; touch x"}, "port 50 01; touch x cannot be used"),
        ("run", NOWHERE, "/no/where"),
        ("run", {"MLFLOW_EXPERIMENT_NAME": "x" * 600}, "MLFLOW_EXPERIMENT_NAME: "),
        ("run", {"MLFLOW_TRACKING_URI": "sqlite:///:memory:"}, "names no file"),
    ],
    ids=str,
)
def test_refused_in_one_line(project, target, env, said):
    done = make(project, target, **{"PORT": "5998", "MODEL": "", **env})
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0 and len(lines) == 1, done.stdout
    assert re.match(rf"(\d{{4}}/\S+ \S+ )?make {target}: ", lines[0]) and said in lines[0]
    assert not (project / "x").exists()


@pytest.mark.slow
def test_more_that_is_refused(store):
    trains = "/mlflow.db; a run with this registered_model_name trains one"
    for program, env, said in (
        (serve, NOWHERE, "/no/where"),
        (ui, NOWHERE, "/no/where"),
        (serve, {}, trains),
    ):
        done = call(program.main, **{"PORT": "5998", "MODEL": "else", **env})
        [line] = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (1, "")
        assert line.startswith(f"make {program.__name__}: ") and said in line


def test_an_empty_port_is_the_usual_one(monkeypatch):
    # The usual one may be taken here.
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        free = str(server.server_port)
    for port in ("", " "):
        monkeypatch.setenv("PORT", port)
        assert serve.need_port("make ui", free) == free


@pytest.mark.slow
def test_make_ui(project):
    command = make_command(project, "ui", "PORT=5997")
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"}
    process = subprocess.Popen(command, cwd=project, env=env, start_new_session=True)
    try:
        wait(lambda: process.poll() is not None or answers("http://127.0.0.1:5997/health"), 120)
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def answers(address):
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(address, timeout=10).ok


def test_a_port_that_is_taken(project):
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        port = str(server.server_port)
        done = make(project, "ui", f"PORT={port}")
    assert done.returncode != 0
    assert done.stdout.startswith(f"make ui: port {port} cannot be used ")
    said, of_make = done.stdout.splitlines()
    assert said.endswith("; name another: make ui PORT=5002") and on_page("make: *** [").search(of_make)


def test_the_ui_of_a_tracking_server(project):
    done = make(project, "ui", MLFLOW_TRACKING_URI="http://127.0.0.1:5999")
    assert done.returncode == 0
    assert done.stdout == "make ui: the tracking server has its UI at http://127.0.0.1:5999\n"
