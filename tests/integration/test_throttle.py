"""Limits on what a snapshot takes of MySQL, on real servers: they hold, they change while the job runs, and the stream
goes on meanwhile.
"""

import sys
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
    cluster.submit(job(many, "  throttle.max-threads-running: 5\n  scan.incremental.snapshot.chunk.size: 500"), "calm")
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

    # Who waits to read ranges again hears that they are none any more.
    assert cluster.cli("throttle", "calm", "--reset").returncode == 0
    resync = cluster.start("resync", [sys.executable, "-m", "scheduler", "resync", "calm", many], {})
    cluster.wait("it is throttled", lambda: resync.says("waits for the limits"))
    execute(mysql_server, f"ALTER TABLE {many} MODIFY id VARCHAR(20)")
    cluster.cli("throttle", "calm", "--max-threads-running", "none")
    assert resync.popen.wait(60) == 2
    assert resync.says("has got another key since this began")
    cluster.wait("it is copied with its new key", lambda: b'{"id":"-1"}' in fold(read_topic(cluster.bootstrap, many)))


def begin_replica(source, server, database: str, more: str = "") -> None:
    """Makes it a replica that receives and applies nothing yet, with what the source has by now taken for executed."""
    with root_connection(source) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        executed = cursor.fetchone()[0].replace("\n", "")
    execute(server, f"CREATE DATABASE {database};\n{more}")
    execute(server, f"RESET BINARY LOGS AND GTIDS;\nSET GLOBAL gtid_purged = '{executed}'")
    execute(
        server,
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{source.host}', SOURCE_PORT = {source.port},"
        f" SOURCE_USER = '{source.user}', SOURCE_PASSWORD = '{source.password}',"
        " SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1;\nSTART REPLICA IO_THREAD",
    )


@pytest.fixture
def follower(mysql_server, throwaway_mysql, mysql_database):
    """A replica of the source that lacks all that the test does from now on."""
    server = throwaway_mysql("--server-id=2", "--skip-replica-start=ON")
    begin_replica(mysql_server, server, mysql_database)
    return server


@pytest.fixture
def replica(mysql_server, throwaway_mysql, mysql_database):
    """A replica of the source, up to date by its GTIDs; its database of the test is there."""
    server = throwaway_mysql("--server-id=2", "--skip-replica-start=ON", "--innodb-buffer-pool-size=64M")
    begin_replica(mysql_server, server, mysql_database, f"CREATE TABLE {mysql_database}.many (id INT PRIMARY KEY)")
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


def rows_read(server) -> int:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_rows_read'")
        return int(cursor.fetchone()[1])


def connected(server) -> bool:
    """True while a reader of ours is there."""
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM performance_schema.session_connect_attrs WHERE attr_value LIKE 'headrace split%'"
        )
        return cursor.fetchone()[0] > 0


def test_a_replica_is_copied_from_and_waited_for(cluster, mysql_server, follower, many) -> None:
    cluster.binlog_worker(), cluster.snapshot_worker()
    hosts = f"  snapshot.hostname: {follower.host}:{follower.port}"
    refused = cluster.cli("submit", "-", "--name", "no", stdin=job(many, f"{hosts}, 127.0.0.1:1"))
    assert refused.returncode in (1, 2, 3)
    assert "127.0.0.1:1" in refused.stdout + refused.stderr
    before = rows_read(mysql_server)
    slow = "\n  throttle.rows-per-second: 1500\n  scan.incremental.snapshot.chunk.size: 500"
    cluster.submit(job(many, hosts + slow), "spared")
    cluster.wait("the replica is asked", lambda: connected(follower))
    execute(mysql_server, f"UPDATE {many} SET word = 'later' WHERE id < 5;\nDELETE FROM {many} WHERE id = 7")
    waits = f"replica {follower.host}:{follower.port} to execute what"
    cluster.wait("its splitter waits", lambda: f"{waits} its source has" in cluster.status("spared")["readers_wait"])
    execute(follower, "START REPLICA SQL_THREAD")
    cluster.wait("chunks are copied", lambda: cluster.status("spared")["chunks_done"] > 1)
    execute(follower, "STOP REPLICA SQL_THREAD")
    execute(mysql_server, f"UPDATE {many} SET word = 'last' WHERE id < 5")
    cluster.wait("readers wait", lambda: f"{waits} the job has" in cluster.status("spared")["readers_wait"])
    assert any("The copying waits for replica" in note for note in cluster.status("spared")["notes"])
    assert not cluster.status("spared")["snapshot_done"], "nobody waited for the replica"
    execute(follower, "START REPLICA SQL_THREAD")
    cluster.wait("the snapshot ends", lambda: streaming(cluster, "spared"))
    assert rows_in(cluster, many) == ROWS - 1
    assert rows_read(follower) > ROWS
    assert rows_read(mysql_server) - before < ROWS / 2, "the source was read"
    verified = cluster.cli("verify", "spared")
    assert verified.returncode == 0, verified.stdout


def test_a_rate_is_kept_across_chunks_and_workers(cluster, many) -> None:
    cluster.binlog_worker(), cluster.snapshot_worker()
    limits = "  throttle.rows-per-second: 1000\n  scan.incremental.snapshot.chunk.size: 500"
    began = time.monotonic()
    cluster.submit(job(many, limits), "calm")
    cluster.wait("the snapshot ends", lambda: streaming(cluster, "calm"))
    # Of all chunks, those that are read at the end need not be paid for, and a second is given.
    assert time.monotonic() - began > (ROWS - 4 * 500) / 1000 - 1
    assert rows_in(cluster, many) == ROWS
