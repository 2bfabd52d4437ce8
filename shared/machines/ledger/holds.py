"""Where the events of claimed chunks wait. Only the last event of a key matters (DESIGN rule 5), so a hold is a map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Hold(Protocol):
    """The last held event of each key of one chunk. A None value is a tombstone."""

    def put(self, key: bytes, value: bytes | None) -> None:
        """Keeps this event and forgets an earlier one of the same key."""

    def events(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The last event of each key, in no promised order."""

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

    def events(self) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Hold`."""
        yield from self._events.items()

    def __len__(self) -> int:
        return len(self._events)

    def close(self) -> None:
        """See `Hold`."""
        self._events.clear()
