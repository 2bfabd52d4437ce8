"""What `client.py` does: statements for the local MySQL, and the messages of a topic of the local Kafka.

The law: for people who try headrace out. Nothing here is part of headrace, and nothing but the user's own statements
changes anything.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pymysql
from headrace_local.console import StackError
from headrace_local.layout import Layout
from headrace_local.mysql import MysqlServer
from headrace_local.stack import Programs, Stack, as_running
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from headrace_demo.reader import Record, reading

_CONNECT_TIMEOUT_S = 10
_NO_PROGRAMS = Programs(Path(os.devnull), Path(os.devnull), Path(os.devnull))


def running(layout: Layout) -> Stack:
    """Return the stack on the ports on which it runs, where it does."""
    return Stack(as_running(layout), _NO_PROGRAMS)


def run_sql(server: MysqlServer, text: str) -> Iterator[str]:
    """Run statements that are separated by semicolons; yield the rows of those that have some.

    Raises:
        StackError: MySQL refused a statement; those before it are done.
    """
    try:
        with _connected(server) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            while True:
                for row in cursor.fetchall():
                    yield "\t".join("NULL" if cell is None else str(cell) for cell in row)
                if not cursor.nextset():
                    return
    except pymysql.Error as error:
        hint = "correct the statement; what stands before it is done already"
        raise StackError(f"mysql at {server.host}:{server.port}: {error.args[-1]}", hint) from error


def read_topic(bootstrap: str, topic: str) -> Iterator[str]:
    """Yield a line per committed message: key, tab, value; partition by partition."""
    with reading(bootstrap, [topic]) as reader:
        for record in sorted(reader.to_end(), key=lambda record: (record.partition, record.offset)):
            yield f"{record.key.decode(errors='replace')}\t{_value(record)}"


def _value(record: Record) -> str:
    return "null (tombstone)" if record.value is None else record.value.decode(errors="replace")


def _connected(server: MysqlServer) -> "Connection[Cursor]":
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.root_user,
        password=server.root_password,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=_CONNECT_TIMEOUT_S,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
