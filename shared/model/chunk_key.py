"""Which key columns chunk bounds are made of, and in which order their values stand.

A chunk key is the longest prefix of the primary key whose columns have an order that we can state: numbers, bytes,
dates, and character strings (ordered by the server alone). A key that starts with any other type makes its table one
single, open-ended chunk: slower to copy, never wrong, because bounds on a prefix keep equal prefixes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from itertools import pairwise

from shared.model.change import ChunkKey, KeyPart
from shared.model.schema import Column, Table


class Order(Enum):
    """How two values of a column compare on the server."""

    NUMBER = "number"  # int or Decimal
    BYTES = "bytes"  # bytewise, BINARY and VARBINARY
    TEXT = "text"  # MySQL's own text of a temporal value compares bytewise: fixed width, most significant first
    COLLATION = "collation"  # character strings: the server must be asked
    NONE = "none"  # the order of the type and the order of its literals differ, or it was never proved


_ORDERS: dict[str, Order] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"), Order.NUMBER),
    **dict.fromkeys(("binary", "varbinary"), Order.BYTES),
    **dict.fromkeys(("date", "datetime", "timestamp"), Order.TEXT),
    **dict.fromkeys(("char", "varchar"), Order.COLLATION),
}


def order_of(column: Column) -> Order:
    """How values of this column compare on the server."""
    return _ORDERS.get(column.data_type, Order.NONE)


def chunk_key_columns(table: Table) -> tuple[Column, ...]:
    """The leading primary-key columns that bounds are made of; empty when the table can only be read whole."""
    columns: list[Column] = []
    for column in table.key_columns:
        if order_of(column) is Order.NONE:
            break
        columns.append(column)
    return tuple(columns)


def needs_server_order(table: Table) -> bool:
    """True when the place of a key among chunk bounds can only be told by the server (character strings)."""
    return any(order_of(column) is Order.COLLATION for column in chunk_key_columns(table))


_TYPES: dict[Order, tuple[type[KeyPart], ...]] = {
    Order.NUMBER: (int, Decimal),
    Order.BYTES: (bytes,),
    Order.TEXT: (str,),
    Order.COLLATION: (str,),
}


def are_bounds(table: Table, bounds: Sequence[ChunkKey]) -> bool:
    """True when these can be bounds of the table's chunks: of its key columns' types, and ascending as far as Python can
    tell. Bounds come through Redis and are made durable, so what cannot be one must not get further.
    """
    types = [_TYPES[order_of(column)] for column in chunk_key_columns(table)]
    fit = all(
        len(bound) == len(types) and all(isinstance(part, kinds) for part, kinds in zip(bound, types, strict=True))
        for bound in bounds
    )
    return fit and (needs_server_order(table) or all(lower < upper for lower, upper in pairwise(bounds)))
