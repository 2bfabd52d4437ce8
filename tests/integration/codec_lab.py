"""Both paths of the codec against a real MySQL: the rows of a table by SELECT, and by the binlog.

Theory: the binlog is asked for as a replica asks (COM_BINLOG_DUMP, without blocking at its end),
from where it stood before the rows were written; the packets are what the server sent, untouched.

`CODECS` is the only place that names implementations of the codec: whoever takes a lab tests all
of them.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from shared.adapters.mysql.result import ask, piece
from shared.codec import NATIVE, PYTHON, Codec, FormatOptions
from shared.model.binlog import Event, RowChanges, Unread
from shared.model.change import Change, EncodedRow
from shared.model.schema import Column, Table, TableId

_COM_BINLOG_DUMP = 0x12
_NON_BLOCKING = 1
_SERVER_ID = 28_999
#: Neither the time zone of the server nor that of the session that writes may matter.
TIME_ZONE = "+05:30"
_LABEL = re.compile(r"'((?:[^']|'')*)'")


#: The implementations that the tests of the codec are run with, by name.
CODECS: dict[str, Codec] = {codec.name: codec for codec in (PYTHON, NATIVE) if codec is not None}


class Lab:
    """One database of a server, a session that writes, and one that reads."""

    def __init__(self, connect: Callable[..., "Connection[Cursor]"], database: str, codec: Codec) -> None:
        self._connect = connect
        self.codec = codec
        self.database = database
        self._writer = connect(database=database, autocommit=True, charset="utf8mb4")
        self._reader = connect(database=database, autocommit=True, charset="utf8mb4", use_unicode=False, conv={})
        self.sql("SET sql_mode=''")
        #: Such as (8, 0, 12).
        version = self.sql("SELECT VERSION()")[0][0]
        self.version = tuple(map(int, version.split("-")[0].split(".")))
        self.is_mariadb = "MariaDB" in version
        if self.knows("sql_generate_invisible_primary_key"):
            self.sql("SET sql_generate_invisible_primary_key=OFF")
        self.read("SET time_zone='+00:00', sql_mode='NO_BACKSLASH_ESCAPES'")
        self.mark()

    def close(self) -> None:
        self._writer.close()
        self._reader.close()

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Runs statements in the writing session; the rows of the last one."""
        with self._writer.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def read(self, statement: str) -> list[tuple[bytes | None, ...]]:
        """Rows as the server's bytes, in the session that snapshots use."""
        with self._reader.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def knows(self, variable: str) -> bool:
        """Whether the server has a variable of this name."""
        return bool(self.sql(f"SHOW VARIABLES LIKE '{variable}'"))

    def mark(self) -> None:
        """`packets` starts here."""
        renamed = self.version >= (8, 2) and not self.is_mariadb
        file, position, *_ = self.sql(f"SHOW {'BINARY LOG' if renamed else 'MASTER'} STATUS")[0]
        self.start = (str(file), int(position))

    def table(self, name: str) -> Table:
        """The table as the catalog describes it."""
        rows = self.sql(
            "SELECT column_name, data_type, column_type, is_nullable, character_set_name, "
            "collation_name,"
            " character_octet_length, numeric_precision, numeric_scale, datetime_precision"
            f" FROM information_schema.columns WHERE table_schema='{self.database}' AND "
            f"table_name='{name}'"
            " ORDER BY ordinal_position"
        )
        key = self.sql(
            "SELECT column_name FROM information_schema.statistics"
            f" WHERE table_schema='{self.database}' AND table_name='{name}' AND "
            "index_name='PRIMARY'"
            " ORDER BY seq_in_index"
        )
        columns = tuple(
            Column(
                name=row[0],
                data_type=row[1].lower(),
                column_type=row[2],
                nullable=row[3] == "YES",
                character_set=row[4],
                collation=row[5],
                length=row[6],
                precision=row[7],
                scale=row[8],
                fraction=row[9],
                labels=_labels(row[2]) if row[1] in ("enum", "set") else (),
            )
            for row in rows
        )
        return Table(TableId(self.database, name), columns, tuple(column for (column,) in key))

    def snapshot(self, table: Table, options: FormatOptions | None = None) -> list[EncodedRow]:
        """Every row by SELECT, in key order, by the protocol that the codec reads: nobody else asks for rows."""
        encoder = self.codec.snapshot_encoder(table, options or FormatOptions())
        key = ", ".join(f"`{name}`" for name in table.primary_key)
        expressions = ", ".join(encoder.select_expressions)
        statement = f"SELECT {expressions} FROM `{table.id.table}` ORDER BY {key}"
        encoder.check(ask(self._reader, statement, encoder.protocol).types)
        rows: list[EncodedRow] = []
        while not encoder.ended:
            rows += encoder.feed(piece(self._reader))
            assert encoder.refusal is None
        return rows

    def packets(self) -> Iterator[bytes]:
        """The binlog's events since `mark`."""
        connection: Any = self._connect()
        try:
            with connection.cursor() as cursor:
                # The name of servers from 8.0.26 on, and the one of all before.
                cursor.execute("SET @source_binlog_checksum=@@global.binlog_checksum")
                cursor.execute("SET @master_binlog_checksum=@@global.binlog_checksum")
            file, position = self.start
            request = struct.pack("<IHI", position, _NON_BLOCKING, _SERVER_ID) + file.encode()
            connection._execute_command(_COM_BINLOG_DUMP, request)
            while True:
                packet = connection._read_packet().get_all_data()
                if packet[:1] == b"\xfe" and len(packet) < 9:
                    return
                yield packet[1:]
        finally:
            connection._force_close()

    def events(
        self, *tables: Table, options: FormatOptions | None = None, packets: Iterable[bytes] | None = None
    ) -> list[Event]:
        """What the binlog says of these tables since `mark`, or in packets that were read already."""
        decoders = {table.id: self.codec.table_decoder(table, options or FormatOptions()) for table in tables}
        decoder = self.codec.event_decoder(decoders.get)
        found = [event for packet in packets or self.packets() for event in fed(decoder, packet)]
        for event in found:
            if isinstance(event, Unread):
                raise event.error(event.message, event.hint)
        return found

    def changes(
        self, *tables: Table, options: FormatOptions | None = None, packets: Iterable[bytes] | None = None
    ) -> list[Change]:
        """The row changes among `events`."""
        found = self.events(*tables, options=options, packets=packets)
        return [change for event in found if isinstance(event, RowChanges) for change in event.changes]


