"""The page on scoring a large file: its commands do what it says, its refusals are those of the program."""

import contextlib
import datetime
import os
import re
import shutil
import subprocess

import pandas as pd
import pytest
import score
from conftest import ROOT, copy_project, run_in
from test_score import main  # noqa: F401

from onet_gwa.cluster import cluster

PAGE = (ROOT / "docs" / "score-a-large-file.md").read_text()
TABLE = [
    [cell.strip() for cell in line[1:-1].split("|")] for line in PAGE.splitlines() if line.startswith("| `")
]


def blocks(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def need_java():
    if not shutil.which("java"):
        pytest.skip("java is absent")


@pytest.fixture(scope="module")
def project(versions, tmp_path_factory):
    """A copy of the project with its tools; the champion is in the store of this file's tests."""
    folder = copy_project(tmp_path_factory.mktemp("page") / "project")
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", folder)
    return folder


def typed(project, command):
    """Type a command in the project, which must succeed; return its last line."""
    # By a shell, since there are quotes in it.
    uri = os.environ["MLFLOW_TRACKING_URI"]
    done = run_in(project, "bash", "-c", command, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_command_in_both_ways_and_what_reads_its_answers(project):
    first, second = [block for block in blocks("console") if "master" not in block]
    [shown] = blocks("text")
    for command, output in ((first, "labeled"), (second, "labeled-2")):
        said = typed(project, command)
        # The seconds and the rows a second are others each time.
        same = re.sub(
            r"in [\d.]+ s, [\d,]+ a",
            "in 1 s, 1 a",
            shown.replace("/home/ann/onet-gwa/labeled", f"{project}/{output}"),
        )
        assert re.sub(r"in [\d.]+ s, [\d,]+ a", "in 1 s, 1 a", said) == same.strip()
        answers = pd.read_parquet(project / output)
        tasks = pd.read_csv(project / "data" / "tasks.csv")
        assert answers["Task"].tolist() == tasks["Task"].tolist()
        assert list(answers)[3:] == [f"predicted_{name}" for name in ("GWA", "name", "probability", "model")]
    for code in blocks("python"):
        assert run_in(project, "python", "-c", code).stdout
    for output in ("labeled", "labeled-2"):
        shutil.rmtree(project / output)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["local", "cluster"])
def test_the_commands_on_spark(project, number):
    need_java()
    command = [block for block in blocks("console") if "master" in block][number]
    with cluster(1) if number else contextlib.nullcontext("") as master:
        typed(project, command.replace("spark://127.0.0.1:7077", master or ""))
    [output] = project.glob("labeled-*")
    assert len(pd.read_parquet(output)) == len(pd.read_csv(project / "data" / "tasks.csv"))
    shutil.rmtree(output)


def test_the_parameters():
    told = {name.strip("`"): default.strip("`") for name, _, default in TABLE[: len(score.PARAMETERS)]}
    defaults = {name: default for name, (default, _) in score.PARAMETERS.items()}
    assert told == {name: "" if value is None else value or "nothing" for name, value in defaults.items()}


REFUSALS = [row for row in TABLE if row[0].startswith("`--")]


@pytest.mark.parametrize("options, said", REFUSALS, ids=range(len(REFUSALS)))
def test_what_is_refused(project, monkeypatch, capsys, main, options, said):  # noqa: F811
    if "--master" in options:
        need_java()
    monkeypatch.chdir(project)
    assert main(options.strip("`").split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"score.py: {said.replace('…', str(project))}"


@pytest.mark.slow
def test_the_nightly_line(project, tmp_path):
    """With cron's few variables; before the shell sees it, cron takes the backslash from the percent sign."""
    page = (ROOT / "docs" / "operations.md").read_text()
    [line] = [block for block in blocks("cron", page) if "score.py" in block]
    assert not re.search(r"(?<!\\)%", line)
    line = re.sub(r"^30 4 \* \* \* onet-gwa ", "", line).replace("\\%", "%")
    for theirs, mine in {
        "/opt/onet-gwa": project,
        "/etc/onet-gwa": tmp_path,
        "/var/lib/onet-gwa": tmp_path,
        ".venv/bin/python": shutil.which("python"),
    }.items():
        line = line.replace(theirs, str(mine))
    (tmp_path / "job.env").write_text(f"MLFLOW_TRACKING_URI={os.environ['MLFLOW_TRACKING_URI']}\n")
    pd.DataFrame({"Task": ["Repair boilers.", None]}).to_parquet(tmp_path / "new.parquet")
    bare = ["env", "-i", f"HOME={tmp_path}", "LOGNAME=onet-gwa", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]
    line, _, otherwise = line.partition(" || ")
    assert otherwise.startswith("logger --priority user.err ")
    done = subprocess.run([*bare, "/bin/sh", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [output] = tmp_path.glob("labeled-*")
    assert datetime.date.fromisoformat(output.name.removeprefix("labeled-"))
    assert pd.read_parquet(output)["GWA"].notna().tolist() == [True, False]
