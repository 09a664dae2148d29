"""Answers are read by week from a log and from parquet, and what is none of these is refused in one line."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from onet_gwa.weeks import PART, find_answers, read_weeks

ENTRY = {"model": "m/1", "GWA": ["A", "B"], "probability": [0.9, 0.4], "words": 5, "unknown": 1}
ROWS = {"Task": "Repair old pumps.", "GWA": ["A"], "name": ["a"], "probability": [0.5], "model": "m/1"}


def log(folder, *lines, day="2026-11-27"):
    folder.mkdir(exist_ok=True)
    texts = [
        line if isinstance(line, str) else json.dumps({"time": f"{day}T10:00:00+00:00"} | line)
        for line in lines
    ]
    (folder / f"answers-{day}.jsonl").write_text("\n".join(texts) + "\n")
    return folder


def parquet(path, times, **changes):
    pd.DataFrame([ROWS | changes] * len(times)).assign(time=times).to_parquet(path)
    return path


def read(path, known=frozenset(), **columns):
    files, model = find_answers(path, **columns)
    parts = list(read_weeks(files, model, known, **columns))
    return pd.concat([rows for rows, _ in parts], ignore_index=True), sum(
        (aside for _, aside in parts), Counter()
    )


def mondays(rows):
    return [str(np.datetime64(int(week), "D")) for week in rows["week"]]


def refusal(path, **columns):
    with pytest.raises((ValueError, OSError)) as error:
        read(path, **columns)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_log(tmp_path):
    log(tmp_path / "log", ENTRY, ENTRY | {"Task": "Repair."}, day="2026-11-22")
    rows, aside = read(log(tmp_path / "log", ENTRY | {"GWA": ["B", "A"]}, day="2026-11-23"))
    assert mondays(rows) == ["2026-11-16", "2026-11-16", "2026-11-23"]
    assert rows["GWA"].tolist() == [["A", "B"], ["A", "B"], ["B", "A"]] and list(rows["words"]) == [5, 5, 5]
    assert rows["Task"][1] == "Repair." and rows["Task"].isna().tolist() == [True, False, True]
    assert +aside == {}
    assert len(read(tmp_path / "log" / "answers-2026-11-23.jsonl")[0]) == 1


def test_the_newest_model_is_watched_and_torn_lines_are_counted(tmp_path):
    folder = log(
        tmp_path / "log", '{"time": "2026-11', "", ENTRY, ENTRY | {"model": "m/2"}, '{"time": 5}', "[]"
    )
    files, model = find_answers(folder)
    assert model == "m/2"
    rows, aside = read(folder)
    assert len(rows) == 1 and aside == {"that are no answer": 3, "of other models": 1}
    late = log(tmp_path / "late", ENTRY, ENTRY | {"time": "yesterday"})
    assert read(late)[1]["that are no answer"] == 1


def test_parquet(tmp_path):
    (tmp_path / "scored").mkdir()
    times = pd.to_datetime(["2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"])
    parquet(tmp_path / "scored" / "part-0.parquet", times)
    bad = pd.DataFrame([ROWS, ROWS | {"GWA": None, "name": None, "probability": None, "model": None}])
    bad.assign(time=times).to_parquet(tmp_path / "scored" / "part-1.parquet")
    (tmp_path / "scored" / "_SUCCESS").touch()
    rows, aside = read(tmp_path / "scored", {"repair", "pumps"})
    assert mondays(rows) == ["2026-11-16", "2026-11-23", "2026-11-16"] and aside["without an answer"] == 1
    assert set(zip(rows["words"], rows["unknown"])) == {(3, 1)} and rows["GWA"][0] == ["A"]


@pytest.mark.parametrize(
    "times",
    [
        ["2026-11-23", "2026-11-24T10:00:00+02:00"],
        pd.to_datetime(["2026-11-23", "2026-11-24"]).date,
        pd.to_datetime(["2026-11-23 08:00"]),
    ],
    ids=["texts", "dates", "without a zone"],
)
def test_times_of_other_kinds(tmp_path, times):
    path = parquet(tmp_path / "a.parquet", list(times))
    assert set(mondays(read(path)[0])) == {"2026-11-23"}


def test_other_columns(tmp_path):
    path = parquet(tmp_path / "a.parquet", ["2026-11-23"])
    names = {"Task": "text", "time": "asked"} | {
        name: f"p_{name}" for name in ("GWA", "probability", "model")
    }
    pd.read_parquet(path).rename(columns=names).to_parquet(path)
    assert len(read(path, time="asked", column="text", prefix="p_")[0]) == 1
    assert "no column 'time'" in refusal(path, column="text", prefix="p_")
    assert "no column 'Task'" in refusal(path, time="asked", prefix="p_")
    assert "no column 'model'" in refusal(path, time="asked", column="text")


def test_more_than_a_part(tmp_path):
    path = parquet(tmp_path / "a.parquet", pd.to_datetime(["2026-11-23"] * (PART + 10)))
    files, model = find_answers(path)
    assert [len(rows) for rows, _ in read_weeks(files, model, set())] == [PART, 10]


def test_what_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "no") and "does not exist" in refusal("")
    assert "is no log" in refusal(tmp_path)
    (tmp_path / "a.csv").touch()
    assert "is no log" in refusal(tmp_path / "a.csv")
    assert "no answer is in" in refusal(log(tmp_path / "empty"))
    assert "no answer is in" in refusal(log(tmp_path / "torn", '{"time": "2026'))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert "cannot be read" in refusal(tmp_path / "a.parquet")
    assert "is int64, not a time" in refusal(parquet(tmp_path / "b.parquet", [5]))
    said = refusal(parquet(tmp_path / "c.parquet", ["2026-11-23", "23.11.2026"]))
    assert "row 2: time '23.11.2026' is not a time" in said
    assert "no answer is in" in refusal(parquet(tmp_path / "d.parquet", ["2026-11-23"], model=None))
