"""Limits on what a snapshot takes of MySQL, on real servers: they hold, they change while the job runs, and the stream
goes on meanwhile.
"""

import threading
import time
from contextlib import suppress

import pymysql
import pytest

from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

ROWS = 6000


@pytest.fixture
def many(mysql_server, mysql_database) -> str:
    """The topic of a table."""
    execute(mysql_server, "CREATE TABLE many (id INT PRIMARY KEY, word VARCHAR(20))", mysql_database)
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO many VALUES (%s, 'word')", [(number,) for number in range(ROWS)])
        cursor.execute("ANALYZE TABLE many")
    return f"{mysql_database}.many"


def rows_in(cluster, topic: str) -> int:
    return len(fold(read_topic(cluster.bootstrap, topic)))


@pytest.fixture
def sleepers(mysql_server):
    """Statements that run for long, as a server in trouble has them."""
    connections = [root_connection(mysql_server) for _ in range(6)]

    def sleep(connection) -> None:
        with suppress(pymysql.Error), connection.cursor() as cursor:
            cursor.execute("SELECT SLEEP(120)")

    threads = [threading.Thread(target=sleep, args=(connection,), daemon=True) for connection in connections]
    for thread in threads:
        thread.start()
    yield
    for connection in connections:
        execute(mysql_server, f"KILL {connection.thread_id()}")
    for thread in threads:
        thread.join(10)


def test_a_busy_server_is_left_alone_until_the_limit_is_lifted(cluster, mysql_server, many, sleepers) -> None:
    cluster.binlog_worker(), cluster.snapshot_worker()
    cluster.submit(job(many, "  throttle.max-threads-running: 5"), "calm")
    waits = "Threads_running is "
    cluster.wait("the job is throttled", lambda: waits in str((cluster.status("calm")["throttle"] or {}).get("waits")))
    execute(mysql_server, f"INSERT INTO {many} VALUES (-1, 'new')")
    cluster.wait("the stream goes on", lambda: rows_in(cluster, many) == 1)
    before = cluster.status("calm")
    assert (before["rows"], before["mysql"]["rows"], before["state"]) == (0, 0, "snapshot")
    assert any("throttled" in note for note in before["notes"])

    done = cluster.cli("throttle", "calm", "--max-threads-running", "none", "--json")
    assert done.returncode == 0, done.stderr
    cluster.wait("the snapshot ends", lambda: streaming(cluster, "calm"))
    after = cluster.status("calm")
    assert rows_in(cluster, many) == ROWS + 1
    assert after["epoch"] == before["epoch"]  # no new tenure
    assert after["throttle"] == {"limits": {}, "changed": {"max-threads-running": "none"}, "waits": ""}
    assert after["mysql"]["rows"] >= ROWS
    assert after["mysql"]["bytes"] > ROWS * len("word")


@pytest.fixture
def replica(mysql_server, throwaway_mysql, mysql_database):
    """A replica of the source, up to date; its database of the test is there."""
    server = throwaway_mysql("--server-id=2", "--skip-replica-start=ON", "--innodb-buffer-pool-size=64M")
    with root_connection(mysql_server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        executed = cursor.fetchone()[0].replace("\n", "")
    execute(server, f"RESET BINARY LOGS AND GTIDS;\nSET GLOBAL gtid_purged = '{executed}'")
    execute(server, f"CREATE DATABASE {mysql_database};\nCREATE TABLE {mysql_database}.many (id INT PRIMARY KEY)")
    execute(server, f"RESET BINARY LOGS AND GTIDS;\nSET GLOBAL gtid_purged = '{executed}'")
    execute(
        server,
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{mysql_server.host}', SOURCE_PORT = {mysql_server.port},"
        f" SOURCE_USER = '{mysql_server.user}', SOURCE_PASSWORD = '{mysql_server.password}',"
        " SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1;\nSTART REPLICA IO_THREAD",
    )
    return server


def test_a_snapshot_waits_for_a_replica_that_does_not_follow(cluster, many, replica) -> None:
    cluster.binlog_worker(), cluster.snapshot_worker()
    limits = f"  throttle.max-replica-lag: 60s\n  throttle.replicas: {replica.host}:{replica.port}"
    cluster.submit(job(many, limits), "calm")
    waits = f"replica {replica.host}:{replica.port} does not tell its lag"
    cluster.wait("the job is throttled", lambda: waits in str((cluster.status("calm")["throttle"] or {}).get("waits")))
    status = cluster.status("calm")
    assert status["throttle"]["limits"] == {"max-replica-lag": 60.0, "replicas": [f"{replica.host}:{replica.port}"]}
    # The stream, the leader's questions, the replica.
    cluster.wait("all are counted", lambda: cluster.status("calm")["mysql"]["connections"] == 3)
    execute(replica, "START REPLICA SQL_THREAD")
    cluster.wait("the snapshot ends", lambda: streaming(cluster, "calm"))
    assert rows_in(cluster, many) == ROWS


def test_a_rate_is_kept_across_chunks_and_workers(cluster, many) -> None:
    cluster.binlog_worker(), cluster.snapshot_worker()
    limits = "  throttle.rows-per-second: 1000\n  scan.incremental.snapshot.chunk.size: 500"
    began = time.monotonic()
    cluster.submit(job(many, limits), "calm")
    cluster.wait("the snapshot ends", lambda: streaming(cluster, "calm"))
    # Of all chunks, those that are read at the end need not be paid for, and a second is given.
    assert time.monotonic() - began > (ROWS - 4 * 500) / 1000 - 1
    assert rows_in(cluster, many) == ROWS
