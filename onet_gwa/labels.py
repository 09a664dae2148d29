"""The table of labels: O*NET's 37 Generalized Work Activities (GWAs), or your own."""

import hashlib
import os
from pathlib import Path

from onet_gwa import ROOT
from onet_gwa.tables import clean_texts, need_columns, read_table, refuse, refuse_workbook, shorten

GWAS = ROOT / "data" / "gwas.csv"


def load_labels(source="gwas"):
    """Return the labels by sorted code: a DataFrame with the column name and, where there is one, description.

    `source` is "gwas", the 37 GWAs of O*NET, or the path of a CSV file in UTF-8 with the columns code and name,
    and description if you like; the case of the column names does not matter, further columns are left aside.

    Raises FileNotFoundError for a path that does not exist, and ValueError for what is not such a table, for an
    empty or repeated code or name, and for fewer than two labels.
    """
    path = GWAS if str(source) == "gwas" else Path(source)
    if not str(source).strip() or not os.path.isfile(path):
        raise FileNotFoundError(
            f'labels: {shorten(repr(str(source)))} is not a file; give "gwas", or the path of a CSV file with the '
            f"columns code and name (looked for {shorten(repr(os.path.abspath(path)))})"
        )
    name = f"labels: {path}"
    refuse_workbook(path, "labels")
    table = read_table(path.read_bytes(), name)
    table.columns = table.columns.str.strip().str.lower()
    need_columns(table, ["code", "name"], name)
    labels = clean_texts(table, ["code", "name"], name)
    for column in ("code", "name"):
        refuse(labels, labels[column].duplicated(), name, column, "is there twice; each label needs its own")
    if len(labels) < 2:
        raise ValueError(f"{name}: one label is nothing to choose from; give at least two")
    if list(table.columns).count("description") == 1:
        labels["description"] = table["description"].to_numpy()
    return labels.set_index("code").sort_index()


def labels_digest(labels):
    """Return 16 hexadecimal digits of the SHA-256 of the labels' codes: models with the same digest compare."""
    return hashlib.sha256("\n".join(labels.index).encode()).hexdigest()[:16]
