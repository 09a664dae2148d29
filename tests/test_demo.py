"""The page of `make demo` in a browser, on a served champion, and how it begins and ends."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest
from browser import PHONE, browser, serious  # noqa: F401
from conftest import ROOT, copy_project, make_command, run_in, wait
from test_app import without

from demo.app import EXAMPLES, MOST, create_app, main, scoring_server

pytestmark = pytest.mark.slow
TASKS = ["Repair the pumps, and repair their valves.", "Teach adults to read <b>maps</b> & plans."]
LABEL, BUTTON = "Tasks, one per line", "Show the activities"


def project_of(folder):
    """A copy of the project with the page, and a `make` command for it."""
    project = copy_project(folder / "the project")
    shutil.copytree(ROOT / "demo", project / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    return project, make_command(project, "demo")


@pytest.fixture(scope="module")
def address(versions, tmp_path_factory):
    """The page's address, which a browser was told. One Ctrl-C ends all of it, as asserted at the end."""
    folder = tmp_path_factory.mktemp("demo")
    project, command = project_of(folder)
    told = folder / "told"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # What a user's command of a browser gets is kept in a file.
    env = {**os.environ, "PORT": port, "BROWSER": f"sh -c 'echo $0 >{told}' %s"}
    with open(folder / "err", "w") as err:
        process = subprocess.Popen(
            command,
            cwd=project,
            env=env,
            stderr=err,
            start_new_session=True,
            # A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait(lambda: process.poll() is not None or (told.exists() and told.read_text()), 300)
        assert process.poll() is None, (folder / "err").read_text()
        assert told.read_text() == f"http://127.0.0.1:{port}\n"
        yield told.read_text().strip()
        started = psutil.Process(process.pid).children(recursive=True)
        assert any("uvicorn" in child.cmdline() for child in started)
        # A terminal sends it to make and to what make has started.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        assert psutil.wait_procs(started, timeout=10)[1] == []
        assert "Traceback" not in (folder / "err").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture
def page(browser, address):  # noqa: F811
    """The page, which asks nobody else, and whose script makes no error, as asserted at the end."""
    with contextlib.closing(browser.new_context()) as context:
        page, asked, errors = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == [] and errors == []


def send(page, *tasks):
    page.get_by_label(LABEL).fill("\n".join(tasks))
    with page.expect_navigation():
        page.get_by_role("button", name=BUTTON).click()


def test_two_tasks(page):
    """The page shows what the champion answers."""
    send(page, TASKS[0], "", f"  {TASKS[1]} ")
    model = mlflow.pyfunc.load_model("models:/onet-gwa@champion")
    expected = model.predict(pd.DataFrame({"Task": TASKS}), params={"reasons": True})
    rows = page.locator("ol > li").all()
    assert [row.locator(".task").inner_text() for row in rows] == TASKS
    for row, (_, answer) in zip(rows, expected.iterrows(), strict=True):
        names, percents = (
            row.locator(f".activity span:{end}-child").all_inner_texts() for end in ("first", "last")
        )
        assert names == answer["name"]
        assert percents == [f"{100 * p:.0f}%" for p in answer["probability"]]
        said = [f"because of: {', '.join(words)}" for words in answer["reasons"] if words]
        assert (
            said and [text for text in row.locator(".words").all_inner_texts() if "because" in text] == said
        )
        marked = {text.lower() for text in row.locator("mark").all_inner_texts()}
        assert marked == {word.lower() for words in answer["reasons"] for word in words}
        for bar, p in zip(row.locator("svg").all(), answer["probability"], strict=True):
            whole, part = (bar.locator(name).bounding_box() for name in (".whole", ".part"))
            assert part["width"] == pytest.approx(p * whole["width"], abs=1)
            assert (part["x"], whole["x"]) == (page.locator("textarea").bounding_box()["x"],) * 2
    assert {"Repair", "repair"} <= set(page.locator("mark").all_inner_texts())
    assert "Answered by onet-gwa/1." in page.locator(".note").inner_text()


def test_what_is_typed_is_no_html(page):
    typed = "</textarea><img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> repair"
    send(page, typed)
    assert page.locator(".task").inner_text() == typed == page.get_by_label(LABEL).input_value()
    assert page.locator("main img, main script").count() == 0 and page.title() != "broken"


def test_the_keyboard(page):
    """From the field to the button by Tab; Ctrl-Enter sends, and leads to the answers."""
    assert page.evaluate("document.activeElement.id") == "tasks"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == BUTTON
    page.keyboard.press("Shift+Tab")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    assert page.locator(".task").all_inner_texts() == EXAMPLES
    assert page.evaluate("document.activeElement.id") == "answers"


@pytest.mark.parametrize(
    "text, said",
    [
        (" \n\t\n", f"The field is blank. Type a task, such as “{EXAMPLES[0]}”"),
        (
            "Repair a pump.\n" * (MOST + 1),
            f"{MOST + 1} tasks are more than the {MOST} that fit here. Leave some out.",
        ),
    ],
    ids=["blank", "many"],
)
def test_an_error_is_one_line_beside_the_field(text, said, page):
    send(page, text)
    assert page.get_by_role("alert").inner_text() == said
    field = page.get_by_label(LABEL)
    assert field.get_attribute("aria-describedby") == page.get_by_role("alert").get_attribute("id")
    assert page.evaluate("document.activeElement.id") == "tasks"
    assert field.input_value() == text


def test_a_line_without_words(page):
    """It says so, and the other line has its answer."""
    send(page, "12 34 !!!", TASKS[0])
    [bad, good] = page.locator("ol > li").all()
    assert (
        bad.locator(".refused").inner_text().startswith("This line has no words in it. A task is a sentence")
    )
    assert bad.locator("svg").count() == 0 and good.locator("svg").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe(scheme, page):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shown == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]
    for tasks in (["x" * 300, "12 34", *TASKS], [" "]):
        assert serious(page) == set()
        send(page, *tasks)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert serious(page) == set()


