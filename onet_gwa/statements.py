"""Tables of statements by the million: checked, and read in batches, so that memory does not grow with them."""

import collections
import contextlib
import csv
import errno
import gzip
import os
from pathlib import Path

import pandas as pd

from onet_gwa.tables import first_line, need_columns, refuse_workbook, shorten

# Rows that are answered at once: with fewer, what each call costs by itself counts.
BATCH = 10_000
# Megabytes of CSV that are read at once: a row may hold a whole document, and a few dozen of these are in memory.
BLOCK = 8
TEXTS = ("string", "large_string", "string_view", "null")


def open_statements(path, column, prefix, folder):
    """Return a table of statements as a pyarrow Dataset, none of whose rows is in memory, and the path of its files.

    `path` is a parquet file, a folder of these (where a folder in it named `month=3` makes a column), or a CSV file,
    which is first written as parquet into `folder`; its values stay texts. Raises FileNotFoundError, and ValueError
    for what cannot be read, for a `column` that is not there or holds no texts, for one whose types in two files have
    nothing in common, and for one that is called like a column of the answer, which begin with `prefix`.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    path, table = Path(os.path.abspath(path)), f"input: {path}"
    if not path.exists():
        raise FileNotFoundError(
            f"{table} is not there; name a CSV or parquet file, or a folder of parquet files"
        )
    refuse_workbook(path, "input")
    is_csv = path.name.lower().endswith((".csv", ".csv.gz"))
    if path.is_dir() and not any(path.rglob("*.parquet")):
        raise ValueError(f"{table} is a folder without parquet files; give one file, or a folder of those")
    if not path.is_dir() and not is_csv and path.suffix.lower() != ".parquet":
        raise ValueError(f"{table} ends neither in .csv nor in .parquet, and is not a folder")
    try:
        if is_csv:
            path = _to_parquet(path, column, prefix, table, Path(folder, "statements.parquet"))
        # Of a file, the names of all folders above it would be taken for columns.
        statements = ds.dataset(path, format="parquet", partitioning="hive" if path.is_dir() else None)
        # It reads how many there are in each file, and so finds one that is none.
        statements.count_rows()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                f"output: {folder}: {error.strerror}; make room there for {path} as parquet"
            ) from error
        if "straddling object" in str(error):
            raise ValueError(
                f"{table}: a row is longer than {BLOCK} MB; close its quotes, shorten it, or write the table as parquet"
            ) from error
        raise ValueError(f"{table} cannot be read: {shorten(first_line(error))}; write it anew") from error
    _need_names(statements.schema.names, column, prefix, table)
    files = list(statements.get_fragments())
    for file in files:
        names = file.physical_schema.names
        need_columns(pd.DataFrame(columns=names), names, f"input: {file.path}")
        if column not in [*names, *ds.get_partition_keys(file.partition_expression)]:
            raise ValueError(f"input: {file.path} has no column {column!r}, which other files of {path} have")
    schema = _common_schema(statements.schema, files)
    kind = schema.field(column).type
    if str(kind) not in TEXTS:
        raise ValueError(
            f"{table}: the column {column!r} holds {kind}, and texts are needed; name another column"
        )
    return ds.FileSystemDataset(files, schema, statements.format, statements.filesystem), path


def _common_schema(schema, files):
    """Return the first file's schema with types that the columns of all files, a Dataset's fragments, can be given.

    Categories become their values, since each file has its own, and a column of nulls takes the type that another
    file has. Raises ValueError for a column that cannot be given its type, whatever its values.
    """
    import pyarrow as pa

    fields = {field.name: _plain(field) for field in schema}
    for file in files:
        for field in [_plain(field) for field in file.physical_schema if field.name in fields]:
            # It finds one for nulls, also in lists; of two others that differ, the first stays.
            with contextlib.suppress(pa.ArrowTypeError):
                both = [pa.schema([fields[field.name]]), pa.schema([field])]
                fields[field.name] = pa.unify_schemas(both).field(0)
    for file in files:
        for field in file.physical_schema:
            kind = fields.get(field.name, field).type
            try:
                pa.nulls(0, field.type).cast(kind)
            except pa.ArrowNotImplementedError as error:
                raise ValueError(
                    f"input: {file.path}: the column {field.name!r} is {shorten(str(field.type))}, and "
                    f"{shorten(str(kind))} in other files; write it as one type in all of them, or leave it out"
                ) from error
    return pa.schema(fields.values())


def _plain(field):
    """Return a pyarrow Field, of the values where it is one of categories."""
    import pyarrow as pa

    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _need_names(names, column, prefix, table):
    """Raise ValueError unless each column is there once, `column` among them, and none is called like the answer's."""
    need_columns(pd.DataFrame(columns=names), [column, *names], table)
    taken = [name for name in answer_schema(prefix).names if name in names]
    if taken:
        raise ValueError(
            f"{table}: there is a column {taken[0]!r}, as the answer has; give the answer's columns other names, "
            f"such as {prefix}predicted_{taken[0][len(prefix) :]}, with prefix={prefix}predicted_"
        )


