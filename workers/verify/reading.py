"""Reads one range of a table from MySQL, on one connection, for a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scheduler.discovery.catalog import estimates
from scheduler.planner.estimate import Estimate
from shared import clock
from shared.adapters.mysql import progress
from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.ranges import (
    quoted,
    select_keys,
    select_matching_keys,
    select_rows,
    table_name,
)
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.codec import Codec, FormatOptions, SnapshotEncoder
from shared.errors import Bug, InvalidJob, NeedsOperator
from shared.machines.throttle import LOOK_SECONDS, Throttle
from shared.model.change import ChunkKey, EncodedRow
from shared.model.chunk import KeyRange
from shared.model.orders import SplitTable
from shared.model.position import GtidSet
from shared.model.schema import Table
from shared.model.throttle import Limits, Pressure
from workers.snapshot.splitting import split_table
from workers.verify.keys import Keys, Unspelled

#: Keys in one query, by number and by size: short enough for max_allowed_packet and for the optimizer's memory.
_KEYS_PER_QUERY = 200
_KEY_BYTES_PER_QUERY = 500_000

#: A table of more chunks than this is divided into ranges, which are compared beside each other.
_CHUNKS_PER_RANGE = 10

#: Asks servers for their load; gets the connection on which the source may be asked.
Gauge = Callable[[Session, Limits], Pressure]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is read: a range of a table, in pieces of about so many rows, and how its keys read. Of ranges only the rows are read
    for which a condition holds; whoever asks for keys gets what there is.
    """

    table: Table
    range: KeyRange
    chunk_rows: int
    keys: Keys
    condition: str | None = None


