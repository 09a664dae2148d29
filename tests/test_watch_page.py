"""The page of a watch: it says what passed, holds its figure, and asks the network for nothing."""

import re

import numpy as np
import pandas as pd
from PIL import Image
from test_watch import answers, measured, reference  # noqa: F401

import helpers
from onet_gwa.watch_page import render_page


def page(reference, weeks, verdict="m/1 passed <one> limit.", rings=True, **changed):  # noqa: F811
    figure = helpers.weeks_figure(weeks)
    return figure, render_page("Watch of m/1", verdict, rings, ["Answers: <2>"], weeks, figure, changed, 0.02)


def judged(reference):  # noqa: F811
    counts = helpers.counted(measured(answers(), reference.known), reference)
    longer = counts.copy()
    longer[:, helpers.places(reference)["length"]] = [0] * len(reference.edges["length"]) + [1]
    sums = {20773: counts[:150].sum(axis=0), 20780: longer[:150].sum(axis=0), 20787: counts[:90].sum(axis=0)}
    return sums, helpers.judge(sums, reference)


def test_the_page(reference, tmp_path):  # noqa: F811
    sums, weeks = judged(reference)
    changed = (
        helpers.changes(sums[20780], reference, "labels")
        .join(reference.labels["name"])
        .set_index("name", append=True)
    )
    figure, text = page(reference, weeks, Labels=changed)
    assert "m/1 passed &lt;one&gt; limit." in text and "Answers: &lt;2&gt;" in text
    assert text.count('<td class="passed">▲') == 1 and 'class="verdict rings"' in text
    assert re.search(r"<td>2026-11-23</td><td>150</td>", text) and text.count("<tr>") == 1 + 3 + 3
    # One file: no address but of what it says itself.
    assert (
        re.findall(r'(?:src|href)="(?!data:)[^"]*"', text) == []
        and "http" not in text
        and "<script" not in text
    )
    assert "one of 50 weeks" in " ".join(text.split())
    figure.savefig(tmp_path / "weeks.png")
    assert Image.open(tmp_path / "weeks.png").size[0] > 800


def test_the_figure_has_a_panel_for_each_statistic_that_there_is(reference):  # noqa: F811
    sums, weeks = judged(reference)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in helpers.weeks_figure(weeks).axes]
    assert [title for title in titles if title] == list(helpers.STATISTICS.values())
    fewer = helpers.weeks_figure(weeks.assign(industries=np.nan))
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in fewer.axes]
    assert [title for title in titles if title] == list(helpers.STATISTICS.values())[:-1]
    drawn = helpers.figure_data(helpers.weeks_figure(weeks))
    assert f"{weeks['length'].iloc[1]:.3g}" in drawn


def test_weeks_without_texts_and_without_limits(reference):  # noqa: F811
    _, weeks = judged(reference)
    _, text = page(reference, weeks.assign(industries=np.nan), rings=False)
    assert text.count("<td>–</td>") == 3 and 'class="verdict"' in text


def test_changes(reference):  # noqa: F811
    week = reference.rows.sum(axis=0)
    at = helpers.places(reference)["labels"]
    week[at] = [10, 10, 80]
    table = helpers.changes(week, reference, "labels", most=2)
    assert table.index[0] == "C" and len(table) == 2 and table.loc["C", "week"] == 0.8
    expected = reference.rows.sum(axis=0)[at]
    assert table.loc["C", "reference"] == expected[2] / expected.sum()
    assert isinstance(table, pd.DataFrame)
    assert list(helpers.changes(reference.rows.sum(axis=0), reference, "industries").index) == ["25", "53"]
