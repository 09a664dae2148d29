"""Measure what it takes to answer many statements, rows a second and memory, in each of the ways that there are.

    make scale [SCALE=--force]

Each is a command of its own, as a user types it. Writes benchmarks/scale.csv, scale.md and scale.png in one run,
and quotes the first in docs/score-a-large-file.md. Needs Java, and a machine that does nothing else; takes three
quarters of an hour on 2 cores.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import scale_page
from common import HERE, check_load, helpers
from scale_page import MODEL, PLAIN, WAYS

from onet_gwa.cluster import cluster
from onet_gwa.spark import need_java, session

SIZES = "10000,100000,1000000,5000000"
# What takes less than so many seconds is measured so many times.
SHORT, RUNS = 40, 3
# Memory is looked at each so many seconds.
EVERY = 0.5


def command(way, statements, output, master):
    """Return what is typed, a list of texts; `statements` is the path of the files without its ending."""
    if way == "predict":
        options = ["--model-uri", MODEL, "--env-manager", "local", "--content-type", "csv"]
        return ["mlflow", "models", "predict", *options, "-i", f"{statements}.csv", "-o", output]
    if way == "plain":
        return ["python", "-c", PLAIN, f"{statements}.parquet", output]
    score = ["python", "tools/score.py", "--input", f"{statements}.parquet", "--output", output]
    return score + (["--master", master] if master else [])


def look(seconds):
    """Return the bytes of memory that the processes below this one have now; note in a dict the CPU seconds of each.

    Memory that several of them share is counted once (PSS).
    """
    memory = 0
    for process in psutil.Process().children(recursive=True):
        # It may have ended meanwhile.
        with contextlib.suppress(psutil.Error):
            memory += process.memory_full_info().pss
            seconds[process] = sum(process.cpu_times()[:2])
    return memory


def ended():
    """Return the CPU seconds of the processes that have ended, if somebody has asked for their status."""
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def run(arguments):
    """Run a command in the project's folder; return its stdout. Exits with status 1 where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(arguments, cwd=helpers.ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"scale.py: {arguments} ended with status {done.returncode}: {done.stderr[-3000:]}")
    return done.stdout


def measure(arguments):
    """Run a command; return a dict of its seconds, CPU seconds, peak of memory in MB, and cores busy with else.

    The processes of a cluster that was started here are its own, too.
    """
    before, seconds_of, peaks, over = {}, {}, [], threading.Event()

    def watch():
        while not over.wait(EVERY):
            peaks.append(look(seconds_of))

    look(before)
    watching, ended_before, begin = threading.Thread(target=watch, daemon=True), ended(), time.perf_counter()
    # From here on, until it is asked again.
    psutil.cpu_percent()
    watching.start()
    run(arguments)
    seconds, busy = time.perf_counter() - begin, psutil.cpu_percent() / 100 * os.cpu_count()
    over.set()
    watching.join()
    # Nobody asks for the status of Spark's Pythons; what others did since they were looked at last is in the second.
    seen = sum(used - before.get(process, 0) for process, used in seconds_of.items())
    cpu = max(seen, ended() - ended_before)
    foreign = max(0.0, busy - cpu / seconds)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": max(peaks) / 1e6, "foreign": foreign}


def rows_in(output):
    import pyarrow.dataset

    return pyarrow.dataset.dataset(output).count_rows()


def measured(way, rows, statements, master):
    """Measure a way once, or several times where it is short; return a dict, a row of the table."""
    output, runs = f"{statements}-answers", []
    while not runs or len(runs) < RUNS and runs[0]["seconds"] < SHORT:
        runs.append(measure(command(way, statements, output, master)))
        print(way, f"{rows:,}", json.dumps(runs[-1]), file=sys.stderr, flush=True)
        # The JSON of `mlflow models predict` is not read: that would take as much memory again.
        if way != "predict" and rows_in(output) != rows:
            sys.exit(f"scale.py: {way} answered {rows_in(output):,} of {rows:,} rows")
        shutil.rmtree(output) if os.path.isdir(output) else os.remove(output)
    seconds = [each["seconds"] for each in runs]
    row = {"way": way, "rows": rows, "runs": len(runs), "lowest": min(seconds), "highest": max(seconds)}
    row |= {name: statistics.median(each[name] for each in runs) for name in ("seconds", "cpu_seconds")}
    return row | {name: max(each[name] for each in runs) for name in ("peak_mb", "foreign")}


