"""Record what a job has kept on disk, since its store was lost.

    FOLDER=/tmp/onet-gwa-x python tools/record.py

Exit status: 1, with one line, when there is nothing in the folder, or the store cannot be used.
"""

import os
import sys

from serve import connect


def main():
    helpers = connect("make record")
    try:
        print(f"make record: {helpers.record(os.environ.get('FOLDER', ''))}")
    except (OSError, ValueError) as error:
        sys.exit(f"make record: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
