"""Task statements and their labels, from whatever file they are in."""

import hashlib
import logging
import os
import re
from pathlib import Path

import pandas as pd

from onet_gwa import ROOT
from onet_gwa.archives import read_dwa_titles, read_onet
from onet_gwa.download import ONET_RELEASE, download_onet
from onet_gwa.labels import load_labels
from onet_gwa.tables import (
    called,
    clean_texts,
    first_line,
    need_columns,
    read_table,
    refuse,
    refuse_workbook,
    shorten,
)
from onet_gwa_model import LETTERS

COLUMNS = ["Task", "GWA", "SOC"]
# Types of a parquet file's column.
TEXTS = {"string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null"}

logger = logging.getLogger(__name__)


def load_tasks(source="sample", labels=None):
    """Return the (Task, GWA) pairs of `source`: a DataFrame of text columns, sorted, each pair once.

    `source` is one of

    - "sample": the statements written for this project, `data/tasks.csv`;
    - "onet" or "onet:31.0": a release of the O*NET database, downloaded once (see `download_onet`);
    - the path of a CSV or parquet file with the columns Task and GWA, of a folder of such parquet files, of an
      O*NET archive (.zip), or of a folder with O*NET's text or CSV files.

    `labels` is what `load_labels` returns, by default the 37 GWAs; a code with dots, as O*NET writes
    4.A.3.b.1, counts as the same code without them. White space in statements is reduced to single blanks.
    Where the source has one column SOC of texts, its major group (such as 15-0000, or an empty text) is a third
    column, that of the first occupation by code; further columns are left aside. A column's name may differ in
    case and in blanks around it, unless there is one that does not. What is in a file and counts for nothing, a
    pair that is there before and an SOC that is no code, is counted and logged as a warning.

    Raises ValueError, with the row, the reason and the way out, for what is not a table of these two columns
    in UTF-8, for a pipe, for statements without a word of two letters, and for codes that are not among the
    labels. Rows are counted from 1, on through the files of a folder in the order of their names; the header and
    blank lines are not counted. Raises FileNotFoundError for a path that does not exist, and what `download_onet`
    raises.
    """
    path = source_path(source)
    refuse_workbook(path, "data")
    parts, suffix = _parquet_files(path), path.suffix.lower()
    # Reading a pipe would wait for ever.
    for file in parts or [path]:
        if not (file.is_file() or file.is_dir()):
            raise ValueError(f"{file}: this is neither a folder nor a file; write the statements into a file")
    if parts:
        table = pd.concat([_read_parquet(part) for part in parts], ignore_index=True)
    elif path.is_dir() and suffix in (".csv", ".parquet"):
        raise ValueError(
            f"data: {path} is a folder without parquet files; give one file, or a folder of those"
        )
    elif path.is_dir() or suffix == ".zip":
        # Where O*NET has a statement for several occupations, nothing is lost.
        return _validated(read_onet(path), str(path), labels)
    elif suffix == ".csv":
        table = read_table(path.read_bytes(), str(path))
        table.columns = called(table.columns, COLUMNS)
    else:
        raise ValueError(
            f"data: {str(source)!r} ends neither in .csv, .parquet nor .zip, and is not a folder"
        )
    tasks = _validated(table, str(path), labels)
    if len(tasks) < len(table):
        repeated = f"{len(table) - len(tasks)} of {len(table)} rows"
        logger.warning(f"{path}: {repeated} have the Task and GWA of another and count once")
    return tasks


def source_path(source):
    """Return the path of the file or folder that `source` stands for, as `load_tasks` takes it.

    Raises FileNotFoundError where it does not exist, and what `download_onet` raises.
    """
    source = str(source)
    if source == "sample":
        path = ROOT / "data" / "tasks.csv"
    elif source == "onet" or source.startswith("onet:"):
        path = download_onet(source.partition(":")[2] or ONET_RELEASE)
    else:
        path = Path(source)
    # An empty path would be the working directory.
    if not source.strip() or not os.path.exists(path):
        raise FileNotFoundError(
            f'data: {shorten(repr(source))} does not exist; give "sample", "onet", "onet:{ONET_RELEASE}", or the '
            "path of a CSV or parquet file, an O*NET archive or a folder of its text files "
            f"(looked for {shorten(os.path.abspath(path))!r})"
        )
    return path


def load_dwa_titles(source="sample", labels=None):
    """Return the titles of the detailed work activities (DWAs) of an O*NET release as (Task, GWA) pairs.

    Each title is a short statement that belongs to one GWA: more to train on, for a task of the same
    release or another. `source` and `labels` are what `load_tasks` takes; a CSV file, parquet files and the
    sample have no DWAs, and the table is empty. Raises ValueError and FileNotFoundError as `load_tasks` does.
    """
    path = source_path(source)
    if _parquet_files(path) or not (path.is_dir() or path.suffix.lower() == ".zip"):
        return pd.DataFrame({"Task": [], "GWA": []}, dtype="str")
    return _validated(read_dwa_titles(path), f"{path}, table of DWAs", labels)


