"""One attempt: at one chunk, or at several small ones together (DESIGN rules 2 and 4). Written as a generator that pauses wherever it waits or has done
a step, so that the process runs it straight through and the simulation lets the world go on in between.

Any error, fence or unknown commit outcome ends the attempt; its id is never used again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from shared.machines.ledger import DoneMark, Record, encode_record
from shared.model.change import Change
from shared.model.chunk import ChunkId
from shared.model.label import Origin
from shared.model.orders import Answer, AskChunks, AskReread, Granted, ReadChunks, Refused
from shared.model.places import is_place
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.model.throttle import Pace


class AttemptSink(Protocol):
    """A producer with a fresh transactional id, initialised before anybody asks for admission."""

    transactional_id: str

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin) -> None:
        """Writes changes of a table inside the attempt's one transaction."""

    def commit(self, records: Iterable[Record]) -> None:
        """Writes the done-mark and commits."""


class Desk(Protocol):
    """The way to the leader and back."""

    def ask(self, question: AskChunks | AskReread) -> None:
        """Sends the question; it may be lost."""

    def answer(self, attempt: str) -> Answer | None:
        """The leader's answer, None when none has come yet."""

    def beat(self, attempt: str, rows: int, size: int, waits: str = "") -> None:
        """Tells the leader that the attempt is alive and has read so much, or what it waits for; cheap enough for every batch."""

    def tell(self) -> None:
        """Sends what `beat` noted last at once: the attempt will not beat again."""


class Reader(Protocol):
    """The one connection that waits and then reads. `received` counts the bytes of rows that it has read, `place` is the server, for
    people.
    """

    @property
    def place(self) -> str:
        """Which server it is."""

    @property
    def received(self) -> int:
        """Bytes of rows that have arrived."""

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:
        """True once the server has executed all of it, so that what is read of these tables shows it; waits a while for that."""

    def read(self, granted: Granted) -> Iterator[Sequence[Change]]:
        """All rows of the chunk in one consistent read, a batch at a time; of a range that is read again also the
        tombstones of keys that the topic has and that read has not (rule 10).
        """

    def rested(self, rows: int, pace: Pace) -> bool:
        """True when so many rows, and what was received, are not ahead of the pace; waits a while for that."""


class Outcome(NamedTuple):
    """How the attempt ended without an error: the chunks that it read, or why it read none, and whether that is `final`. For the
    process to fill in: `bytes`, those of the rows as MySQL sent them, and `seconds`, from the grant to the commit.
    """

    chunks: tuple[ChunkId, ...] = ()
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    reason: str = ""
    final: bool = False

    @property
    def read(self) -> bool:
        """False when it was refused."""
        return bool(self.chunks)


def attempt_reading(
    question: AskChunks | AskReread,
    sink: AttemptSink,
    desk: Desk,
    reader: Reader,
    require_salt: Callable[[str], None] = lambda _: None,
) -> Generator[None, None, Outcome]:
    """Asks, waits for P, reads what was granted, writes, commits. Each chunk is a consistent read of its own; one
    transaction has the rows and done-marks of all. The question's attempt is the sink's id.

    Args:
        question: what it asks for.
        sink: where rows go.
        desk: the way to the leader.
        reader: reads rows.
        require_salt: raises where the job's salt, of which it gets the fingerprint, is not that of the reader.

    Raises:
        HeadraceError: the attempt is over; the caller reports it and retires the id.
    """
    attempt = question.attempt
    desk.ask(question)
    while (answer := desk.answer(attempt)) is None:
        yield
    if isinstance(answer, Refused):
        return Outcome(reason=answer.reason, final=answer.final)
    if not isinstance(answer, ReadChunks):
        return Outcome(reason="answered amiss")
    require_salt(answer.salt)
    tables = list(dict.fromkeys(granted.table.id for granted in answer.granted))
    waits = ""
    while not reader.executed(answer.low, tables):
        waits = waits or _awaited(reader.place, answer.low, tables)
        desk.beat(attempt, 0, 0, waits)
        yield
    if waits:
        desk.beat(attempt, 0, 0)  # no more, although the first rows may take their time
    marks: list[DoneMark] = []
    total = 0
    for granted in answer.granted:
        rows = 0
        for batch in reader.read(granted):
            sink.write_all(granted.topic, batch, granted.origin)
            rows += len(batch)
            desk.beat(attempt, total + rows, reader.received)
            yield
            while not reader.rested(total + rows, answer.pace):
                desk.beat(attempt, total + rows, reader.received)
                yield
        marks.append(DoneMark(granted.chunk, attempt, rows))
        total += rows
    desk.tell()
    sink.commit([encode_record(mark) for mark in marks])
    return Outcome(tuple(mark.chunk for mark in marks), total)


def _awaited(place: str, low: GtidSet, tables: Sequence[TableId]) -> str:
    """What a reader waits for until it may read."""
    if is_place(low):
        return f"{place} to end the transactions that have changed {' or '.join(map(str, tables))}"
    return f"{place} to execute what the job has processed"
