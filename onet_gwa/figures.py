"""Figures in a notebook: shown with a caption, compared by their data, and kept on the notebook's page."""

import html
import io

import numpy as np


def show(figure, caption):
    """Display a matplotlib figure in a notebook with a caption below it, and close it.

    `caption` says in words what the figure shows: it is visible, and the image's `alt` metadata for who cannot
    see it. The image's plain text is the caption and `figure_data`: a test of the notebook does not compare
    pixels, so it compares what they show. A `$` in the figure's texts is a dollar, and begins no formula.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display
    from matplotlib.text import Text

    # Between two `$`, as in the name of a label, matplotlib sees a formula, which the numbers of a log axis are.
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) if axis.get_scale() == "log"]
    numbers = {label for axis in axes for label in axis.get_ticklabels(which="both")}
    for text in set(figure.findobj(Text)) - numbers:
        text.set_parse_math(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    # It is laid out now, which takes most of the time; saving it once more need not do that again.
    figure.set_layout_engine("none")
    plt.close(figure)
    image = {"image/png": png.getvalue(), "text/plain": f"{caption}\n{figure_data(figure)}"}
    display(image, metadata={"image/png": {"alt": caption}}, raw=True)
    # JupyterLab does not use `alt`.
    text = caption.replace("*", "\\*")
    display({"text/markdown": f"*{text}*", "text/plain": caption}, raw=True)


def figure_data(figure):
    """Return what the axes of a drawn figure hold, as lines of text: titles, labels, legend, numbers.

    Numbers other than whole ones have three significant digits; of more than 100 only the count, the range
    and the mean are told.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    lines = []
    for ax in figure.axes:
        lines += [title for title in map(ax.get_title, ("left", "center", "right")) if title]
        for name, axis in {"x": ax.xaxis, "y": ax.yaxis}.items():
            lines.append(f"{name} axis: {axis.get_label_text()}")
            # Tick labels that are not numbers of a scale are data, such as the names of bars.
            if not isinstance(axis.get_major_formatter(), (ScalarFormatter, LogFormatter)):
                lines.append("    " + "; ".join(label.get_text() for label in axis.get_ticklabels()))
        legend = ax.get_legend()
        texts = [text.get_text() for text in (*ax.texts, *(legend.get_texts() if legend else ()))]
        if texts:
            lines.append(f"texts: {'; '.join(texts)}")
        for line in ax.lines:
            lines += ["line", *_columns("xy", line.get_xydata())]
        bars = [bar.get_path().get_extents(bar.get_patch_transform()).bounds for bar in ax.patches]
        if bars:
            lines += ["bars", *_columns(("x", "y", "width", "height"), bars)]
        for drawn in ax.collections:
            scattered = isinstance(drawn, PathCollection)
            points = drawn.get_offsets() if scattered else np.vstack([p.vertices for p in drawn.get_paths()])
            lines += ["points", *_columns("xy", points)]
        for drawn in (*ax.collections, *ax.images):
            if drawn.get_array() is not None:
                lines += _columns(["colors"], np.reshape(drawn.get_array(), (-1, 1)))
    return "\n".join(lines)


def _columns(names, rows):
    """Return a line of text for each column of an array (n, len(names)), for `figure_data`."""
    lines = []
    # This makes 0 of -0 and of what is not zero only by a processor's last bit.
    for name, column in zip(names, np.round(np.asarray(rows, dtype=float).T, 9) + 0.0):
        texts = [f"{value:.0f}" if value.is_integer() else f"{value:.3g}" for value in column.tolist()]
        if len(column) > 100:
            told = f"{len(column)} from {column.min():.3g} to {column.max():.3g}, mean {column.mean():.3g}"
        elif len(set(texts)) == 1:
            told = f"{len(column)} times {texts[0]}"
        else:
            told = " ".join(texts)
        lines.append(f"    {name}: {told}")
    return lines


def render(notebook):
    """Return an executed notebook, a file, as the text of an HTML page in which images keep their descriptions."""
    import nbformat
    from nbconvert import HTMLExporter

    node = nbformat.read(notebook, as_version=4)
    for output in (output for cell in node.cells for output in cell.get("outputs", [])):
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt:
            image = f"data:image/png;base64,{output.data.pop('image/png')}"
            output.data["text/html"] = f'<img src="{image}" alt="{html.escape(alt)}">'
    # Without these two addresses the page asks the network for scripts that it does not need.
    return HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(node)[0]
