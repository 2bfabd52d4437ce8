"""The tables of a job: how far each is split into chunks, which must be swept, and behind what those joined that came later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from shared.machines.ledger.records import TableRecord
from shared.model.change import ChunkKey
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId


class Tables:
    """Their records, in the order in which they were added.

    Args:
        records: as they are stored.
        store: told of every record that changes.
    """

    def __init__(self, records: Mapping[TableId, TableRecord], store: Callable[[TableRecord], None]) -> None:
        self.records: dict[TableId, TableRecord] = dict(records)
        self._store = store
        # A linked list: what is taken from the front leaves no gap there for the next look to walk over.
        self._unsplit = OrderedDict.fromkeys(name for name, record in records.items() if not record.split_done)
        self._unswept = dict.fromkeys(name for name, record in records.items() if record.emptied > record.swept)

        # Tables that joined behind transactions that the stream has yet to show.
        self._behind = {name: record.since for name, record in records.items() if record.since is not None}

    @property
    def some_join(self) -> bool:
        """True while the stream shows transactions behind which a table joined."""
        return bool(self._behind)

    def reached(self, processed: GtidSet) -> None:
        """The stream has brought all of this, and will not bring it again."""
        if self._behind:
            self._behind = {name: since for name, since in self._behind.items() if not processed.covers(since)}

    def predates(self, table: TableId, gtids: GtidSet) -> bool:
        """True when the table joined behind these transactions, or must join anew, which will be behind them."""
        since = self._behind.get(table)
        return (since is not None and since.covers(gtids)) or self.records[table].stale

    def put(self, record: TableRecord) -> None:
        """A table has a new record."""
        self.records[record.table.id] = record
        self._store(record)

    def split(
        self, table: TableId, after: ChunkKey | None, bounds: Sequence[ChunkKey], finished: bool
    ) -> list[tuple[ChunkId, KeyRange]] | None:
        """The next chunks; None when they do not continue where the table stands."""
        record = self.records.get(table)
        if record is None or record.split_done or record.split_at != after:
            return None
        ends = [after, *bounds, *([None] if finished else [])]
        split_at, chunks = bounds[-1] if bounds else after, record.chunks + len(ends) - 1
        self.put(replace(record, chunks=chunks, split_at=split_at, split_done=finished))
        if finished:
            del self._unsplit[table]
        ranges = (KeyRange(lower, upper) for lower, upper in pairwise(ends))
        return [(ChunkId(table, number), bounds) for number, bounds in enumerate(ranges, record.chunks)]

    def next_to_split(self) -> TableId | None:
        """The first table whose splitter has not finished."""
        return next(iter(self._unsplit), None)

    def stale(self, table: TableId) -> None:
        """It must be copied again."""
        if not self.records[table].stale:
            self.put(replace(self.records[table], stale=True))

    def looked(self, table: TableId, seen: GtidSet) -> None:
        """The catalog showed it as it is known, when the server had executed so much."""
        known = self.records[table]
        described = seen if known.described is None else known.described.union(seen)
        if described != known.described:
            self.put(replace(known, described=described))

    def grown(self, table: Table) -> None:
        """It has more columns, which are NULL in all rows that are there."""
        known = self.records[table.id]
        self.put(replace(known, table=table, version=known.version + 1))

    def proven(self, table: TableId) -> None:
        """The catalog shows what its statements have made of it."""
        self.put(replace(self.records[table], described=None))

    def emptied(self, table: TableId) -> None:
        """A statement took rows away."""
        record = self.records[table]
        self._unswept[table] = None
        self.put(replace(record, emptied=record.emptied + 1))

    def to_sweep(self) -> Iterator[TableRecord]:
        """The live tables that were emptied and not swept since."""
        return (record for name in self._unswept if (record := self.records[name]).live)

    def swept(self, table: TableId, emptied: int) -> None:
        """The topic was put right as of so many statements."""
        record = self.records.get(table)
        if record is None or not record.swept < emptied <= record.emptied:
            return  # a report that came late
        if emptied == record.emptied:
            del self._unswept[table]
        self.put(replace(record, swept=emptied))
