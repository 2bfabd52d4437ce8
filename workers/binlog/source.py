"""The leader's questions to MySQL, on its one SQL connection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from scheduler.discovery.catalog import read_table
from shared.adapters.mysql import progress
from shared.adapters.mysql.ranges import select_places, table_name
from shared.adapters.mysql.session import Session
from shared.errors import PreflightFailed, TableGone, Unavailable
from shared.machines.ledger import HeldRange
from shared.model.change import ChunkKey
from shared.model.places import all_before
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Table, TableId
from workers.binlog.continuity import History
from workers.binlog.gauge import replica_channels

#: Keys whose places are asked for in one query: short enough for max_allowed_packet, long enough to be cheap.
_KEYS_PER_QUERY = 500

#: A commit shows in MySQL some milliseconds after it stands in the binlog. Much shorter than a lease.
_WAIT_SECONDS = 2

#: While a tenure opens, somebody else renews the lease.
OPENING_WAIT_SECONDS = 10


class MysqlSource:
    """Implements `workers.binlog.ports.Source`. `told` is what the server said that it has executed when it was last asked
    for the end of its binlog. With `by_place` it tells places instead of GTIDs; set it before anything else is asked.
    """

    def __init__(self, session: Session) -> None:
        self.told = GtidSet({})
        self.by_place = False
        self._session = session
        self._uuid = ""

    def server_uuid(self) -> str:
        """Names the server, which is one as long as the connection lasts; coordinates mean nothing on another one."""
        self._uuid = self._uuid or progress.server_uuid(self._session)
        return self._uuid

    def has_gtids(self) -> bool:
        """True when a job that begins now can count by GTIDs."""
        return progress.has_gtids(self._session)

    def executed(self) -> GtidSet:
        """What the server has executed, all of it visible to a SELECT that starts now; by place, all that its binlog has."""
        return progress.executed(self._session, by_place=self.by_place)

    def wait_for(self, position: GtidSet, tables: Collection[TableId], seconds: int = _WAIT_SECONDS) -> None:
        """Waits until the server has executed all of it, so that the catalog shows what it did to these tables.

        Raises:
            Unavailable: it has not for a while.
        """
        if not progress.shows_columns(self._session, position, tables, seconds):
            raise Unavailable("MySQL does not show yet what its binlog has.", "The job tries again.")

    def shown(self) -> GtidSet:
        """All transactions of which a look may have shown something by now: what is executed, and what is being committed."""
        # Owned first: what leaves it meanwhile is in the answer to the next question.
        owned = GtidSet({}) if self.by_place else progress.owned(self._session)
        return self.executed().union(owned)

    def settled(self) -> GtidSet:
        """What the server has executed, with all that a SELECT may have shown by now: that shows a commit a moment earlier.

        Raises:
            Unavailable: something takes too long to commit.
        """
        if not self.by_place:
            self.wait_for(progress.owned(self._session), (), OPENING_WAIT_SECONDS)
        return self.executed()

    def ignores_case(self) -> bool:
        """True when the server takes names of tables for one that differ in case only."""
        return self._session.scalar("SELECT @@lower_case_table_names") != "0"

    def history(self) -> History:
        """What the server has executed, and what its binlogs no longer hold."""
        if self.by_place:
            nothing = GtidSet({})  # a place is in one binlog, to which nobody brings what it lacks
            return History(self.server_uuid(), self.executed(), self._purged(), nothing, nothing)
        # Owned first: what leaves it meanwhile is in the answer to the next question.
        owned = progress.owned(self._session)
        coming = self._coming()
        return History(self.server_uuid(), self.executed(), self._purged(), owned, coming)

    def _purged(self) -> GtidSet:
        return progress.purged(self._session, by_place=self.by_place)

    def _coming(self) -> GtidSet | None:
        """What a replica has received; None when it may still receive anything."""
        received = GtidSet({})
        try:
            channels = replica_channels(self._session)
        except PreflightFailed:
            return None  # on a MariaDB this takes a privilege (SLAVE MONITOR) that nothing else needs
        for channel in channels:
            if (channel.get("replica_io_running") or channel.get("slave_io_running")) != "No":
                return None
            received = received.union(progress.received(self._session, channel))
        return received

    def binlog_end(self) -> Coordinates:
        """Where the binlog ends now; it may run ahead of what a SELECT sees."""
        end, executed = progress.binlog_end(self._session)
        self.told = all_before(self.server_uuid(), end) if self.by_place else executed
        return end

    def binlog_kept_seconds(self) -> int | None:
        """How long the server keeps a binlog file; None when it purges none by age."""
        rows = self._session.named("SHOW GLOBAL VARIABLES LIKE 'binlog_expire_logs%'")
        values = {row["variable_name"]: row["value"] for row in rows}
        if values.get("binlog_expire_logs_auto_purge", "ON") == "OFF":
            return None
        return int(values.get("binlog_expire_logs_seconds") or 0) or None

    def place(self, table: Table, keys: Sequence[ChunkKey], ranges: Sequence[HeldRange]) -> list[int | None]:
        """For each key the number of the range that it falls into, in the server's own order."""
        places: list[int | None] = []
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            part = keys[start : start + _KEYS_PER_QUERY]
            rows = self._session.query(select_places(table, part, [held.range for held in ranges]))
            found = [int(row[0] or b"-1") for row in rows]
            if len(found) != len(part):
                raise Unavailable(f"MySQL did not tell the places of all keys of {table.id}.")
            places += [ranges[index].number if index >= 0 else None for index in found]
        return places

    def current(self, table: TableId) -> Table | None:
        """The table as the catalog has it now."""
        return read_table(self._session, table)

    def require_in_sight(self, table: Table) -> None:
        """Asks for a table that is in no list. MySQL does not list what the user may not read.

        Raises:
            PreflightFailed: it is so, and nobody knows whether the table is there.
        """
        with suppress(TableGone):
            self._session.query(f"SELECT 1 FROM {table_name(table)} LIMIT 0")

    def has_at_most(self, table: Table, rows: int) -> bool:
        """True when the table has no more rows; reads one row more at most."""
        limited = f"SELECT 1 FROM {table_name(table)} LIMIT {rows + 1}"
        return int(self._session.scalar(f"SELECT COUNT(*) FROM ({limited}) some")) <= rows

    def bytes_behind(self, reached: Coordinates, end: Coordinates) -> int:
        """How many bytes of binlog lie between; several files cost a look at their sizes."""
        if reached.file == end.file:
            return max(0, end.offset - reached.offset)
        sizes = progress.files(self._session)
        rest = sizes.get(reached.file, reached.offset) - reached.offset
        between = [file for file in sizes if Coordinates(file, 0).reaches(reached) and file != end.file]
        return max(0, rest) + sum(sizes[file] for file in between) + end.offset
