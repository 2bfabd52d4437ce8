"""Parts of chunk keys: from a column's plain form, from a key in Kafka, and to SQL.

Law of this file: a part is in the column's own order (`shared.model.chunk_key`), and its SQL
literal compares with the column exactly as the stored value would: same charset, same collation,
and so by the column's index. A key in Kafka gives the same parts as its row. Called by the
splitter, the chunk reader and, through `key_reader`, the leader.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from shared.codec.options import FormatOptions
from shared.codec.reference.json_scalars import json_string
from shared.codec.reference.json_text import INTEGERS
from shared.errors import Bug
from shared.model.change import ChunkKey, KeyPart
from shared.model.chunk_key import Order, chunk_key_columns, order_of
from shared.model.schema import Column, Table


def part_reader(column: Column) -> Callable[[Any], KeyPart]:
    """From the plain form of a key column to its part."""
    return _READERS[column.data_type]


def _decimal(plain: bytes) -> Decimal:
    return Decimal(plain.decode())


_READERS: dict[str, Callable[[Any], KeyPart]] = {
    **dict.fromkeys(INTEGERS | {"year"}, int),
    "decimal": _decimal,
    **dict.fromkeys(("binary", "varbinary"), bytes),
    **dict.fromkeys(("date", "datetime", "timestamp"), bytes.decode),
    **dict.fromkeys(("char", "varchar"), str),
}


#: Floats would lose digits of a DECIMAL.
_parse = json.JSONDecoder(parse_float=Decimal, parse_int=int).decode


def key_reader(table: Table, options: FormatOptions) -> Callable[[bytes], ChunkKey]:
    """From a key as the codec writes it (`json_text`) to its chunk key, which is that of its row.

    Only keys of ranges that are held are read, so the codec need not make a chunk key for each row.
    """
    columns = chunk_key_columns(table)
    if len(table.primary_key) == 1 and len(columns) == 1 and _is_plain_integer(columns[0], options):
        return _integer_reader(columns[0].name)
    parts = tuple((column.name, _json_reader(column, options)) for column in columns)

    def read(key: bytes) -> ChunkKey:
        values = _parse(key.decode())
        return tuple([part(values[name]) for name, part in parts])

    return read if parts else lambda _: ()


def _is_plain_integer(column: Column, options: FormatOptions) -> bool:
    boolean = options.treat_tinyint1_as_boolean and column.column_type == "tinyint(1)"
    return column.data_type in INTEGERS and not boolean


def _integer_reader(name: str) -> Callable[[bytes], ChunkKey]:
    """For `{"id":1}`, the most common key of all."""
    begin = len(b"{%b:" % json_string(name))
    return lambda key: (int(key[begin:-1]),)


def _json_reader(column: Column, options: FormatOptions) -> Callable[[Any], KeyPart]:
    """From the parsed JSON of a key column to its part. True and false of TINYINT(1) are 1 and 0."""
    if order_of(column) is Order.BYTES:
        return a2b_base64 if options.binary_encoding == "base64" else bytes.fromhex
    if order_of(column) is Order.TEXT:
        return _moment
    return Decimal if column.data_type == "decimal" else str if order_of(column) is Order.COLLATION else int


def _moment(text: str) -> str:
    """MySQL's own text, whatever standard the JSON follows: the zone, where there is one, is UTC."""
    return text.removesuffix("Z").replace("T", " ")


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
