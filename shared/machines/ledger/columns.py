"""What statements and looks at the catalog make of the columns of tables (DESIGN rule 13)."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import Bug
from shared.machines.ledger.holdings import Holdings
from shared.machines.ledger.tables import Tables
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId


class Columns:
    """Those of one ledger's tables.

    Args:
        tables: the ledger's.
        held: what is held of them.
        reached: the transactions that the stream has brought, the present ones too.
    """

    def __init__(self, tables: Tables, held: Holdings, reached: Callable[[], GtidSet]) -> None:
        self._tables = tables
        self._held = held
        self._reached = reached

    def stale(self, table: TableId) -> None:
        """The table is not as the job knows it: the next tenure has it copied again. Nothing of it is taken from now on."""
        self._tables.stale(table)

    def looked(self, table: TableId, seen: GtidSet) -> None:
        """The catalog showed the table as it is known when the server had executed so much. What the stream brings from before
        that, statements and rows, may be of a table that was another in between.
        """
        if not self._reached().covers(seen):
            self._tables.looked(table, seen)

    def at_rest(self, table: TableId) -> bool:
        """True when the table is live, nothing of it is held, and it has nothing to be swept for: nobody reads it by the columns that
        it has.
        """
        record = self._tables.records[table]
        return record.live and record.emptied == record.swept and not self._held.of(table)

    def grown(self, table: Table, seen: GtidSet) -> None:
        """A statement added columns that are NULL in all rows of a table at rest; `seen` as for `looked`. Rows that come next have them,
        so the tenure must end with this transaction.
        """
        if not self.at_rest(table.id):
            raise Bug(f"{table.id} got columns while it was read.")
        self._tables.grown(table)
        self.looked(table.id, seen)

    def proven(self, table: TableId) -> None:
        """Everything from before the last look at the table's columns has come, and it is what that look showed."""
        self._tables.proven(table)
