"""What an implementation of the codec offers: one interface, so that whoever uses it need not know which one it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.codec.options import FormatOptions
from shared.model.binlog import Event
from shared.model.change import EncodedRow
from shared.model.schema import Table, TableId


class SnapshotEncoder(Protocol):
    """Encodes the rows of one result set of one table."""

    select_expressions: tuple[str, ...]
    """One SQL expression per column that is written, in table order."""

    @property
    def size(self) -> int:
        """The bytes of the keys and values of all rows so far; counted where it costs nothing."""

    @property
    def protocol(self) -> str:
        """How the rows must be asked for: `text`, or `binary` as prepared statements send them."""

    @property
    def ended(self) -> bool:
        """True when the last row has come."""

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the result: its number and text."""

    def check(self, types: Sequence[int]) -> None:
        """Compares the result set's columns, by the protocol's numbers of types, with the schema.

        Raises:
            SchemaChanged: they differ.
        """

    def feed(self, data: bytes) -> Sequence[EncodedRow]:
        """The rows that are whole now, of the next piece of the connection's bytes behind the column definitions.

        Raises:
            UnsupportedType: a cell is not what its column can hold.
        """


class TableDecoder(Protocol):
    """What one table's rows events become."""

    table: Table


class EventDecoder(Protocol):
    """Decodes the packets of one binlog connection."""

    @property
    def more(self) -> bool:
        """True when a call without data would give more, or raise."""

    @property
    def ended(self) -> bool:
        """True when the server ended the stream."""

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the stream: its number and text."""

    def feed(self, data: bytes, *, merge: bool = False) -> list[Event]:
        """The events in the next piece of the connection's bytes, packet headers included.

        With `merge`, adjacent whole transactions may come as one. What was decoded before an error comes first, the
        error with the next call.

        Raises:
            UnsupportedEvent: a packet cannot be decoded without guessing, or its checksum is wrong.
            UnsupportedType: a value is not what its column can hold.
            SchemaChanged: a rows event has other columns than its own table map. (Of a table that is not as the job
                knows it the rows come as `Unread`.)
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """One implementation: its name, as logs, status and settings spell it, and its parts.

    `event_decoder` gets a function that says which decoder a table has, None for tables that the job does not want.
    """

    name: str
    snapshot_encoder: Callable[[Table, FormatOptions], SnapshotEncoder]
    table_decoder: Callable[[Table, FormatOptions], TableDecoder]
    event_decoder: Callable[[Callable[[TableId], Any]], EventDecoder]
