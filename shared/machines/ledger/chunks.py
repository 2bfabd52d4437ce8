"""What the ledger knows of a chunk, and where a key lies among the ranges that are held."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from shared.machines.ledger.holds import Hold
from shared.model.change import ChunkKey
from shared.model.chunk import REREAD, ChunkId, KeyRange
from shared.model.position import Coordinates, GtidSet


class ChunkState(Enum):
    """Where a chunk stands; see the package's docstring for who moves it."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    READ = "read"
    DRAINING = "draining"


@dataclass(slots=True)
class HeldChunk:
    """A chunk from its claim to its release: CLAIMED, READ or DRAINING. Of one that waits only the range is kept."""

    id: ChunkId
    range: KeyRange
    attempt: str
    since: GtidSet
    hold: Hold
    state: ChunkState = ChunkState.CLAIMED
    rows: int = 0
    target: Coordinates | None = None

    @property
    def reread(self) -> bool:
        """True of a range of a live table that is read again; it is none of the table's chunks."""
        return self.id.number == REREAD


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


#: Why a chunk that is held cannot be read now.
_HELD_BECAUSE = {
    ChunkState.CLAIMED: "another attempt reads it",
    ChunkState.READ: "another attempt has read it",
    ChunkState.DRAINING: "its last reader was shut out, and its changes are not written yet",
}


def not_waiting(held: HeldChunk | None) -> str:
    """Why nobody may read a chunk that does not wait; None is one that is not held either."""
    return _HELD_BECAUSE[held.state] if held else "copied already, or unknown"


class HeldRange(NamedTuple):
    """A range whose events are kept back."""

    number: int
    range: KeyRange


class HeldRanges:
    """The held ranges of one table. `places` is for types whose order Python shares; the server places the others,
    with `ranges` before its eyes.
    """

    def __init__(self, ranges: Iterable[HeldRange]) -> None:
        # Ranges of one table never overlap. The empty key is below all others, and so an open lower end.
        self.ranges = sorted(ranges, key=lambda held: held.range.lower or ())
        self._lowers = [held.range.lower or () for held in self.ranges]
        self._uppers = [held.range.upper for held in self.ranges]

    @property
    def whole(self) -> int | None:
        """The number of the range that is the whole table, if that is held: no key of it needs to be looked at."""
        first = self.ranges[0]
        return first.number if first.range.lower is None and first.range.upper is None else None

    def places(self, keys: Iterable[ChunkKey]) -> list[int | None]:
        """For each key the number of the range that it falls into."""
        return [self._place(key) for key in keys]

    def _place(self, key: ChunkKey) -> int | None:
        index = bisect_right(self._lowers, key) - 1
        if index < 0:
            return None
        upper = self._uppers[index]
        return self.ranges[index].number if upper is None or key < upper else None
