"""The log of answers: what a line holds, what stays how long, and that it never costs an answer."""

import json
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from conftest import ROOT, serving, wait
from test_app import refused
from test_serving import TASK, ask

import helpers
import onet_gwa_model
from onet_gwa import answers

ANSWER = {"GWA": [["A", "B"]], "name": [["a", "b"]], "probability": [[0.9, 0.4]], "model": ["m/1"]}
WRITE = """
import resource, sys
import pandas
from onet_gwa.answers import answer_log
write = answer_log("texts", sys.argv[1], {"pumps"})
question = pandas.DataFrame({"Task": [sys.argv[2]]})
answer = pandas.DataFrame({"GWA": [["A"]], "probability": [[0.5]], "model": ["m/1"]})
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
for _ in range(int(sys.argv[3])):
    write(question, answer)
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    write(question, answer)
"""


def lines(folder):
    [path] = folder.glob("answers-*.jsonl")
    return path.read_text().splitlines()


def test_words_are_those_of_the_model():
    assert answers.WORD.pattern == onet_gwa_model.WORD
    assert answers.measure("Repair the X-ray pumps, 22.", {"repair", "the", "pumps"}) == (5, 2)
    X = pd.DataFrame({"Task": ["Repair old pumps.", "Drive Trucks."]})
    model = helpers.make_model().fit(X, pd.DataFrame({"A": [0, 1], "B": [1, 0]}))
    assert helpers.known_words(model) == {"repair", "old", "pumps", "drive", "trucks"}


@pytest.mark.parametrize("form", ["counts", "texts"])
def test_a_line(tmp_path, form):
    answer = pd.DataFrame(ANSWER | {"GWA": [["A", "B"]]})
    answers.answer_log(form, tmp_path, {"repair"})(pd.DataFrame({"Task": ["Repair pumps, “fast”."]}), answer)
    [line] = lines(tmp_path)
    entry = json.loads(line)
    since = datetime.now(UTC) - datetime.fromisoformat(entry.pop("time"))
    assert timedelta(0) <= since < timedelta(minutes=1)
    text = {"Task": "Repair pumps, “fast”."} if form == "texts" else {}
    counts = {"model": "m/1", "GWA": ["A", "B"], "probability": [0.9, 0.4], "words": 3, "unknown": 2}
    assert entry == counts | text
    [path] = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rows_without_an_answer_and_other_forms_of_a_question(tmp_path):
    write = answers.answer_log("counts", tmp_path, set())
    none = {"GWA": [None], "probability": [None], "model": ["m/1"]}
    write({"Task": [None]}, none)
    assert list(tmp_path.iterdir()) == []
    write({"Task": "Repair"}, ANSWER)
    # MLflow hands on rows as they were sent, where they were sent as such.
    write([{"Task": "Repair pumps"}], ANSWER)
    assert [json.loads(line)["words"] for line in lines(tmp_path)] == [1, 2]


def test_many_processes_write_whole_lines(tmp_path):
    command = [sys.executable, "-c", WRITE, str(tmp_path), "Repair pumps. " * 50, "300"]
    writers = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert {json.loads(line)["words"] for line in lines(tmp_path)} == {100} and len(lines(tmp_path)) == 900


def test_a_disk_that_is_full(tmp_path):
    """A line that was written in part is followed by one of its own when there is room again."""
    command = [sys.executable, "-c", WRITE, str(tmp_path), "Repair pumps.", "5", "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    *whole, torn, last = lines(tmp_path)
    assert len(whole) == 2 and json.loads(last)["words"] == json.loads(whole[0])["words"] == 2
    with pytest.raises(ValueError):
        json.loads(torn)


def test_a_folder_that_has_gone(tmp_path):
    write = answers.answer_log("counts", tmp_path / "gone", set())
    write({"Task": ["Repair"]}, ANSWER)
    (tmp_path / "gone").mkdir()
    write({"Task": ["Repair"]}, ANSWER)
    assert [line for line in lines(tmp_path / "gone") if line] != []


def test_what_is_old_is_removed(tmp_path):
    today = datetime.now(UTC).date()
    names = [f"answers-{today - timedelta(days=n)}.jsonl" for n in (0, 7, 8)]
    for name in [*names, "answers-of-others.jsonl", "2020-01-01.jsonl"]:
        (tmp_path / name).touch()
    answers.keep_for(tmp_path, 7, pause=0.1)
    wait(lambda: not (tmp_path / names[2]).exists(), 10)
    assert {path.name for path in tmp_path.iterdir()} == {
        *names[:2],
        "answers-of-others.jsonl",
        "2020-01-01.jsonl",
    }
    (tmp_path / names[2]).touch()
    wait(lambda: not (tmp_path / names[2]).exists(), 10)
    [sweeper] = [thread for thread in threading.enumerate() if thread.name == f"sweep {tmp_path}"]
    assert sweeper.daemon


@pytest.mark.slow
def test_a_server_of_two_workers(versions, tmp_path):
    """Whichever worker answers, each answered row is a line; a folder that goes meanwhile costs no answer."""
    log = tmp_path / "log"
    settings = {"WORKERS": "2", "ANSWERS": "texts", "FOLDER": str(log), "KEEP": "30"}
    with helpers.server(*serving(tmp_path, **settings), ready="/ping") as address:
        said = [ask(address, {"inputs": [f"{TASK} {n}"] * 2}).json()["predictions"] for n in range(10)]
        body = {"dataframe_records": [{"Task": TASK}, {"Task": None}], "params": {"skip_bad": True}}
        assert ask(address, body).json()["predictions"][1]["GWA"] is None
        assert ask(address, {"inputs": ["5"]}).status_code == 400
        entries = [json.loads(line) for line in lines(log)]
        assert len(entries) == 21 and {entry["model"] for entry in entries} == {"onet-gwa/1"}
        assert [e["Task"] for e in entries[:20:2]] == [f"{TASK} {n}" for n in range(10)]
        assert (
            entries[0]["GWA"] == said[0][0]["GWA"] and entries[0]["probability"] == said[0][0]["probability"]
        )
        assert stat.S_IMODE(log.stat().st_mode) == 0o700
        for path in (*log.iterdir(), log):
            path.rmdir() if path.is_dir() else path.unlink()
        assert ask(address, {"inputs": [TASK]}).status_code == 200
    assert f"texts of answers stay in {log} for 30 days" in (tmp_path / "err").read_text()


@pytest.mark.slow
def test_what_the_server_refuses(versions, tmp_path):
    (tmp_path / "file").touch()
    assert "ANSWERS=all is none of none, counts, texts" in refused(ANSWERS="all")
    assert "KEEP=0 is no number of days from 1 to 9999" in refused(ANSWERS="counts", KEEP="0")
    said = refused(ANSWERS="counts", FOLDER=str(tmp_path / "file" / "log"))
    assert "cannot be written ([Errno 20]" in said and said.endswith("name another, or say ANSWERS=none\n")
