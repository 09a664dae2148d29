"""What tools/sanitize.cfg removes from outputs before they are compared, and what it leaves."""

import tempfile
import uuid
from datetime import UTC, datetime

import pytest
from nbval.plugin import get_sanitize_patterns
from refresh import CONFIGURATION, sanitize

HEX = "0123456789abcdef" * 4
REMOVED = {
    "file 6f2c1e1a-9b0d-4c58-8e0b-0d7c1a5b9f11, 3 rows": "file UUID, 3 rows",
    f"run {HEX[:32]} FINISHED": "run ID FINISHED",
    f"models:/m-{HEX[:32]} version 1": "models:/m-ID version 1",
    "POST http://127.0.0.1:54321/invocations 200": "POST http://127.0.0.1:PORT/invocations 200",
    "localhost:5001 and 0.0.0.0:5000": "localhost:PORT and 0.0.0.0:PORT",
    "date: Mon, 23 Nov 2026 20:43:15 GMT, 412 bytes": "date: TIME, 412 bytes",
    "2026/11/23 20:44:49 INFO mlflow.cli: 3 runs": "TIME INFO mlflow.cli: 3 runs",
    "2026-11-23T20:44:49.123456+00:00, 2026-11-23 20:44:49,123": "TIME, TIME",
    "2026-11-23T20:44:49Z": "TIME",
    "p50 2.31 ms, 1.0 s, 17.5 seconds, 3.5 µs": "p50 N ms, N s, N seconds, N µs",
    "/tmp/tmpab12_x9z/tasks.csv, row 2": "TMP/tasks.csv, row 2",
    "in /tmp/onet-gwa-k3j2h1g0": "in TMP",
    "/private/var/folders/zz/abc_123/T/tmpab12_x9z": "TMP",
}
LEFT = [
    "f1_micro 0.602, accuracy 0.512",
    "2914 pairs, 2510 statements, 37 GWAs",
    "[{'GWA': ['4A2b2'], 'probability': [0.6465]}]",
    "fa45ede16f05ff3b",
    HEX,
    HEX[:31],
    "port 5001, 127.0.0.1, example:5001, 10.0.0.1:5001",
    "status 200, 400, 415",
    "release 31.0 of 2026-08-15, version 3.17.2",
    "within 30 seconds, 5 s, 100 ms, 45%",
    "37.5 sets, 3.5 samples, 0.602 s1",
    "mean 0.535 and standard error 0.016",
    "/tmp/data.csv /tmp/onet-gwa /home/tmp",
    "4.A.1.b.3.I01.D01 19-9999.00",
    "20:44 is a time to read, 12:34:56 no date",
]


@pytest.mark.parametrize("text", REMOVED)
def test_removed(text):
    assert sanitize(text) == REMOVED[text]


@pytest.mark.parametrize("text", LEFT)
def test_left(text):
    assert sanitize(text) == text


def test_what_python_makes_up():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(prefix="onet-gwa-") as other:
        assert sanitize(f"{folder}/a {other}") == "TMP/a TMP"
    now = datetime.now(UTC)
    assert sanitize(f"{uuid.uuid4()} {uuid.uuid4().hex} {now} {now.isoformat()}") == "UUID ID TIME TIME"


def test_each_pattern_is_needed(monkeypatch):
    text = CONFIGURATION.read_text()
    patterns = get_sanitize_patterns(text)
    # nbval reads a pattern only with a line for its replacement right below.
    assert len(patterns) == text.count("\nregex:") == text.count("\nreplace:")
    for pattern in patterns:
        monkeypatch.setattr("refresh.SANITIZE", [other for other in patterns if other != pattern])
        assert any(sanitize(text) != REMOVED[text] for text in REMOVED), pattern