class TableRows:
    """Implements `workers.verify.ports.Rows`. Connects when it is first used.

    Args:
        target: the server.
        cost: where to count the connection.
        codec: encodes rows.
        options: how the job spells them.
        subject: what is read.
        limits: tells those of the job's throttle, as they are now; a share of them where several parts are read at a time.
        sharing: how many.
        gauge: asks for the load of servers.

    With `by_place` it tells places in the binlog instead of GTIDs, for a job that counts so.
    """

    def __init__(
        self,
        target: MysqlTarget,
        cost: Cost,
        codec: Codec,
        options: FormatOptions,
        subject: Subject,
        limits: Callable[[], Limits],
        sharing: int,
        gauge: Gauge,
    ) -> None:
        self.by_place = False
        self._target = target
        self._cost = cost
        self._codec = codec
        self._options = options
        self._subject = subject
        self._limits = limits
        self._throttle = Throttle(Limits())
        self._sharing = sharing
        self._gauge = gauge
        self._session: Session | None = None
        self._gate = progress.Gate()
        self._began = 0.0
        self._asked = float("-inf")
        self._rows = 0
        self._bytes = 0

    @property
    def table(self) -> Table:
        """The table, with the columns that are read."""
        return self._subject.table

    def divided(self, most: int) -> list[ChunkKey]:
        """Bounds that divide a large table into ranges, `most` at most; none for any other table."""
        subject = self._subject
        if subject.range != KeyRange(None, None) or not subject.keys.divisible or most < 2:
            return []
        table = subject.table
        rows = self._estimated_rows()
        ranges = min(most, rows // (_CHUNKS_PER_RANGE * subject.chunk_rows) + 1)
        if ranges < 2:
            return []
        key = quoted(table.primary_key[0])
        low, high = self._open().query(f"SELECT MIN({key}), MAX({key}) FROM {table_name(table)}")[0]
        if low is None or high is None:
            return []
        first, last = int(low), int(high)
        return [
            (bound,) for bound in sorted({first + (last - first) * n // ranges for n in range(1, ranges)} - {first})
        ]

    def executed(self, gtids: GtidSet) -> bool:
        """See `Rows`; waits a second at most."""
        return self._gate.shows(self._open(), gtids, [self._subject.table.id])

    def now(self) -> GtidSet:
        """See `Rows`."""
        return progress.executed(self._open(), by_place=self.by_place)

    def pieces(self) -> Iterator[KeyRange]:
        """See `Rows`; a table whose key cannot be cut is one piece."""
        subject, upper = self._subject, self._subject.range.upper
        lower = subject.range.lower
        rows = self._estimated_rows()
        # Each piece is read before the next bound is looked for, so the connection is free for the search.
        order = SplitTable("", table=subject.table, after=lower, chunk_rows=subject.chunk_rows, rows_estimate=rows)
        for found in split_table(self._open(), order):
            for bound in found.bounds:
                if upper is not None and bound >= upper:  # only keys whose order Python shares have an end
                    yield KeyRange(lower, upper)
                    return
                yield KeyRange(lower, bound)
                lower = bound
        yield KeyRange(lower, upper)

    def rest(self) -> float:
        """See `Rows`. Between pieces, so that no read stays open for the sake of the pace."""
        now = clock.monotonic_seconds()
        if now - self._asked >= LOOK_SECONDS:
            self._follow(self._limits(), now)
        ahead = self._began + self._throttle.pace(self._sharing).seconds(self._rows, self._bytes) - now
        if ahead > 0:
            return min(ahead, LOOK_SECONDS)
        if self._throttle.wants_look(now):
            self._throttle.look(self._gauge(self._open(), self._throttle.limits), now)
        return LOOK_SECONDS if self._throttle.reason(now) else 0.0

    def _follow(self, limits: Limits, now: float) -> None:
        """`scheduler throttle` may have changed them; what was read under others is forgotten."""
        self._asked = now
        if limits != self._throttle.limits:
            self._throttle.change(limits)
            self._began, self._rows, self._bytes = now, 0, 0

    def read(self, piece: KeyRange) -> Iterator[Sequence[EncodedRow]]:
        """See `Rows`."""
        encoder = self._codec.snapshot_encoder(self._subject.table, self._options)
        sql = select_rows(self._subject.table, encoder.select_expressions, piece, self._subject.condition)
        session = self._open()
        before = session.received
        for batch in self._stream(sql, encoder):
            self._rows += len(batch)
            yield batch
        self._bytes += session.received - before

    def check_condition(self, condition: str) -> None:
        """Has MySQL look at a user's condition, without reading a row.

        Raises:
            InvalidJob: MySQL does not take it.
        """
        table = self._subject.table
        try:
            self._open().query(f"SELECT 1 FROM {table_name(table)} WHERE ({condition}\n) LIMIT 0")
        except (Bug, NeedsOperator) as error:
            hint = "Write what could stand behind WHERE in a query of this table; functions of your own with their database."
            raise InvalidJob(f"The condition is none. {error.message}", hint, "--where") from None

    def keys_matching(self, condition: str) -> Iterator[list[bytes]]:
        """The keys of the rows for which a condition holds, a piece of the table at a time."""
        table = self._subject.table
        for piece in self.pieces():
            encoder = self._codec.snapshot_encoder(table, self._options)
            sql = select_rows(table, encoder.select_expressions, piece, condition)
            yield [key for batch in self._stream(sql, encoder) for key, _ in batch]

    def matching(self, condition: str, keys: Sequence[bytes]) -> list[bytes] | None:
        """Those of the keys for which a condition holds, whether or not they have a row. None when that cannot be told: the
        condition speaks of other columns, or keys have no literal.
        """
        subject = self._subject
        if not subject.keys.exact:
            return None
        spelled = [(key, place) for key in keys if not isinstance(place := subject.keys.read(key), Unspelled)]
        found: list[bytes] = []
        for start in range(0, len(spelled), _KEYS_PER_QUERY):
            batch = spelled[start : start + _KEYS_PER_QUERY]
            try:
                rows = self._open().query(select_matching_keys(subject.table, [place for _, place in batch], condition))
            except NeedsOperator:
                return None
            found += [batch[int(cell or b"0")][0] for (cell,) in rows]
        return found

    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[Sequence[EncodedRow]]:
        """See `Rows`. Rows whose keys have no literal are found by reading the range once more."""
        doubtful = self._subject.keys.whole
        batch: list[ChunkKey] = []
        size = 0
        for key in () if doubtful else (key for found in keys for key in found):
            place = self._subject.keys.read(key)
            if isinstance(place, Unspelled):
                doubtful |= place is Unspelled.DOUBTFUL
                continue
            batch.append(place)
            size += len(key)
            if len(batch) == _KEYS_PER_QUERY or size > _KEY_BYTES_PER_QUERY:
                yield from self._of(batch)
                batch, size = [], 0
        if batch:
            yield from self._of(batch)
        if doubtful:
            for piece in self.pieces():
                yield from self.read(piece)

    def leave(self) -> None:
        """See `Rows`."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _estimated_rows(self) -> int:
        """By the statistics, which know nothing of a table that is gone: the query that follows says so."""
        table = self._subject.table.id
        return estimates(self._open(), [table]).get(table, Estimate()).rows

    def _of(self, keys: Sequence[ChunkKey]) -> Iterator[Sequence[EncodedRow]]:
        encoder = self._codec.snapshot_encoder(self._subject.table, self._options)
        yield from self._stream(select_keys(self._subject.table, encoder.select_expressions, keys), encoder)

    def _stream(self, sql: str, encoder: SnapshotEncoder) -> Iterator[Sequence[EncodedRow]]:
        """A stream that was not read to its end, or broke, has cost the connection: the next query gets a new one."""
        try:
            yield from self._open().stream(sql, encoder)
        finally:
            if not encoder.ended:
                self.leave()

    def _open(self) -> Session:
        if self._session is None:
            self._session = Session(self._target, f"verify {self._subject.table.id}", self._cost)
        return self._session
