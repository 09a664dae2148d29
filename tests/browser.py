"""What tests in a browser share: the system's Chromium, and axe. Where one of them is absent, they are skipped."""

import shutil

import pytest

sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    """Playwright's browser, for the tests of one file: its event loop would be in the way of notebooks."""
    if not CHROMIUM:
        pytest.skip("there is no chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def serious(page):
    """Return the faults of a page that axe takes for serious or critical, as pairs of a rule and an element."""
    return {
        (fault["id"], node["html"])
        for fault in Axe().run(page).response["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    }
