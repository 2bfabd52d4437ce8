"""All that a comparison needs of the world, so that tests can be one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.model.change import EncodedRow
from shared.model.chunk import KeyRange
from shared.model.position import GtidSet
from shared.model.verify import Counts, Difference, Open, Stage, Version


class Message(Protocol):
    """A committed message of the topic, as the reader of topics has it."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its place there."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def key(self) -> bytes:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; None for a tombstone."""


class Topic(Protocol):
    """The topic, read once from its beginning, and then on."""

    @property
    def done(self) -> int:
        """How many offsets have been passed."""

    @property
    def total(self) -> int:
        """How many there are to pass."""

    def to_end(self) -> Iterator[Sequence[Message]]:
        """What comes next, up to the end and perhaps a little behind it."""

    def refresh(self, *, stable: bool = True) -> None:
        """Takes the present end as the end; unless `stable`, behind all transactions that are open now."""

    def grown(self) -> bool:
        """True when the topic has partitions now that are not read."""


class Rows(Protocol):
    """The table, on one connection."""

    def executed(self, gtids: GtidSet) -> bool:
        """True once the server has executed all of it, so that what is read from now on shows it; waits a while."""

    def now(self) -> GtidSet:
        """All that the server has executed."""

    def pieces(self) -> Iterator[KeyRange]:
        """The range in pieces, each short enough for one consistent read."""

    def rest(self) -> float:
        """0 when the next piece may be read, by the limits of the job's throttle; else seconds after which to ask again, few of them,
        as the limits may change.
        """

    def read(self, piece: KeyRange) -> Iterator[Sequence[EncodedRow]]:
        """All rows of a piece in one consistent read."""

    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[Sequence[EncodedRow]]:
        """The rows of these keys, as far as they are there, and perhaps others; a key may come twice."""

    def leave(self) -> None:
        """Gives the connection back until rows are wanted again."""


class Job(Protocol):
    """The job whose topics these are."""

    def shown(self) -> GtidSet:
        """At least all that anybody may have read in the topics by now."""

    def covers(self, gtids: GtidSet) -> bool:
        """True once the topic shows every change of the table in these transactions; waits a while.

        Raises:
            NotFollowing: it never will, unless somebody does something.
        """

    def require(self, gtids: GtidSet) -> None:
        """Refuses a job that stands still before these transactions.

        Raises:
            NotFollowing: it does.
        """


class Store(Protocol):
    """What was read so far, as `shared.adapters.sqlite.folds.FoldStore` keeps it."""

    def fold(self, versions: Iterable[Version]) -> None:
        """Takes messages of the topic's first part."""

    def live_keys(self) -> int:
        """How many keys have a value."""

    def compare(self, rows: Sequence[EncodedRow]) -> None:
        """Takes rows."""

    def compared(self) -> None:
        """All rows were taken."""

    def open(self) -> int:
        """How many keys differ."""

    def keys(self) -> Iterator[list[bytes]]:
        """The keys that differ."""

    def reread(self, rows: Iterable[EncodedRow], turn: int) -> None:
        """Takes rows that were read again."""

    def gone(self, turn: int) -> None:
        """All keys that differ were read again."""

    def follow(self, versions: Iterable[Version]) -> None:
        """Takes later messages of the topic."""

    def settle(self) -> None:
        """Forgets the keys that are right."""

    def differing(self) -> Iterator[list[Open]]:
        """The keys that differ, with what is known of them."""

    def count(self, rows: int) -> Counts:
        """How many keys differ, by kind."""


class Step(NamedTuple):
    """Where a comparison pauses; `rest` is how long it should, in seconds."""

    stage: Stage
    done: int
    total: int
    rest: float = 0.0
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found. All keys that differ are in the store still (`Store.differing`), for whoever mends them;
    `shown` are the first of them, with their values.
    """

    counts: Counts
    shown: tuple[Difference, ...]
