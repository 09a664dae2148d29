"""The page and the plot that scale.py writes. Their numbers are the run's, its settings' or computed from them."""

import os
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from common import MOST_LOAD, helpers, markdown

MODEL = "models:/onet-gwa@champion"
PLAIN = f"""import sys, mlflow, pandas as pd

_, source, target = sys.argv
statements = pd.read_parquet(source)
answers = mlflow.pyfunc.load_model("{MODEL}").predict(statements)
statements.join(answers).to_parquet(target)
"""
# The ways in which statements are answered, and how many Spark workers each has.
WAYS = {"predict": 0, "plain": 0, "ours": 0, "spark-1": 1, "spark-2": 2}
TITLES = {
    "predict": "`mlflow models predict`",
    "plain": "the plain call",
    "ours": "ours without Spark",
}
TITLES |= {way: f"ours on Spark, {n} worker{'s' * (n > 1)}" for way, n in WAYS.items() if n}
COLUMNS = ["way", "rows", "runs", "seconds", "lowest", "highest", "rows_per_second", "steady"]
COLUMNS += ["cpu_seconds", "peak_mb", "foreign", "skipped"]
RATES = {"rows_per_second": "the whole command", "steady": "without the start"}
# What was asked for: shares of the plain call's rows a second and core, MB, and all workers beside one.
OURS, SPARK, PEAK, WORKERS, AT = 0.9, 0.8, 1000, 1.7, 1_000_000
# Numbers of workers for which it is computed where Spark overtakes.
ON_PAPER = [4, 8, 16, 32]


def with_rates(rows):
    """Return what was measured, dicts, as a DataFrame with the two columns that are computed from them.

    `rows_per_second` is that of the whole command, and `steady` that without the start: by how many rows a size is
    larger than the way's smallest, by the seconds that it took longer.
    """
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    more = table[["rows", "seconds"]] - table.groupby("way")[["rows", "seconds"]].transform("first")
    table["rows_per_second"] = table["rows"] / table["seconds"]
    table["steady"] = (more["rows"] / more["seconds"]).where(more["rows"] > 0)
    return table.round(3)


def by_rows(table, column):
    """Return a column as a DataFrame with a row a size and a column a way."""
    return table.pivot(index="rows", columns="way", values=column)


def cells(table, *columns):
    """Return the lines of a table with a row a way and, a column a size, the values of `columns`, or why there is none."""
    lines = []
    for way, part in table.groupby("way", sort=False):
        texts = [part[column].map("{:,.0f}".format, na_action="ignore") for column in columns]
        text = texts[0].str.cat(texts[1:], sep="; ").fillna(part["skipped"]).fillna("")
        lines.append({"": TITLES[way]} | dict(zip(part["rows"].map("{:,}".format), text)))
    return markdown(pd.DataFrame(lines))


def quote(path, table):
    """Write rows a second and MB of a table into a page, between its two marks."""
    marks, text = ("<!-- scale -->\n", "<!-- /scale -->\n"), path.read_text(encoding="utf-8")
    before, after = text.partition(marks[0])[0], text.partition(marks[1])[2]
    lines = "\n".join(cells(table, "rows_per_second", "peak_mb")[:-1]) + "\n"
    path.write_text(before + marks[0] + lines + marks[1] + after, encoding="utf-8")


def a_core(table, way, column):
    """Return a way's rows a second and core as shares of the plain call's, which uses one: a Series by size."""
    cores = WAYS[way] or os.cpu_count()
    rates = by_rows(table, column)
    return (rates[way] / cores / rates["plain"]).dropna()


def wanted(table):
    """Return the lines of the table of what was asked for, and what came of it."""
    lines, sizes = [], sorted(set(table["rows"]))
    at = [AT] if AT in sizes else sizes[-1:]

    def add(what, values, form, good):
        told = "; ".join(f"{rows:,}: {value:{form}}".replace("%", " %") for rows, value in values.items())
        sizes = " and ".join(f"{rows:,}" for rows in values[good].index)
        reached = "yes" if good.all() else f"at {sizes}" if sizes else "no"
        lines.append({"wanted": what, "found, by rows": told, "reached": reached})

    plain = "of the plain call's rows a second and core"
    for column, name in RATES.items():
        values = a_core(table, "ours", column)
        add(f"{TITLES['ours']}: {OURS * 100:.0f} % {plain}, {name}", values, ".0%", values >= OURS)
    peaks = by_rows(table, "peak_mb")["ours"]
    add(f"{TITLES['ours']}: at most {PEAK:,} MB", peaks, ",.0f", peaks <= PEAK)
    for way in ("spark-1", "spark-2"):
        for column, name in RATES.items():
            values = a_core(table, way, column).reindex(at).dropna()
            add(f"{TITLES[way]}: {SPARK * 100:.0f} % {plain}, {name}", values, ".0%", values >= SPARK)
    for column, name in RATES.items():
        rates = by_rows(table, column)
        values = (rates["spark-2"] / rates["spark-1"]).dropna()
        both = f"the rows a second of one worker with {WAYS['spark-2']}"
        add(f"on Spark: {WORKERS} times {both}, {name}", values, ".2f", values >= WORKERS)
    return markdown(pd.DataFrame(lines))


