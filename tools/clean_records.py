"""Remove what was recorded in the project's root, `mlflow.db` and `mlruns`, after a question.

    python3 tools/clean_records.py

YES=1 answers it; without a terminal and without that, nothing is removed. Exit status: 0, or 1, with one line, when
nothing was removed.
"""

import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    paths = [os.path.join(ROOT, name) for name in ("mlflow.db", "mlruns")]
    for path in paths:
        if os.path.islink(path):
            return "make clean-records: " + path + " is a link; remove it, and what it leads to, by hand"
    records = [path for path in paths if os.path.exists(path)]
    if not records:
        return "make clean-records: nothing was recorded in " + ROOT
    if os.environ.get("YES") != "1":
        if not sys.stdin.isatty():
            return "make clean-records: there is no terminal to ask on; make clean-records YES=1 removes the records"
        try:
            answer = input("Remove {}, all runs and models? Type yes: ".format(" and ".join(records)))
        # Ctrl-D and Ctrl-C.
        except (EOFError, KeyboardInterrupt):
            print()
            answer = "no"
        if answer.strip() != "yes":
            return "make clean-records: nothing was removed"
    for path in records:
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