def fed(decoder: Any, packet: bytes) -> list[Event]:
    """The events in one event's packet, which travels behind its length, a number and an OK."""
    found: list[Event] = decoder.feed((len(packet) + 1).to_bytes(3, "little") + b"\0\0" + packet)
    while decoder.more:
        found += decoder.feed(b"")
    return found


def folded(changes: list[Change]) -> dict[bytes, bytes]:
    """What a compacted topic holds after the changes."""
    topic: dict[bytes, bytes] = {}
    for key, value in changes:
        if value is None:
            topic.pop(key, None)
        else:
            topic[key] = value
    return topic


def _labels(column_type: str) -> tuple[str, ...]:
    return tuple(label.replace("''", "'") for label in _LABEL.findall(column_type))


def connector(host: str, port: int, user: str, password: str) -> Callable[..., "Connection[Cursor]"]:
    """A function that opens connections to one server."""

    def connect(**more: Any) -> "Connection[Cursor]":
        return pymysql.connect(host=host, port=port, user=user, password=password, ssl_disabled=True, **more)

    return connect


@contextmanager
def opened(server: Any, database: str, codec: str = "python") -> Iterator[Lab]:
    """A lab whose writing session is in another time zone than UTC; the server's settings are put back."""
    connect = connector(server.host, server.port, server.root_user, server.root_password)
    lab = Lab(connect, database, CODECS[codec])
    lab.sql(f"SET time_zone='{TIME_ZONE}'")
    metadata = lab.sql("SELECT @@global.binlog_row_metadata")[0][0]
    try:
        yield lab
    finally:
        lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}")
        lab.close()
