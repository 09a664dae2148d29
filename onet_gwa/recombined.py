"""As many statements as wanted, to try how much can be scored: clauses of the sample's, put together anew."""

import numpy as np
import pandas as pd

from onet_gwa import SEED

# So many are made at once, and are a row group of a file.
BATCH = 10_000


def recombine(statements, rows):
    """Yield `rows` made statements, in DataFrames (at most `BATCH`, 1) with a column Task, of the clauses of a Series.

    A clause is what commas separate. A new statement has as many as one that is drawn at random, each from a
    statement of its own: the first from where one was the first, the further ones from where they were not. Drawn
    with a fixed seed: row n is the same at each call, whatever `rows` is.
    """
    clauses = [text.rstrip(".").split(", ") for text in pd.unique(statements)]
    first = np.array([each[0] for each in clauses], object)
    further = np.array([f", {clause}" for each in clauses for clause in each[1:]], object)
    counts = np.array([len(each) - 1 for each in clauses])
    for begin in range(0, rows, BATCH):
        rng = np.random.default_rng([SEED, begin])
        texts, wanted = first[rng.integers(len(first), size=BATCH)], rng.choice(counts, BATCH)
        for k in range(counts.max()):
            drawn = further[rng.integers(len(further), size=BATCH)]
            texts = texts + np.where(k < wanted, drawn, "")
        yield pd.DataFrame({"Task": texts[: rows - begin] + "."})


def write_recombined(path, statements, rows):
    """Write what `recombine` yields into a parquet file, a batch at a time, so that it takes little memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema({"Task": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for batch in recombine(statements, rows):
            writer.write_table(pa.Table.from_pandas(batch, schema, preserve_index=False))
