"""The page of results that bench.py writes. Its numbers are the run's, its settings' or computed from them."""

import os
import statistics
import time

import common
import numpy as np
import pandas as pd
from common import AVERAGES, between, markdown
from others import WHAT


def values(runs, name):
    return [run["result"][name] for run in runs]


def median(runs, name):
    return statistics.median(values(runs, name))


def spread(numbers):
    """Return the median and, in brackets, the lowest and the highest as a text."""
    return f"{statistics.median(numbers):.1f} ({min(numbers):.1f} to {max(numbers):.1f})"


def score(result, name):
    """Return a score and, in brackets, its interval as a text."""
    return f"{result[name]:.3f} ({between(result['drawn'][name])})"


def peak(runs):
    """Return the megabytes that a run needed: its own and, at most, those of its processes."""
    return statistics.median(run["memory"] for run in runs) / 1e6


def comparison(measured):
    """Return the lines of the table of the pilot's method and ours."""
    mine, theirs = measured["ours"], measured["pilot"]
    o, p = mine[0]["result"], theirs[0]["result"]
    seconds = values(theirs, "seconds"), values(mine, "seconds")
    rows = [
        ("search and final fit, s", *map(spread, seconds), spread([a / b for a, b in zip(*seconds)])),
        ("of which the final fit, s", "", f"{median(mine, 'final'):.1f}", ""),
        ("calibration, s", "", f"{median(mine, 'calibration'):.1f}", ""),
    ]
    for name in AVERAGES.values():
        differences = np.subtract(o["drawn"][name], p["drawn"][name])
        difference = f"{o[name] - p[name]:+.3f} ({between(differences, '+.3f')})"
        rows.append((name, score(p, name), score(o, name), difference))
    rows += [
        (
            "peak memory, MB, at most",
            f"{peak(theirs):.0f}",
            f"{peak(mine):.0f}",
            f"{peak(mine) / peak(theirs):.2f}",
        ),
        ("model, MB", f"{p['size'] / 1e6:.1f}", f"{o['size'] / 1e6:.1f}", f"{o['size'] / p['size']:.2f}"),
        ("chosen C", "one a GWA", f"{o['C']:g}", ""),
        ("save the model, s", "", f"{median(mine, 'saving'):.2f}", ""),
        ("load the model, s", "", f"{median(mine, 'loading'):.2f}", ""),
        ("answer one task, ms", "", f"{median(mine, 'one') * 1000:.1f}", ""),
        (f"answer {common.MANY:,} tasks, s", "", f"{median(mine, 'many'):.2f}", ""),
    ]
    columns = ["", "pilot's method", "this project", "ratio, or difference of scores"]
    return markdown(pd.DataFrame(rows, columns=columns))


def instead(measured):
    """Return the lines of the table of what else a user might take."""
    fits = len(common.C) * common.FOLDS
    obvious = (
        f"`GridSearchCV` over words and `OneVsRestClassifier(LogisticRegression())`, {fits} fits and one"
    )
    rows = []
    for name, run in {"scikit-learn": measured["stock"], **measured["others"]}.items():
        result = run["result"]
        row = {"": name, "what": WHAT.get(name, obvious)}
        if result is None:
            row |= {"seconds": "could not be installed or run"} | dict.fromkeys(AVERAGES.values(), "")
        else:
            row |= {"seconds": f"{result['seconds']:.1f}"}
            row |= {name: score(result, name) for name in AVERAGES.values()}
        rows.append(row)
    return markdown(pd.DataFrame(rows))


def over_seeds(measured):
    """Return the lines of the table of scores for several splits."""
    table = pd.DataFrame(measured["seeds"]["result"])
    rows = []
    for (kind, titles), part in table.groupby(["split", "titles"], sort=False):
        scores = {name: f"{part[name].mean():.3f} ± {part[name].std():.3f}" for name in AVERAGES.values()}
        rows.append(
            {"split": kind, "DWA titles": titles}
            | scores
            | {"calibration error before": f"{part['ECE_before'].mean():.3f}"}
            | {"after": f"{part['ECE_after'].mean():.3f} ± {part['ECE_after'].std():.3f}"}
            | {"chosen C": ", ".join(f"{C:g}" for C in sorted(set(part["C"])))}
        )
    return markdown(pd.DataFrame(rows))


def main_job(measured):
    """Return the lines on the main job."""
    job = measured["main_job"]["result"]
    rows = []
    for taken, code in job["cells"]:
        first = next(line for line in code.splitlines() if line.strip())
        rows.append({"seconds": f"{taken:.1f}", "cell begins with": f"`{first}`"})
    return [
        f"`mlflow run . --env-manager local`: {job['seconds']:.1f} s, of which {job['notebook']:.1f} s are the "
        f"notebook with its kernel ({job['sum']:.1f} s in cells). The rest starts Python twice, imports MLflow, makes "
        "the store and renders the notebook. The slowest cells:",
        "",
        *markdown(pd.DataFrame(rows)),
    ]


def quiet(measured):
    """Return a sentence on what else the machine did."""
    foreign = max(run["foreign"] for run in (*measured["ours"], *measured["pilot"]))
    forced = "" if measured["load"] <= common.MOST_LOAD else ": it was forced, and its times mean little"
    return (
        f"{os.cpu_count()} cores; the load in the minute before was {measured['load']:.2f} (it asks for at most "
        f"{common.MOST_LOAD}{forced}). While the two sides "
        f"below were measured, at most {foreign:.2f} cores were busy with something else."
    )


def write(path, measured, source):
    """Write the page: `measured` maps bench.py's parts to what its `run` returned, several times a list."""
    first, *_, last = common.SEEDS
    lines = [
        "# Benchmark",
        "",
        f"Written by `benchmarks/bench.py` on {time.strftime('%Y-%m-%d', time.gmtime())}. {quiet(measured)}",
        "",
        source,
        "",
        "Four in five statements are for training and the rest for testing, by statement. The candidates are C "
        f"{', '.join(f'{C:g}' for C in common.C)} and no penalty, in {common.FOLDS} folds. Every method gives each task "
        f"at least one GWA. The two sides ran in turns, {len(measured['ours'])} times each: seconds are medians, with "
        "the lowest and the highest in brackets, and the ratio of seconds is that of neighboring runs. Ours finds "
        "near-twins, starts its processes, searches and fits once more within them. Scores are of one split, with 95 % "
        f"intervals in brackets ({common.DRAWS:,} draws of the test statements; a difference is taken within each draw). "
        "They say what other test statements would change, not what other training statements would.",
        "",
        "In each run C, curve and threshold are chosen on its training rows. What the model counts, its weights and "
        f"its tolerances were chosen earlier on the training rows of splits with seed {common.helpers.SEED}, with a "
        f"test score in view. That seed is not used here: the splits have the seeds {first} to {last}, and the first of "
        "them is that of all scores of one split. Their test rows are partly among the training rows of that choice, "
        "as in any repeated split.",
        "",
        *comparison(measured),
        "## What you might take instead",
        "",
        "On the same rows without DWA titles, tokenization included. scikit-learn searches over C with its default "
        "solver, in as many folds and on all cores; the others fit once at their documented defaults, each in an "
        "environment of its own.",
        "",
        *instead(measured),
        f"## Quality over {len(common.SEEDS)} split seeds",
        "",
        "Mean and standard deviation of the test scores. The calibration error is the mean distance of probability and "
        "share of true answers, over bins as in `helpers.expected_calibration_error`.",
        "",
        *over_seeds(measured),
        "## The main job on the sample",
        "",
        *main_job(measured),
        "## The data's terms",
        "",
        common.ATTRIBUTION,
    ]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
