"""Serve the champion: check what is needed, and become uvicorn with `onet_gwa/app.py`.

    HOST=127.0.0.1 PORT=5001 WORKERS=1 MODEL=onet-gwa LOG=json \
        ANSWERS=counts FOLDER=answers KEEP=90 python tools/serve.py

All but LOG and ANSWERS have these defaults. ANSWERS says what is kept of each answer in FOLDER for KEEP days: "none",
which is the default, "counts", or "texts", with the texts (see `onet_gwa/answers.py`). The alias is looked up once, so
that log and answers name the version, whatever is promoted later. Exit status: 1, with one line, when a variable or
the store cannot be used, nothing is the champion, its files are gone, the port is taken, or FOLDER cannot be written.
"""

import errno
import os
import re
import socket
import sys
import tempfile
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


def bind(name, default, host="127.0.0.1"):
    """Return two sockets bound to the environment variable PORT, or `default`; exit with one line where that fails.

    The first is for TCP, and does not listen yet; the second keeps the port for it until it does.
    """
    port = os.environ.get("PORT", "").strip() or default
    reason = "it is no number from 1 to 65535"
    # Two programs may bind a port of TCP while neither listens; and one that listens before its model is loaded would
    # let callers wait whom nginx else leads to another server. A port of UDP has one owner.
    listener, keeper = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    try:
        if re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) and int(port) < 2**16:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
            keeper.bind((host, int(port)))
            return listener, keeper
    except (OSError, TypeError, UnicodeError) as error:
        reason = error
    listener.close()
    keeper.close()
    # What the look-up of a name raises, or an address of another machine.
    unknown = isinstance(reason, (socket.gaierror, TypeError, UnicodeError))
    if unknown or getattr(reason, "errno", None) == errno.EADDRNOTAVAIL:
        sys.exit(f"{name}: HOST={host} is no IPv4 address of this machine; leave it out for 127.0.0.1")
    where = "" if host == "127.0.0.1" else f" of {host}"
    sys.exit(f"{name}: port {port}{where} cannot be used ({reason}); name another: {name} PORT=5002")


def need_port(name, default):
    """Return the environment variable PORT, or `default`; exit with one line when it is no port, or is taken."""
    listener, keeper = bind(name, default)
    with listener, keeper:
        return str(listener.getsockname()[1])


def need_champion(name, model):
    """Return the registry's address of the champion of `model`; exit with one line where it cannot be served."""
    helpers = connect(name)
    import mlflow

    version = helpers.champion(model)
    if version is None:
        train = "make run" if model == helpers.MODEL_NAME else "a run with this registered_model_name"
        store = helpers.plain(mlflow.get_tracking_uri())
        sys.exit(f"{name}: {model} has no champion yet in {store}; {train} trains one")
    uri, cause = f"models:/{model}/{version}", None
    try:
        with tempfile.TemporaryDirectory() as folder:
            mlflow.artifacts.download_artifacts(uri, dst_path=folder)
            for file in ("MLmodel", "data/model/pipeline.skops", "data/model/labels.csv"):
                cause = cause or (None if Path(folder, file).exists() else f"there is no {file}")
    except (OSError, mlflow.MlflowException) as error:
        cause = " ".join(str(error).split())
    if cause:
        # A number in the text: of what it could not copy, MLflow and shutil keep the texts only.
        full = any(f"[Errno {number}]" in cause for number in (errno.ENOSPC, errno.EDQUOT))
        mend = f"make room in {tempfile.gettempdir()}" if full else "promote another version"
        sys.exit(f"{name}: the champion, {model}/{version}, cannot be read ({cause}); {mend}")
    return uri


def need_answers(name):
    """Put what is kept of answers into the environment, for the app; exit with one line where it cannot be."""
    from onet_gwa import answers

    form, keep = (os.environ.get(key, "").strip() for key in ("ANSWERS", "KEEP"))
    form, keep, folder = (
        form or "none",
        keep or "90",
        Path(os.environ.get("FOLDER", "").strip() or ROOT / "answers"),
    )
    if form not in answers.FORMS:
        sys.exit(f"{name}: ANSWERS={form} is none of {', '.join(answers.FORMS)}")
    if not re.fullmatch(r"[1-9]\d{0,3}", keep, re.ASCII):
        sys.exit(f"{name}: KEEP={keep} is no number of days from 1 to 9999")
    if form != "none":
        try:
            answers.prepare(folder)
        except OSError as error:
            sys.exit(
                f"{name}: FOLDER={folder} cannot be written ({error}); name another, or say ANSWERS=none"
            )
    os.environ.update(ANSWERS=form, KEEP=keep, FOLDER=str(folder.absolute()))


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
    workers = os.environ.get("WORKERS", "").strip() or "1"
    if not re.fullmatch(r"[1-9]\d?", workers, re.ASCII):
        sys.exit(f"make serve: WORKERS={workers} is no number from 1 to 99")
    if os.environ.get("LOG", "") not in ("", "json"):
        sys.exit(f"make serve: LOG={os.environ['LOG']} is not json; leave it out for a log for people")
    need_answers("make serve")
    listener, keeper = bind("make serve", "5001", os.environ.get("HOST", "").strip() or "127.0.0.1")
    uri = os.environ["MODEL_URI"] = need_champion("make serve", os.environ.get("MODEL") or "onet-gwa")
    # Without it the second half of an answer waits for an acknowledgement, since uvicorn's own socket for several
    # workers is one that asyncio does not recognize.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.set_inheritable(True)
    keeper.set_inheritable(True)
    host, port = listener.getsockname()
    print(f"make serve: {uri.removeprefix('models:/')} for http://{host}:{port}", file=sys.stderr)
    if os.environ["ANSWERS"] != "none":
        said = (
            f"{os.environ['ANSWERS']} of answers stay in {os.environ['FOLDER']} for {os.environ['KEEP']} days"
        )
        print(f"make serve: {said}", file=sys.stderr)
    options = f"--fd {listener.fileno()} --workers {workers} --no-access-log --factory onet_gwa.app:app"
    become("uvicorn", *options.split(), "--app-dir", str(ROOT))


if __name__ == "__main__":
    main()