def test_a_scoring_server_that_is_down(free_port):
    """No mock: nothing listens there."""
    gone = f"http://127.0.0.1:{free_port}"
    answer = create_app(gone).test_client().post("/", data={"tasks": TASKS[1]})
    assert answer.status_code == 502
    said = f"The scoring server at {gone} does not answer (ConnectionError). End make demo with Ctrl-C in its terminal"
    assert said in answer.text and "&lt;b&gt;maps&lt;/b&gt; &amp; plans." in answer.text


def test_a_port_that_is_taken(tmp_path):
    """It is seen before the store is looked at."""
    project, command = project_of(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run_in(project, *command, PORT=str(port), MLFLOW_TRACKING_URI="sqlite:////no/where/mlflow.db")
    [said] = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0 and done.stdout == ""
    assert said.startswith(f"make demo: port {port} cannot be used (")
    assert said.endswith("; name another: make demo PORT=5002")


def test_no_champion(versions, monkeypatch, free_port, capsys):
    monkeypatch.setenv("PORT", str(free_port))
    monkeypatch.setenv("MODEL", "else")
    with pytest.raises(SystemExit) as end:
        main()
    where = f"has no champion yet in {mlflow.get_tracking_uri()}"
    said = f"make demo: else {where}; a run with this registered_model_name trains one"
    assert (end.value.code, *capsys.readouterr()) == (said, "", "")


def test_a_champion_without_params(versions):
    """It answers without words, and refuses the line without a sentence, as MLflow ignores what is asked of it."""
    uri = versions.get_model_version("onet-gwa", "2").source
    signature = mlflow.models.get_model_info(uri).signature
    mlflow.models.set_signature(uri, mlflow.models.ModelSignature(signature.inputs, signature.outputs))
    with scoring_server("models:/onet-gwa/2") as address:
        client = create_app(address).test_client()
        good, bad = (client.post("/", data={"tasks": task}) for task in (TASKS[0], "12 34"))
    assert good.status_code == 200 and "Answered by onet-gwa/2." in good.text
    assert '<p class="activity">' in good.text
    assert '<p class="words">' not in good.text and "<mark>" not in good.text
    said = "row 1: Task &#39;12 34&#39; is not a text with words in it; send a sentence in each row"
    assert bad.status_code == 400 and f'role="alert">{said}</p>' in bad.text


def test_a_champion_that_is_damaged(versions):
    source = versions.get_model_version_download_uri("onet-gwa", "1")
    file = Path(mlflow.artifacts.download_artifacts(source), "data", "model", "pipeline.skops")
    with without(file):
        file.write_bytes(b"no archive")
        with pytest.raises(SystemExit) as end, scoring_server("models:/onet-gwa/1"):
            pytest.fail("it answers")
    assert re.fullmatch(
        r"make demo: onet-gwa/1 cannot be loaded: ValueError\(.*; promote another version: make promote VERSION=7",
        end.value.code,
    )
