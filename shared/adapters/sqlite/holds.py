"""A hold in memory that moves to a temporary SQLite file beyond a bound (DESIGN rule 3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from shared.machines.ledger.holds import in_batches
from shared.model.change import Change

#: What a dict entry costs besides its bytes.
_ENTRY_BYTES = 200


class SpillingHold:
    """Implements `shared.machines.ledger.Hold`. The file is nameless: it vanishes with the process.

    Args:
        memory_bytes: beyond this much, events move to disk.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._events: dict[bytes, bytes | None] = {}
        self._bytes = 0
        self._file: sqlite3.Connection | None = None

    def put(self, key: bytes, value: bytes | None) -> None:
        """See `Hold`."""
        if key not in self._events:
            self._bytes += len(key) + _ENTRY_BYTES
        else:
            self._bytes -= len(self._events[key] or b"")
        self._bytes += len(value or b"")
        self._events[key] = value
        if self._bytes > self._memory_bytes:
            self._spill()

    def batches(self) -> Iterator[list[Change]]:
        """See `Hold`."""
        if self._file is None:
            yield from in_batches(self._events.items())
            return
        self._spill()
        with closing(self._file.execute("SELECT key, value FROM held")) as cursor:
            yield from in_batches(cursor)

    def void(self) -> None:
        """See `Hold`."""
        self._bytes -= sum(len(value or b"") for value in self._events.values())
        self._events = dict.fromkeys(self._events)
        if self._file is not None:
            self._file.execute("UPDATE held SET value = NULL")

    def __len__(self) -> int:
        if self._file is None:
            return len(self._events)
        self._spill()
        count: int = self._file.execute("SELECT count(*) FROM held").fetchone()[0]
        return count

    def close(self) -> None:
        """See `Hold`."""
        self._events.clear()
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = sqlite3.connect("")  # the empty name is a temporary file, deleted when it is closed
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute("CREATE TABLE held (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._file.executemany("INSERT OR REPLACE INTO held VALUES (?, ?)", self._events.items())
        self._events.clear()
        self._bytes = 0
