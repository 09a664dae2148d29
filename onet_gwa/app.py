"""What `make serve` runs: MLflow's scoring server, with a line in the log for each request.

Of the project it imports the log of answers alone: the model brings its own `onet_gwa_model.py`.
"""

import functools
import json
import logging
import os
import sys
import tempfile
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import quote

from onet_gwa import answers

# What is noted of the request that is being answered.
NOTED = ContextVar("noted")


def app():
    """Return the ASGI app of the model whose registry's address is in MODEL_URI, such as "models:/onet-gwa/3".

    With LOG=json in the environment a line of the log is a JSON object; otherwise it is for people. With ANSWERS=counts
    or texts each answer is kept in FOLDER for KEEP days (see `answers`). Exits with one line and status 3, after which
    uvicorn does not start the worker again, for a model that cannot be loaded.
    """
    import mlflow
    from mlflow.pyfunc import scoring_server

    uri = os.environ["MODEL_URI"]
    name = uri.removeprefix("models:/")
    # A copy, since in a local store MLflow notes the version in the folder that all versions of a model share.
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(uri, dst_path=folder)
        try:
            model = mlflow.pyfunc.load_model(path)
        except Exception as error:  # It comes from the model's own code, or from a file that is damaged.
            print(f"make serve: {name} cannot be loaded: {' '.join(repr(error).split())}", file=sys.stderr)
            sys.exit(3)
    keep = None
    if (form := os.environ.get("ANSWERS", "none")) != "none":
        known = answers.known_words(model.get_raw_model())
        answers.keep_for(os.environ["FOLDER"], int(os.environ["KEEP"]))
        keep = answers.answer_log(form, os.environ["FOLDER"], known)
    model.predict = counted(model.predict, keep)
    return logged(scoring_server.init(model), name, log(os.environ.get("LOG")))


def log(form):
    """Return a function that writes a dict as a line on stdout. It never raises: a full disk costs no answer."""
    logger = logging.getLogger("onet_gwa.requests")
    logger.handlers, logger.propagate = [logging.StreamHandler(sys.stdout)], False
    logger.setLevel(logging.INFO)

    def write(entry):
        text = " ".join(f"{key}={'-' if value is None else value}" for key, value in entry.items())
        logger.info("%s", json.dumps(entry) if form == "json" else text)

    return write


def counted(predict, keep=None):
    """Return MLflow's `predict`, which notes how many rows it answers, and gives question and answer to `keep`."""

    @functools.wraps(predict)
    def counting(data, params=None):
        answer = predict(data, params=params)
        NOTED.get({})["rows"] = len(answer)
        if keep:
            keep(data, answer)
        return answer

    return counting


def logged(app, model, write):
    """Return an ASGI app that answers as `app` does, and calls `write` once a request with a dict of what it was.

    These are time, method, path without its query, status, rows (None where none are answered), ms, and the name of
    the `model`, which the header X-Model has too. Status 499 is a caller who went before the whole question had come.
    """
    named = (b"x-model", quote(model).encode())

    async def logging_app(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        noted, begin, gone = {"status": None, "rows": None}, time.perf_counter(), []
        NOTED.set(noted)
        # As it was sent, percent-encoded: what is decoded may hold the end of a line.
        path = scope["raw_path"].decode("ascii", "replace")
        asked = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": scope["method"],
            "path": path,
        }

        def finish():
            noted["ms"] = round(1000 * (time.perf_counter() - begin), 1)
            write({**asked, **noted, "model": model})

        async def hear():
            message = await receive()
            gone.extend([True] * (message["type"] == "http.disconnect"))
            return message

        async def note(message):
            if message["type"] == "http.response.start":
                noted["status"] = 499 if gone else message["status"]
                message = {**message, "headers": [*message.get("headers", ()), named]}
            # Not when the app returns: after its 504 MLflow computes on.
            if message["type"] == "http.response.body" and not message.get("more_body"):
                finish()
            await send(message)

        try:
            await app(scope, hear, note)
        finally:
            if "ms" not in noted:
                finish()

    return logging_app
