"""What the leader does about a logged statement: stop, have topics swept or tables copied again, look at the catalog, or end the
tenure for tables that change, come or go. What a statement means is decided by `statements`, without looking at anything but its text.
"""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import HeadraceError, SchemaChanged, TableGone
from shared.machines.ledger import Ledger
from shared.model.binlog import Statement, Unread
from shared.model.orders import GaveUp
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Table, TableId
from workers.binlog.alterations import Alteration, grown, read
from workers.binlog.ports import Policy, Source
from workers.binlog.statements import Verdict, judge

_HINT = "To copy its tables again with their present columns: scheduler resume JOB --resync."

#: How often in a tenure workers may miss tables that the leader sees.
_DOUBTS_MAX = 10


class Ddl:
    """The statements of one tenure.

    Args:
        ledger: whose tables they concern.
        source: asked for a table's present columns.
        policy: which tables join, and whether topics are swept.
    """

    def __init__(self, ledger: Ledger, source: Source, policy: Policy) -> None:
        self._ledger = ledger
        self._source = source
        self._policy = policy
        self._doubts = 0
        #: Tables whose columns are what statements said, and what a look at the catalog showed of them, as of when.
        self._unproven: dict[TableId, tuple[Table | None, GtidSet] | None] = {
            name: None
            for name, record in ledger.tables.items()
            if record.described is not None and any(column.added for column in record.table.columns)
        }

    def take(self, event: Statement, place: Coordinates) -> str:
        """Does what a statement asks for. Of a table that joined later nothing: its readers see what became of it.

        Args:
            event: the statement, within its transaction.
            place: where it ends.

        Returns:
            Why the tenure must end, so that the next one looks at which tables there are; empty when it need not.

        Raises:
            SchemaChanged: the job cannot follow it.
            Unavailable: MySQL does not show yet what it did.
        """
        ledger = self._ledger
        known = [table for table in ledger.tables if not ledger.predates(table)]
        verdict = judge(event.database, event.sql, known)
        if self._policy.sweep:
            for table in verdict.emptied:
                ledger.emptied(table, whole=table in verdict.void)
        if ledger.replayed:
            return ""  # the rest was done when it came for the first time, and is stored
        if verdict.stop or (verdict.why and not self._policy.follow):
            raise SchemaChanged(f"{verdict.stop or verdict.why}, which the job cannot follow (before {place}).", _HINT)
        for table in verdict.again:
            ledger.columns.stale(table)
        if verdict.recheck:
            # It stands in the binlog a moment before the catalog shows it. Columns that look as before would then be taken
            # for unchanged, and with other names, or in another order, their values may fit the old ones.
            self._source.wait_for(ledger.present(), verdict.recheck)
        alteration = read(event.database, event.sql) if verdict.recheck else None
        reasons = [self._altered(table, alteration, place, made=bool(verdict.made)) for table in verdict.recheck]
        return verdict.why or next(filter(None, reasons), "") or self._come_or_gone(verdict)

    def _altered(self, table: TableId, alteration: Alteration | None, place: Coordinates, *, made: bool) -> str:
        """What became of the columns of a table that a statement names; returns as `take`."""
        if alteration is not None and not (alteration.added and alteration.concerns(table)):
            return ""  # they are as before
        error = SchemaChanged(f"The columns or keys of {table} changed (before {place}).", _HINT)
        found, seen = self._look(table)
        if alteration is not None and self._has_grown(table, alteration, found, seen):
            return error.message
        # A statement that makes a table leaves no rows of it behind that had other columns.
        if found != self._known(table) or (not made and self._described_later(table)):
            return self._changed(table, error)
        self._ledger.columns.looked(table, seen)
        return ""

    def _has_grown(self, table: TableId, alteration: Alteration, found: Table | None, seen: GtidSet) -> bool:
        """True when it only has more columns, and is followed with them. That a look at it was later, and may have shown more, does
        no harm: what each statement did in between, it says itself.
        """
        record, rests = self._ledger.tables[table], self._policy.follow and self._ledger.columns.at_rest(table)
        # Tables that share a topic must agree on its columns, which is looked at when one joins.
        if not rests or found is None or record.shard_key:
            return False
        new = grown(record.table, alteration.added, found)
        if new is None or not self._policy.adds(new):
            return False
        self._ledger.columns.grown(new, seen)
        return True

    def _look(self, table: TableId) -> tuple[Table | None, GtidSet]:
        """The table as the catalog has it, and all of which that may be the effect."""
        found = self._source.current(table)
        return found, self._source.shown()

    def prove(self) -> str:
        """Looks at the catalog, and once the stream has brought all that it may have shown, compares: a table that got columns by what
        statements said must be what it showed. Between transactions; returns as `take`.

        Raises:
            HeadraceError: it is not, and the job must not copy it again.
        """
        for table, shown in list(self._unproven.items()):
            if shown is None:
                self._unproven[table] = self._look(table)
            elif self._ledger.processed.covers(shown[1]):
                del self._unproven[table]
                if self._ledger.tables[table].stale:
                    continue
                if shown[0] != self._known(table):
                    return self._changed(table, SchemaChanged(f"{table} is not what its statements said.", _HINT))
                self._ledger.columns.proven(table)
        return ""

    def unread(self, event: Unread) -> str:
        """Rows came of a table that is not as the job knows it; returns as `take`.

        Raises:
            HeadraceError: it cannot follow.
        """
        if self._ledger.replayed or self._ledger.predates(event.table):
            return ""
        error = event.error(event.message, event.hint)
        if not (self._has_changed(event.table) or self._described_later(event.table)):
            raise error  # to copy it again would lead to the same
        return self._changed(event.table, error)

    def unreadable(self, tables: Collection[TableId], message: GaveUp) -> str | None:
        """A worker could not read these tables, perhaps because of a statement that the stream has yet to bring. Returns as `take`;
        empty also where another attempt may do better, None where it is an error.
        """
        gone = message.error == TableGone.__name__
        if not gone and (message.error != SchemaChanged.__name__ or not self._policy.follow):
            return None
        if changed := [table for table in tables if self._has_changed(table)]:
            for table in () if gone else changed:
                self._ledger.columns.stale(table)
            return message.message
        self._doubts += gone  # it was dropped and is there again, or the worker reads from another server
        return "" if gone and self._doubts <= _DOUBTS_MAX else None

    def _described_later(self, table: TableId) -> bool:
        """True when the present transactions, and so their rows, may be older than a look at the table's columns: as long as the stream
        has not brought all that the server had executed then. Which of them it has not matters little: they may come in another
        order, and several as one.
        """
        described = self._ledger.tables[table].described
        return described is not None and not self._ledger.processed.covers(described)

    def _has_changed(self, table: TableId) -> bool:
        return self._source.current(table) != self._known(table)

    def _known(self, table: TableId) -> Table:
        return self._ledger.tables[table].table.as_in_catalog

    def _changed(self, table: TableId, error: HeadraceError) -> str:
        if not self._policy.follow:
            raise error
        self._ledger.columns.stale(table)
        return error.message

    def _come_or_gone(self, verdict: Verdict) -> str:
        for table in verdict.made:
            if table not in self._ledger.tables and self._policy.joins(table):
                self._source.wait_for(self._ledger.present(), [table])
                if self._source.current(table) is not None:  # many are made for a moment
                    return f"{table} may join the job"
        for table in verdict.dropped:
            if not self._ledger.tables[table].live:
                return f"{table} was dropped while it was copied"
        return ""
