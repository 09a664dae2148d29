"""Task statements and their labels, from whatever file they are in."""

import hashlib
from pathlib import Path

import pandas as pd

from onet_gwa import ROOT
from onet_gwa.archives import ONET_RELEASE, download_onet, read_dwa_titles, read_onet
from onet_gwa.labels import load_labels
from onet_gwa.tables import clean_texts, first_line, need_columns, read_table, refuse, refuse_workbook


def load_tasks(source="sample", labels=None):
    """Return the (Task, GWA) pairs of `source`: a DataFrame of text columns, sorted, each pair once.

    `source` is one of

    - "sample": the statements written for this project, `data/tasks.csv`;
    - "onet" or "onet:31.0": a release of the O*NET database, downloaded once (see `download_onet`);
    - the path of a CSV or parquet file with the columns Task and GWA, of an O*NET archive (.zip), or of
      a folder with O*NET's text or CSV files.

    `labels` is what `load_labels` returns, by default the 37 GWAs; a code with dots, as O*NET writes
    4.A.3.b.1, counts as the same code without them. White space in statements is reduced to single blanks.
    Where the source has a column SOC, its major group (such as 15-0000, or an empty text) is a third column,
    that of the first occupation by code; further columns are left aside.

    Raises ValueError, with the row, the reason and the way out, for what is not a table of these two columns
    in UTF-8, for empty statements and for codes that are not among the labels; rows are counted from 1 and
    the header is not counted. Raises FileNotFoundError for a path that does not exist, and what
    `download_onet` raises.
    """
    path = source_path(source)
    refuse_workbook(path, "data")
    if path.is_dir() or path.suffix.lower() == ".zip":
        table = read_onet(path)
    elif path.suffix.lower() == ".parquet":
        table = _read_parquet(path)
    elif path.suffix.lower() == ".csv":
        table = read_table(path.read_bytes(), str(path))
    else:
        raise ValueError(
            f"data: {str(source)!r} ends neither in .csv, .parquet nor .zip, and is not a folder"
        )
    return _validated(table, str(path), labels)


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
    if not source.strip() or not path.exists():
        raise FileNotFoundError(
            f'data: {source!r} does not exist; give "sample", "onet", "onet:{ONET_RELEASE}", or the path of '
            "a CSV or parquet file, an O*NET archive or a folder of its text files"
        )
    return path


def load_dwa_titles(source="sample", labels=None):
    """Return the titles of the detailed work activities (DWAs) of an O*NET release as (Task, GWA) pairs.

    Each title is a short statement that belongs to one GWA: more to train on, for a task of the same
    release or another. `source` and `labels` are what `load_tasks` takes; a CSV or parquet file and the sample
    have no DWAs, and the table is empty. Raises ValueError and FileNotFoundError as `load_tasks` does.
    """
    path = source_path(source)
    if not (path.is_dir() or path.suffix.lower() == ".zip"):
        return pd.DataFrame({"Task": [], "GWA": []}, dtype="str")
    return _validated(read_dwa_titles(path), f"{path}, table of DWAs", labels)


def digest(tasks):
    """Return 16 hexadecimal digits of the SHA-256 of a table's (Task, GWA) pairs."""
    return hashlib.sha256(tasks[["Task", "GWA"]].to_csv(index=False).encode()).hexdigest()[:16]


def _read_parquet(path):
    import pyarrow
    import pyarrow.parquet

    try:
        wanted = {"Task", "GWA", "SOC"} & set(pyarrow.parquet.read_schema(path).names)
        # Text that is not UTF-8 is found when it becomes Python's.
        return pd.read_parquet(path, columns=sorted(wanted, reverse=True)).astype(object)
    # The reader raises KeyError and ArrowException, too, for a damaged file.
    except (ValueError, OSError, KeyError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path}: not a parquet file ({first_line(error)})") from error


def _validated(table, name, labels):
    """Return the sorted, different (Task, GWA) pairs of `table`, or raise ValueError (see `load_tasks`)."""
    labels = load_labels() if labels is None else labels
    need_columns(table, ["Task", "GWA"], name)
    pairs = clean_texts(table, ["Task", "GWA"], name)
    plain = pairs["GWA"].str.replace(".", "")
    pairs["GWA"] = pairs["GWA"].where(pairs["GWA"].isin(labels.index) | ~plain.isin(labels.index), plain)
    unknown = ~pairs["GWA"].isin(labels.index)
    refuse(
        pairs,
        unknown,
        name,
        "GWA",
        f"is not one of the {len(labels)} codes of the labels, such as {labels.index[0]}",
    )
    if list(table.columns).count("SOC") == 1:
        major = table["SOC"].reset_index(drop=True).astype(str).str.extract(r"^\s*(\d\d)-")[0]
        pairs["SOC"] = (major + "-0000").fillna("").astype("str")
    pairs = pairs.sort_values(list(pairs.columns)).drop_duplicates(["Task", "GWA"], ignore_index=True)
    if "SOC" in pairs:
        pairs["SOC"] = pairs.groupby("Task")["SOC"].transform("min")
    return pairs
