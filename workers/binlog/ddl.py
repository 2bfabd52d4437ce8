"""What the leader does about a logged statement: stop, have topics swept, look at the catalog, or end the tenure for tables that
come or go. What a statement means is decided by `statements`, without looking at anything but its text.
"""

from __future__ import annotations

from shared.errors import SchemaChanged
from shared.machines.ledger import Ledger
from shared.model.binlog import Statement
from shared.model.position import Coordinates
from workers.binlog.ports import Policy, Source
from workers.binlog.statements import Verdict, judge

_HINT = "To copy its tables again with their present columns: scheduler resume JOB --resync."


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

    def take(self, event: Statement, place: Coordinates) -> str:
        """Does what a statement asks for. Of a table that joined later nothing: its readers see what became of it.

        Args:
            event: the statement, within its transaction.
            place: where it ends.

        Returns:
            Why the tenure must end, so that the next one looks at which tables there are; empty when it need not.

        Raises:
            SchemaChanged: the job cannot follow it.
        """
        ledger = self._ledger
        known = [table for table in ledger.tables if not ledger.predates(table)]
        verdict = judge(event.database, event.sql, known)
        if verdict.stop:
            raise SchemaChanged(f"{verdict.stop}, which the job cannot follow (before {place}).", _HINT)
        if self._policy.sweep:
            for table in verdict.emptied:
                ledger.emptied(table, whole=table in verdict.void)
        for table in verdict.recheck:
            if self._source.current(table) != ledger.tables[table].table:
                raise SchemaChanged(f"The columns or keys of {table} changed (before {place}).", _HINT)
        # What came of statements that are read again, this tenure's opening has seen.
        return "" if ledger.replayed else self._come_or_gone(verdict)

    def _come_or_gone(self, verdict: Verdict) -> str:
        for table in verdict.made:
            if table not in self._ledger.tables and self._policy.joins(table):
                return f"{table} may join the job"
        for table in verdict.dropped:
            if not self._ledger.tables[table].live:
                return f"{table} was dropped while it was copied"
        return ""
