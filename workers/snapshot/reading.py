"""Reads chunks from MySQL: waits for P, then one consistent SELECT per chunk, on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from shared import clock
from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.progress import Gate
from shared.adapters.mysql.ranges import select_rows
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.codec import Codec, FormatOptions
from shared.model.change import Change, EncodedRow, Tally
from shared.model.orders import Granted
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.model.throttle import Pace
from shared.model.topic import Placing
from workers.snapshot.attempt import Reader

#: How long an attempt keeps its transaction open for its pace's sake.
_REST_SECONDS_MAX = 30.0

#: How long a reader rests before it shows a sign of life.
_WAIT_SECONDS = 1


class ChunkReader:
    """Implements `workers.snapshot.attempt.Reader`. Connects when it is first used, so a refused attempt costs MySQL
    nothing. `tallies` is what was read so far, by table; `condition` tells which rows of a table are copied; `place` is the server,
    for people.
    """

    def __init__(
        self,
        target: MysqlTarget,
        codec: Codec,
        options: FormatOptions,
        purpose: str,
        cost: Cost,
        condition: Callable[[TableId], str | None],
        place: str,
    ) -> None:
        self.tallies: dict[TableId, Tally] = {}
        self.place = place
        self._cost = cost
        self._target = target
        self._codec = codec
        self._options = options
        self._purpose = purpose
        self._condition = condition
        self._session: Session | None = None
        self._gate = Gate()
        self._began = 0.0
        self._rest = 0.0

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:
        """True once the server has executed all of it, so that what is read of these tables shows it; waits a second at most."""
        return self._gate.shows(self._open(), low, tables)

    def read(self, granted: Granted) -> Iterator[Sequence[EncodedRow]]:
        """All rows of the chunk in one consistent read."""
        self._began = self._began or clock.monotonic_seconds()
        encoder = self._codec.snapshot_encoder(granted.table, self._options)
        condition = self._condition(granted.table.id)
        sql = select_rows(granted.table, encoder.select_expressions, granted.range, condition)
        tally = self.tallies.setdefault(granted.table.id, Tally())
        for batch in self._open().stream(sql, encoder):
            tally.rows += len(batch)
            yield batch
        tally.size += encoder.size

    @property
    def received(self) -> int:
        """Bytes of rows that have arrived."""
        return 0 if self._session is None else self._session.received

    def rested(self, rows: int, pace: Pace) -> bool:
        """True when rows and bytes are not ahead of the pace; waits a second at most.

        An attempt rests 30 s in all and then goes on as fast as it can: its transaction is open meanwhile, which readers
        of the topic wait for. What it is ahead then, the leader makes up for before it grants the next chunk.
        """
        ahead = pace.seconds(rows, self.received)
        if not ahead:
            return True
        now = clock.monotonic_seconds()
        wait = min(self._began + ahead - now, _REST_SECONDS_MAX - self._rest)
        if wait <= 0:
            return True
        pause = min(wait, _WAIT_SECONDS)
        time.sleep(pause)
        self._rest += pause
        return pause == wait

    def close(self) -> None:
        """Ends the connection."""
        if self._session is not None:
            self._session.close()

    def _open(self) -> Session:
        if self._session is None:
            self._session = Session(self._target, self._purpose, self._cost)
        return self._session


@dataclass(slots=True)
class PlacedReader:
    """A reader, and what the leader knows of the `topics` that its rows go to."""

    reader: Reader
    topics: dict[str, Placing] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """See `Reader`."""
        return self.reader.place

    @property
    def received(self) -> int:
        """Bytes of rows that have arrived."""
        return self.reader.received

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:
        """See `Reader`."""
        return self.reader.executed(low, tables)

    def read(self, granted: Granted) -> Iterator[Sequence[Change]]:
        """See `Reader`."""
        if granted.placing is not None:
            self.topics[granted.topic] = granted.placing
        return self.reader.read(granted)

    def rested(self, rows: int, pace: Pace) -> bool:
        """See `Reader`."""
        return self.reader.rested(rows, pace)
