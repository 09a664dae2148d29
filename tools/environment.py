"""Make the environment in .venv from requirements.txt, in which every package has its hash.

    python3 tools/environment.py

It is made anew for another Python or lock, and left as it is otherwise; its file `ready` has the date of its lock.
Exit status: 0, or 1, with one line, for a Python that is too old, or that of the step that failed. It is parsed
by an old Python too.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCK = os.path.join(ROOT, "requirements.txt")
FOLDER = os.path.join(ROOT, ".venv")
# Touched at the end; it tells which Python the environment was made by.
READY = os.path.join(FOLDER, "ready")
NEEDED = (3, 11)
# Of a user's settings for pip and uv, these say where packages come from; others, such as PIP_USER, PIP_TARGET
# or UV_PYTHON, would have them go elsewhere, or be others.
KEPT = (
    "INDEX|LINKS|HOST|CERT|TLS|PROXY|CACHE|TIMEOUT|RETRIES|CONFIG|KEYRING|OFFLINE|AUTH|CONCURRENT|LINK_MODE"
)


def too_old(version):
    """Return what to say about a Python's version, or None when it will do."""
    if version[:2] >= NEEDED:
        return None
    return "Python {}.{} is too old, {}.{} is needed; name another: make PYTHON=python3.12".format(
        *(version[:2] + NEEDED)
    )


def locked(text, name):
    """Return the lines of a lock that are about one package: its version and its hashes."""
    return re.search(r"^" + name + r"==(?:.*\\\n)*.*\n", text, re.MULTILINE).group()


def settings(environ):
    """Return the variables with which pip and uv shall run: without those that would change what they install."""
    foreign = re.compile(r"(PIP|UV)_(?!.*(" + KEPT + "))|PYTHON(HOME|PATH)$")
    return dict((name, value) for name, value in environ.items() if not foreign.match(name))


def made_by():
    """Return which Python made the environment, a text, or None when there is none, or none that is whole."""
    try:
        with open(READY) as ready:
            return ready.read()
    except (IOError, OSError):
        return None


def main():
    old = too_old(tuple(sys.version_info))
    if old:
        return old
    this = "{} {}".format(sys.base_prefix, sys.version.split()[0])
    was = made_by()
    if was == this and os.path.getmtime(READY) >= os.path.getmtime(LOCK):
        return 0
    if was is not None and was != this:
        if os.path.islink(FOLDER):
            said = "the environment is a link to one of another Python; remove {}, and make makes it anew"
            return said.format(FOLDER)
        shutil.rmtree(FOLDER)
    # What comes is silent, and takes long where the packages have to be downloaded.
    sys.stdout.write("Making the environment in .venv, which takes a minute or more\n")
    sys.stdout.flush()
    python = os.path.join(FOLDER, "bin", "python")
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-user"]
    uv = [os.path.join(FOLDER, "bin", "uv"), "pip", "install", "--quiet", "--compile-bytecode"]
    with open(LOCK) as lock, tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
        only_uv.write(locked(lock.read(), "uv"))
        only_uv.flush()
        for command in (
            [sys.executable, "-m", "venv", FOLDER],
            [python] + pip + ["--requirement", only_uv.name],
            uv + ["--python", python, "--requirement", LOCK],
        ):
            status = subprocess.call(command, env=settings(os.environ))
            if status:
                return status
    with open(READY, "w") as ready:
        ready.write(this)
    return 0


if __name__ == "__main__":
    sys.exit(main())
