"""The log of answers: what was asked and answered, a line of JSON a row, a file a day, for `tools/watch.py` to read.

It imports nothing else of the project, as the server that writes it does not (see `app`).
"""

import contextlib
import json
import os
import re
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

FORMS = ("none", "counts", "texts")
# That of the model's terms.
WORD = re.compile(r"\w\w+")
NAME = "answers-{}.jsonl"


def measure(text, known):
    """Return how many words a text has, and how many of these are not among the `known` ones, in small letters."""
    words = WORD.findall(text)
    return len(words), sum(word.lower() not in known for word in words)


def known_words(pipeline):
    """Return the words that a fitted pipeline has learned, in small letters: a set."""
    terms = pipeline["counts"].named_transformers_["terms"].get_feature_names_out()
    return {term for term in terms.tolist() if WORD.fullmatch(term)}


def prepare(folder):
    """Make the folder of a log, for its owner alone, where it is absent; raise OSError where nothing can be written."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"{}")


def remove_old(folder, days):
    """Remove the files of a log whose day is more than `days` days ago; another's files are left alone."""
    oldest = NAME.format((datetime.now(UTC) - timedelta(days=days)).date())
    for path in Path(folder).glob(NAME.format("????-??-??")):
        if path.name < oldest:
            # Another worker may have removed it, and what cannot be removed now may be in an hour.
            with contextlib.suppress(OSError):
                path.unlink()


def keep_for(folder, days, pause=3600):
    """Call `remove_old` now and every `pause` seconds, in a thread: also where nobody asks, nothing stays longer."""

    def sweep():
        while True:
            remove_old(folder, days)
            time.sleep(pause)

    threading.Thread(target=sweep, name=f"sweep {folder}", daemon=True).start()


def answer_log(form, folder, known):
    """Return a function of a question's table and its answer, which appends a line for each answered row.

    A line has time (UTC), model, GWA and probability as they were answered, words, and unknown, which is how many of
    these are not `known`; with the form "texts" the text, too, as Task. Rows without an answer are left out. Each
    call is one write, so that several processes can have the same folder. It never raises for want of a disk.
    """
    torn = False

    def write(data, answer):
        nonlocal torn
        now, lines = datetime.now(UTC), []
        # MLflow hands on a table, a dict of columns or of one text, or a list of rows.
        texts = [row["Task"] for row in data] if isinstance(data, list) else data["Task"]
        texts = [texts] if isinstance(texts, str) else texts
        rows = zip(texts, answer["GWA"], answer["probability"], answer["model"])
        for text, codes, probability, model in rows:
            if codes is None:
                continue
            words, unknown = measure(str(text), known)
            entry = {"time": now.isoformat(timespec="milliseconds"), "model": model, "GWA": codes}
            entry |= {"probability": probability, "words": words, "unknown": unknown}
            lines.append(json.dumps(entry | ({"Task": str(text)} if form == "texts" else {})) + "\n")
        if not lines:
            return
        # A full disk may have taken a part of the last lines: the next begin on a line of their own.
        lines = "".join(["\n" * torn, *lines]).encode()
        path = os.path.join(folder, NAME.format(now.date()))
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                torn = os.write(handle, lines) < len(lines)
            finally:
                os.close(handle)
        except OSError:
            torn = True

    return write
