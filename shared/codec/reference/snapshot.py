"""Rows of a SELECT by the text protocol become keys and values.

Law of this file: the session has time_zone '+00:00' and character_set_results utf8mb4, and no
converter touches the cells: each is the server's bytes or None. What the server would spell with
loss (FLOAT, legacy charsets) is selected in a form that has none. Called by the snapshot workers
(`SnapshotEncoder`) and the splitter (chunk keys).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.codec.options import FormatOptions
from shared.codec.reference.charsets import UTF8, characters_of
from shared.codec.reference.json_text import (
    CHARACTERS,
    INTEGERS,
    VALUE_ERRORS,
    ColumnWriter,
    Plain,
    RowWriter,
    column_to_json,
)
from shared.codec.reference.key_parts import (
    part_reader,
    quoted_name,
    sql_literal,
)
from shared.codec.reference.packets import Packets
from shared.codec.reference.table_map import packed_number
from shared.errors import SchemaChanged, UnsupportedType
from shared.model.change import ChunkKey, EncodedRow, bytes_of
from shared.model.chunk_key import chunk_key_columns
from shared.model.schema import Column, Table

__all__ = [
    "SnapshotEncoder",
    "key_expressions",
    "parse_chunk_key",
    "sql_literal",
]


_NULL = 0xFB


def select_expression(column: Column) -> str:
    """What to SELECT so that the column's value arrives without loss.

    FLOAT would be printed with six digits, and FLOAT(p,s) and DOUBLE(p,s) rounded: as a sum of
    doubles they have all. A SET travels as its bits, because a text cannot tell an empty member
    from none; MariaDB would send few bits as a narrower number, were they not combined with others. Characters outside UTF-8 travel as the column's own bytes (`charsets`).
    """
    name = quoted_name(column.name)
    if column.data_type in ("float", "double"):
        return f"{name} * 1e0"
    if column.data_type == "set":
        return f"CAST({name} AS UNSIGNED) | 0"
    if column.data_type in CHARACTERS and column.character_set not in UTF8:
        return f"CAST({name} AS BINARY)"
    return name


def _zero_filled_integer(cell: bytes) -> bytes:
    return b"%d" % int(cell)


def _zero_filled_decimal(cell: bytes) -> bytes:
    digits = cell.lstrip(b"0")
    return b"0" + digits if digits[:1] in (b"", b".") else digits


def _json_text(cell: bytes) -> str:
    """MySQL prints JSON on one line; early servers of the 8.0 series leave the line breaks of their base64 unescaped."""
    return cell.decode().replace("\n", "\\n")


#: From the server's text to the plain form; types that are not here arrive in it.
_PARSERS: dict[str, Callable[[bytes], Plain]] = {
    "double": float,
    "enum": bytes.decode,
    "float": float,
    "json": _json_text,
    "set": int,
    "year": _zero_filled_integer,
}


def _parser(table: Table, column: Column) -> Callable[[bytes], Plain] | None:
    if column.data_type in CHARACTERS:
        where = f"{table.id}.{column.name}"
        return characters_of(column, where, in_key=column.name in table.primary_key)
    if "zerofill" in column.column_type.lower():
        if column.data_type in INTEGERS:
            return _zero_filled_integer
        if column.data_type == "decimal":
            return _zero_filled_decimal
    return _PARSERS.get(column.data_type)


class SnapshotEncoder:
    """Encodes the rows of one result set of one table.

    Raises:
        UnsupportedType: a column's type or charset is not known, or the table has no primary key.
    """

    #: How the rows must be asked for: their text needs the least work in Python.
    protocol = "text"

    def __init__(self, table: Table, options: FormatOptions) -> None:
        self._packets = Packets()
        self._writer = RowWriter(table, options)
        self._table = table = options.written(table)
        #: None for columns whose text is JSON as it comes.
        self._steps = tuple(
            column_to_json(_parser(table, column), write)
            for column, write in zip(table.columns, self._writer.writers, strict=True)
        )
        self._width = len(self._steps)
        #: The bytes of the keys and values of all rows so far.
        self.size = 0
        #: One SQL expression per column that is written, in table order.
        self.select_expressions: tuple[str, ...] = tuple(map(select_expression, table.columns))

    def check(self, types: Sequence[int]) -> None:
        """Compares the result set's columns with the schema.

        Raises:
            SchemaChanged: they differ in number.
        """
        if len(types) != self._width:
            raise self._changed(len(types))

    def feed(self, data: bytes) -> list[EncodedRow]:
        """The rows that are whole now, of the next piece of the connection's bytes behind the column definitions.

        Raises:
            UnsupportedType: a cell is not what its column can hold.
        """
        try:
            rows = [cells_of(packet) for packet in self._packets.feed(data)]
        except VALUE_ERRORS as error:
            raise undecodable(self._table, error) from None
        encoded = self.encode(rows)
        self.size += bytes_of(encoded)
        return encoded

    @property
    def ended(self) -> bool:
        """True when the last row has come."""
        return self._packets.ended

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the result: its number and text."""
        return self._packets.refusal

    def encode(self, rows: Sequence[Sequence[bytes | None]]) -> list[EncodedRow]:
        """Keys and values of rows, whose cells stand in the order of `select_expressions`. It goes column by column.

        Raises:
            SchemaChanged: a row has not as many cells as the table has columns.
            UnsupportedType: a cell is not what its column can hold.
        """
        if not rows:
            return []
        for width in set(map(len, rows)) - {self._width}:
            raise self._changed(width)
        try:
            columns = [
                _written(column, step) for column, step in zip(zip(*rows, strict=True), self._steps, strict=True)
            ]
            return self._writer.rows(columns)
        except VALUE_ERRORS as error:
            raise undecodable(self._table, error) from None

    def _changed(self, columns: int) -> SchemaChanged:
        return SchemaChanged(
            f"{self._table.id}: a result has {columns} columns, the schema {self._width}.",
            "Read the table's schema again.",
        )


