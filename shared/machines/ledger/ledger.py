"""The ledger itself. Read the package's docstring first: states, owners and laws stand there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, pairwise
from typing import NamedTuple, TypeVar

from shared.errors import Bug
from shared.machines.ledger.holds import Hold
from shared.machines.ledger.records import (
    ChunkRecord,
    PositionRecord,
    Record,
    StoredState,
    TableRecord,
    chunk_key_bytes,
    done_key_bytes,
    encode_record,
)
from shared.model.change import Change, ChunkKey
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import Coordinates, Gtid, GtidSet
from shared.model.schema import TableId

T = TypeVar("T")


class ChunkState(Enum):
    """Where a chunk stands; see the package's docstring for who moves it."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    READ = "read"
    DRAINING = "draining"


@dataclass(slots=True)
class _Chunk:
    """A chunk that is not released. `hold`, `since` and `attempt` exist from the claim on."""

    id: ChunkId
    range: KeyRange
    state: ChunkState = ChunkState.WAITING
    attempt: str | None = None
    since: GtidSet | None = None
    hold: Hold | None = None
    rows: int = 0
    target: Coordinates | None = None


class Grant(NamedTuple):
    """`go(P)`: the attempt may read its chunk once the server has executed `low`. Only sent after the commit."""

    chunk: ChunkId
    attempt: str
    range: KeyRange
    low: GtidSet


class Refusal(NamedTuple):
    """The attempt may not read: the hint was stale, doubled or early."""

    chunk: ChunkId
    attempt: str
    reason: str


class HeldRange(NamedTuple):
    """A range whose events are kept back, for the server to place character keys in."""

    number: int
    range: KeyRange


