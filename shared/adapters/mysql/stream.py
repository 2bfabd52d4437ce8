"""The one binlog connection of a job.

mysql-replication opens it (registration, heartbeat, checksum); a thread reads its bytes ahead into a bounded queue, and
the codec's decoder turns them into events, all that have arrived at a time. What the library would do besides is shut off: its second connection,
its own decoding (which loses compressed transactions and tags) and its silent reconnect to the first GTID set. A lost
connection is an error here; the next tenure starts from the checkpoint.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysqlreplication import BinLogStreamReader

from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.dump import COM_BINLOG_DUMP_GTID, dump_gtid_packet
from shared.adapters.mysql.progress import name_sql
from shared.adapters.mysql.result import piece
from shared.adapters.mysql.session import CountedConnection, MysqlTarget, connect_arguments, is_mariadb, translated
from shared.codec import EventDecoder
from shared.errors import BinlogLost, HeadraceError, Superseded, Unavailable
from shared.model.binlog import Event
from shared.model.domains import Domained, last_of_domains
from shared.model.places import FILE_BEGIN, Placed, is_place, next_file, place_of
from shared.model.position import Coordinates, GtidSet

#: The server speaks at least this often, so that a dead connection is noticed and holds learn where the stream stands.
HEARTBEAT_SECONDS = 1.0

_DEAD_AFTER_SECONDS = 30

#: Bytes read ahead; the socket's own buffers come on top.
_AHEAD_BYTES = 32 * 1024 * 1024

#: Bytes decoded in one call of `events`, about.
_BYTES_PER_CALL = 2 * 1024 * 1024

_FATAL_READING_BINLOG = 1236
_SAME_REPLICA = "same server_uuid/server_id"
#: What a server does not send in its present mode; other texts that begin so tell of purged binlogs.
_OTHER_MODE = ("Cannot replicate anonymous transaction ", "Cannot replicate GTID-transaction ")


class _DumpConnection(CountedConnection):
    """PyMySQL's connection, whose dump command carries our GTID set."""

    start: GtidSet
    replica_id: int

    def _write_bytes(self, data: bytes) -> None:
        if data[4:5] == bytes([COM_BINLOG_DUMP_GTID]):
            data = dump_gtid_packet(self.replica_id, self.start)
        super()._write_bytes(data)  # type: ignore[misc]


class _Reader(BinLogStreamReader):  # type: ignore[misc]
    """The library's reader, of which only the opening is used."""

    def open(self) -> Any:
        """Connects, registers and sends the dump command; returns the connection."""
        self._BinLogStreamReader__connect_to_stream()
        return self._stream_connection


