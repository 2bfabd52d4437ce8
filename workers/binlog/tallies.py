"""What a leader writes by table, for metrics: it counts when it is committed."""

from __future__ import annotations

from shared.model.change import Tally
from shared.model.schema import TableId


class Tallies:
    """Changes and bytes by table: in the open transaction, and committed since `take` was called."""

    def __init__(self) -> None:
        self._open: dict[TableId, Tally] = {}
        self._committed: dict[TableId, Tally] = {}

    def note(self, table: TableId, rows: int, size: int) -> None:
        """So many changes are written in the open transaction."""
        tally = self._open.get(table)
        if tally is None:
            tally = self._open[table] = Tally()
        tally.rows += rows
        tally.size += size

    def close(self) -> None:
        """What was written is committed."""
        for table, tally in self._open.items():
            committed = self._committed.setdefault(table, tally)
            if committed is not tally:
                committed.rows += tally.rows
                committed.size += tally.size
        self._open = {}

    def take(self) -> dict[TableId, Tally]:
        """What was committed since the last call."""
        taken, self._committed = self._committed, {}
        return taken
