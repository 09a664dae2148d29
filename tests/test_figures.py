"""A figure in a notebook: its caption, the data it is compared by, and its place on the notebook's page."""

import io
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

import helpers


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.mark.parametrize(
    "draw, lines",
    [
        (lambda ax: ax.plot([0, 1], [2, 0.12345]), ["line", "    x: 0 1", "    y: 2 0.123"]),
        (lambda ax: ax.plot([-1e-17, -0.0], [1, 1]), ["line", "    x: 2 times 0", "    y: 2 times 1"]),
        (
            lambda ax: ax.barh(["b", "a"], [5, 7]),
            ["y axis: ", "    b; a", "bars", "    x: 2 times 0", "    y: -0.4 0.6", "    width: 5 7"],
        ),
        (
            lambda ax: ax.hist([1, 1, 3], bins=[0, 2, 4]),
            ["    x: 0 2", "    y: 2 times 0", "    width: 2 times 2", "    height: 2 1"],
        ),
        (lambda ax: ax.bar([0], [12345]), ["    height: 1 times 12345"]),
        (lambda ax: ax.scatter([1, 2], [3, 4]), ["points", "    x: 1 2", "    y: 3 4"]),
        (lambda ax: ax.errorbar([1], [5], yerr=[2]), ["points", "    x: 2 times 1", "    y: 3 7"]),
        (lambda ax: ax.imshow([[1, 2], [3, 4]]), ["    colors: 1 2 3 4"]),
        (lambda ax: ax.pcolormesh([[1, 2], [3, 4]]), ["    colors: 1 2 3 4"]),
        (lambda ax: ax.plot(np.arange(101)), ["    x: 101 from 0 to 100, mean 50"]),
        (lambda ax: (ax.plot([1], label="cat"), ax.legend(), ax.text(0, 0, "dog")), ["texts: dog; cat"]),
        (lambda ax: ax.set(title="T", xlabel="X", ylabel="Y"), ["T", "x axis: X", "y axis: Y"]),
        (lambda ax: ax.set_title("T", loc="left"), ["T"]),
        (
            lambda ax: (ax.plot([1, 10]), ax.set_xticks([0, 1], ["one", "two"])),
            ["    one; two"],
        ),
    ],
)
def test_figure_data(ax, draw, lines):
    draw(ax)
    ax.figure.canvas.draw()
    data = helpers.figure_data(ax.figure).splitlines()
    start = data.index(lines[0])
    assert data[start : start + len(lines)] == lines


def test_a_figure_is_shown_with_its_caption(ax, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    ax.plot([0, 1], [2, 3])
    caption = "The score *rises* from 2 to 3."
    helpers.show(ax.figure, caption)
    (image, options), (text, _) = shown
    assert image["image/png"].startswith(b"\x89PNG") and options["metadata"]["image/png"]["alt"] == caption
    assert image["text/plain"].splitlines()[0] == caption
    assert image["text/plain"].endswith("line\n    x: 0 1\n    y: 2 3")
    assert text == {"text/markdown": "*The score \\*rises\\* from 2 to 3.*", "text/plain": caption}
    assert not plt.fignum_exists(ax.figure.number)


def test_dollars_in_names_are_no_formula_and_the_numbers_of_a_log_axis_are(ax, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *arguments, **options: None)
    name = "Fees from $5, 10% of events, up to $9"
    ax.barh([name, "free"], [1, 1000], label=name)
    ax.set(xscale="log", title=name, xlabel=name)
    ax.legend()
    helpers.show(ax.figure, "Fees are higher.")
    # As mlflow.log_figure does.
    ax.figure.savefig(io.BytesIO(), format="png")
    labels, numbers = ax.get_yticklabels(), ax.get_xticklabels()
    assert [label.get_text() for label in labels] == [name, "free"]
    assert [text.get_parse_math() for text in (*labels, *numbers)] == [False] * 2 + [True] * len(numbers)
    assert "$\\mathdefault{10^{2}}$" in [text.get_text() for text in numbers]


def test_the_page_of_a_notebook(tmp_path):
    picture = nbformat.v4.new_output(
        "display_data",
        {"image/png": "iVBORw0KGgo=", "text/plain": "x"},
        metadata={"image/png": {"alt": 'The "score" rises.'}},
    )
    cell = nbformat.v4.new_code_cell("1", outputs=[picture], execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    page = helpers.render(tmp_path / "page.ipynb")
    [image] = re.findall(r"<img [^>]*>", page)
    assert "alt='The \"score\" rises.'" in image and 'src="data:image/png;base64,iVBORw0KGgo="' in image
    assert "No description has been provided" not in page and not re.search("<script[^>]* src=.http", page)


def test_small_noise_is_not_data_and_a_real_change_is(ax):
    [line] = ax.plot([1.0, 2.0])
    before = helpers.figure_data(ax.figure)
    line.set_ydata([1.0 + 1e-12, 2.0])
    assert helpers.figure_data(ax.figure) == before
    line.set_ydata([1.01, 2.0])
    assert helpers.figure_data(ax.figure) != before