class Ledger:
    """Decides about chunks and changes of one job. One leader owns it; see the package's docstring for its laws.

    Args:
        state: the fold of the job's state topic, read after all open claims were fenced.
        epoch: this tenure's number.
        server_uuid: the server that the stream comes from.
        parallelism: how many chunks may be claimed at a time.
        new_hold: makes the store for one chunk's held events.
        fresh: nobody has led the job yet, so that even its first tables and position must still be stored.

    """

    def __init__(
        self,
        state: StoredState,
        epoch: int,
        server_uuid: str,
        parallelism: int,
        new_hold: Callable[[], Hold],
        *,
        fresh: bool = False,
    ) -> None:
        if state.position is None:
            raise Bug("The ledger was opened without a position.")
        self.processed = state.position.processed
        self.tables: dict[TableId, TableRecord] = dict(state.tables)
        self.epoch = epoch
        self._server_uuid = server_uuid
        self.parallelism = parallelism
        self._new_hold = new_hold
        self._gtid: Gtid | None = None
        self._replayed = False
        self._waiting: dict[ChunkId, _Chunk] = {}
        self._held: dict[TableId, dict[ChunkId, _Chunk]] = {}
        self._dirty: dict[bytes, bytes | None] = {}
        self._grants: list[Grant] = []
        for record in state.chunks.values():
            self._restore(record, state)
        if fresh:
            for table in state.tables.values():
                self._put_table(table)
        self._stored: tuple[GtidSet, int] | None = None
        self.stream_from = self._resume_position()

    def _restore(self, record: ChunkRecord, state: StoredState) -> None:
        if record.released:
            return
        chunk = _Chunk(record.chunk, record.range, attempt=record.attempt, since=record.since)
        if record.attempt is None:
            self._waiting[chunk.id] = chunk
            return
        mark = state.done.get((record.chunk, record.attempt))
        chunk.state = ChunkState.DRAINING if mark is None else ChunkState.READ
        chunk.rows = 0 if mark is None else mark.rows
        self._start_hold(chunk)

    def _resume_position(self) -> GtidSet:
        """min(R, h) of rule 8: from here a new leader reads the binlog again."""
        position = self.processed
        for chunk in self.held_chunks():
            position = position.intersection(_required(chunk.since))
        return position

    # The stream: begin, absorb*, end.

    def begin(self, gtid: Gtid) -> None:
        """A MySQL transaction starts. One that R covers is read again only for the holds that began before it."""
        self._between_transactions()
        self._gtid = gtid
        self._replayed = gtid in self.processed

    def held_ranges(self, table: TableId) -> list[HeldRange]:
        """The ranges of this table whose events are kept back now; empty means that no key needs a place."""
        return [HeldRange(chunk.id.number, chunk.range) for chunk in self._held.get(table, {}).values()]

    def absorb(self, changes: Sequence[Change], places: Sequence[int | None] | None = None) -> Sequence[Change]:
        """Takes changes of one table and returns those to write now; the others are held or already written.

        Args:
            changes: in binlog order, all of one table.
            places: for each change the number of the held chunk that it falls into, as the server sorts it; None
                where Python sorts as the server does.

        """
        if self._gtid is None:
            raise Bug("A change arrived outside a transaction.")
        held = self._held.get(changes[0].table) if changes else None
        if not held:
            return () if self._replayed else changes
        return [
            change
            for index, change in enumerate(changes)
            if not self._keep_back(change, held, places[index] if places is not None else _place(held, change))
        ]

    def _keep_back(self, change: Change, held: dict[ChunkId, _Chunk], place: int | None) -> bool:
        """Rule 3: an event of a held range waits, unless it is older than the hold."""
        chunk = None if place is None else held.get(ChunkId(change.table, place))
        if chunk is None:
            return self._replayed
        if _required(self._gtid) in _required(chunk.since):
            return True  # what `since` covers was written before the claim
        _required(chunk.hold).put(change.key, change.value)
        return True

    def end(self) -> None:
        """The MySQL transaction is whole: R grows by it."""
        if self._gtid is None:
            raise Bug("A transaction ended that had not begun.")
        self.processed = self.processed.with_gtid(self._gtid)
        self._gtid = None

    @property
    def in_transaction(self) -> bool:
        """True between `begin` and `end`: no commit, claim or release now."""
        return self._gtid is not None

    # Splitting.

    def split(self, table: TableId, after: ChunkKey | None, bounds: Sequence[ChunkKey], finished: bool) -> bool:
        """The splitter found the next bounds. Any ascending bounds make correct chunks, so only order is checked:
        a result that does not continue where the ledger stands is late or doubled, and is dropped.

        Returns:
            False when the result was dropped.

        """
        self._between_transactions()
        record = self.tables.get(table)
        if record is None or record.split_done or record.split_at != after:
            return False
        for lower, upper in pairwise([after, *bounds, *([None] if finished else [])]):
            chunk = _Chunk(ChunkId(table, record.chunks), KeyRange(lower, upper))
            self._waiting[chunk.id] = chunk
            self._put_chunk(chunk)
            record = replace(record, chunks=record.chunks + 1)
        self._put_table(replace(record, split_at=bounds[-1] if bounds else after, split_done=finished))
        return True

    def unsplit(self) -> list[TableRecord]:
        """Tables whose splitter has not finished, in the order in which they were added."""
        return [record for record in self.tables.values() if not record.split_done]

    # Chunks.

    def ask(self, chunk_id: ChunkId, attempt: str) -> Refusal | None:
        """Rule 2, admission. None means granted: the grant comes out of `committed`, when the claim is durable."""
        self._between_transactions()
        chunk = self._waiting.get(chunk_id)
        if chunk is None:
            return Refusal(chunk_id, attempt, "not waiting")
        if self.claimed >= self.parallelism:
            return Refusal(chunk_id, attempt, "parallelism reached")
        del self._waiting[chunk_id]
        chunk.state, chunk.attempt, chunk.since = ChunkState.CLAIMED, attempt, self.processed
        self._start_hold(chunk)
        self._put_chunk(chunk)
        self._grants.append(Grant(chunk_id, attempt, chunk.range, self.processed))
        return None

    def done(self, chunk_id: ChunkId, attempt: str, rows: int) -> None:
        """A committed done-mark was read from the state topic (rule 5)."""
        self._between_transactions()
        chunk = self._held.get(chunk_id.table, {}).get(chunk_id)
        if chunk and chunk.attempt == attempt and chunk.state is ChunkState.CLAIMED:
            chunk.state, chunk.rows = ChunkState.READ, rows

    def fenced(self, chunk_id: ChunkId, attempt: str) -> Iterator[Change]:
        """Rule 7: the id is fenced and the state topic was read to its end as of after the fence. Without a done-mark
        the chunk waits again and its held events go out now. The caller writes all that this yields.
        """
        self._between_transactions()
        chunk = self._held.get(chunk_id.table, {}).get(chunk_id)
        if chunk and chunk.attempt == attempt and chunk.state is ChunkState.CLAIMED:
            yield from self._let_go(chunk)
            self._wait_again(chunk)

    @property
    def wants_binlog_end(self) -> bool:
        """True when a chunk is READ or DRAINING and does not yet know how far its hold must last."""
        return any(chunk.target is None for chunk in self._ending())

    def binlog_end(self, end: Coordinates) -> None:
        """The end of the binlog, asked for after `wants_binlog_end` was seen true (rule 5)."""
        for chunk in self._ending():
            chunk.target = chunk.target or end

    def ripe(self, reached: Coordinates) -> Iterator[Change]:
        """The held events of every chunk whose hold ends at or before the place that the stream has reached. The
        caller writes all that this yields.
        """
        self._between_transactions()
        for chunk in [c for c in self._ending() if c.target is not None and reached.reaches(c.target)]:
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
        records = list(self._dirty.items())
        self._dirty = {}
        if records or self._stored != (self.processed, self.epoch):
            self._stored = (self.processed, self.epoch)
            records.append(encode_record(PositionRecord(self.processed, self.epoch, self._server_uuid)))
        return records

    def committed(self) -> list[Grant]:
        """That transaction is committed: these attempts may go."""
        grants, self._grants = self._grants, []
        return grants

    @property
    def urgent(self) -> bool:
        """True when somebody waits for the next commit."""
        return bool(self._grants)

    @property
    def dirty(self) -> bool:
        """True when `checkpoint` has more to say than that R moved."""
        return bool(self._dirty) or self._stored is None

    @property
    def moved(self) -> bool:
        """True when R is ahead of what `checkpoint` last returned."""
        return self._stored != (self.processed, self.epoch)

    # Views.

    @property
    def claimed(self) -> int:
        """How many chunks are being read."""
        return len(self.claims())

    def claims(self) -> list[tuple[ChunkId, str]]:
        """The chunks that are being read, with their attempts."""
        return [(c.id, _required(c.attempt)) for c in self.held_chunks() if c.state is ChunkState.CLAIMED]

    def waiting(self, limit: int) -> list[ChunkId]:
        """The first waiting chunks."""
        return list(islice(self._waiting, limit))

    def held_chunks(self) -> Iterator[_Chunk]:
        """Chunks whose events are kept back. At most a few: claims are capped, releases follow soon."""
        for chunks in self._held.values():
            yield from chunks.values()

    def held_events(self) -> int:
        """How many events are kept back."""
        return sum(len(_required(chunk.hold)) for chunk in self.held_chunks())

    @property
    def snapshot_done(self) -> bool:
        """True when there are tables and every one is live."""
        return bool(self.tables) and all(record.live for record in self.tables.values())

    # Inside.

    def _ending(self) -> list[_Chunk]:
        return [c for c in self.held_chunks() if c.state in (ChunkState.READ, ChunkState.DRAINING)]

    def _start_hold(self, chunk: _Chunk) -> None:
        chunk.hold = self._new_hold()
        self._held.setdefault(chunk.id.table, {})[chunk.id] = chunk

    def _let_go(self, chunk: _Chunk) -> Iterator[Change]:
        hold = _required(chunk.hold)
        for key, value in hold.events():
            yield Change(chunk.id.table, (), key, value)
        hold.close()
        held = self._held[chunk.id.table]
        del held[chunk.id]
        if not held:
            del self._held[chunk.id.table]

    def _wait_again(self, chunk: _Chunk) -> None:
        self._waiting[chunk.id] = again = _Chunk(chunk.id, chunk.range)
        self._put_chunk(again)

    def _release(self, chunk: _Chunk) -> None:
        record = self.tables[chunk.id.table]
        record = replace(record, released=record.released + 1, rows=record.rows + chunk.rows)
        self._put(ChunkRecord(chunk.id, chunk.range, released=True))
        self._dirty[done_key_bytes(chunk.id, _required(chunk.attempt))] = None
        if record.live:  # its chunks have nothing more to say
            self._dirty |= {chunk_key_bytes(ChunkId(chunk.id.table, n)): None for n in range(record.chunks)}
        self._put_table(record)

    def _put_table(self, record: TableRecord) -> None:
        self.tables[record.table.id] = record
        self._put(record)

    def _put_chunk(self, chunk: _Chunk) -> None:
        self._put(ChunkRecord(chunk.id, chunk.range, chunk.attempt, chunk.since))

    def _put(self, record: TableRecord | ChunkRecord) -> None:
        self._dirty.update([encode_record(record)])

    def _between_transactions(self) -> None:
        if self._gtid is not None:
            raise Bug("The ledger may only decide about chunks between transactions.")


def _place(held: dict[ChunkId, _Chunk], change: Change) -> int | None:
    return next((chunk.id.number for chunk in held.values() if chunk.range.holds(change.chunk_key)), None)


def _required(value: T | None) -> T:
    if value is None:
        raise Bug("A held chunk lacks its claim.")
    return value
