"""O*NET's archives: where they come from, and the joins by which a task gets its labels."""

import os
import re
import zipfile
import zlib
from pathlib import Path

from onet_gwa.tables import first_line, need_columns, read_table

ONET_URL = "https://www.onetcenter.org/dl_files/database"
ONET_RELEASE = "31.0"


def read_onet(path):
    """Return the pairs of an O*NET archive or folder: a DataFrame of the texts Task, GWA and SOC.

    A task has the GWAs of its detailed work activities (DWAs): `Task Statements` is joined with
    `Tasks to DWAs` on the occupation and the task, and that with the table of DWAs, which is called
    `DWA Reference` up to release 30.2 and `GWAs to IWAs to DWAs` from 30.3 on
    (https://www.onetcenter.org/database.html). SOC is the code of the task's occupation. Text and CSV archives
    both do.

    Raises ValueError for a damaged archive, a missing file and a missing column.
    """
    path = Path(path)
    files = _files(path)
    statements = _table(path, files, "task_statements")
    links = _table(path, files, "tasks_to_dwas")
    reference, gwa, dwa = _dwas(path, files)
    task = ["O*NET-SOC Code", "Task ID"]
    need_columns(statements, [*task, "Task"], f"{path}, Task Statements")
    need_columns(links, [*task, dwa], f"{path}, Tasks to DWAs")
    need_columns(reference, [gwa, dwa], f"{path}, table of DWAs")
    pairs = links[[*task, dwa]].merge(statements[[*task, "Task"]], on=task)
    pairs = pairs.merge(reference[[gwa, dwa]], on=dwa)
    return pairs.rename(columns={gwa: "GWA", task[0]: "SOC"})[["Task", "GWA", "SOC"]].drop_duplicates()


def read_dwa_titles(path):
    """Return the titles of an archive's DWAs and their GWAs: a DataFrame of the texts Task and GWA.

    Raises ValueError as `read_onet` does.
    """
    reference, gwa, dwa = _dwas(path, _files(path))
    title = "DWA Title" if dwa == "DWA ID" else "DWA Element Name"
    need_columns(reference, [gwa, title], f"{path}, table of DWAs")
    return reference[[title, gwa]].set_axis(["Task", "GWA"], axis="columns")


def _dwas(path, files):
    """Return the table of DWAs of either layout and the names of its columns of GWAs and of DWAs."""
    if "dwa_reference" in files:
        return _table(path, files, "dwa_reference"), "Element ID", "DWA ID"
    return _table(path, files, "gwas_to_iwas_to_dwas"), "GWA Element ID", "DWA Element ID"


def _files(path):
    """Map "task_statements" and so on to (separator, bytes) for the tables in a folder or archive."""
    wanted = {"task_statements", "tasks_to_dwas", "dwa_reference", "gwas_to_iwas_to_dwas"}
    separators = {".txt": "\t", ".csv": ","}

    def key(member):
        member = Path(member)
        stem = member.stem.lower().replace(" ", "_")
        return stem if stem in wanted and member.suffix.lower() in separators else None

    def tables(members, read):
        keys = [key(member) for member in members]
        twice = next((k for k in keys if k and keys.count(k) > 1), None)
        if twice:
            raise ValueError(f"{path}: the O*NET table {twice} is there twice; keep one release")
        return {k: (separators[Path(m).suffix.lower()], read(m)) for k, m in zip(keys, members) if k}

    if path.is_dir():
        return tables(list(path.rglob("*")), Path.read_bytes)
    try:
        with zipfile.ZipFile(path) as archive:
            return tables(archive.namelist(), archive.read)
    # Damaged bytes inside, a password, a compression that Python does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"{path}: the archive is damaged, truncated or locked ({first_line(error)})"
        ) from error


def _table(path, files, key):
    if key not in files:
        names = {
            "task_statements": "Task Statements",
            "tasks_to_dwas": "Tasks to DWAs",
            "gwas_to_iwas_to_dwas": "DWA Reference (to release 30.2) or GWAs to IWAs to DWAs (from 30.3 on)",
        }
        raise ValueError(f"{path}: the O*NET table {names[key]} is missing")
    separator, raw = files[key]
    return read_table(raw, f"{path}, {key}", separator)


def download_onet(release=ONET_RELEASE):
    """Return the path of an O*NET release's text archive, downloaded on first use into the user's cache.

    The address is that of https://www.onetcenter.org/database.html, or of a mirror named by the
    environment variable ONET_URL. Only an archive that `read_onet` can read enters the cache; its
    SHA-256 is written beside it and checked on every later use, and a file that was changed is
    downloaded again. Raises ValueError for a malformed release and for an archive that cannot be read,
    FileNotFoundError for an unknown release, and ConnectionError where the server cannot be reached or
    breaks off; the cache is then left as it was.
    """
    if not re.fullmatch(r"\d+\.\d+", release, re.ASCII):
        raise ValueError(
            f'data: {release!r} is not an O*NET release; write for example "onet:{ONET_RELEASE}"'
        )
    import pooch
    import requests

    url = f"{os.environ.get('ONET_URL', ONET_URL).rstrip('/')}/db_{release.replace('.', '_')}_text.zip"
    name = pooch.utils.unique_file_name(url)
    cache = Path(pooch.os_cache("onet-gwa"))
    checksum = cache / f"{name}.sha256"
    known = checksum.read_text().strip() if checksum.exists() else None

    def download(url, output_file, registry):
        try:
            pooch.HTTPDownloader(progressbar=True, timeout=30)(url, output_file, registry)
            read_onet(output_file)
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise
            # Neither of the errors after which pooch tries again.
            raise FileNotFoundError(
                f"data: {url} does not exist; is there such a release? See https://www.onetcenter.org/db_releases.html"
            ) from error
        except ValueError as error:
            raise ValueError(str(error).replace(str(output_file), url)) from error

    registry = pooch.create(cache, base_url="", registry={name: known}, urls={name: url}, retry_if_failed=2)
    try:
        path = Path(registry.fetch(name, downloader=download))
    except requests.RequestException as error:
        raise ConnectionError(
            f"data: cannot download {url} ({type(error).__name__}); "
            'use data="sample" or the path of an archive'
        ) from error
    checksum.write_text(pooch.file_hash(path) + "\n")
    return path
