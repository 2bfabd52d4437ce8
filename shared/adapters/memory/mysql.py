"""MySQL in memory: tables `id -> version`, a binlog, and commits that the binlog shows before a SELECT can; with GTIDs or
without.

A version is the number of the transaction that wrote the row, so a row's history is known exactly. Keys that an
invisible transaction wrote stay locked until it is visible, as row locks do. All columns are numbers: a statement may change their
places, and only names tell them apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import zip_longest
from typing import TypeAlias

import orjson

from shared.errors import SchemaChanged
from shared.model.binlog import Event, Heartbeat, RowChanges, Statement, TransactionBegin, TransactionEnd, Unread
from shared.model.change import Change, bytes_of
from shared.model.chunk import KeyRange
from shared.model.places import all_before, numbered
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Column, Table, TableId

#: Transactions come from two servers in turn, as behind a failover or a group of writers.
_SOURCES = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002")
_FILE = "binlog.000001"
_BYTES = 100  # each transaction's length in the binlog
(_PLACES,) = all_before(_SOURCES[0], Coordinates(_FILE, 0)).runs

#: (table, id, version or None for a delete)
Write = tuple[TableId, int, int | None]

#: The names of a table's columns, in table order; the key is the first one.
Layout: TypeAlias = tuple[str, ...]
_LAYOUT: Layout = ("id", "v", "w")


def key_bytes(row: int) -> bytes:
    """The Kafka key of a row."""
    return b'{"id":%d}' % row


def cell(name: str, row: int, version: int) -> int | None:
    """What a column of a row holds: `id`, `v`, `w`, or `c7`, which was added by transaction 7 and is NULL in older versions."""
    if name.startswith("c"):
        return version if version > int(name[1:]) else None
    return {"id": row, "v": version, "w": -version}[name]


def cells(layout: Layout, row: int, version: int) -> dict[str, int | None]:
    """A row, by the names of its columns."""
    return {name: cell(name, row, version) for name in layout}


def value_bytes(table: Table, found: Mapping[str, int | None]) -> bytes:
    """The Kafka value of a row, by the rules of the codec: a column that was added is left out where it is NULL."""
    shown = ((column, found[column.name]) for column in table.columns[1:])
    return orjson.dumps({column.name: value for column, value in shown if value is not None or not column.added})


def table_of(name: TableId, layout: Layout) -> Table:
    """The table as the catalog shows it."""
    columns = (Column(column, "bigint", "bigint", nullable=column != "id") for column in layout)
    return Table(name, tuple(columns), ("id",))


@dataclass(slots=True)
class Commit:
    """A transaction in the binlog; `visible` to SELECT, and `executed` once gtid_executed has it. With `sql` it is logged as
    that statement about `table`, which gets `altered` columns, and its writes are not. `layouts` are those that its rows are logged with.
    `named` is false on a server without GTIDs.
    """

    number: int
    writes: tuple[Write, ...]
    layouts: Mapping[TableId, Layout]
    sql: str = ""
    table: TableId | None = None
    altered: Layout = ()
    visible: bool = False
    executed: bool = False
    named: bool = True

    @property
    def gtids(self) -> GtidSet:
        """The transaction's own GTID, or its place."""
        if not self.named:
            begin, end = (numbered(Coordinates(_FILE, number * _BYTES)) for number in (self.number - 1, self.number))
            return GtidSet({_PLACES: ((begin + 1, end),)})
        turn, number = self.number % len(_SOURCES), self.number // len(_SOURCES) + 1
        return GtidSet({_SOURCES[turn]: ((number, number),)})


