"""A result set as raw packets: PyMySQL asks and reads the column definitions, the codec reads the rows.

PyMySQL's own row reading makes an object per cell, and it has no prepared statements, by which rows come in the binary
protocol; both are left out here by reading the connection's buffered file behind the column definitions.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from pymysql.constants import COMMAND
from pymysql.protocol import FieldDescriptorPacket

from shared.errors import Unavailable

#: Bytes asked for in one read; a read gives what has arrived.
PIECE_BYTES = 256 * 1024

_COM_STMT_PREPARE, _COM_STMT_EXECUTE, _COM_STMT_CLOSE = 0x16, 0x17, 0x19
_NO_CURSOR, _ONCE = 0, 1
#: Status, statement id, columns, parameters.
_PREPARED = struct.Struct("<BIHH")


class Asked(NamedTuple):
    """A query whose rows come next: the columns' types as the protocol numbers them, and its prepared statement, if any."""

    types: list[int]
    statement: int | None


def ask(connection: Any, sql: str, protocol: str) -> Asked:
    """Sends a query and reads up to the first row."""
    statement = None
    if protocol == "binary":
        statement = _prepare(connection, sql)
        connection._execute_command(_COM_STMT_EXECUTE, struct.pack("<IBI", statement, _NO_CURSOR, _ONCE))
    else:
        connection._execute_command(COMMAND.COM_QUERY, sql)
    count = connection._read_packet().read_length_encoded_integer()
    types = [connection._read_packet(FieldDescriptorPacket).type_code for _ in range(count)]
    connection._read_packet()  # EOF
    return Asked(types, statement)


def release(connection: Any, asked: Asked) -> None:
    """Has the server forget the statement, once the last row has come; it does not answer that. A server keeps a bounded number
    of statements for all connections together (max_prepared_stmt_count).
    """
    if asked.statement is not None:
        connection._execute_command(_COM_STMT_CLOSE, struct.pack("<I", asked.statement))


def piece(connection: Any) -> bytes:
    """The next bytes that have arrived, packet headers included.

    `read1` and not `readinto1`, which waits for the network while bytes are buffered.

    Raises:
        Unavailable: the server closed the connection.
    """
    data: bytes = connection._rfile.read1(PIECE_BYTES)
    if not data:
        raise Unavailable("MySQL closed the connection in the middle of its answer.")
    return data


def _prepare(connection: Any, sql: str) -> int:
    """The statement's id; it ends with its connection, if not before."""
    connection._execute_command(_COM_STMT_PREPARE, sql)
    _, statement, columns, parameters = _PREPARED.unpack_from(connection._read_packet().get_all_data())
    for definitions in (parameters, columns):
        for _ in range(definitions + bool(definitions)):
            connection._read_packet()
    return int(statement)
