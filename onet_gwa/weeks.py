"""Answers of weeks: the scoring server's log, or what `score` wrote, read in parts and told apart by week."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from onet_gwa.answers import NAME, measure
from onet_gwa.tables import first_line, shorten

# So many rows are in memory at once.
PART = 50_000
KEYS = ["time", "model", "GWA", "probability", "words", "unknown"]


def find_answers(path, time="time", column="Task", prefix=""):
    """Return the files of a log or of scored rows, and the name of a model, such as "onet-gwa/3".

    Of a log it is the one that answered last, of scored rows that of the first one that has a model.

    `path` is a folder or a file: of a log, whose names end in .jsonl, or of parquet, as `score` writes it. Of parquet,
    `time` and `column` name the columns of times and texts, and `prefix` is what `score` was given. Raises
    FileNotFoundError where there is nothing, and ValueError for what is no such thing, or empty.
    """
    folder = Path(path)
    if not str(path).strip() or not folder.exists():
        raise FileNotFoundError(
            f"answers: {shorten(repr(str(path)))} does not exist; give the FOLDER of a server with ANSWERS=counts, or "
            f"what score wrote (looked for {shorten(os.path.abspath(path))!r})"
        )
    files = sorted(folder.glob(NAME.format("????-??-??"))) or sorted(folder.glob("[!._]*.parquet"))
    files = files if folder.is_dir() else [folder]
    if not files or files[0].suffix not in (".jsonl", ".parquet"):
        raise ValueError(
            f"answers: {path} is no log ({NAME.format('2026-11-27')}) and no parquet; give a file or folder of these"
        )
    if files[0].suffix == ".jsonl":
        model = _newest_model(files)
    else:
        model = _check_parquet(files, time, column, prefix)
    if model is None:
        raise ValueError(f"answers: no answer is in {path}; does the server run with ANSWERS=counts?")
    return files, model


def _newest_model(files):
    """Return the model of the last line of a log that can be read; None without one."""
    for path in reversed(files):
        with open(path, "rb") as file:
            # So much holds several lines, and a question of a thousand words.
            file.seek(max(0, path.stat().st_size - 2**20))
            for line in reversed(file.read().splitlines()):
                if entry := _entry(line):
                    return entry["model"]
    return None


def _check_parquet(files, time, column, prefix):
    """Return the model of the first row that has one; raise ValueError for other columns, and times that are none."""
    import pyarrow
    import pyarrow.parquet

    needed, model = _columns(time, column, prefix), None
    for path in files:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                types = dict(zip(file.schema_arrow.names, file.schema_arrow.types))
                if lacking := [name for name in needed.values() if name not in types]:
                    mend = {time: "; name it with time", needed["Task"]: "; name it with column"}
                    said = f"answers: {path} has no column {lacking[0]!r} among {shorten(', '.join(types))}"
                    raise ValueError(said + mend.get(lacking[0], "; give what score wrote, and its prefix"))
                kinds = {name: str(types[name]) for name in (column, needed["GWA"])}
                if (
                    not kinds[column].startswith(("string", "large_string"))
                    or "list" not in kinds[needed["GWA"]]
                ):
                    said = f"{column!r} has {kinds[column]}, and {needed['GWA']!r} {kinds[needed['GWA']]}"
                    raise ValueError(
                        f"answers: in {path} {said}; name the column of texts, and score's prefix"
                    )
                batch = next(file.iter_batches(PART, columns=[needed["model"], needed["time"]]), None)
                if batch is not None:
                    # An unreadable time is told before anything slow begins.
                    _times(batch.column(1), path, 0)
                    model = model or next(filter(None, batch.column(0).to_pylist()), None)
        except (OSError, pyarrow.ArrowException) as error:
            raise ValueError(f"answers: {path} cannot be read: {shorten(first_line(error))}") from error
    return model


def _columns(time, column, prefix):
    return {"time": time, "Task": column, **{key: prefix + key for key in ("model", "GWA", "probability")}}


def read_weeks(files, model, known, time="time", column="Task", prefix=""):
    """Yield (part, left aside) of the files of `find_answers`, in parts that fit into memory.

    A part is a DataFrame with a row an answer of `model`: week (the days from 1970 to its Monday, in UTC), GWA and
    probability (lists), words and unknown (counts, for parquet by the `known` words) and Task, the text or None. What
    is left aside is a Counter: lines that are no answer, rows without one, rows of other models. Raises ValueError for
    a time that is none.
    """
    for path in files:
        log = path.suffix == ".jsonl"
        for rows, aside in _log(path) if log else _parquet(path, _columns(time, column, prefix)):
            answered = rows["model"].notna() & rows["GWA"].notna()
            mine = answered & (rows["model"] == model)
            aside += Counter({"without an answer": int((~answered).sum())})
            aside += Counter({"of other models": int((answered & ~mine).sum())})
            rows = rows[mine]
            if not log:
                counts = [measure(text, known) for text in rows["Task"]]
                rows = rows.assign(words=[n for n, _ in counts], unknown=[n for _, n in counts])
            yield rows[["week", *KEYS[2:], "Task"]], aside


def _entry(line):
    """Return a line of a log as a dict; None for one that is none, as a full disk leaves them."""
    try:
        entry = json.loads(line)
        good = len(entry["GWA"]) == len(entry["probability"]) > 0 and entry["words"] >= entry["unknown"] >= 0
        return entry if good and isinstance(entry["time"], str) and isinstance(entry["model"], str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _log(path):
    """Yield the parts of a file of a log, each with the number of lines that are no answer."""
    with open(path, "rb") as file:
        while lines := file.readlines(PART * 200):
            entries = [entry for entry in map(_entry, lines) if entry]
            # A torn line is followed by an empty one.
            bad = sum(1 for line in lines if line.strip()) - len(entries)
            rows = pd.DataFrame(
                {key: [entry.get(key) for entry in entries] for key in [*KEYS, "Task"]}, dtype=object
            )
            moments = pd.to_datetime(rows["time"], utc=True, format="ISO8601", errors="coerce")
            rows = rows.assign(week=_week(moments.dt.tz_localize(None)))[moments.notna()]
            yield rows, Counter({"that are no answer": bad + int(moments.isna().sum())})


def _parquet(path, names):
    import pyarrow
    import pyarrow.parquet

    before = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(PART, columns=list(names.values())):
                table = pyarrow.Table.from_batches([batch])
                rows = pd.DataFrame(
                    {
                        key: pd.Series(table[name].to_pylist(), dtype=object)
                        for key, name in names.items()
                        if key != "time"
                    }
                )
                yield rows.assign(week=_week(_times(table[names["time"]], path, before))), Counter()
                before += len(rows)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"answers: {path} cannot be read: {shorten(first_line(error))}") from error


def _times(column, path, before):
    """Return a column of times or of texts in ISO 8601 as a Series of times in UTC; raise ValueError for others."""
    values = column.to_pandas()
    kind = str(column.type)
    if not kind.startswith(("timestamp", "date", "string", "large_string")):
        mend = "write times, or texts such as 2026-11-27T08:00:00"
        raise ValueError(f"answers: the time in {path} is {shorten(kind)}, not a time; {mend}")
    moments = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)
    if moments.isna().any():
        row = int(moments.isna().to_numpy().argmax())
        value = shorten(repr(values.iloc[row]), 60)
        raise ValueError(
            f"answers: {path}, row {before + row + 1}: time {value} is not a time such as 2026-11-27T08:00:00"
        )
    return moments


def _week(moments):
    """Return for times in UTC the days from 1970 to their Monday; the first of January of 1970 was a Thursday."""
    days = moments.to_numpy().astype("datetime64[D]").astype(np.int64)
    return (days + 3) // 7 * 7 - 3