class BinlogStream:
    """All transactions that `start` lacks, in binlog order, and all that follow.

    Args:
        target: the server.
        start: the GTID set of the checkpoint, or a place in the binlog.
        server_id: our id as a replica, from the job's range.
        replica_uuid: the same for every tenure of a job: the server ends the connection of a predecessor that died.
        decoder: the codec's decoder.
        wake: called by the reading thread when something has arrived.
        cost: where to count what the connection costs; None to count for nobody.
        server_uuid: the server that must answer, as behind one address there may be several; empty for any.
        keep_names: transactions keep their GTIDs; else behind a place they are named by their places, and a MariaDB's by runs.

    Raises (constructor and `events`): Superseded when another connection took our id; BinlogLost when the server has
    purged what we need; Unavailable when the connection breaks.
    """

    def __init__(
        self,
        target: MysqlTarget,
        start: GtidSet,
        server_id: int,
        replica_uuid: str,
        decoder: EventDecoder,
        wake: Callable[[], None],
        cost: Cost | None = None,
        server_uuid: str = "",
        *,
        keep_names: bool = False,
    ) -> None:
        self._target = target
        self._decoder = decoder
        self._wake = wake
        self._cost = cost or Cost()
        self._pieces: deque[bytes] = deque()
        self._ahead = 0
        self._room = threading.Condition()
        self._error: HeadraceError | None = None
        self._closed = False
        with translated(target, "opening the binlog"):
            self._connection = _open(target, start, server_id, replica_uuid, self._cost, server_uuid)
        self._namer = None if keep_names else _namer(start, of_mariadb=is_mariadb(self._connection))
        self._thread = threading.Thread(target=self._read, name="binlog", daemon=True)
        self._thread.start()

    def events(self, merge: bool) -> Sequence[Event]:
        """The events that have arrived; some may wait for the next call. With `merge`, adjacent whole transactions may
        come as one.
        """
        more = self._decoder.more
        data = b"" if more else self._take()
        events = self._decoder.feed(data, merge=merge) if data or more else []
        if not events and not self._decoder.more:
            self._raise_end()
            if self._error is not None and not self._pieces:
                raise self._error
        return events if self._namer is None else list(self._namer.name(events))

    def _raise_end(self) -> None:
        if self._decoder.refusal is not None:
            try:
                with translated(self._target, "reading the binlog"):
                    raise pymysql.OperationalError(*self._decoder.refusal)
            except HeadraceError as error:
                raise _named(error) from None
        if self._decoder.ended:
            raise Unavailable(f"MySQL at {self._target} ended the binlog stream.")

    def _take(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        with self._room:
            while self._pieces and size < _BYTES_PER_CALL:
                pieces.append(self._pieces.popleft())
                size += len(pieces[-1])
            self._ahead -= size
            self._room.notify()
        return b"".join(pieces)

    def close(self) -> None:
        """Ends the connection and the thread."""
        self._closed = True
        with self._room:
            self._room.notify_all()
        # The thread holds the lock of the socket's file while it waits for bytes, until the next heartbeat if nothing ends it.
        with suppress(OSError):
            self._connection._sock.shutdown(socket.SHUT_RDWR)
        self._connection._force_close()

    def _read(self) -> None:
        try:
            while not self._closed:
                with translated(self._target, "reading the binlog"):
                    data = piece(self._connection)
                self._cost.received_bytes += len(data)
                self._put(data)
        except HeadraceError as error:
            self._error = error
            self._wake()

    def _put(self, data: bytes) -> None:
        with self._room:
            self._room.wait_for(lambda: self._ahead < _AHEAD_BYTES or self._closed)
            self._pieces.append(data)
            self._ahead += len(data)
        self._wake()


def _open(target: MysqlTarget, start: GtidSet, server_id: int, replica_uuid: str, cost: Cost, server_uuid: str) -> Any:
    settings = connect_arguments(target, "binlog") | {"read_timeout": _DEAD_AFTER_SECONDS}

    def connect(**arguments: Any) -> _DumpConnection:
        unicode = {"use_unicode": True, "conv": pymysql.converters.conversions}
        connection = _DumpConnection(cost, **{**arguments, **unicode})
        connection.start, connection.replica_id = start, server_id
        if server_uuid:
            _require_server(connection, server_uuid, target)
        if is_mariadb(connection) and not is_place(start):
            # The library reads these behind our back: it asks a MariaDB in other words.
            reader.is_mariadb, reader.auto_position = True, last_of_domains(start)
        return connection

    reader = _Reader(
        connection_settings=settings,
        pymysql_wrapper=connect,
        server_id=server_id,
        blocking=True,
        **_where(start),
        slave_uuid=replica_uuid,
        slave_heartbeat=HEARTBEAT_SECONDS,
        enable_logging=False,  # it would log the connection's password
    )
    return reader.open()


def _namer(start: GtidSet, *, of_mariadb: bool) -> Placed | Domained | None:
    if is_place(start):
        return Placed(start)
    return Domained(start) if of_mariadb else None


def _where(start: GtidSet) -> dict[str, Any]:
    """The library's words for where to begin."""
    if not is_place(start):
        # Only tells the library to send the GTID form of the dump command; `_DumpConnection` puts in the real set.
        return {"auto_position": "00000000-0000-0000-0000-000000000000:1"}
    place = place_of(start)
    if place.offset >> 32:
        # The command has 32 bits for it. A server begins no transaction so far behind, but a new file: this one is at its end.
        place = Coordinates(next_file(place.file), FILE_BEGIN)
    return {"log_file": place.file, "log_pos": place.offset, "resume_stream": True}


def _require_server(connection: _DumpConnection, wanted: str, target: MysqlTarget) -> None:
    with connection.cursor() as cursor:
        cursor.execute(name_sql(of_mariadb=is_mariadb(connection)))
        (found,) = cursor.fetchone() or ("",)
    if found != wanted:
        connection._force_close()
        raise Unavailable(
            f"MySQL at {target} is two servers: {wanted} answers questions, {found} would send the binlog.",
            "A failover may be under way. Otherwise give the job an address that always leads to one server.",
        )


def _named(error: HeadraceError) -> HeadraceError:
    """The server puts several causes under one number; their texts tell them apart."""
    text = error.message
    if _SAME_REPLICA in text:  # MariaDB has a number of its own for it
        return Superseded(
            text, "Another process of this job took over, or give the job its own source.server-id range."
        )
    if f"({_FATAL_READING_BINLOG})" not in text:
        return error
    if any(words in text for words in _OTHER_MODE):
        return BinlogLost(
            text,
            "gtid_mode was switched, and in the present mode the server does not send what it wrote in another one."
            " To copy the tables again into the same topics: scheduler resume JOB --on-gap resync.",
        )
    return BinlogLost(
        text,
        "Raise binlog_expire_logs_seconds on the server; then scheduler resume JOB --on-gap resync copies its tables again.",
    )
