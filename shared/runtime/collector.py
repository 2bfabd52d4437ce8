"""How often this process looks for reference cycles."""

from __future__ import annotations

import gc

#: Containers made, less those freed, before a look. A batch of rows is some ten thousand tuples that are freed
#: together; the interpreter's default of 700 walks over each of them two or three times for nothing.
_THRESHOLD = 200_000


def relax() -> None:
    """For processes that move rows. What stands now (modules) is never looked at again."""
    gc.freeze()
    gc.set_threshold(_THRESHOLD, 10, 10)