@dataclass(slots=True)
class MemoryMysql:
    """One server; without `gtids` it counts by places in its binlog."""

    gtids: bool = True
    rows: dict[TableId, dict[int, int]] = field(default_factory=dict)
    binlog: list[Commit] = field(default_factory=list)
    history: dict[tuple[TableId, int], list[int | None]] = field(default_factory=dict)
    # What the catalog shows, and what is logged by now.
    _layouts: dict[TableId, Layout] = field(default_factory=dict)
    _logged: dict[TableId, Layout] = field(default_factory=dict)
    # For `executed`: the set of those that had executed when it was last asked, the others, and how many both are.
    _done: GtidSet = field(default_factory=lambda: GtidSet({}))
    _rest: deque[Commit] = field(default_factory=deque)
    _seen: int = 0

    def locked(self) -> set[tuple[TableId, int]]:
        """Rows that an invisible transaction wrote."""
        return {(table, row) for c in self.binlog if not c.visible for table, row, _ in c.writes}

    def commit(self, writes: Iterable[tuple[TableId, int, bool]]) -> None:
        """Appends a transaction to the binlog: for each row True upserts and False deletes it."""
        number = len(self.binlog) + 1
        made = tuple((table, row, number if alive else None) for table, row, alive in writes)
        for table, row, version in made:
            self.history.setdefault((table, row), [None]).append(version)
        self.binlog.append(Commit(number, made, dict(self._logged), named=self.gtids))

    def altering(self) -> set[TableId]:
        """Tables whose columns an invisible statement changes; nobody writes to them meanwhile."""
        return {commit.table for commit in self.binlog if commit.altered and not commit.visible and commit.table}

    def layout(self, table: TableId) -> Layout:
        """The columns that the catalog shows."""
        return self._layouts.get(table, _LAYOUT)

    def alter(self, sql: str, table: TableId, layout: Layout) -> None:
        """Appends a statement behind which a table that nobody writes to has other columns."""
        number = len(self.binlog) + 1
        self._logged[table] = layout
        self.binlog.append(
            Commit(number, (), dict(self._logged), sql=sql, table=table, altered=layout, named=self.gtids)
        )

    def run(self, sql: str, table: TableId, rows: Iterable[int], alive: Iterable[bool] = ()) -> None:
        """Appends a statement behind which a table is empty, or has other rows.

        Args:
            sql: the statement.
            table: the table.
            rows: all that there may be; nobody writes them meanwhile.
            alive: which of them there are behind it; none if it does not say.
        """
        number = len(self.binlog) + 1
        made = tuple((table, row, number if there else None) for row, there in zip_longest(rows, alive))
        for _, row, version in made:
            self.history.setdefault((table, row), [None]).append(version)
        self.binlog.append(Commit(number, made, dict(self._logged), sql=sql, table=table, named=self.gtids))

    def show(self, commit: Commit) -> None:
        """The engine commits: SELECT sees the transaction."""
        commit.visible = True
        if commit.altered and commit.table:
            self._layouts[commit.table] = commit.altered
        for table, row, version in commit.writes:
            if version is None:
                self.rows.setdefault(table, {}).pop(row, None)
            else:
                self.rows.setdefault(table, {})[row] = version

    def executed(self) -> GtidSet:
        """gtid_executed; by place all that the binlog has."""
        if not self.gtids:
            return all_before(_SOURCES[0], self.binlog_end())
        self._rest.extend(self.binlog[self._seen :])
        self._seen = len(self.binlog)
        for _ in range(len(self._rest)):
            commit = self._rest.popleft()
            if commit.executed:
                self._done = self._done.union(commit.gtids)
            else:
                self._rest.append(commit)
        return self._done

    def shown(self) -> GtidSet:
        """All transactions of which a look may have shown something by now."""
        executed = self.executed()
        visible = (commit.gtids for commit in self._rest if commit.visible and self.gtids)
        return reduce(GtidSet.union, visible, executed)

    def shows(self, position: GtidSet, tables: Collection[TableId]) -> bool:
        """True when a SELECT of these tables shows all of the position: it has executed, or by place, as a read lock on each of
        them would tell, nothing of these tables is on its way.
        """
        if self.gtids:
            return self.executed().covers(position)
        return not any(table in tables for c in self.binlog if not c.visible for table, _, _ in c.writes)

    def shows_columns(self, position: GtidSet, tables: Collection[TableId]) -> bool:
        """True when the catalog shows what statements did to these tables; by place, as their names would tell."""
        if self.gtids:
            return self.executed().covers(position)
        return not any(c.sql and c.table in tables for c in self.binlog if not c.visible)

    def binlog_end(self) -> Coordinates:
        """The end of the binlog, visible or not."""
        return Coordinates(_FILE, len(self.binlog) * _BYTES)

    def select(self, table: TableId, bounds: KeyRange) -> list[tuple[int, int]]:
        """One consistent read of a range: (id, version) in key order."""
        return sorted((row, version) for row, version in self.rows.get(table, {}).items() if bounds.holds((row,)))


