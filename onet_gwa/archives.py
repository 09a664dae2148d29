"""O*NET's archives: their tables, and the joins by which a task gets its labels."""

import contextlib
import logging
import os
import re
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

import pandas as pd

from onet_gwa.tables import clean_texts, first_line, need_columns, read_table, refuse

STATEMENTS, LINKS = "Task Statements", "Tasks to DWAs"
DWAS = "DWA Reference (to release 30.2) or GWAs to IWAs to DWAs (from 30.3 on)"
TABLES = {
    "task_statements": STATEMENTS,
    "tasks_to_dwas": LINKS,
    "dwa_reference": DWAS,
    "gwas_to_iwas_to_dwas": DWAS,
}
SEPARATORS = {".txt": "\t", ".csv": ","}
KEY = "O*NET-SOC Code and Task ID"
# The largest table has 3 MB, and its longest row 400 bytes.
MAX_BYTES, MAX_ROW_BYTES = 16 * 2**20, 10_000


def read_onet(path):
    """Return the pairs of an O*NET archive or folder: a DataFrame of the texts Task, GWA and SOC.

    A task has the GWAs of its detailed work activities (DWAs): `Task Statements` is joined with
    `Tasks to DWAs` on the occupation and the task, and that with the table of DWAs, which is called
    `DWA Reference` up to release 30.2 and `GWAs to IWAs to DWAs` from 30.3 on
    (https://www.onetcenter.org/database.html). SOC is the code of the task's occupation. Text and CSV archives
    both do. Blanks and apostrophes around a code, `8,823.0` for the task 8823 and capitals in the code of a
    DWA are what spreadsheets leave, and make no difference. Statements that have no DWA are left out, and
    their number is logged as a warning.

    Raises ValueError for an archive or file that is damaged, cannot be read or is no table of O*NET's size,
    for a missing table or column, and for what the keys of O*NET's own SQL files exclude: a link to a statement
    or DWA that is not there, and one code for two of them. Nothing is unpacked to disk.
    """
    pairs, without, total = join(Path(path), str(path))
    if without:
        told = f"{path}: {without:,} of {total:,} statements have no DWA and are left out"
        logging.getLogger(__name__).warning(told)
    return pairs


def read_dwa_titles(path):
    """Return the titles of an archive's DWAs and their GWAs: a DataFrame of the texts Task and GWA.

    Raises ValueError as `read_onet` does.
    """
    [dwas] = _tables(Path(path), str(path), [DWAS])
    reference, gwa, dwa = _dwas(*dwas, f"{path}, table of DWAs")
    title = "DWA Title" if dwa == "DWA ID" else "DWA Element Name"
    need_columns(reference, [title], f"{path}, table of DWAs")
    return reference[[title, gwa]].set_axis(["Task", "GWA"], axis="columns")


def join(path, name):
    """Return what `read_onet` returns, the number of statements without a DWA, and the number of all."""
    (_, statements), (_, links), dwas = _tables(path, name, [STATEMENTS, LINKS, DWAS])
    reference, gwa, dwa = _dwas(*dwas, f"{name}, table of DWAs")
    statements = _with_key(statements, "Task", f"{name}, {STATEMENTS}")
    links = _with_key(links, dwa, f"{name}, {LINKS}")
    links[dwa] = _plain(links[dwa]).str.upper()
    tasks = _by_code(statements, KEY, "Task", f"{name}, {STATEMENTS}")
    gwas = _by_code(reference, dwa, gwa, f"{name}, table of DWAs")
    codes = {
        "Task": links[KEY].map(tasks),
        "GWA": links[dwa].map(gwas),
        "SOC": links[KEY].str.partition(" ")[0],
    }
    for column, found, table in ((KEY, "Task", STATEMENTS), (dwa, "GWA", "the table of DWAs")):
        reason = f"is not in {table}; take all tables whole and from one release"
        refuse(links, codes[found].isna(), f"{name}, {LINKS}", column, reason)
    return pd.DataFrame(codes).drop_duplicates(), len(tasks) - links[KEY].nunique(), len(tasks)


def _dwas(stem, table, name):
    """Return the table of DWAs of either layout, its codes plain, and its columns of GWAs and of DWAs."""
    gwa, dwa = ("Element ID", "DWA ID") if stem == "dwa_reference" else ("GWA Element ID", "DWA Element ID")
    need_columns(table, [gwa, dwa], name)
    codes = clean_texts(table, [gwa, dwa], name)
    table[gwa], table[dwa] = _plain(codes[gwa]), _plain(codes[dwa]).str.upper()
    return table, gwa, dwa


def _with_key(table, column, name):
    """Return `column` and KEY, the codes of the occupation and the task with a blank between them."""
    task = ["O*NET-SOC Code", "Task ID"]
    need_columns(table, [*task, column], name)
    table = clean_texts(table, [*task, column], name)
    table[KEY] = _plain(table[task[0]]) + " " + _plain(table[task[1]]).map(_whole)
    return table[[KEY, column]]


def _by_code(table, code, column, name):
    """Return `column` by the code; ValueError for a code that is there with two different values."""
    first = table.groupby(code)[column].transform("first")
    refuse(table, table[column] != first, name, code, f"is there before, with another {column}; keep one")
    return table.drop_duplicates(code).set_index(code)[column]


