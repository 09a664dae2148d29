"""Show that nbval compares what the notebooks print: change it, and nbval must go red.

    python tools/mutate.py                     # all notebooks
    python tools/mutate.py notebooks/01*.ipynb

Each notebook is replayed once. In each committed output one number or word is changed, and nbval's
comparison of it with the replay is done again. Exit status: 0 when at least 95 % of the outputs are
compared, else 1.
"""

import random
import re
import sys
from copy import deepcopy

import pytest
from nbval.plugin import IPyNbCell, coalesce_streams
from refresh import NBVAL, ROOT, sanitize

sys.path.insert(0, str(ROOT / "tests"))
import conftest  # noqa: E402

LEAST = 0.95


def change(output, seed=607):
    """Change one number or word of an output in place, but none that tools/sanitize.cfg removes.

    Do nothing where there is none, as in a bare image.
    """
    texts = output if output.output_type == "stream" else output.get("data", {})
    kind = next((kind for kind in ("text", "text/markdown", "text/plain") if kind in texts), None)
    text = texts.get(kind, "")
    tokens = list(re.finditer(r"[0-9]+|[A-Za-z]+", text))
    for token in random.Random(seed).sample(tokens, len(tokens)):
        last = token[0][-1]
        other = str((int(last) + 1) % 10) if last.isdigit() else last + "x"
        changed = text[: token.end() - 1] + other + text[token.end() :]
        if sanitize(changed) != sanitize(text):
            texts[kind] = changed
            return


class Mutations:
    """A pytest plugin that notes for each notebook and output whether nbval sees that it was changed."""

    def __init__(self):
        self.seen = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        # A cell that is red as it is raises here.
        yield
        if isinstance(item, IPyNbCell):
            reference = coalesce_streams(deepcopy(item.cell.outputs))
            for k in range(len(reference)):
                changed = deepcopy(reference)
                change(changed[k])
                compared = item.options["check"] and item.cell.execution_count is not None
                red = compared and not item.compare_outputs(item.test_outputs, changed)
                self.seen.setdefault(item.path.name, []).append((item.name, red))


def main(paths):
    paths = paths or sorted(map(str, (ROOT / "notebooks").glob("*.ipynb")))
    mutations = Mutations()
    # conftest.py is not found beside the notebooks, so it comes as a plugin.
    status = pytest.main(
        ["-c", str(ROOT / "pyproject.toml"), "--quiet", *NBVAL, *paths],
        plugins=[mutations, conftest],
    )
    for name, seen in mutations.seen.items():
        blind = ", ".join(cell for cell, red in seen if not red)
        compared = sum(red for _, red in seen)
        print(f"{name}: {compared} of {len(seen)} outputs are compared; not: {blind or 'none'}")
    all_seen = [red for seen in mutations.seen.values() for _, red in seen]
    share = sum(all_seen) / max(len(all_seen), 1)
    print(f"{share:.1%} of {len(all_seen)} outputs are compared")
    return 1 if status or share < LEAST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
