"""Columns that come while a table is followed: by what statements say, without a copy where they are NULL, and on every server."""

from __future__ import annotations

import json

import pytest
from headrace_local.mariadb import MariadbServer
from headrace_local.mysql import MysqlServer

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_without_gtids import LOCKS, OPTIONS
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

FULL = ("--binlog-row-metadata=FULL",)


#: All four of them passed both tests; each test has two, as each takes most of a minute.
SERVERS = {
    "minimal": ((), MysqlServer),
    "full": (FULL, MysqlServer),
    "places": (OPTIONS, MysqlServer),
    "mariadb": ((), MariadbServer),
}


@pytest.fixture
def server(request, throwaway_mysql, cluster):
    options, kind = SERVERS[request.param]
    made = throwaway_mysql(*options, kind=kind)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(made.port)}
    if options == OPTIONS:
        execute(made, LOCKS)
    return made


def begun(cluster, server) -> str:
    """A job that follows `t`; returns the database."""
    database = f"grows{server.port}"
    execute(
        server,
        f"CREATE DATABASE {database};\nCREATE TABLE {database}.t (id INT PRIMARY KEY, a INT, b INT);\n"
        f"INSERT INTO {database}.t VALUES (1, 10, 100), (2, 20, 200), (3, 30, NULL)",
    )
    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(job(f"{database}.t"), "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))
    return database


def paused(cluster, server, sql: str, database: str) -> None:
    """Runs statements that the job finds when it goes on."""
    assert cluster.cli("pause", "shop").returncode == 0
    cluster.wait("the job stands still", lambda: not cluster.status("shop")["leader"])
    execute(server, sql, database)
    assert cluster.cli("resume", "shop").returncode == 0


def members(server, database: str) -> dict[bytes, dict]:
    """The rows of MySQL, without what is NULL."""
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        names = [column[0] for column in cursor.description]
        rows = [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in cursor.fetchall()]
    return {b'{"id":%d}' % row["id"]: row for row in rows}


def is_equal(cluster, server, database: str) -> bool:
    topic = fold(read_topic(cluster.bootstrap, f"{database}.t"))
    shown = {key: {n: v for n, v in json.loads(value).items() if v is not None} for key, value in topic.items()}
    return shown == members(server, database)


def same(cluster, server, database: str) -> None:
    cluster.wait("the topic is as the table", lambda: is_equal(cluster, server, database), 60)
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))
    verified = cluster.cli("verify", "shop")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def messages(cluster, database: str) -> list[tuple[bytes, bytes | None]]:
    return read_topic(cluster.bootstrap, f"{database}.t")


def version(cluster) -> int:
    return cluster.status("shop")["tables"][0]["schema_version"]


@pytest.mark.parametrize("server", ["minimal", "mariadb"], indirect=True)
def test_columns_of_nulls_come_without_a_copy(cluster, server) -> None:
    database = begun(cluster, server)
    assert len(messages(cluster, database)) == 3
    execute(
        server,
        "ALTER TABLE t ADD COLUMN c VARCHAR(20) AFTER id;\nUPDATE t SET c = 'x' WHERE id = 1;\nINSERT INTO t (id) VALUES (4)",
        database,
    )
    eventually_holds(
        cluster,
        f"{database}.t",
        {
            b'{"id":1}': b'{"id":1,"c":"x","a":10,"b":100}',
            b'{"id":2}': b'{"id":2,"a":20,"b":200}',
            b'{"id":3}': b'{"id":3,"a":30,"b":null}',
            b'{"id":4}': b'{"id":4,"a":null,"b":null}',
        },
    )
    same(cluster, server, database)
    assert len(messages(cluster, database)) == 5, "it was copied"
    assert version(cluster) == 2

    # Several at once, which the job finds when it goes on; also what says nothing of columns.
    paused(
        cluster,
        server,
        "UPDATE t SET a = 11 WHERE id = 1;\nALTER TABLE t ADD COLUMN d INT NULL DEFAULT NULL;\nUPDATE t SET d = 1 WHERE id = 2;\n"
        "ALTER TABLE t ADD INDEX by_a (a);\nALTER TABLE t ADD COLUMN e INT FIRST, ADD COLUMN f VARCHAR(9) AFTER d;\n"
        "UPDATE t SET e = 5, f = 'seen' WHERE id = 3;\nALTER TABLE t DROP INDEX by_a;\nDELETE FROM t WHERE id = 4",
        database,
    )
    eventually_holds(
        cluster,
        f"{database}.t",
        {
            b'{"id":1}': b'{"id":1,"c":"x","a":11,"b":100}',
            b'{"id":2}': b'{"id":2,"a":20,"b":200,"d":1}',
            b'{"id":3}': b'{"e":5,"id":3,"a":30,"b":null,"f":"seen"}',
        },
        60,
    )
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))
    assert len(messages(cluster, database)) == 9, "it was copied"
    same(cluster, server, database)

    # Whatever else changes has the table copied, and then all columns stand in its messages.
    paused(
        cluster,
        server,
        "ALTER TABLE t ADD COLUMN g INT;\nUPDATE t SET g = 1 WHERE id = 1;\nALTER TABLE t RENAME COLUMN g TO h;\n"
        "ALTER TABLE t ADD COLUMN i INT NOT NULL DEFAULT 7;\nUPDATE t SET h = 2 WHERE id = 2",
        database,
    )
    same(cluster, server, database)
    found = fold(messages(cluster, database))[b'{"id":1}']
    assert found == b'{"e":null,"id":1,"c":"x","a":11,"b":100,"d":null,"f":null,"h":1,"i":7}'


@pytest.mark.parametrize("server", ["full", "places"], indirect=True)
def test_statements_that_undo_one_another_before_the_job_sees_them(cluster, server) -> None:
    database = begun(cluster, server)
    # Of columns of one type that change places, only the statements tell which is which in the rows in between.
    paused(
        cluster,
        server,
        "ALTER TABLE t MODIFY a INT AFTER b;\nUPDATE t SET a = 11 WHERE id = 1;\nALTER TABLE t MODIFY a INT AFTER id",
        database,
    )
    eventually_holds(
        cluster,
        f"{database}.t",
        {
            b'{"id":1}': b'{"id":1,"a":11,"b":100}',
            b'{"id":2}': b'{"id":2,"a":20,"b":200}',
            b'{"id":3}': b'{"id":3,"a":30,"b":null}',
        },
        60,
    )
    # A new column that had another name, or another type, when its first values came.
    paused(
        cluster,
        server,
        "ALTER TABLE t ADD COLUMN x INT, ADD COLUMN y INT;\nUPDATE t SET x = 1 WHERE id = 1;\n"
        "ALTER TABLE t DROP COLUMN x;\nALTER TABLE t ADD COLUMN x INT AFTER y, ADD COLUMN z SMALLINT;\n"
        "UPDATE t SET x = 2, y = 3, z = 4 WHERE id = 2;\nALTER TABLE t MODIFY z BIGINT",
        database,
    )
    same(cluster, server, database)
