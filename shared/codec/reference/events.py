"""The binlog as a stream of packets becomes events, without doing I/O.

Law of this file: every event type is either decoded, or passed over by name because it cannot
matter, or stops the job with a named error; nothing is skipped because it is not understood.
Theory: a decoder lives as long as one connection. It remembers what later events depend on: the
checksum algorithm (from each FORMAT_DESCRIPTION, never from a server variable), the TABLE_MAPs of
the current transaction, and whether a transaction is open. Event layouts: MySQL's source,
`libs/mysql/binlog/event`. Called by the binlog leader.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

import zstandard

from shared.codec.reference import kinds
from shared.codec.reference.gtid import domain_gtid, plain_gtid, tagged_gtid
from shared.codec.reference.json_text import VALUE_ERRORS
from shared.codec.reference.payload import inner_events
from shared.codec.reference.query import Phrase, parse_query, phrase_of
from shared.codec.reference.rows import BoundRows, TableDecoder
from shared.codec.reference.table_map import counted, packed_number, table_names
from shared.errors import HeadraceError, UnsupportedEvent
from shared.model.binlog import (
    Event,
    Heartbeat,
    Rotate,
    RowChanges,
    Statement,
    TransactionBegin,
    TransactionEnd,
    Unread,
)
from shared.model.change import bytes_of
from shared.model.schema import TableId

_U64 = Struct("<Q")
_HEADER_BYTES = 19
_CHECKSUM_BYTES = 4
_CRC32 = 1
_IGNORABLE = 0x80
_BINLOG_VERSION = 4
#: A rows event for no table, which only ends its statement.
_NO_TABLE = 0xFFFFFF
_GTID_HINT = "Start the job again from a checkpoint; if it stays, report it with the server's version."


class _Header(NamedTuple):
    timestamp: int
    kind: int
    flags: int
    end_position: int
    size: int = 0
    server_id: int = 0


class Events:
    """Decodes the events of one binlog connection, which `stream` finds in its bytes.

    `tables` is asked at every TABLE_MAP which decoder a table has now; None for tables that the job
    does not want. Transactions come one by one: this decoder never puts several together.
    """

    def __init__(self, tables: Callable[[TableId], TableDecoder | None]) -> None:
        self._tables = tables
        self._checksummed: bool | None = None  # None: no FORMAT_DESCRIPTION yet
        self._position = 0
        self._maps: dict[int, BoundRows | Unread | None] = {}
        self._in_transaction = False
        self._begun = False
        self._changed = False
        self._handlers: dict[int, Callable[[_Header, bytes], Iterator[Event]]] = {
            kinds.QUERY: self._query,
            kinds.EXECUTE_LOAD_QUERY: self._query,
            kinds.ROTATE: self._rotate,
            kinds.FORMAT: self._format,
            kinds.XID: self._commit,
            kinds.TABLE_MAP: self._table_map,
            kinds.WRITE: self._rows,
            kinds.UPDATE: self._rows,
            kinds.DELETE: self._rows,
            kinds.WRITE_V1: self._rows_v1,
            kinds.UPDATE_V1: self._rows_v1,
            kinds.DELETE_V1: self._rows_v1,
            kinds.PARTIAL_UPDATE: self._partial_update,
            kinds.HEARTBEAT: self._heartbeat,
            kinds.HEARTBEAT_2: self._heartbeat_2,
            kinds.GTID: self._gtid,
            kinds.ANONYMOUS_GTID: self._gtid,
            kinds.TAGGED_GTID: self._gtid,
            kinds.DOMAIN_GTID: self._domain_gtid,
            kinds.XA_PREPARE: self._xa_prepare,
            kinds.PAYLOAD: self._payload,
        }

    def decode(self, packet: bytes) -> Iterator[Event]:
        """The events that one packet holds: none, one, or those of a whole compressed transaction, which is never
        whole in memory.

        `packet` is one binlog event as COM_BINLOG_DUMP sends it, without the leading OK byte.

        Raises:
            UnsupportedEvent: it cannot be decoded without guessing, or its checksum is wrong.
            UnsupportedType: a value is not what its column can hold.
            SchemaChanged: a table is not the one that the job knows.
        """
        try:
            header = self._header(packet)
            body = self._body(header, packet)
            yield from self._dispatch(header, body)
        except (*VALUE_ERRORS, zstandard.ZstdError) as error:
            kind = packet[4] if len(packet) > 4 else "?"
            raise UnsupportedEvent(
                f"Event type {kind} before offset {self._position} of the binlog cannot be decoded "
                f"({type(error).__name__}).",
                "The event is damaged, or holds bytes that are invalid in their column's character set.",
            ) from None

    def _header(self, packet: bytes) -> _Header:
        if len(packet) < _HEADER_BYTES or int.from_bytes(packet[9:13], "little") != len(packet):
            raise ValueError("an event is cut short")
        end = int.from_bytes(packet[13:17], "little")
        self._position = _widened(end, self._position)
        return _Header(
            int.from_bytes(packet[:4], "little"),
            packet[4],
            int.from_bytes(packet[17:19], "little"),
            self._position,
            len(packet),
            int.from_bytes(packet[5:9], "little"),
        )

    def _body(self, header: _Header, packet: bytes) -> bytes:
        """What stands between header and checksum; the checksum is verified."""
        if header.kind == kinds.FORMAT:
            # The algorithm's byte stands before the checksum, which is always there.
            algorithm = packet[-1 - _CHECKSUM_BYTES]
            self._checksummed = algorithm == _CRC32
            if not self._checksummed:
                return packet[_HEADER_BYTES:-_CHECKSUM_BYTES]
        if self._checksummed is None:
            # Made-up events before the first FORMAT_DESCRIPTION may or may not have one: it proves
            # itself.
            if header.kind not in (kinds.ROTATE, kinds.HEARTBEAT, kinds.HEARTBEAT_2):
                raise ValueError("the binlog does not start with a FORMAT_DESCRIPTION")
            return packet[_HEADER_BYTES : -_CHECKSUM_BYTES if _verified(packet) else None]
        if not self._checksummed:
            return packet[_HEADER_BYTES:]
        if not _verified(packet):
            raise UnsupportedEvent(
                f"The checksum of event type {header.kind} before offset {header.end_position} of the binlog is wrong.",
                "The event was damaged on disk or on its way; check the source's binlog with "
                "mysqlbinlog --verify-binlog-checksum.",
            )
        return packet[_HEADER_BYTES:-_CHECKSUM_BYTES]

    def _dispatch(self, header: _Header, body: bytes) -> Iterator[Event]:
        handler = self._handlers.get(header.kind)
        if handler is not None:
            return handler(header, body)
        if header.kind in kinds.PASSED_OVER:
            return iter(())
        if header.kind in kinds.REFUSED:
            what, hint = kinds.REFUSED[header.kind]
            raise UnsupportedEvent(f"The binlog holds {what} (before offset {header.end_position}).", hint)
        if header.flags & _IGNORABLE:
            return iter(())
        raise UnsupportedEvent(
            f"The binlog holds an event of type {header.kind}, which is not known (before offset "
            f"{header.end_position}).",
            "Ask for support of this server version.",
        )

    # --- the stream itself

    def _rotate(self, header: _Header, body: bytes) -> Iterator[Event]:
        self._position = _U64.unpack_from(body)[0]
        self._maps.clear()
        yield Rotate(body[8:].decode(), self._position, header.timestamp, header.end_position)

    def _format(self, _: _Header, body: bytes) -> Iterator[Event]:
        if int.from_bytes(body[:2], "little") != _BINLOG_VERSION:
            raise UnsupportedEvent(
                "The binlog is of another version than 4.",
                "Upgrade the source to MySQL 5.7 or later.",
            )
        self._maps.clear()
        return iter(())

    def _heartbeat(self, header: _Header, body: bytes) -> Iterator[Event]:
        yield Heartbeat(body.decode(), header.end_position, header.timestamp, header.end_position)

    def _heartbeat_2(self, header: _Header, body: bytes) -> Iterator[Event]:
        """Fields of type, length and value: 1 the file, 2 the position; 0 ends them."""
        file, position, place = "", header.end_position, 0
        while place < len(body) and body[place]:
            kind = body[place]
            value, place = counted(body, place + 1)
            file = value.decode() if kind == 1 else file
            position = packed_number(value, 0)[0] if kind == 2 else position
        self._position = position
        yield Heartbeat(file, position, header.timestamp, position)

    # --- transactions

    def _gtid(self, header: _Header, body: bytes) -> Iterator[Event]:
        facts = tagged_gtid(body) if header.kind == kinds.TAGGED_GTID else plain_gtid(body)
        gtid = None if header.kind == kinds.ANONYMOUS_GTID else facts.gtid
        begin = header.end_position - header.size
        if facts.length and begin < 0:
            raise ValueError("an event ends before it could begin")
        yield self._begin(header, gtid, facts.commit_microseconds, facts.length and begin + facts.length)

    def _domain_gtid(self, header: _Header, body: bytes) -> Iterator[Event]:
        facts, standalone = domain_gtid(body, header.server_id)
        yield self._begin(header, facts.gtid, 0, 0)
        self._begun = not standalone

    def _begin(self, header: _Header, gtid: str | None, microseconds: int, end: int) -> TransactionBegin:
        if self._changed:
            raise UnsupportedEvent(
                f"A transaction before offset {header.end_position} of the binlog has no end.",
                _GTID_HINT,
            )
        self._maps.clear()
        self._in_transaction, self._begun = True, False
        return TransactionBegin(gtid, header.end_position, header.timestamp, microseconds, end, header.server_id)

    def _commit(self, header: _Header, _: bytes) -> Iterator[Event]:
        yield self._end(header)

    def _end(self, header: _Header) -> TransactionEnd:
        self._maps.clear()
        self._in_transaction = self._begun = self._changed = False
        return TransactionEnd(header.timestamp, header.end_position)

    def _query(self, header: _Header, body: bytes) -> Iterator[Event]:
        database, sql = parse_query(body, is_load=header.kind == kinds.EXECUTE_LOAD_QUERY)
        phrase = phrase_of(sql)
        if not self._in_transaction and phrase is not Phrase.COMMIT:
            yield self._begin(header, None, 0, 0)
        if phrase is Phrase.BEGIN:
            self._begun = True
        elif phrase is Phrase.COMMIT:
            yield self._end(header)
        elif phrase is Phrase.ROLLBACK:
            yield self._rolled_back(header)
        elif phrase is Phrase.ROLLBACK_TO:
            self._refuse_rollback(header)
        elif phrase is Phrase.XA_COMMIT:
            raise UnsupportedEvent(
                f"XA COMMIT before offset {header.end_position} of the binlog: its rows came with XA PREPARE, earlier.",
                "Jobs cannot follow a server whose applications use XA transactions.",
            )
        elif phrase is Phrase.XA_ROLLBACK:
            yield self._end(header)
        elif phrase is Phrase.OTHER:
            yield Statement(database, sql, header.timestamp, header.end_position)
            if not self._begun:  # DDL commits by itself
                yield self._end(header)

    def _rolled_back(self, header: _Header) -> TransactionEnd:
        self._refuse_rollback(header)
        return self._end(header)

    def _refuse_rollback(self, header: _Header) -> None:
        if self._changed:
            raise UnsupportedEvent(
                f"A ROLLBACK before offset {header.end_position} of the binlog takes back rows that it logged.",
                "A transaction mixed tables with and without transactions: convert all tables to InnoDB.",
            )

    def _xa_prepare(self, header: _Header, body: bytes) -> Iterator[Event]:
        one_phase = body[0]
        if self._changed and not one_phase:
            raise UnsupportedEvent(
                f"XA PREPARE before offset {header.end_position} of the binlog: its rows are not committed yet.",
                "Jobs cannot follow tables that XA transactions change.",
            )
        yield self._end(header)

    def _payload(self, header: _Header, body: bytes) -> Iterator[Event]:
        for packet in inner_events(body):
            inner = _Header(
                int.from_bytes(packet[:4], "little"),
                packet[4],
                int.from_bytes(packet[17:19], "little"),
                header.end_position,
            )
            if inner.kind in (kinds.PAYLOAD, kinds.FORMAT, kinds.ROTATE):
                raise ValueError("a compressed transaction holds what it cannot hold")
            yield from self._dispatch(inner, packet[_HEADER_BYTES:])

    # --- rows

    def _table_map(self, _: _Header, body: bytes) -> Iterator[Event]:
        number, map_body = int.from_bytes(body[:6], "little"), body[8:]
        database, name, _place = table_names(map_body)
        table = TableId(database.decode(), name.decode())
        decoder = self._tables(table)
        try:
            self._maps[number] = None if decoder is None else decoder.bind(map_body)
        except HeadraceError as error:  # it counts only where rows follow, and perhaps not even there
            self._maps[number] = Unread(table, type(error), error.message, error.hint)
        return iter(())

    def _rows(self, header: _Header, body: bytes) -> Iterator[Event]:
        bound = self._bound(header, body)
        if bound is not None:
            # Behind table id and flags: data of partitions, its length counting itself.
            place = 8 + int.from_bytes(body[8:10], "little")
            yield from self._changes(header, bound, header.kind, body, place)

    def _rows_v1(self, header: _Header, body: bytes) -> Iterator[Event]:
        bound = self._bound(header, body)
        if bound is not None:
            yield from self._changes(header, bound, header.kind + kinds.V1_LOWER, body, 8)

    def _changes(
        self, header: _Header, bound: BoundRows | Unread, kind: int, body: bytes, place: int
    ) -> Iterator[Event]:
        if isinstance(bound, Unread):
            self._changed = True
            yield bound._replace(timestamp=header.timestamp, end_position=header.end_position)
            return
        changes = bound.changes(kind, body, place, len(body))
        if changes:
            self._changed = True
            yield RowChanges(bound.table, changes, header.timestamp, header.end_position, bytes_of(changes))

    def _partial_update(self, header: _Header, body: bytes) -> Iterator[Event]:
        if self._bound(header, body) is not None:
            raise UnsupportedEvent(
                f"The binlog holds an update that logs a part of a JSON value (before offset {header.end_position}).",
                "Set binlog_row_value_options='' on the source, also for sessions, and copy the table again.",
            )
        return iter(())

    def _bound(self, header: _Header, body: bytes) -> BoundRows | Unread | None:
        if len(body) < 10:
            raise ValueError("a rows event is cut short")
        number = int.from_bytes(body[:6], "little")
        if number == _NO_TABLE:
            return None
        if number not in self._maps or not self._in_transaction:
            raise UnsupportedEvent(
                f"A rows event before offset {header.end_position} of the binlog comes without "
                f"{'its table map' if self._in_transaction else 'the start of its transaction'}.",
                "The stream was started inside a transaction: start the job from a checkpoint.",
            )
        return self._maps[number]


def _verified(packet: bytes) -> bool:
    checksum = int.from_bytes(packet[-_CHECKSUM_BYTES:], "little")
    return zlib.crc32(memoryview(packet)[:-_CHECKSUM_BYTES]) == checksum


def _widened(low: int, last: int) -> int:
    """The offset that a header's 32 bits stand for in a file that may be larger than 4 GiB.

    Offsets in one file rise, so one that falls by more than half of the range has wrapped. 0 stands
    for none.
    """
    if not low:
        return last
    wide = last & ~0xFFFFFFFF | low
    return wide + (1 << 32) if wide + (1 << 31) < last else wide
