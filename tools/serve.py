"""Serve the champion: become `mlflow models serve` for it.

    PORT=5001 MODEL=onet-gwa python tools/serve.py

Both have a default. Exit status: 1, with one line, when the store cannot be used, nothing is the champion, or the
port is taken.
"""

import os
import re
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def connect(name):
    """Return `helpers`, connected to the store; exit with one line where that fails."""
    import helpers

    try:
        helpers.connect()
    except (OSError, ValueError) as error:
        sys.exit(f"{name}: {' '.join(str(error).split())}")
    return helpers


def need_port(name, default):
    """Return the environment variable PORT, or `default`; exit with one line when it is no port, or is taken."""
    port = os.environ.get("PORT", "").strip() or default
    reason = "it is no number from 1 to 65535"
    try:
        if re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) and int(port) < 2**16:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", int(port)))
            return port
    except OSError as error:
        reason = error
    sys.exit(f"{name}: port {port} cannot be used ({reason}); name another: {name} PORT=5002")


def become(*command):
    """Replace this process by a command of the environment."""
    path = Path(sys.executable).with_name(command[0])
    # A command names its Python by an absolute path.
    if not {sys.prefix, str(Path(sys.prefix).resolve())} & set(re.findall(r"(/.*)/bin/", path.read_text())):
        sys.exit(
            f"{path}: the environment was made in another folder; remove {sys.prefix}, and make makes it anew"
        )
    os.execv(path, [path, *command[1:]])


def main():
    port, name = need_port("make serve", "5001"), os.environ.get("MODEL") or "onet-gwa"
    helpers = connect("make serve")
    if helpers.champion(name) is None:
        train = "make run" if name == "onet-gwa" else "a run with this registered_model_name"
        sys.exit(f"make serve: {name} has no champion yet; {train} trains one")
    model = ["--model-uri", f"models:/{name}@champion", "--env-manager", "local"]
    become("mlflow", "models", "serve", *model, "--port", port)


if __name__ == "__main__":
    main()