def _plain(codes):
    """Return codes without what keeps them texts in a spreadsheet, `'15-1252.00` or `="15-1252.00"`."""
    # Of all blanks, only the plain one is printable.
    return codes.map(lambda code: "".join(filter(str.isprintable, code)).replace(" ", "").strip("=\"'‘’"))


def _whole(number):
    """Return "8823" for "8,823", "8823.0" and "8,823.00", and any other text as it is."""
    match = re.fullmatch(r"(\d+|\d{1,3}(?:,\d{3})+)(?:\.0+)?", number, re.ASCII)
    return match[1].replace(",", "") if match else number


def _tables(path, name, wanted):
    """Return, for each of the `wanted` names of tables, the stem of its file and its texts, a DataFrame."""
    tables = []
    for stem, file, raw in (_from_folder if path.is_dir() else _from_archive)(path, name, wanted):
        where = f"{name}, {PureWindowsPath(file).name}"
        # A few MB of tabs would take minutes, so the length of rows is bounded, too.
        if len(raw) > MAX_BYTES or max(map(len, raw.splitlines()), default=0) > MAX_ROW_BYTES:
            most = f"has more than {MAX_BYTES // 2**20} MB, or a row of more than {MAX_ROW_BYTES:,} bytes"
            raise ValueError(f"{where}: the file {most}, which no table of O*NET has")
        tables.append((stem, read_table(raw, where, SEPARATORS[PureWindowsPath(file).suffix.lower()])))
    return tables


def _from_folder(folder, name, wanted):
    """Yield the stem, the path and the first bytes of each wanted table in a folder or below it."""
    files, seen, closed = [], set(), []
    # A linked folder is entered, too, and each once, since links may go in circles.
    for here, folders, names in os.walk(folder, onerror=closed.append, followlinks=True):
        if os.path.realpath(here) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(here))
        files += [os.path.join(here, file) for file in names]
    hint = f"; {closed[0].filename} cannot be read ({closed[0].strerror})" if closed else ""
    for stem, file in _choose(files, name, wanted, hint):
        # Reading a pipe would wait for ever.
        if os.path.exists(file) and not os.path.isfile(file):
            raise ValueError(f"{name}: {file} is a pipe or a device; a file is needed")
        with _readable(name), open(file, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        yield stem, file, raw


def _from_archive(path, name, wanted):
    """Yield the stem, the name and the first bytes of each wanted table in an archive."""
    if not path.is_file():
        raise ValueError(f"{name}: this is neither a folder nor a file")
    with _readable(name):
        archive = zipfile.ZipFile(path)
    with archive:
        members = archive.namelist()
        outside = next((m for m in members if re.search(r"^[/\\]|^\w:|(^|[/\\])\.\.([/\\]|$)", m)), None)
        if outside:
            raise ValueError(f"{name}: {outside!r} would be outside of the archive; it is not one of O*NET's")
        for stem, file in _choose(members, name, wanted):
            info = archive.getinfo(file)
            # Python unpacks these two, and no other, in bounded memory.
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                why = "has a password" if info.flag_bits & 1 else "is packed in an unusual way"
                raise ValueError(f"{name}: {file!r} {why}; unpack the archive, and give the folder")
            with _readable(name), archive.open(info) as stream:
                raw = stream.read(MAX_BYTES + 1)
            yield stem, file, raw


@contextlib.contextmanager
def _readable(name):
    """Turn what opening and reading raise into a ValueError."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{error.filename or name} cannot be read ({error.strerror or error})") from error
    # Damaged bytes, in a table or in the list of members.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        reason = f"the archive is damaged or truncated ({first_line(error)})"
        raise ValueError(f"{name}: {reason}; take a new copy of it") from error


def _choose(files, name, wanted, hint=""):
    """Return the stem and the path or member of each of the `wanted` tables."""
    names = [(re.split(r"[/\\]", file)[-1].lower().replace(" ", "_"), file) for file in files]
    chosen = []
    for title in wanted:
        stems = [stem for stem in TABLES if TABLES[stem] == title]
        found = [(s, file) for plain, file in names for s in stems if plain in (f"{s}.txt", f"{s}.csv")]
        if len(found) > 1:
            both = f"{found[0][1]!r} or {found[1][1]!r}"
            raise ValueError(f"{name}: the O*NET table {title} is there twice; keep one release, {both}")
        if not found:
            why = _instead(names, stems) or hint or ("" if names else "; there are no files at all")
            raise ValueError(f"{name}: the O*NET table {title} is missing{why}")
        chosen += found
    return chosen


def _instead(names, stems):
    """Return what there is instead of a missing table, as the end of a sentence, or an empty text."""
    own = [(plain, file) for plain, file in names if not plain.startswith("._")]
    like = [file for plain, file in own if any(stem in re.sub("[^a-z]+", "_", plain) for stem in stems)]
    archives = [file for plain, file in own if plain.endswith(".zip")]
    if like:
        return f"; {like[0]!r} is not it, but a .txt or .csv file as in O*NET's archive db_31_0_text.zip is"
    if archives:
        return f"; there is the archive {archives[0]!r} in it: give the path of that, unpacked if need be"
    return ""
