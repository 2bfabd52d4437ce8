"""The sample database: `order_dw` with three tables and two rows in each.

The law: nothing is dropped or overwritten, and only what is missing is created. Looking first matters, because MySQL
writes even a CREATE TABLE IF NOT EXISTS that does nothing to the binlog, where running jobs would read it as DDL.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql
from headrace_local.console import StackError
from headrace_local.mysql import MysqlServer
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

DATABASE = "order_dw"
_CONNECT_TIMEOUT_S = 10
_ANSWER_TIMEOUT_S = 30

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the sample and its rows."""

    name: str
    columns: str
    rows: tuple[tuple[object, ...], ...]


TABLES = (
    Table(
        "user",
        "id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL",
        ((1, "Tom"), (2, "Jerry")),
    ),
    Table(
        "order",
        "id BIGINT NOT NULL PRIMARY KEY, product VARCHAR(50) NOT NULL, user_id BIGINT NOT NULL",
        ((1, "Football", 2), (2, "Basket", 1)),
    ),
    Table(
        "feedback",
        "id BIGINT NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL, comment VARCHAR(50) NOT NULL",
        ((1, 1, "Good."), (2, 2, "Very good")),
    ),
)


@contextmanager
def connected(server: MysqlServer) -> Iterator["Connection[DictCursor]"]:
    """Give root's connection, and tell MySQL's refusals as what they are."""
    try:
        connection = pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.root_user,
            password=server.root_password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_ANSWER_TIMEOUT_S,
            cursorclass=DictCursor,
        )
        with connection:
            yield connection
    except pymysql.Error as error:
        raise StackError(
            f"mysql at {server.host}:{server.port}: {error.args[-1]}",
            f"read {server.log}; if the tables of {DATABASE} were changed, drop that database and cancel the jobs",
        ) from error


def create_missing(connection: "Connection[DictCursor]") -> list[str]:
    """Create what the sample lacks; return a sentence for each thing created."""
    done = []
    tables = _column(
        connection, f"SELECT table_name AS x FROM information_schema.tables WHERE table_schema='{DATABASE}'"
    )
    if not _column(connection, f"SELECT 1 AS x FROM information_schema.schemata WHERE schema_name='{DATABASE}'"):
        _execute(connection, f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        done.append(f"created the database {DATABASE}")
    for table in TABLES:
        if table.name not in tables:
            _execute(connection, f"CREATE TABLE IF NOT EXISTS {qualified(table.name)} ({table.columns})")
            done.append(f"created the table {table.name}")
        present = _column(connection, f"SELECT id AS x FROM {qualified(table.name)} WHERE id IN ({_ids(table)})")
        for row in table.rows:
            if row[0] not in present:
                marks = ", ".join(["%s"] * len(row))
                _execute(connection, f"INSERT INTO {qualified(table.name)} VALUES ({marks})", row)
                done.append(f"inserted {row} into {table.name}")
    return done


def sample_rows(connection: "Connection[DictCursor]", table: Table) -> list[Row]:
    """Return the sample's rows of a table as they are now; somebody may have changed or deleted them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {qualified(table.name)} WHERE id IN ({_ids(table)}) ORDER BY id")
        return list(cursor.fetchall())


def next_id(connection: "Connection[DictCursor]", table: str) -> int:
    """Return an id that no row of the table has."""
    (largest,) = _column(connection, f"SELECT COALESCE(MAX(id), 0) AS x FROM {qualified(table)}")
    return int(str(largest)) + 1


def qualified(table: str) -> str:
    """Return the table's name for a statement; `order` is a word of SQL."""
    return f"{DATABASE}.`{table}`"


def as_json(row: Row) -> bytes:
    """Return a row, or its key, as headrace writes it."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


def _ids(table: Table) -> str:
    return ", ".join(str(row[0]) for row in table.rows)


def _column(connection: "Connection[DictCursor]", query: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row["x"] for row in cursor.fetchall()]


def _execute(connection: "Connection[DictCursor]", statement: str, values: tuple[object, ...] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
