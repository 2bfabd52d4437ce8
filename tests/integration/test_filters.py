"""`scan.snapshot.filters` on MySQL and MariaDB: rows that the snapshot leaves out, changes of them that arrive all the same, and columns that
come and go meanwhile, also those that a filter speaks of.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from headrace_local.mysql import MysqlServer

from tests.integration.test_ground import failure, resume
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import Cluster, read_topic
from tests.plugins.fix_servers import root_connection

TABLES = """
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT i, i % 4 FROM n;
CREATE TABLE whole (id INT PRIMARY KEY, v INT);
INSERT INTO whole VALUES (1, 0), (2, 1);
CREATE TABLE early (id INT PRIMARY KEY, v INT);
INSERT INTO early VALUES (1, 0), (2, 1);
CREATE TABLE sums (id INT PRIMARY KEY, a INT UNSIGNED, b INT UNSIGNED);
INSERT INTO sums VALUES (1, 3, 2), (2, 1, 2)
"""


class Place(NamedTuple):
    """A job, and the server and database that it copies."""

    name: str
    server: MysqlServer
    db: str

    def job(self, tables: str, filters: str) -> str:
        source = f"  scan.incremental.snapshot.chunk.size: 100\n  scan.snapshot.filters: {filters}"
        return job(rf"{self.db}.{tables}", source).replace("#{port}", f"#{{{self.name}}}")

    def run(self, sql: str) -> None:
        execute(self.server, sql, self.db)


@pytest.fixture
def places(cluster, mysql_server, mysql_database, mariadb_server, mariadb_database) -> list[Place]:
    found = [Place("mysql", mysql_server, mysql_database), Place("maria", mariadb_server, mariadb_database)]
    cluster.environment |= {f"HEADRACE_VAR_{place.name.upper()}": str(place.server.port) for place in found}
    for place in found:
        place.run(TABLES)
    return found


def row(number: int, **values: int | None) -> dict[bytes, bytes]:
    return {b'{"id":%d}' % number: json.dumps({"id": number, **values}, separators=(",", ":")).encode()}


def lives(cluster: Cluster, name: str) -> None:
    """All is copied and swept, and nothing is missing."""

    def live() -> bool:
        states = {table["state"] for table in cluster.status(name)["tables"]}
        return states == {"live"} and streaming(cluster, name)

    cluster.wait(f"{name} streams", live)


def equal(cluster: Cluster, name: str) -> None:
    verified = cluster.cli_here("verify", name)
    assert verified.exit_code == 0, verified.output


def refused(cluster: Cluster, place: Place) -> None:
    text = place.job("t", f"{place.db}.t:v = 0")
    for wrong, said in (
        ("v = 0) OR (1 = 1", "is no condition"),
        ("nothing = 0", "nothing"),
        ("lenght(v) = 0", "cannot evaluate a condition"),
        (f"v = 0; {place.db}.\\.*:v = 1", "Several filters"),
        (f"v = 0; {place.db}.u:v = 1", "means no table"),
        ("'", "quote"),
    ):
        done = cluster.cli_here("submit", "-", "--name", "no", stdin=text.replace("v = 0", wrong))
        assert done.exit_code == 2, wrong
        assert said in " ".join(done.output.split()), wrong


def waiting(place: Place) -> int:
    """How many comparisons wait for a lock."""
    with root_connection(place.server) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM performance_schema.session_connect_attrs JOIN performance_schema.threads USING (processlist_id)"
            f" WHERE attr_value LIKE 'headrace verify {place.db}.%' AND processlist_state LIKE 'Waiting for table%'"
        )
        return cursor.fetchone()[0]


def changed_while_compared(cluster: Cluster, place: Place, sql: str) -> dict[str, dict[str, str]]:
    """Has the tables changed when a comparison knows their columns and has yet to read a row; returns the errors."""
    with ThreadPoolExecutor(1) as pool, root_connection(place.server, place.db) as connection:
        cursor = connection.cursor()
        cursor.execute("LOCK TABLES t WRITE, whole WRITE")
        verified = pool.submit(cluster.cli, "verify", place.name, "--json")
        cluster.wait("the comparison wants to read", lambda: waiting(place) == 2, 30)
        for statement in sql.split(";\n"):
            cursor.execute(statement)
        cursor.execute("UNLOCK TABLES")
        done = verified.result(120)
    assert done.returncode == 2, done.stdout + done.stderr
    tables = json.loads(done.stdout)["tables"]
    return {table["table"].partition(".")[2]: table["error"] for table in tables}


def unfitting(error: dict[str, str], place: Place, table: str) -> None:
    """The error tells what is wrong, where, and how to mend it."""
    assert error["name"] == "PreflightFailed", error
    assert f"The filter of {place.db}.{table} is no condition" in error["message"]
    assert "Unknown column 'v'" in error["message"]
    assert "Give the table the columns back that source.scan.snapshot.filters names" in error["hint"]


def test_filters_on_mysql_and_mariadb(cluster, places) -> None:
    mysql, maria = places
    refused(cluster, mysql)
    for place in places:
        cluster.submit(place.job("(t|whole)", f"{place.db}.t:v = 0 OR v = ';'"), place.name)
    # The filter's column is renamed when the job is submitted, and nobody leads it yet. And one that fails for a row.
    cluster.submit(mysql.job("early", f"{mysql.db}.early:v = 0"), "early")
    mysql.run("ALTER TABLE early RENAME COLUMN v TO x")
    cluster.submit(mysql.job("sums", f"{mysql.db}.sums:a - b > 0"), "sums")
    cluster.binlog_worker(), cluster.snapshot_worker(2)

    rows: dict[bytes, bytes] = {}
    for number in range(4, 401, 4):
        rows |= row(number, v=0)
    for place in places:
        lives(cluster, place.name)
        eventually_holds(cluster, f"{place.db}.t", rows)
        eventually_holds(cluster, f"{place.db}.whole", row(1, v=0) | row(2, v=1))
        place.run("UPDATE t SET v = 9 WHERE id IN (1, 4);\nINSERT INTO t VALUES (1001, 3);\nDELETE FROM t WHERE id = 8")
    rows |= row(1, v=9) | row(4, v=9) | row(1001, v=3)
    del rows[b'{"id":8}']
    for place in places:
        eventually_holds(cluster, f"{place.db}.t", rows)
    assert cluster.cli_here("resync", mysql.name, f"{mysql.db}.t").exit_code == 0
    eventually_holds(cluster, f"{mysql.db}.t", rows)

    # What readers cannot do they do not try for ever, and to copy again does not help.
    unfitting(failure(cluster, "early"), mysql, "early")
    assert cluster.cli_here("resume", "early", "--resync").exit_code == 1
    unfitting(failure(cluster, "early"), mysql, "early")
    error = failure(cluster, "sums")
    assert "MySQL cannot evaluate a condition" in error["message"]
    assert "BIGINT UNSIGNED value is out of range" in error["message"]
    assert "source.scan.snapshot.filters" in error["hint"]

    # A column of NULLs comes without a copy, and a comparison says so that had begun.
    before = {place: len(read_topic(cluster.bootstrap, f"{place.db}.t")) for place in places}
    coming = "ALTER TABLE t ADD COLUMN x INT;\nUPDATE t SET x = 1 WHERE id = 2;\nUPDATE t SET x = 2 WHERE id = 12"
    maria.run(coming)
    errors = changed_while_compared(cluster, mysql, f"{coming};\nALTER TABLE whole DROP COLUMN v")
    assert {table: error["name"] for table, error in errors.items()} == dict.fromkeys(("t", "whole"), "NotFollowing")
    assert errors["t"]["message"] == f"The columns of {mysql.db}.t changed while it was compared."
    assert errors["whole"]["message"].startswith(f"{mysql.db}.whole changed while it was read. ")
    assert errors["whole"]["hint"] == "Try again when scheduler status mysql shows it as live."
    rows |= row(2, v=2, x=1) | row(12, v=0, x=2)
    for place in places:
        eventually_holds(cluster, f"{place.db}.t", rows, 60)
        lives(cluster, place.name)
        assert len(read_topic(cluster.bootstrap, f"{place.db}.t")) == before[place] + 2, "it was copied"
        equal(cluster, place.name)

    # The filter's column goes: nothing of the table arrives until it is back, and then what the filter lets through.
    mysql.run("ALTER TABLE t RENAME COLUMN v TO u")
    maria.run("ALTER TABLE t DROP COLUMN v")
    for place in places:
        place.run("INSERT INTO t (id) VALUES (2000);\nUPDATE t SET x = 3 WHERE id IN (2, 3)")
    for place in places:
        unfitting(failure(cluster, place.name), place, "t")
        eventually_holds(cluster, f"{place.db}.t", rows)
    mysql.run("ALTER TABLE t RENAME COLUMN u TO v")
    resume(cluster, mysql.name)
    # Of what the filter leaves out, rows that the topic has are written as they are now.
    again = {key: value if b'"x"' in value else value[:-1] + b',"x":null}' for key, value in rows.items()}
    eventually_holds(cluster, f"{mysql.db}.t", again | row(2, v=2, x=3), 60)
    # A table that is dropped has no rows, and that is what its topic shows.
    mysql.run("DROP TABLE whole")
    eventually_holds(cluster, f"{mysql.db}.whole", {})
    lives(cluster, mysql.name)
    equal(cluster, mysql.name)