def digest(tasks):
    """Return 16 hexadecimal digits of the SHA-256 of a table's (Task, GWA) pairs."""
    return hashlib.sha256(tasks[["Task", "GWA"]].to_csv(index=False).encode()).hexdigest()[:16]


def _parquet_files(path):
    """Return the parquet file that `path` is, or those of a folder without O*NET's tables, sorted by name."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == ".parquet" else []
    found, seen = [], set()
    # A linked folder is entered, too, and each once, since links may go in circles.
    for folder, folders, files in os.walk(path, followlinks=True):
        if any(re.fullmatch("task[ _]statements[.](txt|csv)", file, re.IGNORECASE) for file in files):
            return []
        if os.path.realpath(folder) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        # As Spark has it, a name with a point or an underscore in front is no data, but `_year=2020` is.
        folders[:] = [name for name in folders if name[0] not in "._" or "=" in name]
        found += [Path(folder, file) for file in files if file[0] not in "._"]
    return sorted(file for file in found if file.suffix.lower() == ".parquet")


def _read_parquet(path):
    """Return the columns Task, GWA and, where it is one of texts, SOC of a parquet file, and read no other."""
    import pyarrow
    import pyarrow.parquet

    table = {}
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            fields = list(file.schema_arrow)
            columns = called([field.name for field in fields], COLUMNS)
            need_columns(pd.DataFrame(columns=columns), ["Task", "GWA"], str(path))
            for column, field in zip(columns, fields):
                is_dictionary = pyarrow.types.is_dictionary(field.type)
                kind = str(field.type.value_type if is_dictionary else field.type)
                if columns.count(column) > 1 or column not in COLUMNS:
                    continue
                if kind in TEXTS:
                    table[column] = _texts(file.read([field.name]).column(field.name), f"{path}: {column}")
                elif column == "SOC":
                    logger.warning(f"{path}: the column SOC is {shorten(kind)}, not text, and is left aside")
                else:
                    mend = f"write it as text, which pandas makes with .astype({{{column!r}: 'str'}})"
                    raise ValueError(f"{path}: the column {column!r} is {shorten(kind)}, not text; {mend}")
    # The reader raises ArrowException, KeyError and UnicodeDecodeError, too, for a damaged file.
    except (OSError, KeyError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        reason = shorten(first_line(error))
        raise ValueError(f"{path}: not a parquet file that can be read ({reason}); write it anew") from error
    return pd.DataFrame(table, dtype=object)


def _texts(column, name):
    """Return a column of texts or bytes in UTF-8 as a list of str and None."""
    try:
        return [text.decode() if isinstance(text, bytes) else text for text in column.to_pylist()]
    except UnicodeDecodeError as error:
        value = shorten(repr(error.object))
        raise ValueError(f"{name} {value} is not UTF-8; write the texts anew in that encoding") from error


def _validated(table, name, labels):
    """Return the sorted, different (Task, GWA) pairs of `table`, or raise ValueError (see `load_tasks`)."""
    labels = load_labels() if labels is None else labels
    need_columns(table, ["Task", "GWA"], name)
    pairs = clean_texts(table, ["Task", "GWA"], name)
    plain = pairs["GWA"].str.replace(".", "")
    pairs["GWA"] = pairs["GWA"].where(pairs["GWA"].isin(labels.index) | ~plain.isin(labels.index), plain)
    unknown = ~pairs["GWA"].isin(labels.index)
    codes = f"one of the {len(labels)} codes of the labels, such as {shorten(labels.index[0], 60)}"
    refuse(pairs, unknown, name, "GWA", f"is not {codes}")
    wordless = ~pairs["Task"].str.contains(LETTERS)
    refuse(pairs, wordless, name, "Task", "has no word of two letters or more")
    if list(table.columns).count("SOC") == 1:
        occupations = table["SOC"].reset_index(drop=True).fillna("").astype(str)
        major = occupations.str.extract("^\\s*([0-9][0-9])-")[0]
        lost = occupations[major.isna() & (occupations.str.strip() != "")]
        if len(lost):
            told = f"the SOC of {len(lost)} of {len(table)} rows, such as {shorten(repr(lost.iloc[0]), 60)},"
            logger.warning(f"{name}: {told} does not begin like 15-1252 and is left empty")
        pairs["SOC"] = (major + "-0000").fillna("").astype("str")
    pairs = pairs.sort_values(list(pairs.columns)).drop_duplicates(["Task", "GWA"], ignore_index=True)
    if "SOC" in pairs:
        pairs["SOC"] = pairs.groupby("Task")["SOC"].transform("min")
    return pairs
