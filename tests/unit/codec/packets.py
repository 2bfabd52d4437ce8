"""Binlog packets by hand, and those that a real MySQL 9.7 sent (recorded.json).

recorded.json holds the tables of tests/integration/test_codec_equality.py, the streams that wrote their rows, and what
the snapshot path made of the same rows afterwards.
"""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from shared.codec import NATIVE, PYTHON, Codec, FormatOptions
from shared.model.binlog import Event, RowChanges
from shared.model.schema import Column, Table, TableId, table_from_json

FORMAT, ROTATE, QUERY, XID, TABLE_MAP, WRITE, UPDATE, DELETE, GTID = (
    15,
    4,
    2,
    16,
    19,
    30,
    31,
    32,
    33,
)
CRC32, NO_CHECKSUM = 1, 0

#: Every implementation that there is.
CODECS = [codec for codec in (PYTHON, NATIVE) if codec is not None]

#: The table that hand-made packets speak of.
TABLE = Table(
    TableId("shop", "user"),
    (
        Column("id", "bigint", "bigint", nullable=False, precision=19, scale=0),
        Column("name", "varchar", "varchar(50)", True, "utf8mb4", "utf8mb4_0900_ai_ci", 200),
    ),
    ("id",),
)


def event(kind: int, body: bytes = b"", flags: int = 0, end: int = 500, checksum: bool = True) -> bytes:
    """One packet: header, body, and a right checksum unless told otherwise."""
    size = 19 + len(body) + 4 * checksum
    packet = struct.pack("<IBIIIH", 1_700_000_000, kind, 1, size, end, flags) + body
    return packet + zlib.crc32(packet).to_bytes(4, "little") * checksum


def format_description(algorithm: int = CRC32, version: int = 4) -> bytes:
    body = struct.pack("<H50sIB", version, b"9.7.4", 0, 19) + bytes(42) + bytes((algorithm,))
    packet = event(FORMAT, body, checksum=True)
    return packet if algorithm == CRC32 else packet[:-4] + b"\0\0\0\0"


