"""The site of the book, as it is built and as a browser shows it.

Pages are visited once, and looked at by several tests. Without Chromium only the tests of the files are done.
"""

import contextlib
import functools
import json
import os
import re
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import PHONE, browser, serious  # noqa: F401
from bs4 import BeautifulSoup
from conftest import ROOT
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
DESK = {"width": 1300, "height": 900}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = [path for path in NOTEBOOKS if path.stem.endswith("_exercises")]
# One page of each kind; the colors of the dark mode are the same on all.
KINDS = [
    "docs/index",
    "notebooks/05_make_it_fast",
    "notebooks/01_exercises",
    "docs/when-it-breaks",
    "search",
]
SEEN = [(kind, "light") for kind in KINDS] + [(KINDS[1], "dark"), ("docs/reference/programs", "dark")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built by the command of `make site`, and without a network."""
    [command] = re.findall(r"\$\(BIN\)/(sphinx-build .*)", (ROOT / "Makefile").read_text())
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"], "http://127.0.0.1:9")
    done = subprocess.run(
        command.replace("site/", f"{folder}/").split(),
        cwd=ROOT,
        env=os.environ | nowhere,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    """The parsed pages of the site, by their path in it."""
    files = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    return {str(path.relative_to(site)): BeautifulSoup(path.read_text(), "html.parser") for path in files}


def sources():
    """The pages that the project has, as paths of the site: all notebooks, and all texts of some folders."""
    listed = subprocess.run(["git", "ls-files", "*.md", "*.ipynb"], cwd=ROOT, capture_output=True, text=True)
    paths = map(Path, listed.stdout.split())
    kept = [path for path in paths if len(path.parts) > 1 or path.stem not in ("README", "LICENSE")]
    return {str(path.with_suffix(".html")) for path in kept}


def test_every_page_is_in_the_contents(pages):
    links = pages["docs/index.html"].select("nav.bd-docs-nav a[href]")
    reached = {os.path.normpath(f"docs/{link['href']}") for link in links}
    assert sources() - {"docs/index.html"} == reached


def test_the_contents_have_the_titles_of_the_notebooks(pages):
    listed = {link["href"]: link.get_text() for link in pages["docs/index.html"].select(".toctree-wrapper a")}
    for path in NOTEBOOKS:
        title = pages[f"notebooks/{path.stem}.html"].h1.find(string=True).removeprefix("Exercises: ")
        assert listed[f"../notebooks/{path.stem}.html"] == f"{path.stem[:2]} {title}"


def test_the_landing_page_shows_what_the_readme_shows():
    """The two commands, the question and its answer, the picture."""
    readme = (ROOT / "README.md").read_text()
    home = (ROOT / "docs" / "index.md").read_text().split("```{toctree}")[0]
    blocks = re.findall(r"```\w+\n.*?```", home, re.DOTALL)
    assert len(blocks) == 4 and [block for block in blocks if block not in readme] == []
    [picture] = re.findall(r"!\[.*?\]", home)
    assert picture in readme


def test_links_hold(pages, site):
    ids = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for tag in page.find_all(["a", "link", "script", "img"]):
            target = urlsplit(tag.get("href") or tag.get("src") or "")
            if target.scheme:
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), unquote(target.path)))
            path = path if target.path else name
            anchor = unquote(target.fragment)
            if not (site / path).is_file() or (anchor and path in ids and anchor not in ids[path]):
                broken.append((name, target.geturl()))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(pages, site):
    """By the files; what scripts ask for is seen in the browser."""
    loaded = [
        (name, tag.get("src") or tag.get("href"))
        for name, page in pages.items()
        for tag in page.find_all(["script", "img", "link", "iframe", "source", "video"])
    ]
    assert [(name, address) for name, address in loaded if re.match("(https?:)?//", address or "")] == []
    styles = {
        path.name: re.findall(r"url\(['\"]?((?:https?:)?//[^)]*)", path.read_text())
        for path in site.rglob("*.css")
    }
    assert len(styles) > 3 and [name for name, found in styles.items() if found] == []


def test_figures_are_described(pages):
    """By the words that the notebook has beside them."""
    for path in NOTEBOOKS:
        outputs = [o for cell in json.loads(path.read_text())["cells"] for o in cell.get("outputs", [])]
        told = [o["metadata"]["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
        shown = pages[f"notebooks/{path.stem}.html"].select("div.cell_output img")
        assert [image["alt"] for image in shown] == told
    assert [(name, image) for name, page in pages.items() for image in page.select("img:not([alt])")] == []


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.name)
def test_solutions_are_collapsed(path, pages):
    """All that a solution has is in an element that is closed, and nothing else is."""
    page = pages[f"notebooks/{path.name}".replace(".ipynb", ".html")]
    solved = [c for c in json.loads(path.read_text())["cells"] if "solution" in c["metadata"].get("tags", [])]
    hidden = page.select("details.solution")
    assert hidden and all(not tag.has_attr("open") for tag in hidden)
    assert len(page.select("details.solution div.cell")) == sum(c["cell_type"] == "code" for c in solved)
    assert not [tag for tag in page.find_all("strong", string="Solution.") if not tag.find_parent("details")]
    assert page.find_all("h2") and not page.select("details.solution h2")


@pytest.fixture(scope="module")
def address(site):
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *arguments: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(browser, address):  # noqa: F811
    with contextlib.closing(browser.new_context(viewport=DESK, base_url=address)) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def visits(browser, address, pages):  # noqa: F811
    """What each page did, by its path: said on the console, asked elsewhere, showed no image, was too wide."""
    # The root's page leads to another at once.
    told = {name: [] for name in pages if name != "index.html"}
    with contextlib.closing(browser.new_context(viewport=DESK, base_url=address)) as context:
        page = context.new_page()
        page.on("console", lambda said: told[name].append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: told[name].append(f"error: {error}"))
        page.on(
            "request", lambda asked: asked.url.startswith(address) or told[name].append(f"asked {asked.url}")
        )
        page.on("response", lambda got: got.status < 400 or told[name].append(f"{got.status} {got.url}"))
        for name in told:
            page.goto(name)
            page.evaluate("document.querySelectorAll('details').forEach(hidden => hidden.open = true)")
            page.set_viewport_size(PHONE)
            found = page.evaluate(
                "[...document.images].filter(i => !i.naturalWidth || !i.getBoundingClientRect().width).map(i => i.src)"
            )
            told[name] += [f"not shown: {source}" for source in found]
            told[name].append(f"width: {page.evaluate('document.documentElement.scrollWidth')}")
            page.set_viewport_size(DESK)
    return told


def test_no_page_complains(visits):
    said = {
        name: [line for line in lines if not line.startswith(("width:", "log:"))]
        for name, lines in visits.items()
    }
    assert len(said) > 20 and {name: lines for name, lines in said.items() if lines} == {}


def test_every_page_fits_a_phone(visits):
    widths = {name: int(lines[-1].removeprefix("width: ")) for name, lines in visits.items()}
    assert {name: width for name, width in widths.items() if width > PHONE["width"]} == {}


def test_search(page):
    """From the site's root, which leads to the first page."""
    page.goto("/")
    page.wait_for_url("**/docs/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("signature")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="Serve the model").first.click()
    expect(page.locator("main")).to_contain_text("signature")


def test_the_keyboard_reaches_all(page):
    page.goto("docs/serving.html")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to main content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_be_hidden()


def test_a_phone_has_the_contents(page):
    page.set_viewport_size(PHONE)
    page.goto("docs/index.html")
    link = page.get_by_role("dialog").get_by_role("link", name="03 Execute the project").first
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Site navigation").press("Enter")
    link.click()
    expect(page).to_have_title(re.compile("^Execute the project"))


def test_a_solution_opens(page):
    page.goto(f"notebooks/{EXERCISES[0].stem}.html")
    solution = page.locator("details.solution").first
    expect(solution.locator("p").first).to_be_hidden()
    solution.locator("summary").click()
    expect(solution.locator("p").first).to_be_visible()
    solution.locator("summary").press("Enter")
    expect(solution.locator("p").first).to_be_hidden()


@pytest.mark.parametrize("kind, scheme", SEEN)
def test_axe_finds_nothing_serious(kind, scheme, page):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{kind}.html")
    assert serious(page) == set()
