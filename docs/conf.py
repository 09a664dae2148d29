"""The site of the book: the committed pages and notebooks, built without a network by `make site`.

Sphinx's source is the project's root, so that a link between pages leads to the same place on GitHub, in JupyterLab
and on the site.
"""

import json
import sys
import tomllib
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

# The committed outputs are shown. Widgets would fetch their scripts from a CDN, as would mathematics.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
html_math_renderer = "mathjax"
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
# The page at the site's root leads to the book's first one.
html_extra_path = ["_root"]
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


def describe_figures(app, doctree):
    """Give each figure that a notebook has drawn the description that `helpers.show` has put beside it."""
    path = Path(doctree["source"])
    if path.suffix != ".ipynb":
        return
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    drawn = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    images = [image for image in doctree.findall(nodes.image) if "mime_type" in image.parent]
    for output, image in zip(drawn, images, strict=True):
        image["alt"] = output["metadata"]["image/png"]["alt"]


def setup(app):
    app.connect("doctree-read", lead_links)
    app.connect("doctree-read", describe_figures)
    # Cells have magics, such as %%bash.
    app.add_lexer("python", IPython3Lexer)
    app.add_lexer("cron", BashLexer)
    app.add_lexer("csv", TextLexer)