def crossing(one, other):
    """Return from how many rows on the second of two Series of seconds, by the same rows, is below the first.

    A size between two measured ones is by the straight line through them. Returns 0 where the second is below at all
    sizes, and None where it is not at the largest.
    """
    gained = (one - other).dropna()
    behind = np.flatnonzero(gained <= 0)
    if not behind.size:
        return 0.0
    around = gained.iloc[behind[-1] : behind[-1] + 2]
    return float(np.interp(0, around, around.index)) if len(around) == 2 else None


def from_on(rows):
    """Return a crossing as a text, with two digits."""
    if rows is None:
        return "at no size that was measured"
    return f"from {float(f'{rows:.2g}'):,.0f} rows on" if rows else "at all sizes that were measured"


def crossings(table):
    """Return the lines on where one way overtakes another, here and with more workers."""
    seconds, titles = by_rows(table, "seconds"), TITLES.copy()
    start = seconds["spark-2"].iloc[0]
    for workers in ON_PAPER:
        seconds[workers] = start + (seconds["spark-2"] - start) * WAYS["spark-2"] / workers
        titles[workers] = f"ours on Spark, {workers} workers on further cores (on paper)"
    pairs = [("predict", "plain"), ("plain", "ours"), ("plain", "spark-2"), ("ours", "spark-2")]
    rows = [
        {
            "instead of": titles[one],
            "take": titles[other],
            "when": from_on(crossing(seconds[one], seconds[other])),
        }
        for one, other in [*pairs, *(("ours", workers) for workers in ON_PAPER)]
    ]
    return markdown(pd.DataFrame(rows))


def draw(table, path):
    """Save the plot of rows a second by size; return its finding, a sentence."""
    plt.style.use(helpers.ROOT / "notebooks" / "plots.mplstyle")
    figure, ax = plt.subplots()
    for way, part in table.groupby("way", sort=False):
        [points] = ax.plot(part["rows"], part["rows_per_second"], "o", label=TITLES[way].replace("`", ""))
        rows = np.geomspace(part["rows"].min(), part["rows"].max())
        ax.plot(rows, rows / np.interp(rows, part["rows"], part["seconds"]), color=points.get_color())
    seconds = by_rows(table, "seconds")
    crossed = {way: crossing(seconds["plain"], seconds[way]) for way in ("ours", "spark-2")}
    for rows in filter(None, crossed.values()):
        ax.axvline(rows, color="0.7", linestyle=":", zorder=0)
    ax.set(xscale="log", xlabel="statements", ylabel="rows a second, the whole command", ylim=(0, None))
    ax.set_title("Where one way overtakes another")
    ax.legend()
    figure.savefig(path)
    plt.close(figure)
    told = " and ".join(f"by {TITLES[way]} {from_on(rows)}" for way, rows in crossed.items())
    return f"The plain call is overtaken {told} (dotted)."


def write(folder, table, shipped, load):
    """Write scale.md and scale.png into a folder: `table` is scale.csv's, `shipped` what `scale.shipping` prints."""
    finding = draw(table, folder / "scale.png")
    forced = "" if load <= MOST_LOAD else ": it was forced, and its times mean little"
    missing = table["skipped"].dropna()
    plain = table[(table["way"] == "plain") & table["seconds"].notna()].iloc[-1]
    lines = [
        "# Scoring many statements",
        "",
        f"Written by `benchmarks/scale.py` on {time.strftime('%Y-%m-%d', time.gmtime())}. {os.cpu_count()} cores; the load in the "
        f"minute before was {load:.2f} (it asks for at most {MOST_LOAD}{forced}). While it measured, at most "
        f"{table['foreign'].max():.2f} cores were busy with something else.",
        "",
        "The statements are made of clauses of the sample's (`helpers.write_recombined`), and the model is the sample's "
        "champion. Each way is a command of its own, from its start to its end, with what it reads and writes: parquet, but "
        "for `mlflow models predict`, which reads CSV and writes JSON. Seconds are medians where there were several runs "
        "(`scale.csv` has the lowest and the highest, too). Memory is that of all processes of a way, pages that they share counted once "
        "(PSS), looked at several times a second; with Spark it includes driver, master, workers and executors. A worker "
        "has one core, and runs before the command is started, on the same machine. The plain call, on one core, is:",
        "",
        f"```python\n{PLAIN}```",
        "",
        f"Of the largest size it kept {plain['cpu_seconds'] / plain['seconds']:.2f} cores busy.",
        "",
        "## Rows a second",
        "",
        "Of the whole command, the start included:",
        "",
        *cells(table, "rows_per_second"),
        "Without the start, by the difference to the smallest size:",
        "",
        *cells(table[table["rows"] > table["rows"].min()], "steady"),
        "## Peak memory, MB",
        "",
        *cells(table, "peak_mb"),
        "## What was wanted",
        "",
        *wanted(table),
        f"To bring the model, {shipped['size_mb']:.1f} MB, to the workers, the driver packs it in {shipped['packed']:.1f} s; "
        f"each worker, both at once, fetches, unpacks and loads it in {shipped['loaded']:.1f} s, once in a job.",
        "",
        "## Where one way overtakes another",
        "",
        "A size between two that were measured is by the straight line through their seconds. With more workers, what "
        "two of them need beyond the seconds of the smallest size is divided by as many as there are.",
        "",
        *crossings(table),
        f"![{finding}](scale.png)",
        "",
        f"*{finding}*",
        "",
    ]
    if len(missing):
        lines += ["A cell with words says why nothing was measured.", ""]
    (folder / "scale.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
