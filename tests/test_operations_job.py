"""The page on the job: its commands are there, and its numbers are the code's; what they do, other tests show."""

import re

import pytest
from conftest import ROOT, run_in, runs, shorten
from help import targets

from onet_gwa import addresses, later

PAGE = (ROOT / "docs" / "operations-job.md").read_text()
COMMANDS = [
    line for block in re.findall("^```console\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()
]


def test_the_targets_are_there():
    there = {name for name, _ in targets((ROOT / "Makefile").read_text())}
    called = set(re.findall(r"`?make ([a-z-]+)", PAGE))
    assert {"reap", "record", "prune", "clean-records"} <= called <= there
    assert [
        line for line in COMMANDS if not line.startswith(("make ", "mlflow runs delete", "set -a; . "))
    ] == []


def test_the_numbers():
    assert f"waits {later.PATIENCE} seconds for it" in PAGE
    for name, value in addresses.PATIENCE.items():
        assert re.search(rf"`{name}` \({value}\b", PAGE)


@pytest.mark.slow
def test_a_run_is_closed_by_hand(project):
    shorten(project)
    assert run_in(project, "python", "run_notebook.py").returncode == 0
    client, [run] = runs(project)
    [command] = [line for line in COMMANDS if line.startswith("mlflow")]
    done = run_in(project, *command.replace("RUN_ID", run.info.run_id).split())
    assert done.returncode == 0, done.stderr
    assert runs(project)[1] == [] and client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
