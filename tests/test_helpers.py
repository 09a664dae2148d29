"""The index and the package behind it: sizes, no cycles, and modules that start at once."""

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import helpers
import onet_gwa_model

MODULES = sorted((ROOT / "onet_gwa").glob("*.py"))
NAMES = [f"onet_gwa.{path.stem}" for path in MODULES if path.stem != "__init__"] + ["onet_gwa_model"]
# What takes long to import; pandas imports pyarrow itself, but not its readers.
SLOW = ["mlflow", "matplotlib", "pyarrow.parquet", "papermill", "requests", "pooch", "IPython"]
SLOW += ["nbconvert", "pyspark"]


def imported(path, top_only=False):
    """The modules that a file imports, at its top or anywhere."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else ast.walk(tree)
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes_from(tree, top_only)}


def nodes_from(tree, top_only):
    nodes = tree.body if top_only else ast.walk(tree)
    return [node for node in nodes if isinstance(node, ast.ImportFrom)]


def test_sizes():
    assert len((ROOT / "helpers.py").read_text().splitlines()) <= 60
    lines = {path.name: len(path.read_text().splitlines()) for path in MODULES}
    lines["onet_gwa_model.py"] = len((ROOT / "onet_gwa_model.py").read_text().splitlines())
    assert {name: n for name, n in lines.items() if n > 250} == {}
    tests = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "tests").glob("*.py")}
    assert {name: n for name, n in tests.items() if n > 250} == {}
    tree = ast.parse((ROOT / "onet_gwa_model.py").read_text())
    [node] = [n for n in tree.body if getattr(n, "name", None) == "AtLeastOneLabelClassifier"]
    assert node.end_lineno - node.lineno + 1 <= 50


def test_every_module_has_its_test():
    for name in ("helpers", *(name.rpartition(".")[2] for name in NAMES)):
        assert (ROOT / "tests" / f"test_{name}.py").exists(), name


def test_no_cycles():
    """Imports inside functions count, too."""
    graph = {name: set() for name in NAMES}
    for path in [*MODULES, ROOT / "onet_gwa_model.py"]:
        name = "onet_gwa_model" if path.parent == ROOT else f"onet_gwa.{path.stem}"
        if name in graph:
            graph[name] = imported(path) & set(NAMES)
    assert graph["onet_gwa.tasks"] >= {"onet_gwa.archives", "onet_gwa.tables"}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_what_travels_imports_nothing_of_the_project():
    path = ROOT / "onet_gwa_model.py"
    assert not re.search(r"__import__|import_module|exec\(", path.read_text())
    tops = {name.partition(".")[0] for name in imported(path)}
    assert tops & {"helpers", "onet_gwa", "run_notebook"} == set()
    needed = {"mlflow", "numpy", "pandas", "scipy", "sklearn", "skops", "yaml"}
    assert tops - set(sys.stdlib_module_names) == needed
    from onet_gwa.serving import requirements

    modules = {"scikit-learn": "sklearn", "pyyaml": "yaml"}
    packages = {line.partition("==")[0] for line in requirements()}
    assert {modules.get(package, package) for package in packages} == needed


def test_the_index_lists_what_is_there():
    """Each name is its module's own, and in the order of the data there is no module left out."""
    tree = ast.parse((ROOT / "helpers.py").read_text())
    assert {type(node) for node in tree.body} == {ast.Expr, ast.ImportFrom}
    for node in nodes_from(tree, True):
        module = importlib.import_module(node.module)
        for alias in node.names:
            thing = getattr(helpers, alias.name)
            assert thing is getattr(module, alias.name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                assert thing.__module__ == node.module
    listed = [node.module for node in nodes_from(tree, True)]
    # What reads tables and archives is called by load_tasks, and what knows permissions and SQLite by the store; the
    # app is what `make serve` runs, and batches of statements are what tools/score.py reads.
    inner = {
        "onet_gwa.app",
        "onet_gwa.archives",
        "onet_gwa.batches",
        "onet_gwa.permissions",
        "onet_gwa.sqlite",
        "onet_gwa.statements",
        "onet_gwa.tables",
    }
    assert set(NAMES) - set(listed) == inner
    assert helpers.AtLeastOneLabelClassifier is onet_gwa_model.AtLeastOneLabelClassifier


ALONE = f"""
import os, sys, time
import pandas, sklearn.compose, sklearn.linear_model, sklearn.model_selection, sklearn.multiclass
for name in {[*NAMES, "helpers"]}:
    if os.fork() == 0:
        assert not [m for m in sys.modules if m.startswith(("onet_gwa", "helpers"))]
        before = time.process_time()
        __import__(name)
        print(name, time.process_time() - before, *sorted(set({SLOW}) & set(sys.modules)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@pytest.mark.slow
def test_each_module_alone():
    """In a process that knows pandas and scikit-learn, each can be the first, and takes next to no CPU."""
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [*NAMES, "helpers"]
    assert [row for row in rows if row[2:]] == []
    assert [row for row in rows if float(row[1]) > 0.5] == []


@pytest.mark.slow
def test_loading_the_sample_needs_nothing_slow():
    code = (
        f"import sys, helpers; labels = helpers.load_labels(); helpers.load_tasks('sample', labels); "
        f"print(sorted(set({SLOW}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