def _to_parquet(path, column, prefix, table, target):
    """Write a CSV file as a parquet file of texts, whose path is returned."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    # In a sentence there may be the end of a line.
    options = {
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=True),
        "read_options": pyarrow.csv.ReadOptions(block_size=BLOCK * 2**20),
    }
    with pyarrow.csv.open_csv(path, **options) as reader:
        names = reader.schema.names
    _need_names(names, column, prefix, table)
    texts = pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in names})
    with pyarrow.csv.open_csv(path, convert_options=texts, **options) as reader:
        with pyarrow.parquet.ParquetWriter(target, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch, row_group_size=BATCH)
    _need_quotes(path, table)
    return target


def _need_quotes(path, table):
    """Raise ValueError for a CSV file whose quotes do not match, of which pyarrow makes one row of several."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            collections.deque(rows, maxlen=0)
        except csv.Error as error:
            raise ValueError(
                f"{table}, line {rows.line_num}: the quotes do not match ({error}); put quotes around a value that "
                "holds a quote, and write that quote twice"
            ) from error


def answer_schema(prefix):
    """Return the columns of the answer, a pyarrow Schema: codes, names and probabilities in lists, and the model."""
    import pyarrow as pa

    kinds = {
        "GWA": pa.list_(pa.string()),
        "name": pa.list_(pa.string()),
        "probability": pa.list_(pa.float64()),
    }
    return pa.schema([(prefix + name, kind) for name, kind in {**kinds, "model": pa.string()}.items()])


def read(statements):
    """Yield the rows of a Dataset of parquet files in their order, as RecordBatches of at most `BATCH` rows.

    The Dataset's own batches are slices of a group of rows, of which pandas writes a million; a slice in memory, or on
    its way to another process, is the whole.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet

    for fragment in statements.get_fragments():
        given = ds.get_partition_keys(fragment.partition_expression)
        with pyarrow.parquet.ParquetFile(fragment.path, pre_buffer=False, buffer_size=2**20) as file:
            for batch in file.iter_batches(BATCH):
                # What the name of a folder says, and what another file has, is in no column of this one.
                have, columns = {name: batch.column(name) for name in batch.schema.names}, []
                for name, kind in zip(statements.schema.names, statements.schema.types):
                    try:
                        columns.append(
                            have[name].cast(kind)
                            if name in have
                            else pa.repeat(pa.scalar(given.get(name), kind), len(batch))
                        )
                    except pa.ArrowException as error:
                        raise OSError(
                            f"{fragment.path}: the column {name!r} cannot become {kind}, as in other files: "
                            f"{shorten(first_line(error))}; write it as one type in all of them"
                        ) from error
                yield pa.RecordBatch.from_arrays(columns, schema=statements.schema)
