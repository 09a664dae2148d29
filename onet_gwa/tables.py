"""Tables as people have them: read, or refused with the value, the rule and the mend."""

import io
import textwrap

import pandas as pd

AS_UTF_8 = 'in Excel choose File > Save As and the type "CSV UTF-8 (Comma delimited) (*.csv)"'
AS_COMMAS = (
    "in Excel choose File > Options > Advanced, clear 'Use system separators', type a point as 'Decimal separator' "
    f"and a comma as 'Thousands separator', and then {AS_UTF_8[9:]}"
)
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def refuse_workbook(path, name):
    """Raise ValueError for a workbook, which holds more than one table."""
    if path.suffix.lower() in WORKBOOKS:
        raise ValueError(f"{name}: {path} is a workbook, and a CSV file is needed; {AS_UTF_8}")


def first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)


def read_table(raw, name, sep=","):
    """Return a table of texts, a DataFrame, from the UTF-8 bytes of a file with separated columns.

    Raises ValueError for bytes that are not UTF-8, for another separator and for rows of unequal length; the
    message has `name`, the row where it can be told, and what to do about it.
    """
    if raw.startswith(b"PK\x03\x04"):
        raise ValueError(f"{name}: this is a workbook under the name of a CSV file; {AS_UTF_8}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f'{name}: the text is UTF-16, as of Excel\'s "Unicode Text (*.txt)"; {AS_UTF_8}')
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n")
        where = f"row {row}" if row else "the header"
        raise ValueError(
            f"{name}, {where}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8: {AS_UTF_8}"
        ) from error
    head = text.partition("\n")[0]
    if sep == "," and "," not in head and (";" in head or "\t" in head):
        found, mend = ("semicolons", AS_COMMAS) if ";" in head else ("tabs", AS_UTF_8)
        raise ValueError(f"{name}: the columns have {found} between them, and commas are needed; {mend}")
    try:
        table = pd.read_csv(io.StringIO(text), sep=sep, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{name}: not a table of separated columns ({first_line(error)})") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(
            f"{name}: the rows have more values than the header; quote statements that hold a {sep!r}"
        )
    # pandas gives a repeated name a number.
    header = pd.read_csv(io.StringIO(text), sep=sep, header=None, nrows=1, dtype=str, keep_default_na=False)
    return table.set_axis(header.loc[0].to_list(), axis="columns")


def need_columns(table, columns, name):
    """Raise ValueError unless each of `columns` is there once."""
    for column in columns:
        if column not in table.columns:
            found = textwrap.shorten(", ".join(map(repr, table.columns)), 300)
            raise ValueError(f"{name}: there is no column {column!r}; found: {found}")
        if list(table.columns).count(column) > 1:
            raise ValueError(f"{name}: the column {column!r} is there twice; keep one")


def clean_texts(table, columns, name):
    """Return the columns as texts with single blanks; ValueError for the first value that is none or empty."""
    table = table[columns].reset_index(drop=True).astype(object)
    if table.empty:
        raise ValueError(f"{name}: the table has no rows")
    for column in columns:
        refuse(table, ~table[column].map(lambda value: isinstance(value, str)), name, column, "is not text")
        table[column] = table[column].str.split().str.join(" ")
        refuse(table, table[column] == "", name, column, "is empty")
        lost = table[column].str.contains("\ufffd")
        refuse(table, lost, name, column, "holds a character lost in a wrong encoding")
    return table.astype("str")


def refuse(table, wrong, name, column, reason):
    """Raise ValueError that names the first row where `wrong` is true, counted from 1 without the header."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        more = f" (and {wrong.sum() - 1} more)" if wrong.sum() > 1 else ""
        value = textwrap.shorten(repr(table[column][row]), 300)
        raise ValueError(f"{name}, row {row + 1}: {column} {value} {reason}{more}")
