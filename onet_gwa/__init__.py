"""What the notebooks share, one subject a file; `helpers.py` is the index."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEED = 607
