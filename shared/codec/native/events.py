"""The binlog's packets become events."""

from __future__ import annotations

from collections.abc import Callable

from shared import errors
from shared.codec.native._core import RowShape, StreamDecoder
from shared.codec.native.fields import hidden_field, shape, stored_field
from shared.codec.options import FormatOptions
from shared.codec.reference.json_text import VALUE_ERRORS
from shared.codec.reference.rows import check_table, written_places
from shared.codec.reference.table_map import parse_table_map
from shared.model.binlog import (
    Event,
    Heartbeat,
    Rotate,
    RowChanges,
    Statement,
    TransactionBegin,
    TransactionEnd,
    Unread,
)
from shared.model.schema import Table, TableId


class TableDecoder:
    """What one table's rows events become.

    Raises:
        UnsupportedType: as `check_table`.
    """

    def __init__(self, table: Table, options: FormatOptions) -> None:
        check_table(table, options)
        self.table = table
        self._options = options

    def bind(self, body: bytes) -> RowShape:
        """How rows under this TABLE_MAP (its body behind table id and flags) are read.

        Raises:
            SchemaChanged: the table in the binlog is not the schema's.
            UnsupportedEvent: a column has a type whose layout is not known.
        """
        table_map = parse_table_map(body)
        written = self._options.written(self.table)
        places = written_places(self.table, written, table_map)
        columns = dict(zip(places, written.columns, strict=True))
        fields = [
            stored_field(self.table, columns[place], layout, self._options)
            if place in columns
            else hidden_field(layout)
            for place, layout in enumerate(table_map.columns)
        ]
        return shape(self.table, self._options, fields, places)


class EventDecoder:
    """Decodes the packets of one binlog connection.

    `tables` is asked which decoder a table has when a TABLE_MAP comes that was not seen before; None for tables that
    the job does not want.
    """

    def __init__(self, tables: Callable[[TableId], TableDecoder | None]) -> None:
        self._tables = tables
        make = (TransactionBegin, RowChanges, TransactionEnd, Statement, Rotate, Heartbeat, _unread)
        self._decoder = StreamDecoder(self._bind, make, _error)

    def feed(self, data: bytes, *, merge: bool = False) -> list[Event]:
        """The events in the next piece of the connection's bytes, packet headers included.

        With `merge`, adjacent whole transactions come as one. What was decoded before an error comes first, and the
        error with the next call.

        Raises:
            UnsupportedEvent: a packet cannot be decoded without guessing, or its checksum is wrong.
            UnsupportedType: a value is not what its column can hold.
            SchemaChanged: a table is not the one that the job knows.
        """
        return self._decoder.feed(data, merge=merge)

    @property
    def more(self) -> bool:
        """True when a call without data would give more, or raise."""
        return self._decoder.more

    @property
    def ended(self) -> bool:
        """True when the server ended the stream."""
        return self._decoder.ended

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the stream: its number and text."""
        return self._decoder.refusal

    def _bind(self, database: str, table: str, body: bytes) -> tuple[TableId | Unread, RowShape | None] | None:
        name = TableId(database, table)
        decoder = self._tables(name)
        if decoder is None:
            return None
        try:
            return name, decoder.bind(body)
        except errors.HeadraceError as error:  # it counts only where rows follow, and perhaps not even there
            return Unread(name, type(error), error.message, error.hint), None
        except VALUE_ERRORS as error:
            raise _error(
                "UnsupportedEvent",
                f"{name}: a table map in the binlog cannot be decoded ({type(error).__name__}).",
                "The event is damaged.",
            ) from None


def _unread(found: Unread, timestamp: int, end_position: int) -> Unread:
    return found._replace(timestamp=timestamp, end_position=end_position)


def _error(name: str, message: str, hint: str) -> errors.HeadraceError:
    made: errors.HeadraceError = getattr(errors, name)(message, hint)
    return made
