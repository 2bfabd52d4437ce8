"""Rows and changes on their way to Kafka, as the codec hands them on."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, TypeAlias

from shared.model.schema import TableId

#: One part of a chunk key in the order of its type: numbers as int or Decimal, temporal values as MySQL's own text,
#: BINARY and VARBINARY as bytes, character strings as str (only the server knows their order).
KeyPart: TypeAlias = int | Decimal | bytes | str

#: The leading key columns of a row that chunk bounds are made of (`shared.model.chunk_key`); may be empty.
ChunkKey: TypeAlias = tuple[KeyPart, ...]


class EncodedRow(NamedTuple):
    """Kafka key and value of one row, both JSON bytes."""

    key: bytes
    value: bytes


class Change(NamedTuple):
    """One upsert (value) or tombstone (value None) of one key.

    `chunk_key` tells which chunk the key belongs to. A change of the primary key is two of these: the tombstone of the
    old key, then the upsert of the new one.
    """

    table: TableId
    chunk_key: ChunkKey
    key: bytes
    value: bytes | None
