"""What the tests share. The store of the whole session, notebooks included, is a temporary one."""

import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell
from prepared import SETTINGS, empty_store, nothing_left, quick_java, store  # noqa: F401
from team_server import team  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "onet"
PROJECT = (
    "MLproject",
    "conda.yaml",
    "requirements.txt",
    "run_notebook.py",
    "helpers.py",
    *sorted(path.name for path in ROOT.glob("onet_gwa*")),
    "data",
    "notebooks",
)

# mlflow and run_notebook are imported where they are used: a file that needs neither answers at once.
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

# What the user has set for jobs is not for the tests.
for _name in [name for name in os.environ if name.startswith(SETTINGS)]:
    del os.environ[_name]
_store = tempfile.TemporaryDirectory(prefix="onet-gwa-tests-")
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{_store.name}/mlflow.db"
# What uv and pip have downloaded stays at hand; the project's own cache is an empty one.
for _tool in ("uv", "pip"):
    os.environ.setdefault(f"{_tool.upper()}_CACHE_DIR", str(Path.home() / ".cache" / _tool))
os.environ["XDG_CACHE_HOME"] = f"{_store.name}/cache"
# What all share is in the folder of the first process, whose variables xdist's workers have.
if "ONET_GWA_TESTS" not in os.environ:
    os.environ["ONET_GWA_TESTS"] = _store.name
    quick_java(Path(_store.name, "java"))
# Eight more processes of each `mlflow server` and `mlflow ui`, which the project's own servers do without, too.
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
# The environment's commands come first, as `make` arranges it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest; skip the notebooks whose shell commands are absent."""
    # A file runs in one process; one that took minutes and came last would have the others wait.
    longest = {"test_environments.py", "test_run.py", "test_serving.py", "test_surroundings.py"}
    longest |= {"test_app.py", "test_switch.py", "test_deploy_nginx.py", "test_deploy_team.py"}
    longest |= {"test_score.py", "test_score_faults.py", "test_cluster.py", "test_score_page.py"}
    items.sort(key=lambda item: item.path.name not in longest)
    needs = {"03_project_execution.ipynb": ["bash", "git"], "04_model_serving.ipynb": ["bash", "curl"]}
    needs["03_exercises.ipynb"] = ["bash"]
    needs["06_scaling_out.ipynb"] = ["bash", "java", "spark-submit"]
    for item in items:
        for command in needs.get(item.path.name, []):
            if not shutil.which(command):
                item.add_marker(pytest.mark.skip(reason=f"{item.path.name} needs {command}, which is absent"))


@pytest.fixture
def onet():
    """The folder of real O*NET data beside the project."""
    if not SHARED.exists():
        pytest.skip("the O*NET archives in ../shared/onet are absent")
    return SHARED


def copy_project(folder):
    """Copy the project's files into the new `folder`, and return it."""
    folder.mkdir()
    for name in PROJECT:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder)
    return folder


def need_python(version):
    """Skip a test for which uv would have to download a Python."""
    if subprocess.run(["uv", "python", "find", "--system", version], capture_output=True).returncode:
        pytest.skip(f"uv finds no Python {version} on PATH, and would have to download it")


def run_in(project, *command, **env):
    """Run a command in a copy of the project, with the store there; return what subprocess.run returns."""
    # The tests may have been started by make, which tells a make below it so.
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env = {**outer, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}", **env}
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=900)


@pytest.fixture
def project(tmp_path):
    """A copy of the project's files, to be changed and run."""
    return copy_project(tmp_path / "project")


@pytest.fixture
def run(project):
    """`run_in` for this copy of the project, which gets an empty store."""
    return functools.partial(run_in, empty_store(project))


