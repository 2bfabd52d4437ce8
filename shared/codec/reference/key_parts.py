"""Parts of chunk keys: from a column's plain form, to SQL and back, to JSON and back.

Law of this file: a part is in the column's own order (`shared.model.chunk_key`), and its SQL
literal compares with the column exactly as the stored value would: same charset, same collation,
and so by the column's index. Used by `snapshot` and `rows`; called by the splitter, the chunk
reader and the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from shared.errors import Bug
from shared.model.change import KeyPart
from shared.model.chunk_key import Order, order_of
from shared.model.schema import Column


def part_reader(column: Column) -> Callable[[Any], KeyPart]:
    """From the plain form of a key column to its part."""
    return _READERS[column.data_type]


def _decimal(plain: bytes) -> Decimal:
    return Decimal(plain.decode())


_READERS: dict[str, Callable[[Any], KeyPart]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), int),
    "decimal": _decimal,
    **dict.fromkeys(("binary", "varbinary"), bytes),
    **dict.fromkeys(("date", "datetime", "timestamp"), bytes.decode),
    **dict.fromkeys(("char", "varchar"), str),
}


def quoted_name(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def sql_literal(column: Column, part: KeyPart) -> str:
    """A literal that compares with the column as the part's value would.

    A character string is sent as UTF-8 in hexadecimal, converted to the column's charset and given
    the column's collation: the expression is constant, so MySQL still reads the range from the
    index. A TIMESTAMP is in UTC: the session's time zone must be +00:00. The literal is pure ASCII
    and needs no escaping.

    Raises:
        Bug: the part is not of the column's domain.
    """
    order = order_of(column)
    if order is Order.NUMBER and isinstance(part, int | Decimal):
        return format(part, "f") if isinstance(part, Decimal) else str(part)
    if order is Order.BYTES and isinstance(part, bytes):
        return f"_binary X'{part.hex().upper()}'"
    if order is Order.TEXT and isinstance(part, str):
        return _temporal_literal(column, part)
    if order is Order.COLLATION and isinstance(part, str):
        return _text_literal(column, part)
    raise Bug(f"A chunk bound of column {column.name!r} is not of the column's type.")


def _temporal_literal(column: Column, part: str) -> str:
    if not all(letter in "0123456789-:. " for letter in part):
        raise Bug(f"A chunk bound of column {column.name!r} is not a date.")
    return f"'{part}'"


def _text_literal(column: Column, part: str) -> str:
    text = f"_utf8mb4 X'{part.encode().hex().upper()}'"
    if column.character_set != "utf8mb4":
        text = f"CONVERT({text} USING {column.character_set})"
    return f"{text} COLLATE {column.collation}"
