"""What a figure in a notebook is compared by: its description and its data."""

import matplotlib.pyplot as plt
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


def test_small_noise_is_not_data_and_a_real_change_is(ax):
    [line] = ax.plot([1.0, 2.0])
    before = helpers.figure_data(ax.figure)
    line.set_ydata([1.0 + 1e-12, 2.0])
    assert helpers.figure_data(ax.figure) == before
    line.set_ydata([1.01, 2.0])
    assert helpers.figure_data(ax.figure) != before