def table_map(
    table: Table = TABLE,
    number: int = 7,
    kinds: bytes = b"\x08\x0f",
    metadata: bytes = b"\xc8\x00",
    optional: bytes = b"",
) -> bytes:
    database, name = (part.encode() for part in table.id)
    body = number.to_bytes(6, "little") + b"\x01\x00"
    body += bytes((len(database),)) + database + b"\0" + bytes((len(name),)) + name + b"\0"
    body += bytes((len(kinds),)) + kinds + bytes((len(metadata),)) + metadata + bytes((len(kinds) + 7) // 8)
    return event(TABLE_MAP, body + optional)


def rows(kind: int, images: bytes, number: int = 7, present: bytes = b"\xff", columns: int = 2) -> bytes:
    body = number.to_bytes(6, "little") + b"\x01\x00\x02\x00" + bytes((columns,))
    body += present * (2 if kind == UPDATE else 1)
    return event(kind, body + images)


def image(number: int, name: str | None) -> bytes:
    """A row image of TABLE."""
    if name is None:
        return b"\x02" + number.to_bytes(8, "little", signed=True)
    text = name.encode()
    return b"\x00" + number.to_bytes(8, "little", signed=True) + bytes((len(text),)) + text


def gtid(kind: int = GTID, length: int = 0, original: bool = False, end: int = 500) -> bytes:
    """The transaction's length follows the times of its commit, on this server and on the first one where that is another."""
    body = b"\x00" + bytes(range(16)) + (5).to_bytes(8, "little") + b"\x02" + bytes(16)
    time = 1_700_000_000_123_456
    body += (time | original << 55).to_bytes(7, "little") + (time - 1).to_bytes(7, "little") * original
    told = b"\xfc" + length.to_bytes(2, "little") if length > 250 else bytes([length])
    return event(kind, body + told * bool(length), end=end)


def domain_gtid(number: int = 5, domain: int = 3, flags: int = 0) -> bytes:
    """MariaDB's, of server 1; it is also the BEGIN unless the flags say that one statement follows."""
    return event(162, struct.pack("<qIB", number, domain, flags) + bytes(6))


def query(sql: str, database: str = "shop") -> bytes:
    name = database.encode()
    body = struct.pack("<IIBHH", 1, 0, len(name), 0, 3) + b"abc" + name + b"\0" + sql.encode()
    return event(QUERY, body)


def framed(packet: bytes, chunk: int = 0xFFFFFF) -> bytes:
    """The packet as the connection sends it: behind an OK byte, in protocol packets."""
    payload = b"\0" + packet
    parts = [payload[at : at + chunk] for at in range(0, len(payload) + (len(payload) % chunk == 0), chunk)]
    return b"".join(len(part).to_bytes(3, "little") + b"\7" + part for part in parts)


class Fed:
    """A decoder that takes packets one at a time."""

    def __init__(self, codec: Codec, tables: Callable[[TableId], Any]) -> None:
        self.codec = codec
        self.decoder = codec.event_decoder(tables)

    def feed(self, packet: bytes) -> list[Event]:
        """All events of one packet."""
        events = self.decoder.feed(framed(packet))
        while self.decoder.more:
            events += self.decoder.feed(b"")
        return events


class UnderTest:
    """The implementation that the running test is about; a fixture of each test module sets it."""

    codec: Codec = PYTHON


def decoder(
    *tables: Table, options: FormatOptions | None = None, started: bool = True, codec: Codec | None = None
) -> Fed:
    """A decoder that wants these tables and, once started, is inside a transaction."""
    codec = codec or UnderTest.codec
    wanted = {table.id: codec.table_decoder(table, options or FormatOptions()) for table in tables}
    made = Fed(codec, wanted.get)
    if started:
        made.feed(format_description())
        made.feed(gtid())
    return made


class Recorded(NamedTuple):
    """One stream of a real server, and the rows that its tables held in the end."""

    packets: list[bytes]
    rows: dict[TableId, dict[bytes, bytes]]


def recorded() -> tuple[dict[TableId, Table], dict[str, Recorded]]:
    """The tables, and the streams by name."""
    data: Any = json.loads(Path(__file__).with_name("recorded.json").read_text())
    tables = [table_from_json(table) for table in data["tables"]]
    streams = {
        name: Recorded(
            [bytes.fromhex(packet) for packet in stream["packets"]],
            {
                TableId("codec_types", table): {key.encode(): value.encode() for key, value in pairs}
                for table, pairs in stream["rows"].items()
            },
        )
        for name, stream in data["streams"].items()
    }
    return {table.id: table for table in tables}, streams


def folded(decoder: Fed, packets: list[bytes]) -> dict[TableId, dict[bytes, bytes]]:
    """What compacted topics hold after the packets."""
    topics: dict[TableId, dict[bytes, bytes]] = {}
    for packet in packets:
        for happened in decoder.feed(packet):
            if isinstance(happened, RowChanges):
                topic = topics.setdefault(happened.table, {})
                for key, value in happened.changes:
                    if value is None:
                        topic.pop(key, None)
                    else:
                        topic[key] = value
    return topics


TABLES, STREAMS = recorded()
EVERY_PACKET = [packet for stream in STREAMS.values() for packet in stream.packets]
CHECKSUM_OFF = format_description(algorithm=NO_CHECKSUM)


def damaged(packet: bytes, place: int, byte: int, cut: int) -> bytes:
    """A packet with one byte changed and its tail cut, but of the length that it says."""
    body = bytearray(packet[:-4])
    body[place % len(body)] ^= byte
    body = body[: max(19, len(body) - cut)]
    body[9:13] = len(body).to_bytes(4, "little")
    return bytes(body)


def table_map_before(packet: bytes) -> list[bytes]:
    """The TABLE_MAP that a rows event needs, without checksum."""
    if packet[4] not in (30, 31, 32):
        return []
    place = next(i for i, one in enumerate(EVERY_PACKET) if one is packet)
    before = next(one for one in reversed(EVERY_PACKET[:place]) if one[4] == 19)
    return [damaged(before, 0, 0, 0)]


def damaged_stream(packet: bytes, place: int, byte: int, cut: int) -> list[bytes]:
    """A stream that starts well and whose last packet is damaged."""
    return [CHECKSUM_OFF, damaged(gtid(), 0, 0, 0), *table_map_before(packet), damaged(packet, place, byte, cut)]


#: Streams of a real server with one byte changed or a tail cut.
DAMAGED = st.builds(
    damaged_stream,
    st.sampled_from(EVERY_PACKET),
    st.integers(0, 4000),
    st.integers(0, 255),
    st.one_of(st.just(0), st.integers(0, 60)),
)
