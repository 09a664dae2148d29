"""Statements by the million, answered and written in batches on all cores of this machine."""

import collections
import functools
import gc
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from onet_gwa.processes import end_with
from onet_gwa.statements import BATCH, answer_schema, read
from onet_gwa.tables import first_line, shorten

ROWS_PER_FILE = 100_000


def answer_here(statements, model, column, prefix, folder):
    """Answer all statements on all cores of this machine; yield the number of rows of each batch that is written.

    `model` is the folder of a model, and `folder` a new one, whose parquet files have the rows in their order. Each
    core has a process with a copy of the model. Raises RuntimeError where the model fails, and OSError where the disk
    is full.
    """
    import joblib
    import pyarrow as pa
    import pyarrow.parquet

    Path(folder).mkdir()
    # Without its metadata, in which pandas notes an index and columns.
    schema = pa.schema([*statements.schema, *answer_schema(prefix)])
    file, rows, writer = 0, 0, pyarrow.parquet.ParquetWriter(_part(folder, 0), schema)
    try:
        for batch in _answered(statements, model, column, joblib.cpu_count()):
            if rows >= ROWS_PER_FILE:
                writer.close()
                file, rows = file + 1, 0
                writer = pyarrow.parquet.ParquetWriter(_part(folder, file), schema)
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            rows += len(batch)
            yield len(batch)
    finally:
        writer.close()


def _answered(statements, model, column, cores):
    """Yield the answered batches in their order. A few are under way at once, and so in memory."""
    processes = min(cores, statements.count_rows() // BATCH + 1)
    spawn, waiting = multiprocessing.get_context("spawn"), collections.deque()
    pool = ProcessPoolExecutor(processes, spawn, end_with, (os.getpid(),))
    try:
        for batch in read(statements):
            waiting.append(pool.submit(answer, batch, model, column))
            if len(waiting) > 3 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _part(folder, number):
    return Path(folder, f"part-{number:05}.parquet")


def answer(batch, model, column):
    """Return a batch of statements, a pyarrow RecordBatch, with the columns of the model's answer behind its own.

    Raises RuntimeError where the model does, and OSError for a text that is not UTF-8.
    """
    import pyarrow as pa

    try:
        texts = batch.column(column).cast(pa.string()).to_pylist()
    except UnicodeDecodeError as error:
        value = shorten(repr(error.object))
        raise OSError(
            f"input: {column} {value} is not UTF-8; write the texts anew in that encoding"
        ) from error
    X = pd.DataFrame({"Task": texts}, dtype="str")
    try:
        answers, schema = _load(model).predict(X, params={"skip_bad": True}), answer_schema("")
    except Exception as error:  # It comes from the model's own code.
        raise RuntimeError(f"the model failed: {shorten(first_line(repr(error)))}") from error
    arrays = [pa.array(answers[name], schema.field(name).type, from_pandas=True) for name in schema.names]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], [*batch.schema.names, *schema.names])


@functools.cache
def _load(model):
    """Return a model, loaded once in each process."""
    import mlflow

    loaded = mlflow.pyfunc.load_model(model)
    # Python would look through all that was loaded again and again, which took a tenth of the time.
    gc.freeze()
    return loaded


def count(folder, prefix):
    """Return how many rows there are in a folder of answers, and how many of these without one."""
    import pyarrow.dataset as ds

    answers = ds.dataset(folder, format="parquet")
    return answers.count_rows(), answers.count_rows(filter=ds.field(f"{prefix}GWA").is_null())
