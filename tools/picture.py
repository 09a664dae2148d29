"""Draw the picture of the whole, once plain and once for each notebook with its station marked.

    python tools/picture.py

Writes docs/pictures/whole.svg, and whole-01.svg to whole-07.svg. `alt` says in words what they show. Exit status: 0.
"""

from html import escape
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 700, 736
# As it is shown, in shares of its drawing: below it, a lesson's first list is to be seen.
SHOWN = 0.7
INK, PAPER, MARK, SOFT = "#1a1a1a", "#ffffff", "#00507d", "#eef2f5"

DASHES = ' stroke-dasharray="8 5"'

# Each station: left, top, width, height, title, and what it does.
STATIONS = {
    "01": (40, 112, 290, 76, "Prepare the data", "X: text, y: 37 columns"),
    "03": (370, 112, 290, 76, "Execute the project", "papermill sets C"),
    "02": (40, 216, 620, 130, "Train and track the pipeline", ""),
    "05": (40, 374, 290, 76, "Make it fast", "same answers, sooner"),
    "04": (40, 478, 290, 76, "Serve the model", "a server answers curl"),
    "06": (370, 478, 290, 76, "Scale out", "score answers a table"),
    "07": (40, 646, 620, 76, "Keep watch", "weeks of answers, limits, new labels"),
}
# What goes in and what comes out: left, top, width, height, lines; the last is set as code.
PAPERS = [
    (40, 14, 290, 70, ("Tasks", "Repair a leaking pump.")),
    (370, 14, 290, 70, ("A command", 'mlflow run . -P C="1,10"')),
    (40, 574, 290, 52, ("Repairing … (0.95)",)),
    (370, 574, 290, 52, ("answers/*.parquet",)),
]
# The parts of notebook 02: left, title, and an example.
STEPS = [(60, "search", "C = 1 or 10?"), (262, "run", "scores, model"), (464, "registry", "champion")]
ARROWS = [
    "M185 84 V110",
    "M515 84 V110",
    "M185 188 V214",
    "M515 188 V214",
    "M515 346 V476",
    "M515 412 H350 V516 H332",
    "M185 554 V572",
    "M515 554 V572",
    "M185 626 V644",
    "M515 626 V644",
    "M40 684 H18 V49 H38",
]
BETWEEN_STEPS = ["M236 303 H260", "M438 303 H462"]
# Notebook 05 is no step of the way: it looks at training and at answering.
LOOKS = ["M185 374 V346", "M185 450 V478"]

MARKED = {
    "01": "task statements become X, a column of text, and y, 37 columns of 0 and 1, to train on",
    "02": "X and y go through search and run to the registry, where one version is the champion",
    "03": "a command with a list for C has papermill set C in notebook 02 and execute it",
    "04": "the champion goes from the registry to a server, which answers curl",
    "05": "it looks at training, above it, and at answering, below it: the same answers, sooner",
    "06": "the champion goes from the registry to the job score, which answers a whole table",
    "07": "answers of the server and of the job are watched, and new labels lead back to the tasks",
}


def alt(station=None):
    """Return the picture's description; `station` is the marked one, as "01"."""
    if station:
        return f"The way through the series; you are at {station}: {MARKED[station]}."
    return (
        'The way through the series. Tasks become X and y (01). A command with C="1,10" has papermill (03) execute '
        "notebook 02, which searches, records a run and registers the champion. A server (04) answers curl with it, "
        "and the job score (06) a whole table. The watch (07) compares weeks of answers and leads back to the tasks. "
        "Lesson 05 looks at the time of training and of answering."
    )


def text(x, y, words, size=21, color=INK, family="sans-serif", anchor="middle", weight="normal"):
    return (
        f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
    )


def rectangle(x, y, width, height, fill, line=INK, thick=2, round_=8, dashes=""):
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round_}" fill="{fill}" '
        f'stroke="{line}" stroke-width="{thick}"{dashes}/>'
    )


def arrow(d, light=False):
    color, head = (PAPER, "light") if light else (INK, "dark")
    return f'<path d="{d}" fill="none" stroke="{color}" stroke-width="2.5" marker-end="url(#{head})"/>'


def draw_station(number, marked):
    x, y, width, height, title, does = STATIONS[number]
    fill, color = (MARK, PAPER) if marked else (PAPER, INK)
    yield rectangle(
        x, y, width, height, fill, thick=5 if marked else 2, dashes=DASHES if number == "05" else ""
    )
    yield text(x + width / 2, y + 31, f"{number} {title}", 22, color, weight="bold")
    if does:
        yield text(x + width / 2, y + 60, does, color=color)
    if marked:
        yield rectangle(x + width - 134, y - 22, 140, 30, PAPER, round_=15, thick=3)
        yield text(x + width - 64, y - 1, "you are here", 18, weight="bold")


def draw(station=None):
    """Return the picture as SVG; `station` is the marked one, as "01"."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * SHOWN:.0f}" height="{HEIGHT * SHOWN:.0f}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(alt(station))}</title>",
        "<defs>",
        *(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{color}"/></marker>'
            for name, color in (("dark", INK), ("light", PAPER))
        ),
        "</defs>",
        rectangle(1, 1, WIDTH - 2, HEIGHT - 2, SOFT, thick=1, round_=12),
    ]
    for x, y, width, height, words in PAPERS:
        lines.append(rectangle(x, y, width, height, PAPER, line="#767676", round_=0))
        *titles, code = words
        lines += [text(x + width / 2, y + 28, title) for title in titles]
        lines.append(text(x + width / 2, y + height - 17, code, 18, family="monospace"))
    lines += [
        line for number in sorted(STATIONS) if number != station for line in draw_station(number, False)
    ]
    if station:
        lines += draw_station(station, True)
    for x, title, example in STEPS:
        lines.append(rectangle(x, 258, 176, 72, PAPER))
        lines += [text(x + 88, 287, title, weight="bold"), text(x + 88, 315, example, 20)]
    lines += [arrow(d) for d in ARROWS]
    lines += [arrow(d, light=station == "02") for d in BETWEEN_STEPS]
    lines += [
        f'<path d="{d}" fill="none" stroke="{INK}" stroke-width="2.5" stroke-dasharray="4 4"/>' for d in LOOKS
    ]
    return "\n".join([*lines, "</svg>", ""])


def main():
    PICTURES.mkdir(exist_ok=True)
    for station in (None, *STATIONS):
        name = f"whole-{station}.svg" if station else "whole.svg"
        (PICTURES / name).write_text(draw(station), encoding="utf-8")


if __name__ == "__main__":
    main()
