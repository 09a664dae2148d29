"""The messages on docs/when-it-breaks.md, for the tests that produce them."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "when-it-breaks.md"
BLOCKS = re.findall(r"^```text\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
MESSAGES = [line for block in BLOCKS for line in block.splitlines()]


def on_page(beginning):
    """Return the page's message that begins so, as a pattern to search for: a line, in which … is any text.

    Before it may be what the page leaves out: a time, the name of a program, or of an error.
    """
    [message] = [message for message in MESSAGES if message.startswith(beginning)]
    text = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", message))
    return re.compile(rf"^(.*: +)?(=== )?{text}( ===)?$", re.MULTILINE)


def fails(form, function, *arguments, **named):
    """See that a call raises, or exits with, the message of a pattern from `on_page`."""
    with pytest.raises((Exception, SystemExit)) as error:
        function(*arguments, **named)
    assert form.search(str(error.value)), f"{error.value} is not {form.pattern}"
