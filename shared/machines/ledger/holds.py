"""Where the events of claimed chunks wait. Only the last event of a key matters (DESIGN rule 5), so a hold is a map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from shared.model.change import Change

#: Events that leave a hold together.
_BATCH_EVENTS = 10_000


class Hold(Protocol):
    """The last held event of each key of one chunk. A None value is a tombstone."""

    def put(self, key: bytes, value: bytes | None) -> None:
        """Keeps this event and forgets an earlier one of the same key."""

    def batches(self) -> Iterator[list[Change]]:
        """The last event of each key, in no promised order, some at a time."""

    def void(self) -> None:
        """Every row is gone by a statement: the last event of each key becomes a tombstone."""

    def __len__(self) -> int:
        """How many keys are held."""

    def close(self) -> None:
        """Frees memory and files; the hold is not used again."""


class MemoryHold:
    """A hold in memory. `shared.adapters.sqlite` has the one that spills to disk."""

    def __init__(self) -> None:
        self._events: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes | None) -> None:
        """See `Hold`."""
        self._events[key] = value

    def batches(self) -> Iterator[list[Change]]:
        """See `Hold`."""
        return in_batches(self._events.items())

    def void(self) -> None:
        """See `Hold`."""
        self._events = dict.fromkeys(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def close(self) -> None:
        """See `Hold`."""
        self._events.clear()


def in_batches(events: Iterable[Change]) -> Iterator[list[Change]]:
    """The same events, some at a time."""
    rest = iter(events)
    while batch := list(islice(rest, _BATCH_EVENTS)):
        yield batch
