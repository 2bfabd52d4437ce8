"""gh-ost and pt-online-schema-change, run for real on a table that a job copies and follows while others write it: at the end topic = MySQL.

gh-ost runs on MySQL 9.7, which its version knows; a MariaDB it refuses, since it asks for a variable that MariaDB 10.11 does not have.
pt-online-schema-change runs on both.
"""

from __future__ import annotations

import json

import pytest
from confluent_kafka.admin import AdminClient

from tests.integration.test_ddl import MOVING, begin, caught_up
from tests.integration.test_job import copied, execute
from tests.integration.test_verify import writing
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

#: The first test waits for the build of gh-ost, which a busy machine takes long for.
pytestmark = pytest.mark.timeout(1800)

#: Rows that change, come and go, over the whole of the table and at its end.
WRITING = [
    *MOVING,
    "INSERT INTO t (id, v) VALUES (1000 + %d % 300, %d)",
    "UPDATE t SET v = v + 1 WHERE id = 1 + %d % 900",
    "DELETE FROM t WHERE id = 1000 + (%d + 150) % 300",
]

ADDED = "ADD COLUMN x INT NOT NULL DEFAULT 5"
#: Its values look otherwise in JSON from then on.
RETYPED = "MODIFY v VARCHAR(20) NOT NULL DEFAULT '0'"


def tables(server, database: str) -> set[str]:
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        return {name for (name,) in cursor.fetchall()}


def topics(cluster, database: str) -> set[str]:
    """The tables that have topics."""
    listed = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=20).topics
    return {topic.removeprefix(f"{database}.") for topic in listed if topic.startswith(f"{database}.")}


def rows(cluster, database: str) -> list[dict]:
    return [json.loads(value) for value in fold(read_topic(cluster.bootstrap, f"{database}.t")).values()]


def altered(cluster, database: str, leader, copies: int) -> None:
    """Waits until the table is copied with the columns that it has by now; the tools' statements cost no copy of their own."""

    def made() -> int:
        again = [line for line in leader.log.read_text().splitlines() if "tables_change" in line]
        assert all(f"again=['{database}.t']" in line and "new=[]" in line for line in again)
        return len(again)

    cluster.wait("the job has noticed", lambda: made() >= copies and copied(cluster, "shop"))
    assert made() == copies


def nothing_else_came(cluster, server, database: str, leader) -> None:
    """Topic = MySQL, no table of the tools has got a topic, and no tenure ended otherwise than it should."""
    caught_up(cluster, server, database)
    assert topics(cluster, database) == {"t", "other"}
    assert {table["table"] for table in cluster.status("shop")["tables"]} == {f"{database}.t", f"{database}.other"}
    assert not leader.says("tenure_failed")


def test_gh_ost(cluster, gh_ost, throwaway_mysql) -> None:
    """Two runs on MySQL 9.7: while the table is copied for the first time, and, when it is, back to what was before. It cannot read
    tagged GTIDs, which other tests leave on the session's server.
    """
    mysql_server, mysql_database = throwaway_mysql(), "ghosts"
    execute(mysql_server, f"CREATE DATABASE {mysql_database}")
    cluster.environment["HEADRACE_VAR_PORT"] = str(mysql_server.port)
    leader = begin(cluster, mysql_server, mysql_database)
    cluster.wait("chunks are read", lambda: cluster.status("shop").get("chunks_done", 0) > 2)
    options = ("--gtid", "--checkpoint")
    with writing(mysql_server, mysql_database, WRITING, 0.02):
        gh_ost(mysql_server, mysql_database, "t", f"{ADDED}, {RETYPED}", *options, "--timestamp-old-table")
        altered(cluster, mysql_database, leader, 1)
    nothing_else_came(cluster, mysql_server, mysql_database, leader)
    assert all(row["x"] == 5 and isinstance(row["v"], str) for row in rows(cluster, mysql_database))

    (old,) = (name for name in tables(mysql_server, mysql_database) if name.endswith("_del"))
    with writing(mysql_server, mysql_database, WRITING, 0.02):
        gh_ost(mysql_server, mysql_database, "t", "", *options, "--revert", f"--old-table={old}")
        altered(cluster, mysql_database, leader, 2)
    assert tables(mysql_server, mysql_database) == {"t", "other", "_t_ghk", "_t_rev_del"}
    nothing_else_came(cluster, mysql_server, mysql_database, leader)
    assert all("x" not in row and isinstance(row["v"], int) for row in rows(cluster, mysql_database))


@pytest.mark.parametrize("kind", ["mysql_server", "mariadb_server"])
def test_pt_online_schema_change(cluster, pt_osc, kind: str, request) -> None:
    """Two runs, on MySQL 9.7 and MariaDB 10.11: while the table is copied for the first time, and after that, beside what is left of the first."""
    server = request.getfixturevalue(kind)
    database = request.getfixturevalue(kind.replace("server", "database"))
    cluster.environment["HEADRACE_VAR_PORT"] = str(server.port)
    leader = begin(cluster, server, database)
    execute(server, "ANALYZE TABLE t", database)  # the tool reads a table in one piece that it takes for empty
    cluster.wait("chunks are read", lambda: cluster.status("shop").get("chunks_done", 0) > 2)
    with writing(server, database, WRITING, 0.02):
        pt_osc(server, database, "t", ADDED, "--no-drop-old-table")
        altered(cluster, database, leader, 1)
        pt_osc(server, database, "t", RETYPED, "--no-drop-old-table")
        altered(cluster, database, leader, 2)
    assert tables(server, database) == {"t", "other", "_t_old", "__t_old"}
    nothing_else_came(cluster, server, database, leader)
    assert all(row["x"] == 5 and isinstance(row["v"], str) for row in rows(cluster, database))
