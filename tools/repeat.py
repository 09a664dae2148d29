"""Replay the notebooks again and again, with other hash seeds and with 1, 2 and 4 jobs; count the green runs.

    python tools/repeat.py 20

Exit status: 0 when all were green, else 1.
"""

import os
import subprocess
import sys

from refresh import NBVAL, ROOT


def main(count):
    green = 0
    for seed in range(count):
        jobs = (1, 2, 4)[seed % 3]
        workers = [f"--numprocesses={jobs}", "--dist=loadfile", "--no-loadscope-reorder"]
        # -k leaves what lies in a notebook; conftest.py counts only where tests/ is among the folders.
        what = ["-k", "ipynb", "notebooks", "tests"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--quiet", *NBVAL, *workers, *what],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        green += done.returncode == 0
        if done.returncode:
            print(done.stdout)
        print(f"hash seed {seed}, {jobs} jobs: {done.stdout.splitlines()[-1]}", flush=True)
    print(f"{green} of {count} runs were green")
    return 0 if green == count else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
