"""What a machine brings along does not change the job: kernels, settings, streams, folders."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT, copy_project, notebook_of, run_in, runs, shorten
from messages import on_page

pytestmark = pytest.mark.slow

JOB = """
import sys; sys.path.insert(0, "..")
import helpers, matplotlib.pyplot as plt, mlflow
helpers.connect()
figure, ax = plt.subplots()
ax.plot([1, 2])
helpers.show(figure, "A line that goes up from one to two")
with mlflow.start_run(): print(sys.executable, plt.rcParams["lines.linewidth"])
"""


# Where no store, figure or setting is the matter.
QUICK = "import sys\nprint(sys.executable)"


def one_run(project, tmp_path):
    """What the last cell of the only, finished, run of a project has printed."""
    client, [run] = runs(project)
    assert run.info.status == "FINISHED"
    (tmp_path / "got").mkdir()
    return notebook_of(client, run, tmp_path / "got").cells[-1].outputs[-1].text


@pytest.fixture
def home(tmp_path):
    """A home in which a kernelspec leads nowhere, and all that IPython and matplotlib are told is in the way."""
    files = {
        ".local/share/jupyter/kernels/python3/kernel.json": json.dumps(
            {
                "argv": ["/gone/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "gone",
                "language": "python",
            }
        ),
        ".ipython/profile_default/startup/00.py": "raise SystemExit('started')",
        ".ipython/profile_default/ipython_config.py": "c.InteractiveShellApp.exec_lines = ['import nowhere']",
        ".config/matplotlib/matplotlibrc": "backend: TkAgg\ntext.usetex: True\nlines.linewidth: 9\n",
    }
    for name, text in files.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "home"


def test_a_users_settings(project, run, tmp_path, home):
    shorten(project, JOB)
    env = {"HOME": str(home), "MPLBACKEND": "TkAgg", "PYTHONIOENCODING": "ascii", "MLFLOW_RUN_ID": ""}
    done = run(sys.executable, "run_notebook.py", "--log-output", XDG_CONFIG_HOME="", **env)
    assert done.returncode == 0, done.stderr
    assert one_run(project, tmp_path) == f"{sys.executable} 1.5\n"


def test_a_kernel_of_this_python(project, run, tmp_path):
    """A kernelspec python3 that comes first, and a notebook that names one that is not there."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    command = ["/bin/false", "{connection_file}"]
    spec = {"argv": command, "display_name": "other", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    shorten(project, QUICK)
    path = project / "notebooks" / "02_pipeline_training.ipynb"
    path.write_text(path.read_text().replace('"name": "python3"', '"name": "gone"'))
    assert '"gone"' in path.read_text()
    done = run(sys.executable, "run_notebook.py", JUPYTER_PATH=str(tmp_path / "jupyter"))
    assert done.returncode == 0, done.stderr
    assert one_run(project, tmp_path).startswith(sys.executable)


def customized(tmp_path, code):
    """Variables with which each Python runs `code` when it starts, where it is a kernel."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"import sys\nif 'ipykernel_launcher' in sys.orig_argv: {code}"
    )
    return {"PYTHONPATH": str(tmp_path / "site")}


def test_a_kernel_that_takes_more_than_a_minute(project, run, tmp_path):
    shorten(project, QUICK)
    env = customized(tmp_path, "__import__('time').sleep(65)")
    done = run(sys.executable, "run_notebook.py", **env)
    assert done.returncode == 0, done.stderr
    assert one_run(project, tmp_path).startswith(sys.executable)


def test_a_kernel_that_does_not_start(project, run, tmp_path):
    shorten(project, JOB)
    done = run(sys.executable, "run_notebook.py", **customized(tmp_path, "__import__('os')._exit(3)"))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.endswith(" Kernel died before replying to kernel_info\n")
    assert on_page("the kernel did not start").search(done.stderr)
    _, [failed] = runs(project)
    assert failed.info.status == "FAILED"


@pytest.mark.parametrize("name", ["{C}", "{{cookiecutter.slug}}", "my projects", "Jos\u00e9's #1:2"])
def test_an_odd_folder(tmp_path, name):
    """Of the project and of temporary files."""
    (tmp_path / name).mkdir()
    project = copy_project(tmp_path / name / name)
    shorten(project, JOB)
    done = run_in(
        project, sys.executable, "run_notebook.py", MLFLOW_TRACKING_URI="", TMPDIR=str(tmp_path / name)
    )
    assert done.returncode == 0, done.stderr
    assert one_run(project, tmp_path).startswith(sys.executable)
    assert os.listdir(tmp_path / name) == [name]
    assert set(os.listdir(tmp_path)) == {name, "got"}


REDIRECTIONS = [
    ">&-",
    "2>&-",
    "<&- >&- 2>&-",
    "| true",
    "2>&1 | true",
    "--log-output 2>&1 | true",
    "--log-output > /dev/full 2>&1",
]


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_nobody_reads_the_output(project, run, tmp_path, redirection):
    # Where all are closed, or full, what the notebook imports and logs must not mind either.
    shorten(project, JOB if redirection in ("<&- >&- 2>&-", "--log-output > /dev/full 2>&1") else QUICK)
    done = run("bash", "-o", "pipefail", "-c", f"{sys.executable} run_notebook.py {redirection}")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert one_run(project, tmp_path).startswith(sys.executable)


def test_python_without_the_scripts_folder(project, run):
    done = run(sys.executable, "run_notebook.py", "--C=0", PYTHONSAFEPATH="1")
    assert done.returncode == 2 and " run_notebook.py: C: '0' is not" in done.stderr


def test_the_runner_without_a_hangup(project):
    """As on Windows, where there is no such signal."""
    code = (
        "import os, signal; del signal.SIGHUP\nimport helpers, run_notebook\n"
        "helpers.end_on_signals(); os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "")


def test_nohup():
    """Who logs out does not end a job that was started with it."""
    code = "import helpers, signal; helpers.end_on_signals(); print(signal.getsignal(signal.SIGHUP).name)"
    done = subprocess.run(
        ["nohup", sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "SIG_IGN\n", done.stderr
