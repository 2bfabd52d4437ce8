"""Compressed transactions: a TRANSACTION_PAYLOAD event holds all events of a transaction.

Law of this file: events are handed out one by one as they are decompressed, and no more is
decompressed than the envelope says. Layout (MySQL's source,
`libs/mysql/binlog/event/codecs/binary.cpp`): fields of type, length and value, all length-encoded,
then the payload. Used by `events`.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

import zstandard

from shared.codec.reference.table_map import counted, packed_number
from shared.errors import UnsupportedEvent

_END, _COMPRESSION, _UNCOMPRESSED_SIZE = 0, 2, 3
_ZSTD, _NONE = 0, 255
_HEADER_BYTES = 19
_SIZE_AT = 9


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def inner_events(body: bytes) -> Iterator[bytes]:
    """The events of the transaction, without checksums.

    `body` is the envelope behind the common header.

    Raises:
        UnsupportedEvent: the compression is not known.
        ValueError, IndexError, zstandard.ZstdError: the envelope is malformed.
    """
    fields: dict[int, int] = {}
    kind, place = packed_number(body, 0)
    while kind != _END:
        value, place = counted(body, place)
        fields[kind] = packed_number(value, 0)[0]
        kind, place = packed_number(body, place)
    source, size = _open(fields, body[place:])
    while size:
        header = _exactly(source, min(size, _HEADER_BYTES))
        length = int.from_bytes(header[_SIZE_AT : _SIZE_AT + 4], "little")
        if not _HEADER_BYTES <= length <= size:
            raise ValueError("a compressed transaction holds an event of impossible length")
        yield header + _exactly(source, length - _HEADER_BYTES)
        size -= length


def _open(fields: dict[int, int], payload: bytes) -> tuple[_Source, int]:
    """The payload as a stream, and how many bytes it gives."""
    compression = fields.get(_COMPRESSION, _NONE)
    if compression == _NONE:
        return BytesIO(payload), len(payload)
    if compression != _ZSTD or _UNCOMPRESSED_SIZE not in fields:
        raise UnsupportedEvent(
            f"A transaction in the binlog is compressed in a way that is not known ({compression}).",
            "Set binlog_transaction_compression=OFF on the source.",
        )
    stream = zstandard.ZstdDecompressor().stream_reader(payload, read_across_frames=True)
    return stream, fields[_UNCOMPRESSED_SIZE]


def _exactly(source: _Source, size: int) -> bytes:
    parts = []
    while size:
        part = source.read(size)
        if not part:
            raise ValueError("a compressed transaction is cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
