"""The page of results that bench.py writes."""

import os
import statistics
import time

import common
import pandas as pd
from others import WHAT

QUESTIONS = {"f1_micro": "micro-F1", "f1_macro": "macro-F1", "f1_samples": "samples-F1"}


def median(runs, name):
    return statistics.median(run["result"][name] for run in runs)


def told(runs, digits=1):
    """Return the median of the runs' seconds and, where there are several, each of them."""
    each = [f"{run['result']['seconds']:.{digits}f}" for run in runs]
    middle = f"{median(runs, 'seconds'):.{digits}f}"
    return middle if len(each) == 1 else f"{middle} ({', '.join(each)})"


def peak(runs):
    """Return the megabytes that a run needed: its own and, at most, those of its processes."""
    return statistics.median(run["memory"] for run in runs) / 1e6


def comparison(measured):
    """Return the lines of the table of the pilot's method and ours."""
    mine, theirs = measured["ours"], measured["pilot"]
    o, p = mine[0]["result"], theirs[0]["result"]
    ratio = median(theirs, "seconds") / median(mine, "seconds")
    rows = [("search and final fit, s", told(theirs), told(mine), f"{ratio:.1f}")]
    rows += [("of which the final fit, s", "", f"{median(mine, 'final'):.1f}", "")]
    rows += [("calibration, s", "", f"{median(mine, 'calibration'):.1f}", "")]
    rows += [(name, f"{p[name]:.3f}", f"{o[name]:.3f}", f"{o[name] - p[name]:+.3f}") for name in QUESTIONS]
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
        ("answer one task, p50, ms", "", f"{median(mine, 'one') * 1000:.1f}", ""),
        ("answer 10,000 tasks, s", "", f"{median(mine, 'many'):.2f}", ""),
    ]
    return common.markdown(pd.DataFrame(rows, columns=["", "pilot's method", "this project", "ratio"]))


def instead(measured):
    """Return the lines of the table of what else a user might take."""
    what = {
        "scikit-learn": "`GridSearchCV` over words and `OneVsRestClassifier(LogisticRegression())`, 9 fits and one"
    }
    runs = {"scikit-learn": measured["stock"], **measured["others"]}
    rows = []
    for name, run in runs.items():
        row = {"": name, "what": what.get(name) or WHAT[name]}
        if run["result"] is None:
            row |= {"seconds": "could not be installed or run"} | dict.fromkeys(QUESTIONS.values(), "")
        else:
            scores = {title: f"{run['result'][key]:.3f}" for key, title in QUESTIONS.items()}
            row |= {"seconds": f"{run['result']['seconds']:.1f}", **scores}
        rows.append(row)
    return common.markdown(pd.DataFrame(rows))


def over_seeds(measured):
    """Return the lines of the table of scores for several splits."""
    table = pd.DataFrame(measured["seeds"]["result"])
    rows = []
    for (kind, titles), part in table.groupby(["split", "titles"], sort=False):
        scores = {
            title: f"{part[key].mean():.3f} ± {part[key].std():.3f}" for key, title in QUESTIONS.items()
        }
        rows.append(
            {"split": kind, "DWA titles": titles}
            | scores
            | {"calibration error before": f"{part['ECE_before'].mean():.3f}"}
            | {"after": f"{part['ECE_after'].mean():.3f} ± {part['ECE_after'].std():.3f}"}
            | {"chosen C": ", ".join(f"{C:g}" for C in sorted(set(part["C"])))}
        )
    return common.markdown(pd.DataFrame(rows))


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
        *common.markdown(pd.DataFrame(rows)),
    ]


def loads(measured):
    """Return the load averages before the first part and, at most, before a later one."""
    parts = [
        measured["main_job"],
        *measured["ours"],
        *measured["pilot"],
        measured["stock"],
        measured["seeds"],
    ]
    parts += measured["others"].values()
    return measured["main_job"]["load"], max(part["load"] for part in parts)


def write(path, measured, source):
    """Write the page: `measured` maps bench.py's parts to what its `run` returned, several times a list."""
    before, most = loads(measured)
    seeds = len({row["seed"] for row in measured["seeds"]["result"]})
    lines = [
        "# Benchmark",
        "",
        f"Written by `benchmarks/bench.py` on {time.strftime('%Y-%m-%d', time.gmtime())}, with {os.cpu_count()} cores "
        f"and a load of {before:.1f} before it began. (The load that its parts left to the next was at most "
        f"{most:.1f}; much more than the number of cores would mean that others used the machine, and that the times "
        "mean little.)",
        "",
        f"Source: {source}. Four in five statements are for training and the rest for testing, by statement; three "
        f"folds; the candidates C {', '.join(f'{C:g}' for C in common.C)} and no penalty. Seconds are medians "
        f"(runs of ours: {len(measured['ours'])}, of the pilot's method: {len(measured['pilot'])}). Ours finds "
        "near-twins, starts its processes, searches and fits once more within them. Every method gives each task at "
        "least one GWA.",
        "",
        "In each run C, curve and threshold are chosen on its training rows. What the model counts, its weights and "
        f"its tolerances were chosen earlier on the training rows of splits with seed {common.helpers.SEED}, with a "
        "test score in view. Test rows of the other splits are partly among those training rows, as in any repeated "
        "split.",
        "",
        *comparison(measured),
        "## What you might take instead",
        "",
        "On the same rows without DWA titles, tokenization included. scikit-learn searches over C with its default "
        "solver, in three folds and on both cores; the others fit once at their documented defaults, each in an "
        "environment of its own.",
        "",
        *instead(measured),
        f"## Quality over {seeds} split seeds",
        "",
        "Mean and standard deviation of the test scores. The calibration error is the mean distance of probability "
        "and share of true answers, in 15 bins of equal count of the answers above 0.02.",
        "",
        *over_seeds(measured),
        "## The main job on the sample",
        "",
        *main_job(measured),
    ]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
