"""The site of the book: the committed pages and notebooks, built without a network by `make site`.

Sphinx's source is the project's root, so that a link between pages leads to the same place on GitHub, in JupyterLab
and on the site.
"""

import json
import sys
import tomllib
from itertools import groupby
from pathlib import Path

from docutils import nodes
from ipython_pygments_lexers import IPython3Lexer
from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from sphinx import addnodes

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "O*NET tasks with scikit-learn and MLflow"
html_title = "From a notebook to a served model"
version = release = about["version"]
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/reference/*.md",
    "notebooks/*.ipynb",
    "data/README.md",
    "benchmarks/*.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
nitpicky = True
# What is in quotes is to be typed, and two hyphens are those of an option.
smartquotes = False
# The docstrings have code between single backticks.
default_role = "code"

# The committed outputs are shown. Widgets would fetch their scripts from a CDN.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
# The page at the site's root leads to the book's first one.
html_extra_path = ["_root"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["book.html"]}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": html_title},
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def lead_links(app, doctree):
    """Lead links to README.md, GitHub's first page, to the site's, and take those to folders, which a site has not."""
    here = Path(doctree["source"]).parent
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link["refdomain"] == "doc" and link["reftarget"] == "README":
            link.attributes |= {"reftarget": root_doc, "reftargetid": None}
        elif link["refdomain"] is None and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def cells(doctree):
    """Return the cells of the notebook that was read, a list; of a page of text an empty one."""
    path = Path(doctree["source"])
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.suffix == ".ipynb" else []


def describe_figures(app, doctree):
    """Give each figure that a notebook has drawn the description that `helpers.show` has put beside it."""
    outputs = [output for cell in cells(doctree) for output in cell.get("outputs", [])]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    images = [image for image in doctree.findall(nodes.image) if "mime_type" in image.parent]
    for output, image in zip(drawn, images, strict=True):
        image["alt"] = output["metadata"]["image/png"]["alt"]


def collapse_solutions(app, doctree):
    """Put the cells of each solution, text and code, into one element that a reader opens."""
    solutions = {k for k, cell in enumerate(cells(doctree)) if "solution" in cell["metadata"].get("tags", [])}
    for section in list(doctree.findall(nodes.section)) if solutions else ():
        children = []
        for solved, group in groupby(section.children, lambda node: cell_of(node) in solutions):
            group = list(group)
            for node in group if solved else ():
                node.attributes.pop("hide_mode", None)
            opening = nodes.raw("", '<details class="solution"><summary>Solution</summary>', format="html")
            closing = nodes.raw("", "</details>", format="html")
            children += [opening, *group, closing] if solved else group
        section.children = []
        section.extend(children)


def cell_of(node):
    """Return the index of the cell that a node of a notebook's page comes from."""
    # myst-nb counts the lines of the first cell from 10,000 on, those of the second from 20,000.
    return node["cell_index"] if "cell_index" in node else (node.line or 0) // 10000 - 1


def setup(app):
    app.connect("doctree-read", lead_links)
    app.connect("doctree-read", describe_figures)
    app.connect("doctree-read", collapse_solutions)
    # Cells have magics, such as %%bash.
    app.add_lexer("python", IPython3Lexer)
    app.add_lexer("cron", BashLexer)
    app.add_lexer("csv", TextLexer)
