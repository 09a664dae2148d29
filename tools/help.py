"""List the targets of a Makefile that have a comment: "target: needs  ## what it does".

    python tools/help.py Makefile

It works with an old Python too, which has still to be told that it is too old. Exit status: 0.
"""

import io
import re
import sys


def targets(text):
    """Return the pairs (target, comment) in their order."""
    return re.findall(r"^([\w-]+):.*?## (.*)$", text, re.MULTILINE)


def main(path):
    with io.open(path, encoding="utf-8") as makefile:
        found = targets(makefile.read())
    for target, comment in found:
        print("make {:13} {}".format(target, comment))


if __name__ == "__main__":
    main(sys.argv[1])
