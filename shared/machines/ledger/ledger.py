"""The ledger itself. Read the package's docstring first: states, owners and laws stand there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from shared.errors import Bug
from shared.machines.ledger.chunks import ChunkState, Grant, HeldChunk, HeldRanges, Refusal, not_waiting
from shared.machines.ledger.columns import Columns
from shared.machines.ledger.holdings import Holdings
from shared.machines.ledger.holds import Hold
from shared.machines.ledger.journal import Journal
from shared.machines.ledger.records import (
    ChunkRecord,
    PositionRecord,
    Record,
    StoredState,
    TableRecord,
    chunk_key_bytes,
    done_key_bytes,
)
from shared.machines.ledger.tables import Tables
from shared.model.change import Change, ChunkKey
from shared.model.chunk import REREAD, ChunkId, KeyRange
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import TableId

#: Changes that go out of a hold, and the table that they belong to.
Batch: TypeAlias = tuple[TableId, list[Change]]


class Ledger:
    """Decides about chunks and changes of one job. One leader owns it; see the package's docstring for its laws.

    Args:
        state: the fold of the job's state topic, read after all open claims were fenced.
        epoch: this tenure's number.
        server_uuid: the server that the stream comes from.
        parallelism: how many attempts may read at a time.
        new_hold: makes the store for one chunk's held events.
    """

    def __init__(
        self, state: StoredState, epoch: int, server_uuid: str, parallelism: int, new_hold: Callable[[], Hold]
    ) -> None:
        if state.position is None:
            raise Bug("The ledger was opened without a position.")
        self.processed = state.position.processed
        self._journal = Journal(server_uuid, state.file)
        self.enter = self._journal.enter  # between transactions, as all that is stored
        self._tables = Tables(state.tables, self._journal.put)
        self.tables: Mapping[TableId, TableRecord] = self._tables.records
        self.epoch = epoch
        self._server_uuid = server_uuid
        self.parallelism = parallelism
        self._new_hold = new_hold
        self._gtids: GtidSet | None = None
        self._replayed = False
        # A linked list: what is taken from the front leaves no gap there for the next look to walk over.
        self._waiting: OrderedDict[ChunkId, KeyRange] = OrderedDict()
        self._held = Holdings()
        self.columns = Columns(self._tables, self._held, lambda: self.processed.union(self.present()))
        self._tried: set[ChunkId] = set()
        self._grants: list[Grant] = []
        for record in state.chunks.values():
            self._restore(record, state)
        self.stream_from = self._resume_position()
        self._to_replay = self.processed.minus(self.stream_from)
        self._tables.reached(self.stream_from)

    def _restore(self, record: ChunkRecord, state: StoredState) -> None:
        if record.released:
            return
        if record.attempt is None:
            self._waiting[record.chunk] = record.range
            return
        if record.since is None:
            raise Bug(f"The stored claim of {record.chunk} does not say where its hold began.")
        chunk = HeldChunk(record.chunk, record.range, record.attempt, record.since, self._new_hold())
        mark = state.done.get((record.chunk, record.attempt))
        chunk.state = ChunkState.DRAINING if mark is None else ChunkState.READ
        chunk.rows = 0 if mark is None else mark.rows
        self._held.add(chunk)

    def _resume_position(self) -> GtidSet:
        """min(R, h) of rule 8: from here a new leader reads the binlog again."""
        position = self.processed
        for chunk in self.held_chunks():
            position = position.intersection(chunk.since)
        return position

    # The stream: begin, absorb*, end.

    @property
    def replaying(self) -> bool:
        """True until the stream has shown again all that R covered when the tenure began."""
        return bool(self._to_replay)

    @property
    def singly(self) -> bool:
        """True while transactions must come one by one: R, a hold, or what a table joined behind may end between them."""
        return self.replaying or self._tables.some_join

    def predates(self, table: TableId) -> bool:
        """True when what the present transactions do to the table is older than its readers, which see it."""
        return self._tables.predates(table, self.present())

    @property
    def replayed(self) -> bool:
        """True within transactions that R covers."""
        return self._replayed

    def begin(self, gtids: GtidSet) -> None:
        """MySQL transactions start: one, or several that were put together. Those that R covers are read again only
        for the holds that began before them.
        """
        self._between_transactions()
        self._replayed = self.processed.intersects(gtids)
        if self._replayed:
            self._held.check_replay(gtids, self.processed)
        self._gtids = gtids

    def held_ranges(self, table: TableId) -> HeldRanges | None:
        """The ranges of this table whose events are kept back now; None means that no key needs a place."""
        return self._held.ranges(table)

    def absorb(
        self, table: TableId, changes: Sequence[Change], places: Sequence[int | None] | None = None
    ) -> Sequence[Change]:
        """Takes changes of one table and returns those to write now; the others are held or already written.

        Args:
            table: whose changes they are.
            changes: in binlog order.
            places: for each change the number of the held chunk that it falls into, None for none; without places no
                range of the table is held, and no change is looked at.
        """
        if self._gtids is None:
            raise Bug("A change arrived outside a transaction.")
        if self.predates(table):
            return ()
        if places is not None:
            return self._divide(table, changes, places)
        if self._held.of(table):
            raise Bug(f"Changes of {table} came without their places, but some of its ranges are held.")
        return () if self._replayed else changes

    def _divide(self, table: TableId, changes: Sequence[Change], places: Sequence[int | None]) -> Sequence[Change]:
        """Rule 3: an event of a held range waits, unless it is older than the hold."""
        holds = self._held.puts(table, self._again())
        now: list[Change] = []
        for change, place in zip(changes, places, strict=True):
            if place is None:
                now.append(change)
            else:
                holds[place](*change)
        return () if self._replayed else now

    def end(self) -> None:
        """The MySQL transactions are whole: R grows by them."""
        gtids = self.present()
        if not self._replayed:
            self.processed = self.processed.union(gtids)
        elif self._to_replay:
            self._to_replay = self._to_replay.minus(gtids)
        if not self._to_replay:  # what is read again may be older than a table that joined before R
            self._tables.reached(self.processed)
        self._gtids = None

    @property
    def in_transaction(self) -> bool:
        """True between `begin` and `end`: no commit, claim or release now."""
        return self._gtids is not None

    # Splitting.

    def split(self, table: TableId, after: ChunkKey | None, bounds: Sequence[ChunkKey], finished: bool) -> bool:
        """The splitter found the next bounds. Any ascending bounds make correct chunks, so only order is checked:
        a result that does not continue where the ledger stands is late or doubled, and is dropped.

        Returns:
            False when the result was dropped.
        """
        self._between_transactions()
        chunks = self._tables.split(table, after, bounds, finished)
        for chunk, range_ in chunks or ():
            self._waiting[chunk] = range_
            self._journal.put(ChunkRecord(chunk, range_))
        return chunks is not None

    def next_to_split(self) -> TableId | None:
        """The first table, in the order in which they were added, whose splitter has not finished."""
        return self._tables.next_to_split()

    def emptied(self, table: TableId, *, whole: bool) -> None:
        """A statement took rows away. The topic has them until it is swept: all its keys are read again (rule 10).

        Args:
            table: whose rows.
            whole: all rows of the table, so that what is held of them is void.
        """
        if not self._replayed:  # what R covers was stored with R
            self._tables.emptied(table)
        if whole:
            self._held.void(table, self._again())

    def next_to_sweep(self) -> TableRecord | None:
        """The first live table that was emptied and not swept since. What was held then may be written yet, by its reader or
        from the hold, and a sweep must see it: so nothing of the table is held.
        """
        return next((record for record in self._tables.to_sweep() if not self._held.of(record.table.id)), None)

    def swept(self, table: TableId, emptied: int) -> None:
        """A sweep is over that began when the table had been emptied so many times."""
        self._tables.swept(table, emptied)

    # Chunks.

    def ask(self, chunk_id: ChunkId, attempt: str) -> Refusal | None:
        """Rule 2, admission. None means granted: the grant comes out of `committed`, when the claim is durable.

        An attempt may ask for several chunks in one turn. For each of them it is what any attempt is; that it commits
        all their done-marks together only takes away orders in which things might have happened.
        """
        self._between_transactions()
        if chunk_id not in self._waiting:
            return Refusal(chunk_id, attempt, not_waiting(self._held.get(chunk_id)))
        if self._held.full(attempt, self.parallelism):
            return Refusal(chunk_id, attempt, "parallelism reached")
        self._claim(chunk_id, self._waiting.pop(chunk_id), attempt)
        return None

    def ask_again(self, table: TableId, bounds: KeyRange, attempt: str) -> Refusal | None:
        """Rule 10: may this attempt read a range of a live table? One at a time, as held ranges must not overlap, and once."""
        self._between_transactions()
        record = self.tables.get(table)
        if record is None or not record.live:
            return Refusal(
                ChunkId(table, REREAD), attempt, "the table's snapshot is not done yet, or it is none of the job's"
            )
        if self._held.of(table) or self._held.full(attempt, self.parallelism):
            return Refusal(ChunkId(table, REREAD), attempt, "others are reading")
        self._claim(ChunkId(table, REREAD), bounds, attempt)
        return None

    def _claim(self, chunk_id: ChunkId, bounds: KeyRange, attempt: str) -> None:
        chunk = HeldChunk(chunk_id, bounds, attempt, self.processed, self._new_hold())
        self._held.add(chunk)
        self._journal.put(ChunkRecord(chunk_id, bounds, attempt, chunk.since))
        low = self.tables[chunk_id.table].low(self.processed)
        self._grants.append(Grant(chunk_id, attempt, bounds, low))

    def done(self, chunk_id: ChunkId, attempt: str, rows: int) -> None:
        """A committed done-mark was read from the state topic (rule 5)."""
        chunk = self._claimed(chunk_id, attempt)
        if chunk:
            chunk.state, chunk.rows = ChunkState.READ, rows

    def fenced(self, chunk_id: ChunkId, attempt: str) -> Iterator[Batch]:
        """Rule 7: the id is fenced and the state topic was read to its end as of after that. Without a done-mark the chunk
        waits again and its held events go out now: the caller writes all that this yields.
        """
        chunk = self._claimed(chunk_id, attempt)
        if chunk:
            yield from self._let_go(chunk)
            self._wait_again(chunk)

    def _claimed(self, chunk_id: ChunkId, attempt: str) -> HeldChunk | None:
        self._between_transactions()
        chunk = self._held.get(chunk_id)
        return chunk if chunk and chunk.attempt == attempt and chunk.state is ChunkState.CLAIMED else None

    @property
    def wants_binlog_end(self) -> bool:
        """True when a chunk is READ or DRAINING and does not yet know how far its hold must last."""
        return any(chunk.target is None for chunk in self._held.ending())

    def binlog_end(self, end: Coordinates) -> None:
        """The end of the binlog, asked for after `wants_binlog_end` was seen true (rule 5)."""
        for chunk in self._held.ending():
            chunk.target = chunk.target or end

    def ripe(self, reached: Coordinates) -> Iterator[Batch]:
        """The held events of chunks whose hold ends where the stream is, or before: the caller writes all that this yields."""
        self._between_transactions()
        for chunk in [c for c in self._held.ending() if c.target is not None and reached.reaches(c.target)]:
            state = chunk.state
            yield from self._let_go(chunk)
            if state is ChunkState.READ:
                self._release(chunk)
            else:
                self._wait_again(chunk)

    # Durability.

    def checkpoint(self) -> list[Record]:
        """The records to write last in the transaction that is about to be committed (rule 8)."""
        self._between_transactions()
        return self._journal.checkpoint(self._position())

    def committed(self) -> list[Grant]:
        """That transaction is committed: these attempts may go."""
        granted, self._grants = self._grants, []
        return granted

    @property
    def urgent(self) -> bool:
        """True when somebody waits for the next commit."""
        return bool(self._grants)

    @property
    def dirty(self) -> bool:
        """True when `checkpoint` has more to say than that R moved."""
        return self._journal.dirty

    @property
    def moved(self) -> bool:
        """True when R is ahead of what `checkpoint` last returned."""
        return self._journal.stored != self._position()

    # Views.

    @property
    def claimed(self) -> int:
        """How many attempts are reading."""
        return len(self._held.readers())

    def claims(self) -> list[tuple[ChunkId, str]]:
        """The chunks that are being read, with their attempts."""
        return [(c.id, c.attempt) for c in self.held_chunks() if c.state is ChunkState.CLAIMED]

    @property
    def waiting(self) -> Mapping[ChunkId, KeyRange]:
        """The waiting chunks in their order, with their ranges; nobody walks to their end."""
        return self._waiting

    def small(self, chunk: ChunkId) -> int | None:
        """About how many rows the chunk has, if it may be read with others: a whole table of few rows, not yet tried."""
        return None if chunk in self._tried else self.tables[chunk.table].small

    def held_chunks(self) -> Iterator[HeldChunk]:
        """Chunks whose events are kept back. At most a few: claims are capped, releases follow soon."""
        return iter(self._held)

    def held_events(self) -> int:
        """How many events are kept back."""
        return sum(len(chunk.hold) for chunk in self.held_chunks())

    @property
    def snapshot_done(self) -> bool:
        """True when there are tables and every one is live."""
        return bool(self.tables) and all(record.live for record in self.tables.values())

    def _let_go(self, chunk: HeldChunk) -> Iterator[Batch]:
        # Of a stale table readers may have seen already what made it so, which is newer than what is held.
        if not self.tables[chunk.id.table].stale:
            yield from ((chunk.id.table, batch) for batch in chunk.hold.batches())
        self._held.drop(chunk)

    def _wait_again(self, chunk: HeldChunk) -> None:
        if chunk.reread:  # whoever wanted it asks again
            self._journal.drop(chunk_key_bytes(chunk.id))
            return
        self._waiting[chunk.id] = chunk.range
        self._tried.add(chunk.id)  # a table that cannot be read must not take others with it for ever
        self._journal.put(ChunkRecord(chunk.id, chunk.range))

    def _release(self, chunk: HeldChunk) -> None:
        self._journal.drop(done_key_bytes(chunk.id, chunk.attempt))
        if chunk.reread:
            self._journal.drop(chunk_key_bytes(chunk.id))
            return
        record = self.tables[chunk.id.table]
        record = replace(record, released=record.released + 1, rows=record.rows + chunk.rows)
        self._journal.put(ChunkRecord(chunk.id, chunk.range, released=True))
        if record.live:  # its chunks have nothing more to say
            for number in range(record.chunks):
                self._journal.drop(chunk_key_bytes(ChunkId(chunk.id.table, number)))
        self._tables.put(record)

    def _position(self) -> PositionRecord:
        return PositionRecord(self.processed, self.epoch, self._server_uuid)

    def _again(self) -> GtidSet | None:
        """What is read again now; None for what is new."""
        return self.present() if self._replayed else None

    def present(self) -> GtidSet:
        """The transactions that are being read now."""
        if self._gtids is None:
            raise Bug("A transaction ended that had not begun.")
        return self._gtids

    def _between_transactions(self) -> None:
        if self._gtids is not None:
            raise Bug("The ledger may only decide about chunks between transactions.")
