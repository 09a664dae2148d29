"""Take pictures of MLflow's UI and of the demo in headless Chromium.

    python tools/screenshots.py

Trains two models on the sample into a temporary store, opens `mlflow ui` and the demo on it, and writes
docs/pictures/ui-*.png and demo.png. Needs playwright and /usr/bin/chromium. Look at the pictures before you
commit them: nothing compares them. Exit status: 0, or 1, with one line, when a job fails or a page asks another
host for something.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from picture import PICTURES
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
# The assistant, which MLflow opens by itself, would take a quarter of the page.
QUIET = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


def train(C):
    """Run the job for a grid; return its run."""
    job = [sys.executable, ROOT / "run_notebook.py", "--C", C, "--penalty", "l2"]
    done = subprocess.run(job, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"screenshots.py: {done.stderr.splitlines()[-1]}")
    return mlflow.search_runs(search_all_experiments=True, output_format="list")[0].info


def views(first, second):
    """Return the pictures by name: the path of a page, what is clicked there, and where it is scrolled to."""
    both = f'["{first.run_id}","{second.run_id}"]'
    artifacts = f"experiments/{first.experiment_id}/runs/{second.run_id}/artifacts"
    return {
        "runs": (
            f'compare-runs?runs={both}&experiments=["{first.experiment_id}"]',
            ["Visualizations", "Run details", "Show diff only"],
            "main >> text=Comparing 2 Runs",
        ),
        "artifacts": (artifacts, ["figures", "search.png"], "main >> text=figures/search.png"),
        "registry": ("models/onet-gwa", ["Description", "Tags"], "main >> text=Version 2"),
        "notebook": (
            artifacts,
            ["notebook", "02_pipeline_training.html"],
            "iframe >> internal:control=enter-frame >> text=# Parameters",
        ),
    }


def small(png):
    """Return a PNG with 128 colors, a third of the size."""
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


@contextlib.contextmanager
def opened(width, height):
    """Yield a page in a browser; exit when it has asked a host that is not this machine."""
    hosts = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.set_default_timeout(120_000)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        yield page
        browser.close()
    elsewhere = hosts - {"127.0.0.1", None}
    if elsewhere:
        sys.exit(f"screenshots.py: a page asked {', '.join(sorted(elsewhere))}")


def take(address, pages):
    """Return the pictures of the UI at an address, by name."""
    pictures = {}
    with opened(1060, 660) as page:
        page.add_init_script(QUIET)
        page.goto(f"http://{address}/")
        page.get_by_text("Model training", exact=True).click()
        for name, (path, clicks, end) in pages.items():
            page.goto(f"http://{address}/#/{path}")
            for text in clicks:
                page.locator("main").get_by_text(text, exact=True).first.click()
            page.locator(end).first.evaluate("element => element.scrollIntoView({block: 'center'})")
            # The UI asks for news for as long as it is open, so that its network never rests.
            page.wait_for_timeout(5_000)
            pictures[f"ui-{name}"] = small(page.locator("main").screenshot(animations="disabled"))
    return pictures


def take_demo(address):
    """Return the picture of the demo's answers to its examples."""
    with opened(800, 900) as page:
        page.goto(f"http://{address}/")
        page.click("button")
        return small(page.screenshot(full_page=True))


def main():
    sys.path.insert(0, str(ROOT))
    import helpers

    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        os.environ |= {"MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
        helpers.connect()
        first = train("1,10")
        demo = ["env", "PORT={port}", "BROWSER=true", sys.executable, str(ROOT / "demo" / "app.py")]
        with helpers.server(*demo, ready="/") as address:
            pictures = {"demo": take_demo(address)}
        pages = views(first, train("0.1,100"))
        with helpers.server("mlflow", "ui", "--backend-store-uri", store, "--port", "{port}") as address:
            pictures |= take(address, pages)
    for name, png in pictures.items():
        (PICTURES / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
