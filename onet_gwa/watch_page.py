"""The page about watched weeks, one file of HTML without the network, and its figures."""

import base64
import html
import io

import numpy as np
import pandas as pd

from onet_gwa import ROOT
from onet_gwa.watch import STATISTICS, counts_of

# Of the series' colors, by value: a color such as C3 is another one when the figure is saved elsewhere.
BLUE, ORANGE = "#0072B2", "#D55E00"
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .7rem; text-align: right }
td { white-space: nowrap } tbody th { text-align: left; font-weight: normal; border: 0 }
th { border-bottom: 1px solid #888; vertical-align: bottom } td:first-child, th:first-child { text-align: left }
.passed { background: #fbe3d6; font-weight: bold } .verdict { font-size: 1.2rem; border-left: .4rem solid #0072b2;
padding: .5rem 1rem } .verdict.rings { border-color: #d55e00 } img { max-width: 100% } small { color: #555 }
"""
NOTES = """
<p>A limit that was not given is what chance passes in one of {often:.0f} weeks, over all statistics together; it was
computed for each week's number of answers, from weeks drawn from the reference. The reference is the answers of the
same model to statements that it was not trained on. The PSI is the <em>population stability index</em>: 0 for
equal shares. A passed limit says that the questions have changed, and not that the answers are wrong: read some,
label a hundred, and compare. A quiet week does not say that they are right.</p>
"""


def weeks_figure(weeks):
    """Return a matplotlib figure of the table of `judge`: for each statistic its value by week, and its limit."""
    import matplotlib.pyplot as plt

    with plt.style.context(str(ROOT / "notebooks" / "plots.mplstyle")):
        names = [name for name in STATISTICS if weeks[name].notna().any()]
        figure, axes = plt.subplots(
            -(-len(names) // 3), 3, figsize=(12, 3 * -(-len(names) // 3)), squeeze=False
        )
        days = [monday[5:] for monday in weeks.index]
        for ax, name in zip(axes.flat, names):
            judged, passed = weeks[f"{name}_limit"].notna(), weeks[name] > weeks[f"{name}_limit"]
            ax.plot(days, weeks[name], marker="o", color=BLUE, markersize=4)
            ax.plot(days, weeks[f"{name}_limit"], color="0.4", linestyle="--")
            ax.plot(np.array(days)[passed], weeks[name][passed], "D", color=ORANGE, markersize=8)
            ax.set_title(STATISTICS[name], fontsize=10)
            ax.set_ylim(0, None)
            ax.set_xticks(range(0, len(days), max(1, len(days) // 5)))
            if not judged.any():
                ax.text(0.5, 0.5, "too few answers", transform=ax.transAxes, ha="center")
        for ax in axes.flat[len(names) :]:
            ax.set_axis_off()
    return figure


def changes(sums, reference, name, most=8):
    """Return the `labels` or `industries` whose shares differ most in counts (n_counts,): a DataFrame by code."""
    actual, expected, codes = counts_of(sums, reference, name)
    shares = pd.DataFrame(
        {"reference": expected / expected.sum(), "week": actual / max(1, actual.sum())}, codes
    )
    order = (shares["week"] - shares["reference"]).abs().sort_values(ascending=False, kind="stable").index
    return shares.loc[order[:most]]


def render_page(title, verdict, rings, facts, weeks, figure, changed, chance):
    """Return the page: texts, a list of facts, the table and figure of weeks, and named tables of what changed."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    image = base64.b64encode(png.getvalue()).decode()
    escape = html.escape
    head = "".join(f"<th>{escape(name)}</th>" for name in ["week of", "answers", *STATISTICS.values()])
    body = "".join(_row(monday, row) for monday, row in weeks.iterrows())
    tables = "".join(
        f"<h2>{escape(name)}</h2>{table.to_html(border=0, float_format='{:.1%}'.format, index_names=False)}"
        for name, table in changed.items()
    )
    notes = NOTES.format(often=1 / chance)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p class="verdict{" rings" * rings}">{escape(verdict)}</p>
<ul>{"".join(f"<li>{escape(fact)}</li>" for fact in facts)}</ul>
<h2>Week by week</h2>
<img alt="Each statistic by week, its limit dashed, what passed it a diamond" src="data:image/png;base64,{image}">
<table><thead><tr>{head}</tr></thead>{body}</table>
<p><small>In each cell is the statistic and, after the slash, its limit; ▲ marks what passed it. A week without limits
has too few answers to be judged; one without industries has no texts,
or the training data have no industries.</small></p>
{tables}{notes}</body></html>
"""


def _row(monday, row):
    cells = ""
    for name in STATISTICS:
        value, limit = row[name], row[f"{name}_limit"]
        text = "–" if pd.isna(value) else f"{value:.3f}" if pd.isna(limit) else f"{value:.3f} / {limit:.3f}"
        cells += f'<td class="passed">▲ {text}</td>' if value > limit else f"<td>{text}</td>"
    return f"<tr><td>{monday}</td><td>{row['answers']:,.0f}</td>{cells}</tr>"
