"""MySQL in memory: tables `id -> version`, a binlog, and commits that the binlog shows before a SELECT can.

A version is the number of the transaction that wrote the row, so a row's history is known exactly. Keys that an
invisible transaction wrote stay locked until it is visible, as row locks do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.model.binlog import Event, Heartbeat, RowChanges, TransactionBegin, TransactionEnd
from shared.model.change import Change
from shared.model.chunk import KeyRange
from shared.model.position import Coordinates, Gtid, GtidSet
from shared.model.schema import TableId

SOURCE = "00000000-0000-0000-0000-000000000001"
_FILE = "binlog.000001"
_BYTES = 100  # each transaction's length in the binlog

#: (table, id, version or None for a delete)
Write = tuple[TableId, int, int | None]


def key_bytes(row: int) -> bytes:
    """The Kafka key of a row."""
    return b'{"id":%d}' % row


def value_bytes(version: int | None) -> bytes | None:
    """The Kafka value of a row."""
    return None if version is None else b'{"v":%d}' % version


@dataclass(slots=True)
class Commit:
    """A transaction in the binlog; `visible` to SELECT, and `executed` once gtid_executed has it."""

    number: int
    writes: tuple[Write, ...]
    visible: bool = False
    executed: bool = False


@dataclass(slots=True)
class MemoryMysql:
    """One server."""

    rows: dict[TableId, dict[int, int]] = field(default_factory=dict)
    binlog: list[Commit] = field(default_factory=list)
    history: dict[tuple[TableId, int], list[int | None]] = field(default_factory=dict)

    def locked(self) -> set[tuple[TableId, int]]:
        """Rows that an invisible transaction wrote."""
        return {(table, row) for c in self.binlog if not c.visible for table, row, _ in c.writes}

    def commit(self, writes: Iterable[tuple[TableId, int, bool]]) -> None:
        """Appends a transaction to the binlog: for each row True upserts and False deletes it."""
        number = len(self.binlog) + 1
        made = tuple((table, row, number if alive else None) for table, row, alive in writes)
        for table, row, version in made:
            self.history.setdefault((table, row), [None]).append(version)
        self.binlog.append(Commit(number, made))

    def show(self, commit: Commit) -> None:
        """The engine commits: SELECT sees the transaction."""
        commit.visible = True
        for table, row, version in commit.writes:
            if version is None:
                self.rows[table].pop(row, None)
            else:
                self.rows.setdefault(table, {})[row] = version

    def executed(self) -> GtidSet:
        """gtid_executed."""
        done = GtidSet({})
        for commit in self.binlog:
            if commit.executed:
                done = done.with_gtid(Gtid(SOURCE, commit.number))
        return done

    def binlog_end(self) -> Coordinates:
        """The end of the binlog, visible or not."""
        return Coordinates(_FILE, len(self.binlog) * _BYTES)

    def select(self, table: TableId, bounds: KeyRange) -> list[tuple[int, int]]:
        """One consistent read of a range: (id, version) in key order."""
        return sorted((row, version) for row, version in self.rows.get(table, {}).items() if bounds.holds((row,)))


class MemoryStream:
    """Twin of the binlog stream: sends all transactions that the start set lacks, in binlog order."""

    def __init__(self, server: MemoryMysql, start: GtidSet) -> None:
        self._server = server
        self._start = start
        self._next = 0
        self._told = -1

    def events(self) -> Sequence[Event]:
        """The next transaction's events, or once a heartbeat at the end."""
        while self._next < len(self._server.binlog):
            commit = self._server.binlog[self._next]
            self._next += 1
            if Gtid(SOURCE, commit.number) not in self._start:
                return self._events_of(commit)
        if self._told == self._next:
            return []
        self._told = self._next
        return [Heartbeat(_FILE, self._next * _BYTES)]

    def _events_of(self, commit: Commit) -> list[Event]:
        end = commit.number * _BYTES
        events: list[Event] = [TransactionBegin(f"{SOURCE}:{commit.number}", end - 70)]
        for place, (table, row, version) in enumerate(commit.writes):
            change = Change(table, (row,), key_bytes(row), value_bytes(version))
            events.append(RowChanges((change,), 0, end - 60 + place))
        return [*events, TransactionEnd(0, end)]
