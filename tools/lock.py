"""Write the lock files from the ranges in pyproject.toml, and name the first one's digest in conda.yaml.

    python tools/lock.py

requirements.txt is what the job and its readers get; deploy/requirements.txt is what a team's tracking server
gets; requirements-spark.txt is what Spark adds to the first, and docs/requirements.txt what the site adds;
requirements-dev.txt is the first and what developing needs, all others included. A version that a lock names
already stays; to move one, delete its lines first. Exit status: 0, or that of uv where it fails.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = str(Path(sys.executable).with_name("uv"))
COMPILE = [
    UV,
    "pip",
    "compile",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
]
# With hashes, pip takes an extra that a package asks for only from a lock that names it.
COMPILE += ["--no-strip-extras", "--no-annotate", "--custom-compile-command", "make lock", "--quiet"]
PINNED = ["--constraint", "requirements.txt"]
LOCKS = {
    "requirements.txt": ["pyproject.toml"],
    "deploy/requirements.txt": ["--group", "server", *PINNED],
    "requirements-spark.txt": ["--group", "spark", *PINNED],
    "docs/requirements.txt": ["--group", "site", *PINNED],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev", *PINNED],
}
DIGEST = re.compile(r"(# lock: sha256 )\w+")


def digest(text):
    """Return the first 16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def name_the_lock(environment, lock):
    """Return the text of conda.yaml with the digest of the text of the lock in its comment."""
    text, count = DIGEST.subn(rf"\g<1>{digest(lock)}", environment)
    if count != 1:
        raise ValueError(f"conda.yaml needs one comment '# lock: sha256 ...', and has {count}")
    return text


def main():
    for name, options in LOCKS.items():
        done = subprocess.run([*COMPILE, *options, "--output-file", name], cwd=ROOT)
        if done.returncode:
            return done.returncode
    path = ROOT / "conda.yaml"
    path.write_text(name_the_lock(path.read_text(), (ROOT / "requirements.txt").read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
