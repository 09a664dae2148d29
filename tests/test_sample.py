"""What data/README.md says of the sample: its figures are measured, and no statement is O*NET's."""

import re
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT

import helpers

sys.path.append(str(ROOT / "benchmarks"))
import sample

PAGE = (ROOT / "benchmarks" / "sample.md").read_text(encoding="utf-8")
README = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
# What is no measurement: years, a volume and its issue, releases and a license.
NAMES = {"2020", "2021", "2026", "64", "12", "31.0", "18.1", "4.0", "02"}


@pytest.fixture(scope="module")
def tasks():
    return helpers.load_tasks("sample")


@pytest.fixture(scope="module")
def statements(tasks):
    return tasks["Task"].drop_duplicates()


def numbers(text):
    """The numbers of a text, without those in code, addresses and the names of activities."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|\b4A\w+", " ", text)
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_the_readme_has_the_figures_of_the_page():
    card = README.partition("## Labeling guide")[0]
    assert {"2,510", "0.087", "2.1"} <= numbers(card)
    assert numbers(card) - numbers(PAGE) - NAMES == set()


def test_the_page_is_of_this_sample(tasks):
    assert f"(digest {helpers.digest(tasks)})" in PAGE
    cells = [re.split(r" \| ", line.strip("| "))[:2] for line in PAGE.splitlines() if line.startswith("| ")]
    assert dict(cells).items() >= sample.described(tasks).items()
    counts = sample.counts({"the sample": tasks}, helpers.load_labels())
    assert counts[2] in PAGE.splitlines()
    rows = [line.rstrip("| ") for line in counts if line.startswith("| 4A")]
    assert len(rows) == 37 and all(f"\n{row} |" in PAGE for row in rows)
    assert "\n".join(sample.by_major_group(tasks)) in PAGE


@pytest.mark.parametrize(
    "statement, held",
    [
        ("Spoon-feed patients who are weak.", True),
        ("FEED  patients.", True),
        ("Feed patients' dogs.", True),
        ("Feed the patients.", False),
        ("Overfeed patients.", False),
    ],
)
def test_a_title_in_a_statement(statement, held):
    found = sample.with_title(pd.Series([statement]), pd.Series(["Sort mail.", "Feed patients."]))
    assert list(found) == [statement] * held


@pytest.mark.parametrize(
    "ours, theirs, index",
    [
        ("Wash the old red truck.", "wash the old, red truck", 1.0),
        ("Wash the old red truck daily.", "Wash the old red truck weekly.", 1 / 3),
        ("Wash the old red truck.", "Drive the old red truck.", 0.0),
        ("Wash trucks.", "Wash trucks before they leave the yard.", 0.0),
    ],
)
def test_overlap(ours, theirs, index):
    assert sample.overlap(pd.Series(["Sing.", ours]), pd.Series([theirs])) == pytest.approx(index)


def test_no_statement_is_a_copy(onet, statements):
    titles = helpers.load_dwa_titles(onet / "db_classic_text.zip")["Task"]
    assert list(sample.with_title(statements, titles)) == []
    for number, name in enumerate(["onet_2020_task_gwa.parquet", "db_classic_text.zip"], 1):
        theirs = helpers.load_tasks(onet / name)["Task"].drop_duplicates()
        assert f"{number}. {len(theirs):,} statements" in PAGE
        assert f"- source {number}: {sample.overlap(statements, theirs):.3f}\n" in PAGE


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--data", "sample"], "there are no DWA titles"),
        (["--data", "no.csv"], "'no.csv' does not exist"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_compared(options, reason):
    script = [sys.executable, ROOT / "benchmarks" / "sample.py", *options]
    told = subprocess.run(script, capture_output=True, text=True)
    assert told.returncode == 2 and reason in told.stderr.splitlines()[-1] and told.stdout == ""


def test_the_terms_of_onet():
    """The wording that the license asks for, the sign where the name comes first, and the name as an adjective."""
    assert README.partition("O\\*NET")[2].startswith("®") and PAGE.partition("O\\*NET")[2].startswith("®")
    assert (
        "We have modified all or some of this information. USDOL/ETA has not approved, endorsed, or" in README
    )
    kinds = r"\d|[Dd]ata|tasks?\b|DWAs?\b|analyst|releases|detailed work|is a trademark"
    assert re.findall(rf"O\\\*NET(?!®? (?:{kinds})).*", README + PAGE) == []
