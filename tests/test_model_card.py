"""The model card has the figures of notebook 02 and of the benchmark, and O*NET's terms."""

import re
import textwrap

import nbformat
import pandas as pd
from conftest import ROOT

CARD = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
QUALITY, RESULTS, SAMPLE = (
    (ROOT / "benchmarks" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("quality", "results", "sample")
)
CELLS = nbformat.read(ROOT / "notebooks" / "02_pipeline_training.ipynb", 4).cells
OUTPUTS = [
    output.get("text") or output.get("data", {}).get("text/plain", "")
    for cell in CELLS
    for output in cell.get("outputs", [])
]
PRINTED = "\n".join(OUTPUTS)


def rows(text):
    """The tables of a page: a list of cells for each row, without the rule below the head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row for row in lines if set(row[0]) != {"-"}]


def section(title, page=CARD):
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def f1_on_the_sample():
    """F1 by the name of the GWA, as notebook 02 draws it: a dict of texts."""
    [figure] = [text for text in OUTPUTS if "\nx axis: F1 on the test tasks" in text]
    names = re.search(r"y axis: \n    (.*)", figure)[1].split("; ")
    values = re.search(r"texts: (.*)", figure)[1].split("; ")
    shown = dict(zip(names, values, strict=True))
    gwas = pd.read_csv(ROOT / "data" / "gwas.csv")["name"]
    return {name: shown[textwrap.shorten(name, 50, placeholder=" …")] for name in gwas}


def test_scores_by_gwa():
    """When a benchmark was run anew, the table that this expects is the new one."""
    sample = f1_on_the_sample()
    measured = [row for row in rows(section("GWA by GWA", QUALITY)) if row[-1] in sample]
    expected = "\n".join(
        f"| {name} | {sample[name]} | {f1} ({low} to {high}) | {support} |"
        for f1, low, high, support, name in measured
    )
    assert len(measured) == 37
    assert "\n".join(re.findall(r"^\| .* \| \d\.\d\d \| .*", section("Scores by GWA"), re.M)) == expected


def test_scores():
    table = {name: cells for name, *cells in rows(section("Scores"))}
    low, high = re.search(r"micro-F1 of the model: 95 % interval (\S+) to (\S+)", PRINTED).groups()
    ours = dict(re.findall(r"^(f1_\w+) +0\.\d+ +(0\.\d+)", PRINTED, re.M))
    error = re.search(r"^calibration error (\S+)$", PRINTED, re.M)[1]
    train, test = re.search(r"(\d+) statements to train on, (\d+) to test on", PRINTED).groups()
    assert f"The sample has {int(train) + int(test):,} statements" in CARD
    sample = [f"{int(train):,}", test, f"{ours['f1_micro']} ({low} to {high})"]
    sample += [ours["f1_macro"], ours["f1_samples"], error]
    train, test = re.search(r"([\d,]+) statements to train on and ([\d,]+) to test on", QUALITY).groups()
    titles = re.search(r"([\d,]+) titles of detailed work activities", QUALITY)[1]
    micro, low, high = re.search(
        r"micro-F1 is (\S+), with a 95 % interval of (\S+) to (\S+) \(", QUALITY
    ).groups()
    _, macro, samples = {name: cells for name, *cells in rows(QUALITY)}["all titles"][:3]
    error = re.search(r"from the diagonal is 0\.\d+ before and (0\.\d+) after", QUALITY)[1]
    onet = [f"{train} and {titles} titles", test, f"{micro} ({low} to {high})", macro, samples, error]
    assert list(table.values())[1:] == [list(pair) for pair in zip(sample, onet, strict=True)]


def test_the_sample_against_onet():
    means, spread = (
        next(row for row in rows(SAMPLE) if row[0] == name) for name in ("mean", "standard deviation")
    )
    assert f"{means[1]} ± {spread[1]}" in section("Scores") and f"{means[2]} ± {spread[2]}" in section(
        "Scores"
    )


def test_calibration():
    binned = re.findall(r"^\((\S+), (\S+)\] +(\d+) +(0\.\d+) +(0\.\d+)$", PRINTED, re.M)
    expected = [[f"{low} to {high}", n, p, right] for low, high, n, p, right in binned]
    assert len(binned) == 5 and rows(section("Calibration"))[1:] == expected
    [told] = [line for line in QUALITY.splitlines() if line.startswith("*Before calibration")]
    for number in re.findall(r"\d+%|0\.\d+", section("Calibration").rpartition("|")[2]):
        assert number in told


def test_behavior():
    passed = re.findall(r"^(direction|invariance|minimum) +(\d\.\d\d) +(\d)$", PRINTED, re.M)
    assert len(passed) == 3
    for kind, rate, n in passed:
        assert f"{kind} {float(rate) * int(n):.0f} of {n}" in section("Checks of behavior")
    failed = re.findall(r'"([^"]+)" and "([^"]+)"', section("Checks of behavior"))
    assert len(failed) == 2 and all(f"{one} / {other}\n" in PRINTED for one, other in failed)
    ends = re.findall(r"micro-F1 of (0\.\d\d) \((\d\d-0000), (\d+)", CARD)
    shown = re.findall(r"^\d+ +occupations (\S+) +(\d+) +(0\.\d\d)$", PRINTED, re.M)
    assert ends == [(f1, code, n) for code, n, f1 in shown] and len(ends) == 2


def test_the_answer_that_is_nonsense():
    task, name, p = re.search(r'"([^"]+)" is answered "([^"]+)" with a probability of (\S+),', CARD).groups()
    assert f"{task}\n    {name} ({p}), because of: " in PRINTED


def test_cost():
    measured = {name: cells for name, *cells in rows(RESULTS)[::-1]}
    told = section("What it is")
    for name, unit in {
        "search and final fit, s": "s to train",
        "calibration, s": "s to calibrate",
        "model, MB": "MB",
        "answer one task, ms": "ms an answer",
    }.items():
        assert f"{measured[name][1].split(' ')[0]} {unit}" in told


def test_the_terms_are_the_readmes():
    terms = re.search(r"^This page includes information .*", (ROOT / "README.md").read_text(), re.M)[0]
    assert terms in CARD
