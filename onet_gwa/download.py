"""O*NET's releases, downloaded into the user's cache."""

import contextlib
import os
import re
import time
from pathlib import Path

from onet_gwa.addresses import plain
from onet_gwa.archives import join
from onet_gwa.tables import first_line

ONET_URL = "https://www.onetcenter.org/dl_files/database"
ONET_RELEASE = "31.0"
# A release has some 12 MB. The seconds are for all tries together.
MAX_BYTES, MAX_SECONDS = 200 * 2**20, 600
INSTEAD = 'use data="sample" or the path of an archive'


def download_onet(release=ONET_RELEASE):
    """Return the path of an O*NET release's text archive, downloaded on first use into the user's cache.

    The address is that of https://www.onetcenter.org/database.html, or of a mirror named by the
    environment variable ONET_URL. Only an archive that `read_onet` can read enters the cache; its
    SHA-256 is written beside it and checked on every later use, and a file that was changed is
    downloaded again.

    Raises ValueError for a malformed release or ONET_URL, for an archive that cannot be read, and for another
    one than the first time; FileNotFoundError for an unknown release; ConnectionError where the server
    cannot be reached, refuses, breaks off, or needs more than MAX_SECONDS; OSError where the cache cannot be
    written. The archive in the cache is then what it was.
    """
    if not re.fullmatch(r"\d+\.\d+", release, re.ASCII):
        raise ValueError(
            f'data: {release!r} is not an O*NET release; write for example "onet:{ONET_RELEASE}"'
        )
    import pooch
    import requests

    url = f"{_mirror()}/db_{release.replace('.', '_')}_text.zip"
    name = pooch.utils.unique_file_name(url)
    try:
        cache = Path(pooch.os_cache("onet-gwa"))
    # There is no home.
    except RuntimeError as error:
        raise FileNotFoundError(f"data: nowhere to keep {url}: {first_line(error)}; or {INSTEAD}") from error
    end = time.monotonic() + MAX_SECONDS

    def download(url, file, registry):
        _remove_abandoned(cache)
        _write_answer(url, file, end)
        join(Path(file), url)
        _check_or_keep(checksum, known, pooch.file_hash(file), url)

    try:
        archive, checksum = cache / name, cache / f"{name}.sha256"
        # In this order: what another job writes meanwhile, it writes in the other one.
        there = archive.exists()
        known = _read_checksum(checksum)
        # pooch would take it as it is.
        if there and not known:
            archive.unlink()
        registry = pooch.create(
            cache, base_url="", registry={name: known}, urls={name: url}, retry_if_failed=2
        )
        return Path(registry.fetch(name, downloader=download))
    except requests.RequestException as error:
        raise ConnectionError(f"data: cannot download {url} ({_reason(error)}); {INSTEAD}") from error
    except (ConnectionError, FileNotFoundError):
        raise
    except OSError as error:
        reason = f"cannot keep {url} in {cache} ({error.strerror or first_line(error)})"
        raise OSError(f"data: {reason}; set XDG_CACHE_HOME to another folder, or {INSTEAD}") from error


def _mirror():
    """Return the address of the folder with the archives, ONET_URL's or O*NET's own, without its credentials."""
    address = os.environ.get("ONET_URL", "").strip() or ONET_URL
    host = r"([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?"
    form = rf"https?://([^\s/@]+@)?{host}(/[^\s?#]*)?"
    if not re.fullmatch(form, address, re.IGNORECASE) or address.lower().endswith(".zip"):
        raise ValueError(
            f"ONET_URL: {plain(address)!r} is not the address of a folder of archives, such as {ONET_URL}"
        )
    return plain(address).rstrip("/")


def _credentials():
    """Return the name and password in ONET_URL, or None, so that no message with the address has them."""
    from requests.utils import get_auth_from_url

    credentials = get_auth_from_url(os.environ.get("ONET_URL", "").strip())
    return credentials if any(credentials) else None


def _write_answer(url, path, end):
    """Write what an address answers into a file, with a progress bar, before time.monotonic() is `end`.

    Raises requests.RequestException and ValueError, after which pooch tries again, and FileNotFoundError and
    ConnectionError, after which it does not.
    """
    import requests
    import urllib3
    from tqdm.auto import tqdm

    start, too_much = b"", None
    try:
        answer = requests.get(url, stream=True, timeout=30, auth=_credentials())
    except requests.RequestException:
        raise
    # What requests does not wrap, such as a file of certificates that is missing.
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise requests.RequestException(error) from error
    with answer, open(path, "wb") as file:
        if answer.status_code == 404:
            raise FileNotFoundError(
                f"data: {url} does not exist; is there such a release? See https://www.onetcenter.org/db_releases.html"
            )
        answer.raise_for_status()
        with tqdm(total=answer.raw.length_remaining, unit="B", unit_scale=True, ncols=79) as bar:
            try:
                # What has come, where iter_content would wait for a whole piece, however slowly it comes.
                while not too_much and (piece := answer.raw.read1(2**16, decode_content=True)):
                    start = start or piece
                    file.write(piece)
                    bar.update(len(piece))
                    if bar.n > MAX_BYTES:
                        too_much = f"it has more than {MAX_BYTES // 2**20} MB, which no release has"
                    elif time.monotonic() > end:
                        too_much = f"it takes more than {MAX_SECONDS:,} seconds"
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(error) from error
    if too_much:
        raise ConnectionError(f"data: cannot download {url} ({too_much}); {INSTEAD}")
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        raise ValueError(f"data: {url} is a web page, not an archive; does the network ask you to sign in?")


def _reason(error):
    """Return why a download failed, in a few words."""
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    cause = error.args[0] if error.args else error
    return f"{type(error).__name__}: {first_line(getattr(cause, 'reason', cause))}"


def _check_or_keep(checksum, known, found, url):
    """Write the hash of an archive that is about to enter the cache, or compare it with the one of the first."""
    import pooch

    if known not in (None, found):
        raise ValueError(
            f"data: {url} is not the archive that it was, and the copy in the cache is changed or gone; "
            f"remove {checksum} to take the new one"
        )
    if not known:
        with pooch.utils.temporary_file(checksum.parent) as file:
            Path(file).write_text(found)
            os.replace(file, checksum)


def _read_checksum(path):
    """Return the hash in a file, or None where there is no file, or no hash in it."""
    found = re.fullmatch(rb"\s*([\da-f]{64})\s*", path.read_bytes()) if path.exists() else None
    return found[1].decode() if found else None


def _remove_abandoned(cache):
    """Remove the unfinished downloads of jobs that were killed; those of jobs that run are younger."""
    for file in cache.glob("tmp*"):
        # Another job may remove it, too, and it may be another user's.
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > MAX_SECONDS:
                file.unlink()
