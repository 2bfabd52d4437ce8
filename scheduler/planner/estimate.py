"""What the server believes about a table's size.

Law of this file: an estimate steers speed and what the user is shown, never correctness.
"""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    """Rows of a table and the average bytes of one, as the engine's statistics have them; 0 is not known, or empty.

    The rows are fresher than the bytes: of a table that was filled a moment ago the latter are 0 or too small.
    """

    rows: int = 0
    row_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.row_bytes
