"""mlflow run with the environment managers that build an environment of their own, and without conda."""

import platform
import shutil

import pytest
from conftest import need_python, notebook_of, run_in, runs, shorten
from messages import on_page

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_environment_managers(project, run, tmp_path, manager):
    if manager == "virtualenv":
        if not shutil.which("pyenv"):
            pytest.skip("there is no pyenv, which --env-manager virtualenv needs")
        # pyenv would download and build the newest 3.11; the one that runs this test is there.
        text = (
            (project / "conda.yaml").read_text().replace("python=3.11", f"python={platform.python_version()}")
        )
        (project / "conda.yaml").write_text(text)
    else:
        need_python("3.11")
    shorten(project)
    # Without compiling what is never imported, pip takes 20 s less.
    env = {"MLFLOW_ENV_ROOT": str(tmp_path / "envs"), "PIP_COMPILE": "0"}
    done = run("mlflow", "run", ".", "--env-manager", manager, "-P", "C=1,10", **env)
    assert done.returncode == 0, done.stderr
    client, [finished] = runs(project)
    assert finished.info.status == "FINISHED"
    prefix = notebook_of(client, finished, tmp_path).cells[-1].outputs[0].text.strip()
    assert prefix.startswith(str(tmp_path / "envs"))


def test_without_conda(project):
    """What docs/when-it-breaks.md says happens where there is no conda; the store is one that MLflow makes."""
    if shutil.which("conda"):
        pytest.skip("there is a conda")
    done = run_in(project, "mlflow", "run", ".")
    assert done.returncode != 0
    assert on_page("Could not find Conda executable").search(done.stderr)
    _, [left] = runs(project)
    assert left.info.status == "RUNNING"
