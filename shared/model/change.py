"""Rows and changes on their way to Kafka, as the codec hands them on.

They are plain tuples, and say neither their table nor their chunk: there are a million of them a second, and whoever
passes them on knows the table of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

#: One part of a chunk key in the order of its type: numbers as int or Decimal, temporal values as MySQL's own text,
#: BINARY and VARBINARY as bytes, character strings as str (only the server knows their order).
KeyPart: TypeAlias = int | Decimal | bytes | str

#: The leading key columns of a row that chunk bounds are made of (`shared.model.chunk_key`); may be empty.
ChunkKey: TypeAlias = tuple[KeyPart, ...]

#: Kafka key and value of one row, both JSON bytes.
EncodedRow: TypeAlias = tuple[bytes, bytes]

#: Key and value of one upsert, or with value None of one tombstone. A change of the primary key is two of these: the
#: tombstone of the old key, then the upsert of the new one.
Change: TypeAlias = tuple[bytes, bytes | None]


class Packed(Protocol):
    """What a sequence of changes may have besides: itself as one piece of memory, for whoever hands it on whole.

    `packed` is all keys and values, one behind the other; and of each change two unsigned 64-bit numbers, little-endian: the
    bytes of its key and of its value, all bits set for a tombstone.
    """

    @property
    def packed(self) -> tuple[bytes, bytes]:
        """The bytes and the lengths."""


@dataclass(slots=True)
class Tally:
    """How much was written: messages, and the bytes of their keys and values."""

    rows: int = 0
    size: int = 0


def bytes_of(changes: Iterable[Change]) -> int:
    """The bytes of all keys and values. It looks at every change, so it is for those who do that anyway."""
    return sum(len(key) + len(value) if value is not None else len(key) for key, value in changes)