class MemoryStream:
    """Twin of the binlog stream: sends all transactions that the start set lacks, in binlog order.

    Args:
        server: whose binlog it is.
        start: the GTID set of the checkpoint.
        known: the tables that are decoded, as the reader knows them.
        appetite: how many transactions to put together next, where the leader lets it.
    """

    def __init__(
        self,
        server: MemoryMysql,
        start: GtidSet,
        known: Mapping[TableId, Table],
        appetite: Callable[[], int] = lambda: 1,
    ) -> None:
        self._server = server
        self._known = known
        self._start = start
        self._appetite = appetite
        self._next = 0
        self._told = -1

    def events(self, merge: bool) -> Sequence[Event]:
        """The next transaction's events, or once a heartbeat at the end."""
        commits = self._take(self._appetite() if merge else 1)
        if commits:
            return _events_of(commits, self._known)
        if self._told == self._next:
            return []
        self._told = self._next
        return [Heartbeat(_FILE, self._next * _BYTES)]

    def _take(self, most: int) -> list[Commit]:
        commits: list[Commit] = []
        while self._next < len(self._server.binlog) and len(commits) < most:
            commit = self._server.binlog[self._next]
            self._next += 1
            if not self._start.covers(commit.gtids):
                commits.append(commit)
            if commit.sql or self._next_is_statement():
                break  # a statement stands alone
        return commits

    def _next_is_statement(self) -> bool:
        return self._next < len(self._server.binlog) and bool(self._server.binlog[self._next].sql)


def _events_of(commits: Sequence[Commit], known: Mapping[TableId, Table]) -> list[Event]:
    """Several transactions as one, their changes gathered by table: the utmost that the real decoders may do. Cells are named by their
    places, as with binlog_row_metadata=MINIMAL.
    """
    gtids, end = GtidSet({}), commits[-1].number * _BYTES
    gathered: dict[TableId, list[Change]] = {}
    unread: dict[TableId, Unread] = {}
    if commits[0].sql:
        database = commits[0].table.database if commits[0].table else ""
        statement = Statement(database, commits[0].sql, 0, end)
        return [TransactionBegin(str(commits[0].gtids), end - 70), statement, TransactionEnd(0, end)]
    for commit in commits:
        gtids = gtids.union(commit.gtids)
        for name, row, version in commit.writes:
            layout, table = commit.layouts.get(name, _LAYOUT), known.get(name)
            if table is None:
                continue
            if len(layout) != len(table.columns):
                unread[name] = Unread(name, SchemaChanged, f"{name} has other columns.", "", 0, end - 60)
                continue
            names = (column.name for column in table.columns)
            found = None if version is None else dict(zip(names, cells(layout, row, version).values(), strict=True))
            gathered.setdefault(name, []).append((key_bytes(row), None if found is None else value_bytes(table, found)))
    changes = [RowChanges(name, some, 0, end - 60, bytes_of(some)) for name, some in gathered.items()]
    return [TransactionBegin(str(gtids), end - 70), *unread.values(), *changes, TransactionEnd(0, end)]
