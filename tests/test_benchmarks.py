"""The benchmark: its pages have the run's numbers and O*NET's terms, its intervals are right, it wants quiet."""

import ast
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import helpers

sys.path.append(str(ROOT / "benchmarks"))
import bench
import common
import errors
import page
import quality

PAGES = [ROOT / "benchmarks" / name for name in ("results.md", "quality.md")]
# What a number is a part of the name of, and the share that says which interval is meant.
NAMES = r"\bF1\b|\b4A\w+|95 %|notebook 02"


def typed(path):
    """The texts of a module that can come onto a page, without docstrings, formats and keys."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    no_texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            no_texts += node.format_spec.values
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in no_texts:
            yield node.value


@pytest.mark.parametrize("name", ["page", "quality", "calibration", "errors", "scale_page"])
def test_no_number_is_typed_into_a_sentence(name):
    """A sentence of a page has numbers only from the run or its settings."""
    sentences = [text for text in typed(ROOT / "benchmarks" / f"{name}.py") if " " in text.strip()]
    assert len(sentences) > 3
    assert [text for text in sentences if re.search(r"\d", re.sub(NAMES, "", text))] == []


def answers(n, n_labels=5):
    """Truth and answers of two methods, the second the better one; each row has a label."""
    rng = np.random.default_rng(1)
    y = np.eye(n_labels, dtype=int)[rng.integers(n_labels, size=n)]
    wrong = np.eye(n_labels, dtype=int)[rng.integers(n_labels, size=n)]
    return y, wrong, np.where(rng.random((n, 1)) < 0.5, y, wrong)


def test_the_intervals_are_those_of_the_project():
    y, _, good = answers(80)
    low, high = helpers.bootstrap_interval(y, good)
    assert common.between(common.f1_drawn(y, good)["micro-F1"]) == f"{low:.3f} to {high:.3f}"


def test_each_draw_has_the_scores_of_its_rows():
    # So few rows of so many labels that most draws lack a label.
    y, _, good = answers(12, n_labels=6)
    drawn = common.f1_drawn(y, good)
    for k, times in enumerate(common.drawn(12)[:20].astype(int)):
        rows = np.repeat(range(12), times)
        expected = common.f1(y[rows], good[rows])
        assert {name: values[k] for name, values in drawn.items()} == pytest.approx(expected)


def test_two_methods_are_compared_on_the_same_draws():
    y, bad, good = answers(200)
    table = quality.compared(y, [bad, good, good])
    empty, better, same = table["micro-F1 against the row above"]
    assert empty == "" and same == "+0.000 to +0.000"
    low, high = map(float, better.split(" to "))
    assert 0 < low < table["micro-F1"][1] - table["micro-F1"][0] < high


def test_all_training_rows_are_in_their_own_order():
    """So that the table of titles and the learning curve have the same scores for the same rows."""
    quarter, half, whole = quality.shares(100).values()
    assert list(whole) == list(range(100))
    assert len(quarter) == 25 and len(half) == 50 and set(quarter) < set(half)


def test_the_features_were_not_chosen_on_these_splits():
    assert len(common.SEEDS) == 5 and helpers.SEED not in common.SEEDS
    X, y = pd.DataFrame({"Task": [f"Task {n}" for n in range(100)]}), pd.DataFrame({"A": [1] * 100})
    here, first, chosen = (
        common.by_statement(X, y, *seed)[1] for seed in ([], [common.SEEDS[0]], [helpers.SEED])
    )
    assert here.equals(first) and not here.equals(chosen)


@pytest.mark.parametrize("load, force", [(0.3, False), (0.0, False), (5.0, True)])
def test_a_load_that_is_taken(load, force):
    bench.check_load(load, force)


def test_a_load_that_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.check_load(0.31, force=False)
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "0.31" in line and "above 0.3" in line and "--force" in line


@pytest.mark.parametrize(
    "data, titles, option", [("no.csv", None, "--data"), ("sample", "no.zip", "--titles")]
)
def test_data_that_are_not_there(capsys, data, titles, option):
    with pytest.raises(SystemExit) as stopped:
        common.load(SimpleNamespace(data=data, titles=titles))
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "does not exist" in line and line.endswith(f", with {option}")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A file of a part of the sample in which each GWA has a few statements."""
    tasks = helpers.load_tasks("sample")
    chosen = tasks.groupby("GWA").head(8)["Task"]
    path = tmp_path_factory.mktemp("data") / "small.csv"
    tasks[tasks["Task"].isin(chosen)].to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_the_page_of_results(small, tmp_path, monkeypatch):
    """Ours is run once, and stands for the other methods; the times of the three runs of each are made up."""
    monkeypatch.setattr(sys, "argv", ["bench.py", "--data", str(small), "--force"])
    ours = bench.run("ours")
    assert ours["foreign"] >= 0 and ours["memory"] > 5e7
    assert 0.2 < ours["result"]["micro-F1"] < 0.8
    sides = {
        name: [ours | {"result": ours["result"] | {"seconds": each}} for each in seconds]
        for name, seconds in {"ours": [2.0, 4.0, 1.0], "pilot": [20.0, 10.0, 8.0]}.items()
    }
    seed = {"split": "by statement", "titles": "no", "C": 10.0, "ECE_before": 0.1, "ECE_after": 0.01}
    seeds = [seed | {"seed": n, "micro-F1": n / 10, "macro-F1": 0.5, "samples-F1": 0.5} for n in (4, 6)]
    job = {"seconds": 9.0, "notebook": 8.0, "sum": 7.0, "cells": [[3.0, "\nimport this\nthis"]]}
    others = {"napkinXC": {"result": None}, "fastText": ours}
    measured = {"stock": ours, "others": others, "seeds": {"result": seeds}, "main_job": {"result": job}}
    source = common.load(SimpleNamespace(data=str(small), titles=None))[-1]
    for load, forced in ((0.12, False), (1.5, True)):
        page.write(tmp_path / "results.md", {"load": load, **sides, **measured}, source)
        text = (tmp_path / "results.md").read_text()
        assert f"was {load:.2f} (it asks for at most 0.3" in text and ("it was forced" in text) == forced
    assert "| search and final fit, s | 10.0 (8.0 to 20.0) | 2.0 (1.0 to 4.0) | 8.0 (2.5 to 10.0) |" in text
    score = r"0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)"
    difference = r"[+-]0\.\d{3} \([+-]0\.\d{3} to [+-]0\.\d{3}\)"
    assert len(re.findall(rf"^\| \w+-F1 \| {score} \| {score} \| {difference} \|$", text, re.MULTILINE)) == 3
    assert (
        len(re.findall(rf"^\| (?:scikit-learn|fastText) \|.*(?: \| {score}){{3}} \|$", text, re.MULTILINE))
        == 2
    )
    assert "could not be installed or run |  |  |  |" in text
    assert "| by statement | no | 0.500 ± 0.141 |" in text and "| 3.0 | `import this` |" in text
    assert_terms(text)


