"""What the leader needs of the world, as small contracts. The real ones are adapters of shared, wired in
`workers.binlog.tenure`; the simulation brings its own. None of these calls waits, but for `commit` and the questions
to MySQL, which are short.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from scheduler.dispatch import Hint
from shared.errors import NeedsOperator
from shared.machines.ledger import HeldRange, Record
from shared.model.binlog import Event
from shared.model.change import Change, ChunkKey
from shared.model.label import Origin
from shared.model.orders import Answer, Question
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Table, TableId
from shared.model.throttle import Limits, Pressure


class WorkerFailed(NeedsOperator):
    """A snapshot worker met an error that waiting cannot mend."""


class Stream(Protocol):
    """The one binlog connection of the job."""

    def events(self, merge: bool) -> Sequence[Event]:
        """The events that have arrived, in binlog order; raises when the connection is lost.

        Args:
            merge: whole transactions that stand next to each other may come as one.
        """


class Sink(Protocol):
    """The leader's transactional producer."""

    @property
    def pending(self) -> bool:
        """True when messages wait for a commit."""

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin) -> None:
        """Writes changes of a table inside the open transaction."""

    def commit(self, records: Iterable[Record]) -> None:
        """Writes state records and commits; raises when the outcome is not known to be a commit."""


class Log(Protocol):
    """The job's state topic, read committed."""

    position: int

    def poll(self) -> list[Record]:
        """The committed records that have arrived."""


class Mail(Protocol):
    """Questions of workers, and answers to them. May lose or double anything."""

    def receive(self) -> list[Question]:
        """The questions that have arrived."""

    def answer(self, answer: Answer) -> None:
        """Sends an answer to the attempt that it names."""


class Source(Protocol):
    """Questions to MySQL, on the leader's one SQL connection."""

    def binlog_end(self) -> Coordinates:
        """Where the binlog ends now."""

    def place(self, table: Table, keys: Sequence[ChunkKey], ranges: Sequence[HeldRange]) -> list[int | None]:
        """For each key the number of the range that it falls into, in the server's own order."""

    def wait_for(self, position: GtidSet, tables: Collection[TableId]) -> None:
        """Returns when the catalog shows what these transactions did to the tables; raises when it does not within a moment."""

    def current(self, table: TableId) -> Table | None:
        """The table as the catalog has it now; None when it is gone."""

    def shown(self) -> GtidSet:
        """All transactions of which a look at the server may have shown something by now."""


class Gauge(Protocol):
    """Asks servers for their load."""

    def pressure(self, limits: Limits) -> Pressure:
        """What the limits need to know: one short query on the leader's SQL connection; replicas are asked elsewhere."""


class Fencer(Protocol):
    """Ends attempts for good (rule 7), off the leader's path."""

    def start(self, attempt: str) -> None:
        """Begins to fence an attempt."""

    def fenced(self) -> list[tuple[str, int]]:
        """Attempts that are fenced now, each with the state topic's high watermark as of after its fence."""


class Hints(Protocol):
    """The queue of Celery."""

    def send(self, hint: Hint) -> None:
        """Sends a hint; losing it is harmless."""


#: Makes the reader of a table's keys: from a key in Kafka to its chunk key.
KeyReaders: TypeAlias = Callable[[Table], Callable[[bytes], ChunkKey]]


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them."""

    stream: Stream
    sink: Sink
    log: Log
    mail: Mail
    source: Source
    gauge: Gauge
    fencer: Fencer
    hints: Hints
    key_readers: KeyReaders


def _never(_table: TableId) -> bool:
    return False


def _always(_table: Table) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Policy:
    """The leader's pace. Times in seconds."""

    parallelism: int
    silence: float = 5.0
    """A reader without a heartbeat for this long is suspected and fenced; being wrong costs one attempt."""
    chore_silence: float = 30.0
    """A splitter without a result, or a sweeper without a sign of life for this long is taken for dead."""
    sweep: bool = True
    """Whether topics follow statements that take rows away without a change of each."""
    follow: bool = True
    """Whether tables that change are copied again; else the job stops."""
    stamped: bool = False
    """Whether messages tell of their transactions; these are then taken one by one."""
    adds: Callable[[Table], bool] = _always
    """Whether a table that has got columns can go on with them, without its rows being written again."""
    joins: Callable[[TableId], bool] = _never
    """Whether a table of this name, which the job does not have, joins it."""
    commit_messages: int = 50_000
    """Under load, a transaction is committed after this many messages: as many as a chunk holds (docs/performance.md)."""
    commit_interval: float = 0.2
    """Under load, a transaction is committed after this time at the latest."""
    position_interval: float = 1.0
    """While nothing concerns the job, the position alone is stored this often."""
