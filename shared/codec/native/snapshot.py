"""Rows of a SELECT by the binary protocol become keys and values."""

from __future__ import annotations

from collections.abc import Sequence

from shared.codec.native._core import RowDecoder
from shared.codec.native.fields import sent_field, shape
from shared.codec.options import FormatOptions
from shared.codec.reference.key_parts import quoted_name
from shared.codec.reference.rows import check_table
from shared.codec.reference.snapshot import select_expression, undecodable
from shared.errors import SchemaChanged
from shared.model.change import EncodedRow
from shared.model.schema import Column, Table

#: Types of result columns by the protocol's number, for each layout that the core reads.
_SENT_TYPES = {
    "tinyint": (1,),
    "smallint": (2,),
    "mediumint": (9, 3),
    "int": (3,),
    "bigint": (8,),
    "year": (13,),
    "float": (4,),
    "double": (5,),
    "set": (8,),
    "decimal": (246,),
    "date": (10,),
    "datetime": (12,),
    "timestamp": (7,),
    "time": (11,),
}
#: Everything that comes as bytes behind their length.
_COUNTED_TYPES = (15, 16, 242, 245, 249, 250, 251, 252, 253, 254, 255)


class SnapshotEncoder:
    """Encodes the rows of one result set of one table.

    Raises:
        UnsupportedType: a column's type or charset is not known, or the table has no primary key.
    """

    #: How the rows must be asked for.
    protocol = "binary"

    def __init__(self, table: Table, options: FormatOptions) -> None:
        check_table(table, options)
        self._table = written = options.written(table)
        fields = [sent_field(table, column, options) for column in written.columns]
        self._decoder = RowDecoder(shape(table, options, fields, range(len(fields))))
        #: One SQL expression per column that is written, in table order.
        self.select_expressions: tuple[str, ...] = tuple(map(_expression, written.columns))

    def check(self, types: Sequence[int]) -> None:
        """Compares the result set's columns with the schema.

        Raises:
            SchemaChanged: they differ in number or type.
        """
        wanted = [_SENT_TYPES.get(column.data_type, _COUNTED_TYPES) for column in self._table.columns]
        if len(types) != len(wanted) or any(kind not in ok for kind, ok in zip(types, wanted, strict=True)):
            raise SchemaChanged(
                f"{self._table.id}: the columns of a result are not those of the schema.",
                "Read the table's schema again.",
            )

    def feed(self, data: bytes) -> Sequence[EncodedRow]:
        """The rows that are whole now, of the next piece of the connection's bytes behind the column definitions.

        Raises:
            UnsupportedType: a cell is not what its column can hold.
        """
        try:
            return self._decoder.feed(data)
        except ValueError as error:
            raise undecodable(self._table, error) from None

    @property
    def size(self) -> int:
        """The bytes of the keys and values of all rows so far."""
        return self._decoder.size

    @property
    def ended(self) -> bool:
        """True when the last row has come."""
        return self._decoder.ended

    @property
    def refusal(self) -> tuple[int, str] | None:
        """The error by which the server ended the result: its number and text."""
        return self._decoder.refusal


def _expression(column: Column) -> str:
    """As the reference's, but floats travel as they are stored."""
    return quoted_name(column.name) if column.data_type in ("float", "double") else select_expression(column)
