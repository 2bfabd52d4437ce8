"""The binlog connection's bytes become events: packets are found, opened and decoded one by one.

Law of this file: it holds back, never drops: what was decoded before an error comes first, and a call makes a bounded
number of changes, however large a compressed transaction is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.codec.reference.events import Events
from shared.codec.reference.packets import Packets
from shared.codec.reference.rows import TableDecoder
from shared.errors import HeadraceError, UnsupportedEvent
from shared.model.binlog import Event, RowChanges
from shared.model.schema import TableId

#: A call ends when it has made so many changes; the rest waits for the next call.
_CHANGES_MAX = 10_000


class EventDecoder:
    """Implements `shared.codec.interface.EventDecoder`; it never merges transactions.

    `tables` is asked at every TABLE_MAP which decoder a table has now; None for tables that the job does not want.
    """

    def __init__(self, tables: Callable[[TableId], TableDecoder | None]) -> None:
        self._packets = Packets()
        self._events = Events(tables)
        self._waiting: Iterator[Event] = iter(())
        self._error: HeadraceError | None = None
        self.more = False

    def feed(self, data: bytes, *, merge: bool = False) -> list[Event]:  # noqa: ARG002 - merging is allowed, not asked
        """The events in the next piece of the connection's bytes; while there is `more`, call it without data."""
        if self._error is not None:
            raise self._error
        if data:
            self._waiting = self._decoded(data)
        events: list[Event] = []
        changes = 0
        self.more = False
        try:
            for event in self._waiting:
                events.append(event)
                changes += len(event.changes) if isinstance(event, RowChanges) else 0
                if changes >= _CHANGES_MAX:
                    self.more = True
                    break
        except HeadraceError as error:
            self._error, self.more = error, True
            if not events:
                raise
        return events

    @property
    def ended(self) -> bool:
        """True when the server ended the stream."""
        return self._packets.ended

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the stream: its number and text."""
        return self._packets.refusal

    def _decoded(self, data: bytes) -> Iterator[Event]:
        for packet in self._packets.feed(data):
            if packet[:1] != b"\0":
                raise UnsupportedEvent("The binlog connection sent a packet that is no event.", "Start the job again.")
            yield from self._events.decode(packet[1:])
