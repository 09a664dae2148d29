"""Try the champion in the browser: type tasks, and see their activities and the words that spoke for them.

    PORT=5003 MODEL=onet-gwa python demo/app.py

PORT and MODEL have these defaults. The page asks a scoring server of the champion, which begins and ends with it. Exit
status: 1, with one line, when the port is taken or nothing is the champion; 0 after Ctrl-C.
"""

import contextlib
import logging
import os
import re
import sys
import threading
import webbrowser
from pathlib import Path

import flask
import requests
from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from serve import bind, need_champion  # noqa: E402

from onet_gwa.servers import server  # noqa: E402

NAME = "make demo"
EXAMPLES = [
    "Build and deploy machine learning models for the Bureau of Labor Statistics.",
    "Test wiring in railroad signal boxes for short circuits, and repair defective relays.",
]
MOST = 100


def ask(address, tasks):
    """Return a scoring server's answers to tasks, a list of dicts.

    Raises RequestException where none come, and ValueError, with what the server says, where it refuses a task.
    """
    question = {
        "dataframe_split": {"columns": ["Task"], "data": [[task] for task in tasks]},
        # A line without words gets null, and the other lines their answers.
        "params": {"reasons": True, "skip_bad": True},
    }
    response = requests.post(f"{address}/invocations", json=question, timeout=65)
    # MLflow ignores params that a model was logged without, and so this one may skip no bad row.
    if response.status_code == 400:
        # Before it stand the data.
        raise ValueError(response.json()["message"].rpartition("\nError: ")[2])
    response.raise_for_status()
    return response.json()["predictions"]


def shown(task, answer):
    """Return what the page shows of a task and the answer to it, a dict.

    `pieces` is the task cut into pairs of a text and whether it spoke for an activity; `activities` is a list of dicts
    with name, percent and words, most probable first, or None for a task without words; `model` is who answered. The
    words are None where the model was logged without the param `reasons`.
    """
    if answer["name"] is None:
        return {"pieces": [(task, False)], "activities": None, "model": answer["model"]}
    reasons = answer.get("reasons", [None] * len(answer["name"]))
    spoke = {word.lower() for words in reasons for word in words or ()}
    # What the model takes for a word; to import it from there takes seconds.
    pieces = [(piece, piece.lower() in spoke) for piece in re.split(r"(\w\w+)", task) if piece]
    columns = zip(answer["name"], answer["probability"], reasons, strict=True)
    activities = [{"name": name, "percent": 100 * p, "words": words} for name, p, words in columns]
    return {"pieces": pieces, "activities": activities, "model": answer["model"]}


def create_app(address):
    """Return the Flask app whose page asks the scoring server at `address`, such as "http://127.0.0.1:5001"."""
    app = flask.Flask(__name__)

    def page(text, answers=(), error=None, status=200):
        about = {"text": text, "answers": answers, "error": error, "example": EXAMPLES[0]}
        return flask.render_template("page.html", **about), status

    @app.get("/")
    def form():
        return page("\n".join(EXAMPLES))

    @app.post("/")
    def answer():
        text = flask.request.form.get("tasks", "")
        tasks = [line.strip() for line in text.splitlines() if line.strip()]
        if not tasks:
            return page(text, error=f"The field is blank. Type a task, such as “{EXAMPLES[0]}”", status=400)
        if len(tasks) > MOST:
            said = f"{len(tasks)} tasks are more than the {MOST} that fit here. Leave some out."
            return page(text, error=said, status=400)
        try:
            answers = ask(address, tasks)
        except requests.RequestException as error:
            said = f"The scoring server at {address} does not answer ({type(error).__name__})."
            mend = "End make demo with Ctrl-C in its terminal, and type it again."
            return page(text, error=f"{said} {mend}", status=502)
        except ValueError as error:
            return page(text, error=str(error), status=400)
        return page(text, [shown(*pair) for pair in zip(tasks, answers, strict=True)])

    return app


@contextlib.contextmanager
def scoring_server(uri):
    """Yield the address of a scoring server of the model `uri`; exit with one line where it does not start."""
    command = ["-m", "uvicorn", "--port", "{port}", "--app-dir", str(ROOT), "--factory", "onet_gwa.app:app"]
    with contextlib.ExitStack() as stack:
        try:
            # Of what is typed here no log is kept.
            settings = [f"MODEL_URI={uri}", "ANSWERS=none"]
            address = stack.enter_context(server("env", *settings, sys.executable, *command, ready="/ping"))
        except RuntimeError as error:
            said = re.findall("^make serve: (.*)", str(error), re.M) or str(error).splitlines()
            sys.exit(f"{NAME}: {said[-1]}; promote another version: make promote VERSION=7")
        yield f"http://{address}"


def main():
    listener, keeper = bind(NAME, "5003")
    with listener, keeper:
        uri = need_champion(NAME, os.environ.get("MODEL") or "onet-gwa")
        here = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(f"{NAME}: {uri.removeprefix('models:/')} starts, for {here}", file=sys.stderr)
        with scoring_server(uri) as address:
            listener.listen()
            # Not a line for each request.
            logging.getLogger("werkzeug").setLevel(logging.WARNING)
            pages = make_server("127.0.0.1", 0, create_app(address), threaded=True, fd=listener.fileno())
            print(f"{NAME}: {here} is ready; Ctrl-C ends it", file=sys.stderr)
            # A browser in the terminal would return only when it is closed.
            threading.Thread(target=webbrowser.open, args=[here], daemon=True).start()
            pages.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
