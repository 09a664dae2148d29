"""The benchmark of the watch: its page keeps the promises, and its parts do what the page says."""

import importlib.util
import re
import sys

import numpy as np
import pandas as pd
from conftest import ROOT
from test_benchmarks import assert_terms
from test_watch import answers, reference  # noqa: F401

import helpers

sys.path.append(str(ROOT / "benchmarks"))
# tools/watch.py has the same name.
spec = importlib.util.spec_from_file_location("benchmark_of_the_watch", ROOT / "benchmarks" / "watch.py")
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)

PAGE = (ROOT / "benchmarks" / "watch.md").read_text()


def test_the_promises_on_the_page():
    """At most 1 in 20 false alarms, shifts found in 9 of 10 draws, a million answers in bounded memory and time."""
    weeks, alarms = map(
        int, re.search(r"Of (\d+) weeks of 500 answers, drawn .*?, (\d+) passed", PAGE).groups()
    )
    assert weeks == 200 and alarms <= weeks / 20
    fresh, alarms = map(int, re.search(r"Of (\d+) such weeks, (\d+) passed", PAGE).groups())
    assert fresh == 200 and alarms <= fresh / 20
    found = [float(line.split(" | ")[2]) for line in re.findall(r"^\| \d\d-0000.*", PAGE, re.MULTILINE)]
    assert len(found) >= 20 and min(found) >= 0.9
    seconds, megabytes = map(
        int, re.search(r"read 1,000,000 .* \((\d+) s of CPU time\).* of (\d+) MB", PAGE).groups()
    )
    assert seconds < 120 and megabytes < 1000
    assert_terms(PAGE)


def test_its_parts(reference, tmp_path):  # noqa: F811
    rng = np.random.default_rng(1)
    drawn, fresh = bench.false_alarms(reference, 100, 10, rng)
    assert drawn.shape == (10, 6) and len(fresh) == 10 and drawn.any(axis=1).mean() <= 0.2
    industries = pd.Series(np.where(answers()["Task"].str.contains("haul|load|drive"), "53", "25"))
    table = bench.shifts(reference, industries, 100, 5, 20, rng)
    assert table["industry"].tolist() == ["53", "25"] or table["industry"].tolist() == ["25", "53"]
    assert table["statements"].sum() == 400 and table[["texts", "counts"]].isin(np.arange(6) / 5).all(
        axis=None
    )
    bench.write(tmp_path / "watch.md", "Source: ours.", reference, drawn, fresh, table, (9.0, 8.0, 7.0, 0))
    text = (tmp_path / "watch.md").read_text()
    assert "in 9 s (8 s of CPU time), with a peak of 7 MB (exit status 0)" in text
    assert text.count("| 53 |") == text.count("| 25 |") == 1
    assert set(helpers.STATISTICS.values()) <= set(re.findall(r"^\| (.*?) \| \d+ \|$", text, re.MULTILINE))
