"""`python -m workers.probe`: exit code 0 if every loop of the workers beside it turns, else 1 and a sentence that says why.

For probes of containers. It looks at the files in HEADRACE_LIVENESS_DIR only: no server is asked, so that no outage of
one restarts workers, and little is imported, so that it may run every few seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.runtime import liveness


def main(environment: Mapping[str, str]) -> int:
    """The exit code: 0, or 1 for a worker that should be started again, or 2 for a probe that is not set up."""
    folder = environment.get(liveness.VARIABLE)
    if not folder:
        sys.stderr.write(f"{liveness.VARIABLE} is not set. Give the probe and the workers the same folder.\n")
        return 2
    wrong = liveness.examine(Path(folder))
    if wrong:
        sys.stderr.write(f"{wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