def _written(column: Sequence[bytes | None], step: ColumnWriter | None) -> Sequence[bytes]:
    """The JSON of a column's cells."""
    if None not in column:
        return step(column) if step else column  # type: ignore[return-value]  # just looked
    known = [cell for cell in column if cell is not None]
    written = iter(step(known) if step else known)
    return [b"null" if cell is None else next(written) for cell in column]


def cells_of(packet: bytes) -> list[bytes | None]:
    """The cells of a row in the text protocol, each behind its length-encoded length; 0xFB is NULL.

    Raises:
        ValueError: the row is cut short.
    """
    cells: list[bytes | None] = []
    append = cells.append
    place, end = 0, len(packet)
    while place < end:
        begin = place + 1
        length = packet[place]
        if length >= _NULL:
            if length == _NULL:
                append(None)
                place = begin
                continue
            length, begin = packed_number(packet, place)
        place = begin + length
        append(packet[begin:place])
    if place != end:
        raise ValueError("a row is cut short")
    return cells


def undecodable(table: Table, error: Exception) -> UnsupportedType:
    """The error for a value that a column of the table cannot hold; it does not tell the value."""
    return UnsupportedType(
        f"{table.id}: a row holds a value that cannot be decoded exactly ({type(error).__name__}).",
        "Look for bytes that are invalid in their column's character set; the schema may have changed, too.",
    )


def key_expressions(table: Table) -> tuple[str, ...]:
    """What to SELECT for a row's chunk key, in key order; empty for a key without bounds."""
    return tuple(select_expression(column) for column in chunk_key_columns(table))


def parse_chunk_key(table: Table, row: Sequence[bytes]) -> ChunkKey:
    """The chunk key in a row of `key_expressions`.

    Raises:
        UnsupportedType: a cell is not what its column can hold.
    """
    columns = chunk_key_columns(table)
    try:
        return tuple(
            part_reader(column)(cell if parse is None else parse(cell))
            for column, cell in zip(columns, row, strict=True)
            for parse in (_parser(table, column),)
        )
    except VALUE_ERRORS as error:
        raise undecodable(table, error) from None
