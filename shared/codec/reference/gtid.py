"""GTID events of all layouts: who committed, and when.

Law of this file: bytes in, names out. The plain layout is fixed (MySQL's source,
`libs/mysql/binlog/event/control_events.h`); tagged GTIDs (8.4 and later) use
`mysql::serialization`: numbers of varying length whose trailing one-bits count the bytes that
follow, and fields that name themselves. MariaDB's are domain, server and number (its source, `Gtid_log_event` in
sql/log_event.cc). Used by `events`.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.codec.reference.table_map import packed_number

_UUID_BYTES = 16
#: Flags, UUID, number, and the logical clock (one byte of type, two numbers) before the first
#: commit time.
_NUMBER_AT = 17
_COMMIT_TIME_AT = 42
_COMMIT_TIME_BYTES = 7
#: The top bit of the commit time says that the time on the first server follows, since it differs.
_COMMIT_TIME_MASK = (1 << 55) - 1
_TWO_TIMES = 1 << 55

#: Of MariaDB's: number, domain, flags, and room for what the flags announce.
_DOMAIN_GTID_BYTES = 19
_DOMAIN_AT, _FLAGS_AT = 8, 12
_STANDALONE = 1

_FORMAT_VERSION = 1
_FIELD_UUID, _FIELD_NUMBER, _FIELD_TAG, _FIELD_COMMIT_TIME, _FIELD_LENGTH = 1, 2, 3, 6, 8
_FIELDS_OF_NUMBERS = frozenset((0, 2, 4, 5, 6, 7, 8, 9, 10, 11))
_SIGNED_FIELDS = frozenset((2, 4, 5))


class GtidFacts(NamedTuple):
    """A transaction's GTID (the source is `uuid`, `uuid:tag` or `domain-server`), its commit on this server, and its length.

    The commit is in microseconds since 1970, the length in bytes of the binlog, this event's own included; 0 where it is not told.
    """

    source: str
    number: int
    commit_microseconds: int
    length: int

    @property
    def gtid(self) -> str:
        """As text.

        Raises:
            ValueError: transactions are numbered from 1.
        """
        if self.number < 1:
            raise ValueError("a GTID has no such number")
        return f"{self.source}:{self.number}"


def plain_gtid(body: bytes) -> GtidFacts:
    """GTID_LOG_EVENT and ANONYMOUS_GTID_LOG_EVENT behind the common header.

    Raises:
        ValueError: the event is malformed.
    """
    if len(body) < _COMMIT_TIME_AT:
        raise ValueError("a GTID event is cut short")
    uuid = _uuid_text(body[1 : 1 + _UUID_BYTES])
    number = int.from_bytes(body[_NUMBER_AT : _NUMBER_AT + 8], "little", signed=True)
    moment = body[_COMMIT_TIME_AT : _COMMIT_TIME_AT + _COMMIT_TIME_BYTES]
    if len(moment) < _COMMIT_TIME_BYTES:
        return GtidFacts(uuid, number, 0, 0)
    time = int.from_bytes(moment, "little")
    length_at = _COMMIT_TIME_AT + _COMMIT_TIME_BYTES * (2 if time & _TWO_TIMES else 1)
    length = packed_number(body, length_at)[0] if length_at < len(body) else 0
    return GtidFacts(uuid, number, time & _COMMIT_TIME_MASK, length)


def domain_gtid(body: bytes, server_id: int) -> tuple[GtidFacts, bool]:
    """MariaDB's GTID_EVENT behind the common header, which tells the server; and whether it stands before one statement that
    commits by itself. Before anything else it is also the BEGIN.

    Raises:
        ValueError: the event is cut short.
    """
    if len(body) < _DOMAIN_GTID_BYTES:
        raise ValueError("a GTID event is cut short")
    domain = int.from_bytes(body[_DOMAIN_AT : _DOMAIN_AT + 4], "little")
    number = int.from_bytes(body[:_DOMAIN_AT], "little", signed=True)
    return GtidFacts(f"{domain}-{server_id}", number, 0, 0), bool(body[_FLAGS_AT] & _STANDALONE)


def tagged_gtid(body: bytes) -> GtidFacts:
    """GTID_TAGGED_LOG_EVENT behind the common header.

    The message starts with its version, its length and the last field that a reader must know.

    Raises:
        ValueError, IndexError: the event is malformed, or has a field that a reader must know and
            this one does not.
    """
    reader = _Numbers(body)
    if reader.unsigned() != _FORMAT_VERSION:
        raise ValueError("a tagged GTID has an unknown version")
    end = min(reader.unsigned(), len(body))
    last_needed = reader.unsigned()
    uuid, number, tag, microseconds, length = b"", 0, "", 0, 0
    while reader.place < end:
        field = reader.unsigned()
        if field == _FIELD_UUID:
            uuid = bytes(reader.unsigned() for _ in range(_UUID_BYTES))
        elif field == _FIELD_TAG:
            tag = reader.text()
        elif field in _FIELDS_OF_NUMBERS:
            value = reader.signed() if field in _SIGNED_FIELDS else reader.unsigned()
            number = value if field == _FIELD_NUMBER else number
            microseconds = value if field == _FIELD_COMMIT_TIME else microseconds
            length = value if field == _FIELD_LENGTH else length
        elif field <= last_needed:
            raise ValueError("a tagged GTID has an unknown field")
        else:
            break
    source = f"{_uuid_text(uuid)}:{tag}" if tag else _uuid_text(uuid)
    return GtidFacts(source, number, microseconds, length)


def _uuid_text(uuid: bytes) -> str:
    if len(uuid) != _UUID_BYTES:
        raise ValueError("a GTID event has no UUID")
    text = uuid.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class _Numbers:
    """Reads numbers of varying length, 1 to 9 bytes, little-endian.

    The lowest bits of the first byte tell the length: as many ones as bytes follow, then a zero
    (none after eight ones). A signed number has its sign in the lowest bit, and the value, of a
    negative one inverted, above it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def unsigned(self) -> int:
        first = self._data[self.place]
        more = (~first & (first + 1)).bit_length() - 1
        end = self.place + 1 + more
        if end > len(self._data):
            raise ValueError("a number is cut short")
        packed = int.from_bytes(self._data[self.place : end], "little")
        self.place = end
        return packed >> min(more + 1, 8)

    def signed(self) -> int:
        packed = self.unsigned()
        return ~(packed >> 1) if packed & 1 else packed >> 1

    def text(self) -> str:
        length = self.unsigned()
        end = self.place + length
        if end > len(self._data):
            raise ValueError("a text is cut short")
        text = self._data[self.place : end].decode("ascii")
        self.place = end
        return text
