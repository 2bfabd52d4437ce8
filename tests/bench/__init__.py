"""Measurements. `python -m tests.bench` (`make bench`) compares headrace with its limits and its peers; `chunk_size` tunes it."""

import sys
from pathlib import Path

# The stack's package runs before anything is installed, so it is not an installed package itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "compose" / "local"))