@pytest.fixture(scope="module")
def versions(store):  # noqa: F811
    """MLflow's client of a new store with two versions of onet-gwa, which differ in their rows; 1 is the champion."""
    import mlflow

    import helpers

    client, labels = mlflow.MlflowClient(), helpers.load_labels()
    X, y = helpers.to_X_y(helpers.load_tasks("sample", labels), labels)
    helpers.prepare_registration("onet-gwa", labels)
    for rows in (400, 800):
        with mlflow.start_run():
            logged = helpers.log_model(helpers.make_model().fit(X[:rows], y[:rows]), labels, X.head(1))
        client.create_model_version("onet-gwa", logged.model_uri, model_id=logged.model_id)
    client.set_registered_model_alias("onet-gwa", "champion", "1")
    return client


def serving(folder, **settings):
    """A command for `helpers.server`: tools/serve.py, which writes what it says into out and err in a folder."""
    command = f"exec '{sys.executable}' '{ROOT}/tools/serve.py' >>'{folder}/out' 2>>'{folder}/err'"
    return ["env", "PORT={port}", *(f"{k}={v}" for k, v in settings.items()), "bash", "-c", command]


@pytest.fixture
def connect(store, monkeypatch):  # noqa: F811
    """Return a function that connects to an address, and returns MLflow's; later tests have the old one again."""
    import mlflow

    import helpers

    uri = mlflow.get_tracking_uri()
    for name in ("USERNAME", "PASSWORD"):
        # They may be in an address; an empty one is none.
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")

    def connect(address):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        helpers.connect()
        return mlflow.get_tracking_uri()

    yield connect
    mlflow.set_tracking_uri(uri)


def refusal(connect, address):
    """The one line with which an address is refused."""
    with pytest.raises((OSError, ValueError)) as error:
        connect(address)
    assert "\n" not in str(error.value)
    return str(error.value)


def make_command(project, *arguments):
    """A `make` command for a copy of the project that takes the present environment for its own."""
    shutil.copy(ROOT / "Makefile", project)
    shutil.copytree(ROOT / "tools", project / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (project / ".venv").symlink_to(sys.prefix)
    # The environment is used as it is, be it older than the copy of its lock.
    return [
        "make",
        "--no-print-directory",
        "--old-file=.venv/ready",
        "--old-file=.venv/ready-server",
        *arguments,
    ]


def runs(project):
    """The runs in the store of a copy of the project."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return client, client.search_runs(ids)


def notebook_of(client, run, folder):
    """The executed notebook that a run carries; its HTML must be there too."""
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "notebook")}
    assert names == {"notebook/02_pipeline_training.ipynb", "notebook/02_pipeline_training.html"}
    page, notebook = (client.download_artifacts(run.info.run_id, name, str(folder)) for name in sorted(names))
    text = open(page, encoding="utf-8").read()
    assert "Train and track" in text and "No description has been provided" not in text
    assert not re.search("<script[^>]* src=.http", text)
    return nbformat.read(notebook, 4)


def shorten(project, *cells):
    """Replace the training notebook of a copy of the project by a few cells that take no time."""
    head = nbformat.read(project / "notebooks" / "02_pipeline_training.ipynb", 4)
    parameters = next(cell for cell in head.cells if "parameters" in cell.metadata.get("tags", []))
    sources = cells or ["import sys, mlflow\nwith mlflow.start_run(): print(sys.prefix)"]
    head.cells = [nbformat.v4.new_markdown_cell("# Train and track"), parameters]
    head.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(head, project / "notebooks" / "02_pipeline_training.ipynb")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if isinstance(item, IPyNbCell) and call.when == "call":
        item.cell.outputs = item.test_outputs or []
        item.parent.has_failed = report.failed or getattr(item.parent, "has_failed", False)
    return report


def pytest_runtest_teardown(item, nextitem):
    """Write a notebook that failed, as it ran here, as an HTML page into the folder failed/."""
    at_its_end = nextitem is None or nextitem.parent is not item.parent
    if at_its_end and getattr(item.parent, "has_failed", False):
        import helpers

        folder = Path("failed")
        folder.mkdir(exist_ok=True)
        notebook = folder / item.path.name
        nbformat.write(item.parent.nb, notebook)
        notebook.with_suffix(".html").write_text(helpers.render(notebook), encoding="utf-8")


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def free_port():
    """The number of a port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
