"""The leader's questions to MySQL, on its one SQL connection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from scheduler.discovery.catalog import read_table
from shared.adapters.mysql.ranges import select_places, table_name
from shared.adapters.mysql.session import Session
from shared.errors import NeedsOperator, TableGone, Unavailable
from shared.machines.ledger import HeldRange
from shared.model.change import ChunkKey
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
    for the end of its binlog.
    """

    def __init__(self, session: Session) -> None:
        self.told = ""
        self._session = session
        self._status = _status_command(session)

    def server_uuid(self) -> str:
        """Names the server; coordinates mean nothing on another one."""
        return self._session.scalar("SELECT @@server_uuid")

    def executed(self) -> GtidSet:
        """What the server has executed: all of it is visible to a SELECT that starts now."""
        return GtidSet.parse(self._session.scalar("SELECT @@GLOBAL.gtid_executed"))

    def wait_for(self, gtids: GtidSet, seconds: int = _WAIT_SECONDS) -> None:
        """Waits until the server has executed all of it, so that a SELECT shows it.

        Raises:
            Unavailable: it has not for a while.
        """
        if self._session.scalar(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', {seconds})") != "0":
            raise Unavailable("MySQL does not show yet what its binlog has.", "The job tries again.")

    def settled(self) -> GtidSet:
        """What the server has executed, with all that a SELECT may have shown by now: that shows a commit a moment earlier.

        Raises:
            Unavailable: something takes too long to commit.
        """
        self.wait_for(_without_threads(self._session.scalar("SELECT @@GLOBAL.gtid_owned")), OPENING_WAIT_SECONDS)
        return self.executed()

    def ignores_case(self) -> bool:
        """True when the server takes names of tables for one that differ in case only."""
        return self._session.scalar("SELECT @@lower_case_table_names") != "0"

    def history(self) -> History:
        """What the server has executed, and what its binlogs no longer hold."""
        # Owned first: what leaves it meanwhile is in the answer to the next question.
        owned = _without_threads(self._session.scalar("SELECT @@GLOBAL.gtid_owned"))
        coming = self._coming()
        executed = self.executed()
        purged = GtidSet.parse(self._session.scalar("SELECT @@GLOBAL.gtid_purged"))
        return History(self.server_uuid(), executed, purged, owned, coming)

    def _coming(self) -> GtidSet | None:
        """What a replica has received; None when it may still receive anything."""
        received = GtidSet({})
        for channel in replica_channels(self._session):
            if (channel.get("replica_io_running") or channel.get("slave_io_running")) != "No":
                return None
            received = received.union(GtidSet.parse(channel.get("retrieved_gtid_set", "")))
        return received

    def binlog_end(self) -> Coordinates:
        """Where the binlog ends now; it may run ahead of what a SELECT sees."""
        rows = self._session.named(self._status)
        if not rows:
            raise NeedsOperator("The server writes no binlog any more.", "Start MySQL with log_bin.")
        self.told = rows[0]["executed_gtid_set"]
        return Coordinates(rows[0]["file"], int(rows[0]["position"]))

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
        sizes = {row["log_name"]: int(row["file_size"]) for row in self._session.named("SHOW BINARY LOGS")}
        rest = sizes.get(reached.file, reached.offset) - reached.offset
        between = [file for file in sizes if Coordinates(file, 0).reaches(reached) and file != end.file]
        return max(0, rest) + sum(sizes[file] for file in between) + end.offset


def _without_threads(owned: str) -> GtidSet:
    """The set of `uuid:23#7:24#8`, in which the ids of the threads follow that own each transaction."""
    return GtidSet.parse(re.sub(r"#\d+", "", owned))


def _status_command(session: Session) -> str:
    """SHOW BINARY LOG STATUS came with 8.2 and replaced SHOW MASTER STATUS in 8.4."""
    version = tuple(int(part) for part in session.scalar("SELECT VERSION()").split("-")[0].split(".")[:2])
    return "SHOW BINARY LOG STATUS" if version >= (8, 2) else "SHOW MASTER STATUS"
