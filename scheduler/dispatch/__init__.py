"""Which Celery hints to send now. Pure: what waits and the time come in, hints go out.

A hint is sent for a little more than may be read at a time, so that a worker that becomes free finds the next one in the
queue. It is sent again after a while and expires at the broker some time later, so lost hints cost a pause, doubled ones
a refused question, and the queue stays short however long no worker runs.

A hint names one chunk, or several small tables: an attempt costs a producer, a connection and two commits, which for a
table of ten rows is far more than its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.model.chunk import ChunkId
from shared.model.schema import TableId


@dataclass(frozen=True, slots=True)
class Sweep:
    """A table whose topic must be put right, since rows vanished without a change of each."""

    table: TableId


#: Chunks to read in one attempt, or a table to split.
SnapshotHint: TypeAlias = tuple[ChunkId, ...] | TableId

#: Whatever a worker may be told to do.
Hint: TypeAlias = SnapshotHint | Sweep

#: A hint is repeated after this many seconds.
REPEAT_SECONDS = 10.0

#: Chunks of one hint, and their rows together, as far as is known: one transaction of a moment.
GROUP_CHUNKS_MAX = 64
GROUP_ROWS_MAX = 10_000


@dataclass(slots=True)
class Dispatch:
    """Remembers which hints are under way.

    Args:
        parallelism: attempts that may read at a time.
        ahead: hints beyond that.
    """

    parallelism: int
    ahead: int = 2
    _sent: dict[SnapshotHint, float] = field(default_factory=dict)
    _turned_away: set[SnapshotHint] = field(default_factory=set)

    def due(
        self,
        waiting: Collection[ChunkId],
        small: Callable[[ChunkId], int | None],
        reading: int,
        splitting: TableId | None,
        now: float,
    ) -> list[SnapshotHint]:
        """The hints to send now.

        Args:
            waiting: the waiting chunks in their order; only its front is looked at.
            small: how many rows a chunk has that may be read together with others; None for one that may not.
            reading: how many attempts read now.
            splitting: the table to split next; None when a splitter is at work or nothing is left to split.
            now: seconds of a clock that never goes back.
        """
        # What no longer waits was granted or finished; forgetting it lets a later revoke send it at once. While nobody
        # else may read there is no hurry: a hint that was lost is sent again when somebody may.
        full = reading >= self.parallelism
        self._sent = {
            hint: at
            for hint, at in self._sent.items()
            if (hint == splitting and now - at < REPEAT_SECONDS)
            or ((full or now - at < REPEAT_SECONDS) and any(chunk in waiting for chunk in _chunks(hint)))
        }
        if not full:
            for hint in self._turned_away:
                self._sent.pop(hint, None)
            self._turned_away.clear()
        under_way = {chunk for hint in self._sent for chunk in _chunks(hint)}
        hints = sum(1 for hint in self._sent if _chunks(hint))
        due: list[SnapshotHint] = []
        if hints + reading < self.window:
            rest = (chunk for chunk in waiting if chunk not in under_way)
            due += _groups(rest, small, self.window - hints - reading)
        if splitting is not None and splitting not in self._sent:
            due.append(splitting)
        self._sent |= dict.fromkeys(due, now)
        return due

    def refused(self, hint: SnapshotHint) -> None:
        """The worker that took this hint was turned away: it is sent again as soon as it is wanted, but not before
        another attempt may read. (A worker asks with a producer that it opened for that; asking in vain is dear.)
        """
        if hint in self._sent:
            self._turned_away.add(hint)

    @property
    def window(self) -> int:
        """How many attempts read or are hinted at a time."""
        return self.parallelism + self.ahead


def _chunks(hint: SnapshotHint) -> tuple[ChunkId, ...]:
    return () if isinstance(hint, TableId) else hint


def _groups(chunks: Iterable[ChunkId], small: Callable[[ChunkId], int | None], most: int) -> list[tuple[ChunkId, ...]]:
    """The first `most` groups: small chunks that stand together as far as the bounds allow, any other one alone."""
    groups: list[tuple[ChunkId, ...]] = []
    group: list[ChunkId] = []
    rows = 0
    for chunk in chunks:
        size = small(chunk)
        joins = size is not None and len(group) < GROUP_CHUNKS_MAX and rows + size <= GROUP_ROWS_MAX
        if group and not joins:
            groups.append(tuple(group))
            group, rows = [], 0
        if len(groups) == most:
            return groups
        group.append(chunk)
        # One that must be alone leaves no room.
        rows = rows + size if size is not None else GROUP_ROWS_MAX + 1
    return [*groups, tuple(group)] if group else groups
