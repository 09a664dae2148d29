"""The benchmark of many statements: what it measures, and that its page has the numbers of its table."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import scale
import scale_page

SIZES = [1000, 100_000, 1_000_000]
# Seconds of the start, and rows a second after it, of a machine that is made up.
MADE_UP = {"predict": (7, 9000), "plain": (4, 10_000), "ours": (5, 19_000), "spark-1": (14, 9000)}
MADE_UP |= {"spark-2": (15, 16_000)}


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(scale_page.os, "cpu_count", lambda: 2)
    rows = []
    for way, (start, rate) in MADE_UP.items():
        for n in SIZES:
            seconds = {name: start + n / rate for name in ("seconds", "lowest", "highest", "cpu_seconds")}
            row = {"way": way, "rows": n, "runs": 1, "peak_mb": 400 + n / 2000, "foreign": 0.02, **seconds}
            rows.append(row)
    rows[2] = {"way": "predict", "rows": SIZES[-1], "skipped": "needs about 9,000 MB"}
    return scale_page.with_rates(rows)


def rows_of(text, heading):
    """The cells of the table under a heading, by the first one."""
    # The first table that follows.
    table = text.partition(f"{heading}\n")[2].partition("|")[2].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: cells for first, *cells in lines[2:]}


def test_the_page(table, tmp_path):
    """Its figures are those of the CSV, or computed from them; what was not measured says why."""
    table.to_csv(tmp_path / "scale.csv", index=False)
    read = pd.read_csv(tmp_path / "scale.csv")
    scale_page.write(tmp_path, read, {"size_mb": 4.76, "packed": 1.23, "loaded": 3.45}, 0.12)
    text = (tmp_path / "scale.md").read_text()
    assert (tmp_path / "scale.png").stat().st_size > 10_000 and "](scale.png)" in text
    for heading, column in (("start included:", "rows_per_second"), ("## Peak memory, MB", "peak_mb")):
        rows = rows_of(text, heading)
        for way, title in scale_page.TITLES.items():
            expected = [f"{value:,.0f}" for value in read.loc[read["way"] == way, column].dropna()]
            assert rows[title][: len(expected)] == expected and len(rows[title]) == 3
    assert rows["`mlflow models predict`"][2] == "needs about 9,000 MB" and "says why" in text
    found = rows_of(text, "## What was wanted")
    plain = "of the plain call's rows a second and core, "
    assert found[f"ours without Spark: 90 % {plain}without the start"] == [
        "100,000: 95 %; 1,000,000: 95 %",
        "yes",
    ]
    assert found[f"ours without Spark: 90 % {plain}the whole command"][1] == "at 1,000,000"
    assert found["ours without Spark: at most 1,000 MB"] == [
        "1,000: 400; 100,000: 450; 1,000,000: 900",
        "yes",
    ]
    assert found[f"ours on Spark, 2 workers: 80 % {plain}without the start"] == ["1,000,000: 80 %", "yes"]
    assert found["on Spark: 1.7 times the rows a second of one worker with 2, without the start"][1] == "yes"
    assert "4.8 MB, to the workers, the driver packs it in 1.2 s;" in text and "loads it in 3.5 s" in text
    assert "was 0.12 (it asks for at most 0.3)" in text
    # (5 - 4) s are made up for by 1/10,000 - 1/19,000 s a row, and the lines are straight.
    crossed = dict(re.findall(r"^\| the plain call \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE))
    assert crossed["ours without Spark"] == "from 21,000 rows on"


def test_where_one_way_overtakes_another():
    """By the straight line through the neighbors between which it does; a size without seconds is none."""
    one = pd.Series([10.0, 20.0, 100.0, 400.0], index=[100, 1000, 10_000, 40_000])
    found = [
        scale_page.crossing(one, pd.Series(seconds, index=one.index))
        for seconds in (
            [30, 40, 110, 330],
            [30, 15, 120, 390],
            [30, float("nan"), 90, 330],
            [9] * 4,
            [11, 9, 9, 500],
        )
    ]
    assert found == [13_750.0, 30_000.0, 6_700.0, 0.0, None]


def test_no_crossing_is_claimed_beyond_the_sizes():
    said = [scale_page.from_on(rows) for rows in (None, 0.0, 55_123.0)]
    assert said == ["at no size that was measured", "at all sizes that were measured", "from 55,000 rows on"]


def test_a_way_that_needs_too_much_is_left_out():
    """By how its memory grew from size to size; one whose memory does not grow is always measured."""
    small, large = {"rows": 10, "peak_mb": 400.0}, {"rows": 100, "peak_mb": 500.0}
    assert (
        scale.too_much([], 10) == scale.too_much([small], 100) == scale.too_much([small, large], 1000) == ""
    )
    assert scale.too_much([small, large | {"peak_mb": 400.0}], 10**12) == ""
    reason = scale.too_much([small, large], 10**12)
    assert reason.startswith("needs about 1,111,111,111,")
    assert scale.too_much([small, {"skipped": reason}], 10**13) == reason


def test_what_a_process_and_its_child_use():
    """100 MB that both map count once, and what each has alone counts."""
    code = (
        "import os, mmap, time; m = mmap.mmap(-1, 10**8); m.write(bytes(10**8)); n = os.fork(); m[::4096]; "
        "alone = bytearray(b'x') * 10**8; time.sleep(3 if n else 2); n and os.wait()"
    )
    found = scale.measure([sys.executable, "-c", code])
    assert 300 < found["peak_mb"] < 350 and 2.9 < found["seconds"] and 0 < found["cpu_seconds"] < 3


def test_a_command_that_fails():
    with pytest.raises(SystemExit, match="(?s)status 1: .*ZeroDivisionError"):
        scale.measure([sys.executable, "-c", "1 / 0"])


@pytest.mark.slow
def test_two_ways_are_measured(versions, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "RUNS", 1)
    scale.write_statements(tmp_path / "300", 300)
    rows = [scale.measured(way, 300, tmp_path / "300", "") for way in ("plain", "ours")]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["300.csv", "300.parquet"]
    assert len(pd.read_csv(tmp_path / "300.csv")) == 300
    for row in rows:
        assert row["rows"] == 300 and row["runs"] == 1 and row["seconds"] > 1 and 200 < row["peak_mb"] < 1500
    assert scale_page.with_rates(rows)["rows_per_second"].tolist() == pytest.approx(
        [300 / row["seconds"] for row in rows], abs=0.001
    )


@pytest.mark.slow
def test_it_wants_a_quiet_machine_or_a_word():
    command = [
        sys.executable,
        "-c",
        "import os, sys; os.getloadavg = lambda: (2.0, 0, 0); sys.argv = ['scale.py']; ",
    ]
    command[-1] += "sys.path.insert(0, 'benchmarks'); import scale; scale.main()"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "scale.py: the load of the last minute is 2.00" in done.stderr


def test_the_how_to_page_quotes_it(table, tmp_path):
    page = Path(shutil.copy(ROOT / "docs" / "score-a-large-file.md", tmp_path))
    before = page.read_text()
    scale_page.quote(page, table)
    text = page.read_text()
    assert "| the plain call | 244; 400 | 7,143; 450 | 9,615; 900 |" in text
    for part in (0, 2):
        assert re.split("<!-- /?scale -->\n", text)[part] == re.split("<!-- /?scale -->\n", before)[part]


def test_the_committed_page_is_of_the_committed_table(tmp_path):
    read = pd.read_csv(ROOT / "benchmarks" / "scale.csv")
    page = Path(shutil.copy(ROOT / "docs" / "score-a-large-file.md", tmp_path))
    scale_page.quote(page, read)
    assert page.read_text() == (ROOT / "docs" / "score-a-large-file.md").read_text()
    text = (ROOT / "benchmarks" / "scale.md").read_text()
    for column in ("rows_per_second", "peak_mb"):
        assert all(line in text for line in scale_page.cells(read, column))
