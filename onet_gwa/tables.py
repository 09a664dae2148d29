"""Tables as people have them: read, or refused with the value, the rule and the mend."""

import csv
import io
import re

import pandas as pd

AS_UTF_8 = 'in Excel choose File > Save As and the type "CSV UTF-8 (Comma delimited) (*.csv)"'
AS_COMMAS = (
    "in Excel choose File > Options > Advanced, clear 'Use system separators', type a point as 'Decimal separator' "
    f"and a comma as 'Thousands separator', and then {AS_UTF_8[9:]}"
)
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
# How files begin that are no text.
OTHERS = {
    b"PK\x03\x04": ("a workbook", AS_UTF_8),
    b"\xd0\xcf\x11\xe0": ("a workbook", AS_UTF_8),
    b"PAR1": ("a parquet file", "let its name end in .parquet"),
    b"\x1f\x8b": ("a compressed file", "unpack it"),
}
SEPARATORS = {";": ("semicolons", AS_COMMAS), "\t": ("tabs", AS_UTF_8), "|": ("vertical bars", AS_UTF_8)}

# A column that nobody asks for may hold whole documents.
csv.field_size_limit(2**31 - 1)


def refuse_workbook(path, name):
    """Raise ValueError for a workbook, which holds more than one table."""
    if path.suffix.lower() in WORKBOOKS:
        raise ValueError(f"{name}: {path} is a workbook, and a CSV file is needed; {AS_UTF_8}")


def first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)


def shorten(text, most=300):
    """Return a text of `most` characters at most: one that is longer is cut, and ends with "…"."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def read_table(raw, name, sep=","):
    """Return a table of texts, a DataFrame, from the UTF-8 bytes of a file with separated columns.

    Blank lines are no rows, and Excel's line `sep=,` is no header. A row may be shorter than the header, and
    longer by empty values. Where each row is longer by one value and begins with a number, as R writes row
    names, the first column is one without a name.

    Raises ValueError for bytes that are not UTF-8, for another separator, for quotes that do not match and for
    longer rows; the message has `name`, the row where it can be told, counted from 1 without the header and
    without blank lines, and what to do about it.
    """
    text = re.sub(r'\A"?sep=."?(\r\n|\r|\n)', "", _decode(raw, name, sep), flags=re.IGNORECASE)
    head = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if "\0" in head:
        raise ValueError(
            f"{name}: the header holds bytes of zero, as of UTF-16; save the file as UTF-8: {AS_UTF_8}"
        )
    for other, (found, mend) in SEPARATORS.items():
        if sep == "," and "," not in head and other in head:
            raise ValueError(f"{name}: the columns have {found} between them, and commas are needed; {mend}")
    rows = []
    try:
        for row in _rows(text, sep, strict=True):
            rows.append(row)
    except csv.Error as error:
        raise ValueError(
            f"{name}, {_place(len(rows))}: the quotes do not match ({error}); put quotes around a value that holds "
            "a quote, and write that quote twice"
        ) from error
    if not rows:
        raise ValueError(f"{name}: not a table of separated columns, since nothing is in it")
    header, *rows = rows
    long = [k for k, row in enumerate(rows, 1) if any(row[len(header) :])]
    if long and all(len(row) == len(header) + 1 and row[0].isdecimal() for row in rows):
        header = ["", *header]
    elif long:
        raise ValueError(
            f"{name}, {_place(long[0])}: the row has {len(rows[long[0] - 1])} values and the header {len(header)} "
            f"({shorten(repr(sep.join(header)))}); quote a value that holds a {sep!r}, and let the names of all "
            "columns be the first line"
        )
    rows = [[*row[: len(header)], *[""] * (len(header) - len(row))] for row in rows]
    return pd.DataFrame(rows, columns=header, dtype="str")


def _decode(raw, name, sep):
    """Return the text of a file's bytes; ValueError for what is no text in UTF-8."""
    for start, (found, mend) in OTHERS.items():
        if raw.startswith(start):
            raise ValueError(f"{name}: this is {found} under the name of a CSV file; {mend}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f'{name}: the text is UTF-16, as of Excel\'s "Unicode Text (*.txt)"; {AS_UTF_8}')
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        row = sum(1 for _ in _rows(f"{before}?", sep, strict=False)) - 1
        wrong = error.object[error.start]
        raise ValueError(
            f"{name}, {_place(row)}: byte 0x{wrong:02x} is not UTF-8; save the file as UTF-8: {AS_UTF_8}"
        ) from error


def _rows(text, sep, strict):
    """Yield the rows of a text, header included, as lists of texts; csv.Error for wrong quotes where `strict`."""
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=strict):
        # Neither a blank line nor one of blanks.
        if len(row) > 1 or "".join(row).strip():
            yield row


def _place(row):
    return f"row {row}" if row else "the header"


def called(names, columns):
    """Return the names as a list, each that differs from one of `columns` in case or blanks only replaced by it.

    Where that one is there, the other stays as it is.
    """
    known = {column.lower(): column for column in columns if column not in names}
    return [known.get(name.strip().lower(), name) if isinstance(name, str) else name for name in names]


def need_columns(table, columns, name):
    """Raise ValueError unless each of `columns` is there once."""
    for column in columns:
        if column not in table.columns:
            found = shorten(", ".join(map(repr, table.columns)))
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
        lost = table[column].str.contains("[\ufffd\0]")
        refuse(table, lost, name, column, "holds a character lost in a wrong encoding")
    return table.astype("str")


def refuse(table, wrong, name, column, reason):
    """Raise ValueError that names the first row where `wrong` is true, counted from 1 without the header."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        more = f" (and {wrong.sum() - 1} more)" if wrong.sum() > 1 else ""
        value = shorten(repr(table[column][row]))
        raise ValueError(f"{name}, row {row + 1}: {column} {value} {reason}{more}")
