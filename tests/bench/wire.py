"""What MySQL sends, read as fast as Python can and thrown away: the upper limit for every reader.

Only packet headers are looked at. PyMySQL logs in; its buffered file is then read with `read1`, because `readinto1` with
a large buffer blocks although data is there.
"""

import struct
from typing import Any

import pymysql

from shared.adapters.mysql.dump import encode_gtid_set
from shared.model.position import GtidSet

_READ_BYTES = 1 << 20
_COM_QUERY, _COM_STMT_PREPARE, _COM_STMT_EXECUTE, _COM_BINLOG_DUMP_GTID = 0x03, 0x16, 0x17, 0x1E
_EOF, _ERROR = 0xFE, 0xFF
_EOF_BYTES_MAX = 8
# Ends the stream where the binlog ends, and reads from a GTID set.
_NON_BLOCK, _THROUGH_GTID = 0x01, 0x04
_REPLICA_ID = 7799


def select_text(connection: Any, sql: str) -> tuple[int, int]:
    """Rows and bytes of a SELECT by the text protocol."""
    connection._execute_command(_COM_QUERY, sql)
    return _result_set(connection)


def select_binary(connection: Any, sql: str) -> tuple[int, int]:
    """Rows and bytes of a SELECT by a prepared statement."""
    connection._execute_command(_COM_STMT_PREPARE, sql)
    prepared = connection._read_packet().get_all_data()
    statement, columns = struct.unpack_from("<IH", prepared, 1)
    for _ in range(columns + 1):  # their definitions and an EOF
        connection._read_packet()
    connection._execute_command(_COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1))
    return _result_set(connection)


def dump_binlog(connection: Any, start: str) -> tuple[int, int]:
    """Events and bytes of the binlog from a GTID set to its present end."""
    with connection.cursor() as cursor:
        cursor.execute("SET @source_binlog_checksum = @@GLOBAL.binlog_checksum, @slave_uuid = UUID()")
        cursor.execute("SET @master_binlog_checksum = @@GLOBAL.binlog_checksum")  # its name before 8.0.26
    gtids = encode_gtid_set(GtidSet.parse(start))
    body = struct.pack("<HII", _NON_BLOCK | _THROUGH_GTID, _REPLICA_ID, 0)
    connection._execute_command(_COM_BINLOG_DUMP_GTID, body + struct.pack("<QI", 4, len(gtids)) + gtids)
    return _drain(connection)


def _result_set(connection: Any) -> tuple[int, int]:
    packet = connection._read_packet()  # the number of columns
    while not packet.is_eof_packet():
        packet = connection._read_packet()
    return _drain(connection)


def _drain(connection: Any) -> tuple[int, int]:
    """Counts packets until the one that says EOF."""
    read = connection._rfile.read1
    rest, packets, size = b"", 0, 0
    while True:
        data = read(_READ_BYTES)
        if not data:
            raise pymysql.OperationalError(2013, "the server broke the connection")
        size += len(data)
        data = rest + data
        at, end = 0, len(data)
        while at + 5 <= end:
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            kind = data[at + 4]
            if kind >= _EOF and (kind == _ERROR or length <= _EOF_BYTES_MAX):
                if kind == _ERROR:
                    raise pymysql.OperationalError(1105, data[at + 4 : at + 4 + length].decode(errors="replace"))
                return packets, size
            packets += 1
            at += 4 + length
        rest = _rest(read, data, at)


def _rest(read: Any, data: bytes, at: int) -> bytes:
    """What belongs to the next packet; reads on when the last packet's body is not all there."""
    missing = at - len(data)
    while missing > 0:
        got = read(missing)
        if not got:
            raise pymysql.OperationalError(2013, "the server broke the connection")
        missing -= len(got)
    return data[at:] if at < len(data) else b""
