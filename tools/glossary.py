"""Link each term of docs/glossary.md where a lesson first uses it.

    python tools/glossary.py

Rewrites the lessons: links into the glossary are removed and made anew, so it can be run after any change of
text. A term has no link in headings, code and other links, nor in a lesson that defines it where it first
occurs, which is where it is set in italics. Exit status: 0, or 1, with one line, when FORMS has a term that is no
heading of the glossary.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
LESSONS = sorted(p for p in (ROOT / "notebooks").glob("*.ipynb") if not p.stem.endswith("_exercises"))
# What lessons write where it is not the heading or its plural; words that also mean something else are narrowed.
FORMS = {
    "Alias": r"alias(es)?",
    "Artifact": r"[Aa]rtifacts?",
    "C": r"C(?= = )",
    "Calibration": r"[Cc]alibrat(e|es|ed|ing|ion)",
    "Calibration error": r"(expected )?calibration error",
    "Confidence interval": r"95 % interval|confidence interval",
    "Cross-validation": r"[Cc]ross-validat(ed|ion)",
    "Drift": r"[Dd]rift(?! away)",
    "DWA": r"[Dd]etailed work activit(y|ies)|DWAs?",
    "Experiment": r"(?<!you )experiments?",
    "GWA": r"Generalized Work Activit(y|ies)|GWAs?",
    "Grid search": r"(?<=The )search|(?<=the )search|(?<=a )search|GridSearchCV",
    "Label": r"(?<=\d )labels|(?<=its )label|(?<=each )label|(?<=For each )label|(?<=of all )labels|(?<=all )labels",
    "Loss": r"(?<=makes the )loss",
    "Macro-F1": r"macro(-F1|-averaged F1| averages)",
    "Micro-F1": r"micro(-F1|-averaged F1)",
    "Model registry": r"(model )?registry",
    "O*NET": r"O\\\*NET",
    "Penalty": r"penalt(y|ies)",
    "Population stability index": r"population stability index|PSI",
    "Project": r"(?<=MLflow )project|projects?(?! that)",
    "Promotion": r"[Pp]romot(e|es|ed|ing|ion)",
    "Run": r"(?<=MLflow )run|(?<=\b[Aa] )run|(?<=\b[Tt]he )run|(?<=project )run|(?<=\bas a )run|(?<=\b[Ii]ts )run"
    r"|(?<=two )runs|(?<=\*)run",
    "SOC": r"Standard Occupational Classification|major group",
    "Shuffle": r"shuffle(-free|d|s)?",
    "Spark": r"(Apache )?Spark",
    "Standard error": r"(?<=one )standard error|standard errors",
    "Store": r"(?<!object )stores?",
    "Tag": r"(?<!, and )tags?",
    "Task statement": r"[Tt]ask statements?|[Ss]tatements?",
    "Test set": r"test (set|side|statements?|rows|split)",
    "Version": r"(?<=[Ww]hich )version|(?<=the )version|(?<=another )version|(?<=its )version|versions?(?= \d)"
    r"|\bversions(?= to| of a)",
    "Worker": r"[Ww]orkers?",
}
LINK = re.compile(r"\[((?:[^\]\\]|\\.)*)\]\(\.\./docs/glossary\.md#[\w-]+\)")
# Where no term is linked: headings, O*NET's wording of its license, code, other links and pictures, addresses.
APART = re.compile(
    r"^(?:#|This page includes)[^\n]*|```.*?```|`[^`]*`|!?\[(?:[^\]\\]|\\.)*\]\([^)]*\)|<[^>]*>",
    re.MULTILINE | re.DOTALL,
)
ITALICS = re.compile(r"(?<![\w*\\])\*(?![*\s])(?:[^*\\\n]|\\.)+\*(?!\*)")


def slug(heading):
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def terms():
    """Return the terms of the glossary: a dict from its headings to compiled patterns."""
    headings = [
        h.replace("\\", "") for h in re.findall(r"^## (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.M)
    ]
    unknown = FORMS.keys() - set(headings)
    if unknown:
        sys.exit(f"glossary.py: no heading in docs/glossary.md: {', '.join(sorted(unknown))}")
    patterns = {}
    for heading in headings:
        first, rest = re.escape(heading[0]), re.escape(heading[1:])
        either = first if heading.isupper() else f"[{heading[0].upper()}{heading[0].lower()}]"
        patterns[heading] = re.compile(
            rf"(?<![\w-])(?:{FORMS.get(heading, either + rest + '(?:s|es)?')})(?!\w)"
        )
    return patterns


def first_uses(text, patterns):
    """Return where the terms are to be linked in a text: a list of (start, end, heading), in the text's order."""
    apart = [found.span() for found in APART.finditer(text)]
    italics = [found.span() for found in ITALICS.finditer(text)]
    # Longest first, so that "micro-F1" is no use of "F1".
    uses = sorted(
        (found.start(), -found.end(), heading)
        for heading, p in patterns.items()
        for found in p.finditer(text)
    )
    met, end, links = set(), 0, []
    for start, minus_end, heading in uses:
        if start < end or any(a <= start < b for a, b in apart):
            continue
        end = -minus_end
        if heading not in met:
            met.add(heading)
            if not any(a <= start < b for a, b in italics):
                links.append((start, end, heading))
    return links


def link(sources, patterns):
    """Return the Markdown texts of a lesson, a list, with each term linked at its first use."""
    border = "\n\n\0\n\n"
    text = border.join(LINK.sub(r"\1", source) for source in sources)
    for start, end, heading in reversed(first_uses(text, patterns)):
        text = f"{text[:start]}[{text[start:end]}](../docs/glossary.md#{slug(heading)}){text[end:]}"
    return text.split(border)


def main():
    patterns = terms()
    for path in LESSONS:
        notebook = nbformat.read(path, 4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        for cell, source in zip(cells, link([cell.source for cell in cells], patterns)):
            cell.source = source
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