def too_much(earlier, rows):
    """Return why a way is not measured, or "": by how its memory grew from size to size, there is not enough."""
    if earlier and "skipped" in earlier[-1]:
        return earlier[-1]["skipped"]
    if len(earlier) < 2:
        return ""
    first, last = earlier[-2:]
    a_row = (last["peak_mb"] - first["peak_mb"]) / (last["rows"] - first["rows"])
    needed, there = last["peak_mb"] + a_row * (rows - last["rows"]), psutil.virtual_memory().available / 1e6
    return f"needs about {needed:,.0f} MB, of which {there:,.0f} are free" if needed > there else ""


def shipping(master):
    """Print, as JSON, what it takes to bring the model to the workers of a cluster, in seconds and MB."""
    import mlflow
    from pyspark.sql.functions import col, pandas_udf

    helpers.connect()
    model = mlflow.artifacts.download_artifacts(MODEL)
    size = sum(path.stat().st_size for path in Path(model).rglob("*") if path.is_file())
    with tempfile.TemporaryFile("w+") as log, session(master, log) as spark:
        workers = 2

        def ask(function):
            # As many pieces as workers; the pause lets none of them have two.
            begin = time.perf_counter()
            numbers = spark.range(0, workers, 1, workers)
            numbers.select(function(col("id").cast("string"))).collect()
            return time.perf_counter() - begin

        @pandas_udf("string")
        def nothing(texts: pd.Series) -> pd.Series:
            time.sleep(3)
            return texts

        ask(nothing)
        begin = time.perf_counter()
        answers = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", params={"skip_bad": True})
        packed = time.perf_counter() - begin
        first, again = ask(answers), ask(answers)
    print(json.dumps({"size_mb": size / 1e6, "packed": packed, "loaded": first - again}))


def write_statements(path, rows):
    """Write made statements to files that end in .parquet and .csv, a batch at a time."""
    import pyarrow.csv
    import pyarrow.parquet

    helpers.write_recombined(f"{path}.parquet", helpers.load_tasks("sample")["Task"], rows)
    with (
        pyarrow.parquet.ParquetFile(f"{path}.parquet") as file,
        pyarrow.csv.CSVWriter(f"{path}.csv", file.schema_arrow) as writer,
    ):
        for batch in file.iter_batches():
            writer.write(batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--sizes", default=SIZES, help=f"numbers of statements (default: {SIZES})")
    parser.add_argument("--force", action="store_true", help="measure on a busy machine, too")
    parser.add_argument("--shipping", metavar="MASTER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shipping:
        return shipping(arguments.shipping)
    load = os.getloadavg()[0]
    check_load(load, arguments.force)
    try:
        need_java()
    except RuntimeError as error:
        parser.error(str(error))
    table, sizes = [], [int(size) for size in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="onet-gwa-scale-") as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        run(["python", "run_notebook.py"])
        for rows in sizes:
            write_statements(f"{folder}/{rows}", rows)
        for way, workers in WAYS.items():
            with cluster(workers) if workers else contextlib.nullcontext("") as master:
                mine = []
                for rows in sizes:
                    reason = too_much(mine, rows)
                    mine.append(
                        {"way": way, "rows": rows, "skipped": reason}
                        if reason
                        else measured(way, rows, f"{folder}/{rows}", master)
                    )
                table += mine
                if way == "spark-2":
                    shipped = json.loads(run(["python", __file__, "--shipping", master]))
    scale_page.with_rates(table).to_csv(HERE / "scale.csv", index=False)
    table = pd.read_csv(HERE / "scale.csv")
    scale_page.write(HERE, table, shipped, load)
    scale_page.quote(HERE.parent / "docs" / "score-a-large-file.md", table)


if __name__ == "__main__":
    main()
