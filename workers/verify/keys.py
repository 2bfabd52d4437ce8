"""What the keys of messages mean to MySQL. A topic may hold keys that no row can have, since others can write to it, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from shared.codec import FormatOptions, key_reader, sql_literal
from shared.errors import Bug
from shared.model.change import ChunkKey
from shared.model.chunk import KeyRange
from shared.model.chunk_key import Order, chunk_key_columns, order_of
from shared.model.schema import Column, Table

#: Types whose order Python shares, and of which bounds can be made by arithmetic.
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})

#: What a foreign key may do to a reader of keys.
_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)

_MOMENT = re.compile(r"[0-9][0-9:. -]*")


class Unspelled(Enum):
    """Why there is no SQL literal for a key."""

    IMPOSSIBLE = "no row of the table can have it"
    DOUBTFUL = "a row may have it, but MySQL may take the literal for an error"


class Keys:
    """The keys of one table.

    Args:
        table: its schema.
        options: how the job spells rows.

    `exact` is true where a key names one row; else it is the beginning of a key, or (`whole`) nothing at all.
    """

    def __init__(self, table: Table, options: FormatOptions) -> None:
        self._columns = chunk_key_columns(table)
        self._read: Callable[[bytes], ChunkKey] = key_reader(table, options)
        self.whole = not self._columns
        self.exact = len(self._columns) == len(table.primary_key)
        #: Whether the table can be divided into ranges whose keys are told apart without the server.
        self.divisible = self.exact and len(self._columns) == 1 and self._columns[0].data_type in _INTEGERS

    def read(self, key: bytes) -> ChunkKey | Unspelled:
        """The key as a row of the table would have it."""
        try:
            found = self._read(key)
            spelled = [_is_plain(column, part) for column, part in zip(self._columns, found, strict=True)]
        except _UNREADABLE:
            return Unspelled.IMPOSSIBLE
        return found if all(spelled) else Unspelled.DOUBTFUL

    def within(self, bounds: KeyRange) -> Callable[[bytes], bool]:
        """Tells the keys of a range. A key that is none of the table belongs to the first range."""
        if bounds.lower is None and bounds.upper is None:
            return lambda _: True
        read, first = self._read, bounds.lower is None

        def holds(key: bytes) -> bool:
            try:
                return bounds.holds(read(key))
            except _UNREADABLE:
                return first

        return holds


def _is_plain(column: Column, part: Any) -> bool:
    """True when the part has a literal that MySQL surely takes.

    Raises:
        one of `_UNREADABLE`: the column cannot hold it.
    """
    plain = True
    if order_of(column) is Order.TEXT:
        if not _MOMENT.fullmatch(part):
            raise ValueError("not a time")
        try:
            datetime.fromisoformat(part)
        except ValueError:
            plain = False  # a zero date, or a day that no calendar has: a table may hold them, a query may refuse them
    if isinstance(part, Decimal) and not part.is_finite():
        raise ValueError("not a number")
    try:
        sql_literal(column, part)
    except Bug:
        raise ValueError("not of the column's type") from None
    return plain
