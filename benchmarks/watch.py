"""Measure the watch: how often chance rings, which shifts it finds, and what a million answers cost.

    python benchmarks/watch.py --data FILE --industries ARCHIVE

Trains a model on --data as the job does, in a store of its own, and takes the industries of its statements from the
column SOC of --industries, where that is another source. Writes benchmarks/watch.md. Takes four minutes on 2 cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import A_TENTH, ATTRIBUTION, HERE, OLDER, PILOTS, helpers, markdown, named

ANSWERS, WEEKS, DRAWS, SHIFT, LEAST = 500, 200, 50, 0.15, 20
MILLION, MONTHS = 1_000_000, 12
CHANCE = 0.02


def with_industries(data, industries, path):
    """Write the (Task, GWA) pairs of `data` with the column SOC of another source to a parquet file; return the table."""
    tasks = helpers.load_tasks(data)
    if industries:
        soc = helpers.load_tasks(industries).drop_duplicates("Task").set_index("Task")["SOC"]
        tasks["SOC"] = tasks["Task"].map(soc).fillna("")
    tasks.to_parquet(path)
    return tasks


def trained(path):
    """Train version 1 of onet-gwa in the store; return its labels and its Reference."""
    command = [
        sys.executable,
        helpers.ROOT / "run_notebook.py",
        "--data",
        path,
        "--C",
        "10",
        "--penalty",
        "l2",
    ]
    subprocess.run(command, check=True, capture_output=True)
    helpers.connect()
    labels = helpers.load_labels()
    return labels, helpers.reference("onet-gwa/1", labels, helpers.training_data("onet-gwa/1", labels))


def rings(reference, weeks, limits):
    """Return which limits the weeks pass: `weeks` holds arrays of row numbers; an array (n_weeks, n_statistics)."""
    sums = np.stack([reference.rows[rows].sum(axis=0) for rows in weeks])
    return helpers.statistics(sums, reference) > limits


def false_alarms(reference, n, weeks, rng):
    """Return the shares of weeks that ring: drawn from the reference, and of statements taken out of the reference."""
    m, limits = len(reference.rows), helpers.limits(reference, n, CHANCE)
    drawn = rings(reference, rng.integers(m, size=(weeks, n)), limits)
    fresh = []
    for _ in range(weeks if m >= 2 * n else 0):
        order = rng.permutation(m)
        rest = reference._replace(rows=reference.rows[order[n:]])
        week = helpers.statistics(reference.rows[order[:n]].sum(axis=0), rest)
        fresh.append((week > helpers.limits(rest, n, CHANCE, draws=1000)).any())
    return drawn, np.array(fresh)


def shifts(reference, industries, n, draws, least, rng):
    """Return for each industry how often a shift to it is found within two weeks: a DataFrame.

    `industries` (n_rows,) are those of the reference's rows. Of `n` answers a week, SHIFT come from the industry. The
    column counts is without the statistic that needs texts.
    """
    m, more, found = len(reference.rows), round(SHIFT * n), []
    limits = helpers.limits(reference, n, CHANCE)
    # Without texts the others may have lower limits.
    fewer = helpers.limits(reference._replace(rows=without_industries(reference)), n, CHANCE)
    for code, count in industries[industries != ""].value_counts().items():
        rows, texts, counts = np.flatnonzero(industries == code), [], []
        for _ in range(draws if count >= least else 0):
            two = [np.concatenate([rng.integers(m, size=n - more), rng.choice(rows, more)]) for _ in range(2)]
            texts.append(rings(reference, two, limits).any())
            counts.append(rings(reference, two, fewer)[:, :-1].any())
        if texts:
            found.append([code, count, np.mean(texts), np.mean(counts)])
    return pd.DataFrame(found, columns=["industry", "statements", "texts", "counts"])


def without_industries(reference):
    rows = reference.rows.copy()
    rows[:, helpers.places(reference)["industries"]] = 0
    return rows


def a_million(reference, texts, n, folder):
    """Write a log of `n` answers, and watch it; return seconds, those of the processor, peak memory in MB, and the exit status."""
    import mlflow

    rng, answers = np.random.default_rng(helpers.SEED), mlflow.pyfunc.load_model("models:/onet-gwa/1")
    known, entries = reference.known, []
    for text, answer in zip(texts, answers.predict(pd.DataFrame({"Task": texts})).to_dict("records")):
        words, unknown = helpers.measure(text, known)
        said = {key: answer[key] for key in ("GWA", "probability", "model")}
        entries.append(json.dumps(said | {"words": words, "unknown": unknown, "Task": text})[1:])
    folder.mkdir()
    days = pd.date_range("2026-01-05", periods=7 * 52 * MONTHS // 12).strftime("%Y-%m-%d")
    for day, size in zip(days, np.bincount(rng.integers(len(days), size=n), minlength=len(days))):
        lines = [
            f'{{"time": "{day}T12:00:00.000+00:00", {entries[k]}\n'
            for k in rng.integers(len(texts), size=size)
        ]
        (folder / f"answers-{day}.jsonl").write_text("".join(lines))
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, helpers.ROOT / "tools" / "watch.py", "--answers", folder], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    worked = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begin, worked, usage.ru_maxrss / 1024, process.returncode


def write(path, source, reference, drawn, fresh, table, million):
    """Write the page."""
    names = list(helpers.STATISTICS.values())
    seconds, worked, megabytes, status = million
    alarms = pd.DataFrame({"statistic": names, "weeks that it rang": drawn.sum(axis=0)})
    over = (table["texts"] >= 0.9).sum()
    shown = table.sort_values("statements", ascending=False)
    lines = [
        "# The watch: false alarms, shifts that it finds, and its cost",
        "",
        f"Written by `benchmarks/watch.py`. {source} The model is that of the job with C=10; the reference is its "
        f"answers to the {len(reference.rows):,} statements of the test side.",
        "",
        "## False alarms",
        "",
        f"Of {len(drawn)} weeks of {ANSWERS} answers, drawn from the reference, {drawn.any(axis=1).sum()} passed a "
        f"limit ({drawn.any(axis=1).mean():.1%}; the limits are set for {CHANCE:.0%}, and for a reference that is a "
        "sample itself).",
        "",
        *markdown(alarms),
    ]
    if len(fresh):
        lines += [
            f"A harder question: {ANSWERS} statements are taken out of the reference, and are a week that is compared "
            f"with the rest. Of {len(fresh)} such weeks, {fresh.sum()} passed a limit ({fresh.mean():.1%}).",
            "",
        ]
    lines += [
        "## Shifts",
        "",
        f"{SHIFT:.0%} of {ANSWERS} answers a week go to one industry, a major group of occupations; the others are "
        "drawn from the reference. The share of draws in which a limit is passed within two weeks, "
        f"{DRAWS} draws an industry, for industries with at least {LEAST} statements in the reference. The mean is "
        f"{table['texts'].mean():.3f}, and {over} of the {len(table)} industries are found in at least 9 of 10 draws. "
        "That takes texts: naive Bayes tells their industry. Counts alone see the shift only where the labels move "
        f"with it (mean {table['counts'].mean():.3f}).",
        "",
        *markdown(
            shown.round(2).rename(columns={"texts": "found with texts", "counts": "found with counts alone"}),
            2,
        ),
        "## A million answers",
        "",
        f"`tools/watch.py` read {MILLION:,} answers with their texts, over a year, in {seconds:.0f} s "
        f"({worked:.0f} s of CPU time), with a peak of {megabytes:.0f} MB (exit status {status}). The load of the last "
        f"minute was then {os.getloadavg()[0]:.1f}.",
        "",
        ATTRIBUTION,
    ]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--industries")
    arguments = parser.parse_args()
    rng = np.random.default_rng(helpers.SEED)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        tasks = with_industries(arguments.data, arguments.industries, f"{folder}/tasks.parquet")
        labels, reference = trained(f"{folder}/tasks.parquet")
        texts = helpers.split(*helpers.to_X_y(tasks, labels))[1]["Task"]
        industries = texts.map(tasks.drop_duplicates("Task").set_index("Task")["SOC"]).to_numpy()
        drawn, fresh = false_alarms(reference, ANSWERS, WEEKS, rng)
        print(drawn.any(axis=1).mean(), fresh.mean() if len(fresh) else "", file=sys.stderr)
        table = shifts(reference, pd.Series(industries), ANSWERS, DRAWS, LEAST, rng)
        million = a_million(reference, texts.tolist(), MILLION, Path(folder, "answers"))
    source = f"Source: {tasks['Task'].nunique():,} statements of {named(arguments.data, tasks)}"
    if arguments.industries:
        other = helpers.load_tasks(arguments.industries)
        source += (
            f", with the occupations of {named(arguments.industries, other)}, where it has the statement"
        )
    source += "." + (A_TENTH if helpers.digest(tasks) in (PILOTS, OLDER) else "")
    write(HERE / "watch.md", source, reference, drawn, fresh, table, million)


if __name__ == "__main__":
    main()
