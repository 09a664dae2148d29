"""Compare this project with the pilot's method of 2022 and with what else a user might take.

    python benchmarks/bench.py [--data SOURCE] [--titles SOURCE] [--force]

All get the same statements and split in one run, each in a process of its own. Writes benchmarks/results.md, then
benchmarks/quality.md (`--part quality` writes that alone). Needs the network for the O*NET release, unless --data
names another source, and for the other libraries, which are installed for the time of the run; and a machine that
does nothing else.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time

import others
import page
import psutil
from common import HERE, check_load, load
from job import main_job
from sides import other, ours, pilot, seeds, stock

RUNS = 3


def quality(arguments):
    """Write the page on the model's quality."""
    import quality

    quality.write(arguments)


PARTS = {part.__name__: part for part in (main_job, ours, pilot, stock, other, seeds, quality)}


def run(part, *further):
    """Run a part in a fresh process; return its result, its peak memory, and the cores busy with something else."""
    command = [sys.executable, __file__, *sys.argv[1:], "--part", part, *further]
    before, begin = own_seconds(), time.perf_counter()
    # From here on, until it is asked again.
    psutil.cpu_percent()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    busy = psutil.cpu_percent() / 100 * os.cpu_count()
    seconds = time.perf_counter() - begin
    foreign = max(0.0, busy - (own_seconds() - before) / seconds)
    # Some parts take minutes, so each is told when it is done.
    print(
        f"{' '.join((part, *further))}: {seconds:.0f} s, {foreign:.2f} cores busy with something else",
        file=sys.stderr,
    )
    return json.loads(done.stdout) | {"foreign": foreign}


def own_seconds():
    """Return the CPU seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_child(part, arguments):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = PARTS[part](arguments)
    from joblib.externals.loky import get_reusable_executor

    # Only processes that have ended are counted.
    get_reusable_executor().shutdown(wait=True)
    own, child = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    # Linux counts in KB. The pilot's method starts none.
    memory = own * 1024 + (os.cpu_count() * child * 1024 if part == "ours" else 0)
    print(json.dumps({"result": result, "memory": memory}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", default="onet:31.0", help="what to train and test on, as in MLproject")
    parser.add_argument(
        "--titles", help="the O*NET release or archive whose DWA titles are added; else that of --data"
    )
    parser.add_argument("--force", action="store_true", help="measure on a busy machine, too")
    parser.add_argument("--part", choices=PARTS, help="run one part only, and print its result as JSON")
    parser.add_argument("--library", choices=others.REQUIREMENTS, help="for --part other")
    arguments = parser.parse_args()
    if arguments.part:
        return in_child(arguments.part, arguments)
    load_before = os.getloadavg()[0]
    check_load(load_before, arguments.force)
    source = load(arguments)[-1]
    main_seconds = run("main_job")
    # In turns, so that a slow phase of the machine meets both.
    pairs = [(run("ours"), run("pilot")) for _ in range(RUNS)]
    measured = {
        "load": load_before,
        "main_job": main_seconds,
        "ours": [mine for mine, _ in pairs],
        "pilot": [theirs for _, theirs in pairs],
        "stock": run("stock"),
        "others": {name: run("other", "--library", name) for name in others.REQUIREMENTS},
        "seeds": run("seeds"),
    }
    page.write(HERE / "results.md", measured, source)
    run("quality")


if __name__ == "__main__":
    main()