@pytest.mark.slow
def test_the_page_on_quality(small, tmp_path, monkeypatch):
    """With titles from an archive, made of statements of the sample that are not in the file."""
    taken, tasks = pd.read_csv(small)["Task"], helpers.load_tasks("sample")
    rest = tasks[~tasks["Task"].isin(taken)].drop_duplicates("Task").groupby("GWA").head(3)
    rest["id"] = [f"D{n}" for n in range(len(rest))]
    archive = tmp_path / "archive"
    archive.mkdir()
    dotted = rest["GWA"].str.replace(r"(\w)(?=\w)", r"\1.", regex=True)
    for name, table in {
        "DWA Reference": {"Element ID": dotted, "DWA ID": rest["id"], "DWA Title": rest["Task"]},
        "Task Statements": {"O*NET-SOC Code": "11-1011.00", "Task ID": rest["id"], "Task": rest["Task"]},
        "Tasks to DWAs": {"O*NET-SOC Code": "11-1011.00", "Task ID": rest["id"], "DWA ID": rest["id"]},
    }.items():
        pd.DataFrame(table).to_csv(archive / f"{name}.txt", sep="\t", index=False)
    monkeypatch.setattr(quality, "HERE", tmp_path)
    quality.write(SimpleNamespace(data=str(small), titles=str(archive)))
    text = (tmp_path / "quality.md").read_text()
    rows = {cells[0]: cells for cells in map(lambda line: line.strip("| ").split(" | "), text.splitlines())}
    assert rows["no titles"][1:4] == rows["100 %"][3:6]
    [width] = re.findall(r"Their median width is (\d\.\d\d)", text)
    by_gwa = [
        line.strip("| ").split(" | ")
        for line in text.partition("## GWA by GWA")[2].splitlines()
        if re.match(r"\| \d\.", line)
    ]
    assert float(width) == pytest.approx(
        np.median([float(high) - float(low) for _, low, high, *_ in by_gwa]), abs=0.01
    )
    assert "seed 608; the features were chosen on splits with seed 607" in text
    assert (tmp_path / "curves.png").exists() and (tmp_path / "reliability.png").exists()
    assert_terms(text)


def assert_terms(text):
    """The attribution that https://www.onetcenter.org/license_db.html asks for is there once, the sign is first."""
    for sentence in (
        "This page includes information from the [O\\*NET® Database]",
        "by the U.S. Department of Labor, Employment and Training Administration (USDOL/ETA)",
        "O\\*NET® is a trademark of USDOL/ETA. We have modified all or some of this information",
        "USDOL/ETA has not approved, endorsed, or tested these modifications.",
    ):
        assert text.count(sentence) == 1
    assert text.partition("O\\*NET")[2].startswith("®")
    assert re.findall(r"O\\\*NET(?!®? (?:[Dd]ata|\d|tasks?\b|is a trademark)).*", text) == []


def test_what_is_known_of_a_file_is_told(onet):
    table = SimpleNamespace(
        data=str(onet / "onet_2020_task_gwa.parquet"), titles=str(onet / "db_classic_text.zip")
    )
    source = common.load(table)[-1]
    assert "the pilot's table, made in 2020" in source and "release 18.1 of March 2014" in source
    assert source.count("A tenth of the statements, grouped by their opening words, is not in this file") == 1
    assert "A tenth" not in common.load(SimpleNamespace(data="sample", titles=None))[-1]


def test_no_onet_statement_is_on_a_page(onet):
    labels = helpers.load_labels()
    known = set(helpers.load_tasks(onet / "onet_2020_task_gwa.parquet", labels)["Task"])
    known |= set(helpers.load_dwa_titles(onet / "db_classic_text.zip", labels)["Task"])
    text = "\n".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.md"))
    assert len(known) > 17_000 and [statement for statement in known if statement in text] == []


def test_each_error_on_the_page_was_read():
    [section] = re.findall(r"certain errors(.*)", PAGES[1].read_text(), re.DOTALL)
    assert section.count("\n- ") == errors.N and errors.UNREAD not in section
