"""When the ground gives way: another server, a server without its past, rows and topics that do not fit. Each stops the
job by name with its checkpoint kept, or goes on.
"""

import threading

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from shared.adapters.mysql import stream
from shared.adapters.mysql.session import MysqlTarget
from shared.adapters.mysql.stream import BinlogStream
from shared.codec import implementation
from shared.errors import Unavailable
from shared.model.position import GtidSet
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_memory import peak_mib
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection


def ask(server, sql: str) -> str:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0]).replace("\n", "")


def rows_of(server, table: str) -> dict[bytes, bytes]:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id, v FROM {table}")
        return {b'{"id":%d}' % row: b'{"id":%d,"v":%d}' % (row, v) for row, v in cursor.fetchall()}


def failure(cluster, name: str) -> dict[str, str]:
    """How the job failed."""
    cluster.wait(f"{name} fails", lambda: cluster.status(name)["state"] == "failed", 60)
    error = cluster.status(name)["error"]
    assert error["hint"]
    return error


def resume(cluster, name: str) -> None:
    done = cluster.cli("resume", name)
    assert done.returncode == 0, done.stderr


# Another MySQL server.


@pytest.fixture
def successor(mysql_server, throwaway_mysql, mysql_database):
    """A replica of the source, with what the source has of the test's database."""
    execute(
        mysql_server, "CREATE TABLE t (id INT PRIMARY KEY, v INT);\nINSERT INTO t VALUES (1, 0), (2, 0)", mysql_database
    )
    server = throwaway_mysql("--server-id=2", "--skip-replica-start=ON")
    executed = ask(mysql_server, "SELECT @@GLOBAL.gtid_executed")
    execute(
        server,
        f"CREATE DATABASE {mysql_database};\nCREATE TABLE {mysql_database}.t (id INT PRIMARY KEY, v INT);\n"
        f"INSERT INTO {mysql_database}.t VALUES (1, 0), (2, 0);\n"
        f"RESET BINARY LOGS AND GTIDS;\nSET GLOBAL gtid_purged = '{executed}';\n"
        f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{mysql_server.host}', SOURCE_PORT = {mysql_server.port},"
        f" SOURCE_USER = '{mysql_server.user}', SOURCE_PASSWORD = '{mysql_server.password}',"
        " SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1;\nSTART REPLICA",
    )
    return server


def stream_of(server, expected_uuid: str) -> BinlogStream:
    target = MysqlTarget(server.host, server.port, server.user, server.password)
    decoder = implementation("").event_decoder(lambda table: None)
    return BinlogStream(target, GtidSet({}), 28600, expected_uuid, decoder, lambda: None, server_uuid=expected_uuid)


def test_a_stream_is_closed_while_its_server_is_silent(mysql_server, monkeypatch) -> None:
    """Every takeover waits for this: it must not last until the server speaks again."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 300.0)
    monkeypatch.setattr(stream, "_DEAD_AFTER_SECONDS", 600)  # the library halves it for a longest heartbeat
    opened = stream_of(mysql_server, ask(mysql_server, "SELECT @@server_uuid"))
    while not opened.events(merge=False):
        pass  # until it speaks
    while opened.events(merge=False):
        pass  # until it waits for more
    closing = threading.Thread(target=opened.close, daemon=True)
    closing.start()
    for thread in (closing, opened._thread):
        thread.join(20)
        assert not thread.is_alive()


def test_a_job_follows_a_failover_and_stops_where_transactions_are_missing(
    cluster, mysql_server, mysql_database, successor
) -> None:
    table = f"{mysql_database}.t"
    old_uuid, new_uuid = (ask(server, "SELECT @@server_uuid") for server in (mysql_server, successor))
    with pytest.raises(
        Unavailable, match=f"two servers: {new_uuid} answers questions, {old_uuid} would send the binlog"
    ):
        stream_of(mysql_server, new_uuid)
    worker = cluster.binlog_worker()
    reader = cluster.snapshot_worker(1)
    cluster.submit(job(table), "moves")
    cluster.wait("the job streams", lambda: streaming(cluster, "moves"))
    execute(mysql_server, f"UPDATE {table} SET v = 1 WHERE id = 1")
    eventually_holds(cluster, table, rows_of(mysql_server, table))

    def lead_from(server) -> None:
        nonlocal worker
        worker.stop()
        worker = cluster.binlog_worker(HEADRACE_VAR_PORT=str(server.port))

    # A failover: the old server's last transactions have reached the new one, which then takes writes of its own.
    worker.stop()
    execute(mysql_server, f"INSERT INTO {table} VALUES (3, 3)")
    executed = ask(mysql_server, "SELECT @@GLOBAL.gtid_executed")
    assert ask(successor, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 30)") == "0"
    execute(
        successor,
        f"STOP REPLICA;\nRESET REPLICA ALL;\nDELETE FROM {table} WHERE id = 2;\nINSERT INTO {table} VALUES (4, 4)",
    )
    lead_from(successor)
    eventually_holds(cluster, table, rows_of(successor, table))
    cluster.wait("the position has the new server's", lambda: f"{new_uuid}:1-2" in cluster.status("moves")["position"])
    written = [value for _, value in read_topic(cluster.bootstrap, table) if value and b'"v":0' not in value]
    assert len(written) == len(set(written)) == 3, "a change was written twice"

    # Back to a server that never had the new one's transactions.
    lead_from(mysql_server)
    error = failure(cluster, "moves")
    assert error["name"] == "BinlogLost"
    assert f"another server than before: {old_uuid}, not {new_uuid}" in error["message"]
    assert f"has not executed 2 transactions ({new_uuid}:1-2)" in error["message"]

    # The checkpoint was kept: where they are, the job goes on.
    lead_from(successor)
    resume(cluster, "moves")
    execute(successor, f"UPDATE {table} SET v = 5 WHERE id = 4")
    eventually_holds(cluster, table, rows_of(successor, table))

    # A password that changes while the job runs.
    execute(successor, f"ALTER USER {successor.user} IDENTIFIED BY 'another'")
    close_connections_of(successor, successor.user)
    error = failure(cluster, "moves")
    assert error["name"] == "PreflightFailed"
    assert "source.password" in error["hint"]
    execute(successor, f"ALTER USER {successor.user} IDENTIFIED BY '{successor.password}'")
    resume(cluster, "moves")
    eventually_holds(cluster, table, rows_of(successor, table))
    cluster.wait("the job streams again", lambda: streaming(cluster, "moves"))

    # The server forgets its past under the running stream, and counts from 1 again.
    before = fold(read_topic(cluster.bootstrap, table))
    execute(
        successor,
        f"RESET BINARY LOGS AND GTIDS;\nUPDATE {table} SET v = 6;\n"
        f"INSERT INTO {table} VALUES (6, 6);\nDELETE FROM {table} WHERE id = 3",
    )
    error = failure(cluster, "moves")
    assert error["name"] == "BinlogLost"
    assert "has not executed" in error["message"]
    assert old_uuid in error["message"]
    assert fold(read_topic(cluster.bootstrap, table)) == before
    assert "--on-gap resync" in error["hint"]

    # What is lost is lost: the tables are copied again into the topics that they have, and what is gone goes.
    assert b'"id":3' in b"".join(before)
    reader.stop()
    cluster.snapshot_worker(1, HEADRACE_VAR_PORT=str(successor.port))
    done = cluster.cli("resume", "moves", "--on-gap", "resync")
    assert done.returncode == 0, done.stdout + done.stderr
    eventually_holds(cluster, table, rows_of(successor, table))
    cluster.wait("the job streams again", lambda: streaming(cluster, "moves"))
    execute(successor, f"INSERT INTO {table} VALUES (7, 7)")
    eventually_holds(cluster, table, rows_of(successor, table))


def close_connections_of(server, user: str) -> None:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


# Kafka.


def admin_of(cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.bootstrap})


def set_message_bytes(cluster, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = admin_of(cluster)  # its answer comes only while it lives
    admin.incremental_alter_configs([resource])[resource].result()


BULK_ROWS = 300_000
#: The interpreter with its libraries, what is read ahead (32 MiB) and the send buffer (told below).
LEADER_MIB_MAX = 250


def test_a_transaction_of_any_size_and_a_row_that_is_too_large(request, cluster, mysql_server, mysql_database) -> None:
    execute(
        mysql_server,
        "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(100));\nCREATE TABLE wide (id VARCHAR(50) PRIMARY KEY, v LONGTEXT);\n"
        "CREATE TABLE early (id VARCHAR(50) PRIMARY KEY, v LONGTEXT);\n"
        "INSERT INTO early VALUES ('short', 'x'), ('key-5', REPEAT('x', 1200000))",
        mysql_database,
    )
    worker = cluster.binlog_worker(HEADRACE_SINK_BUFFER_MB="32")
    cluster.snapshot_worker(1)
    plain = "  properties.compression.type: none"  # or a row of one letter would fit
    cluster.submit(job(f"{mysql_database}.(bulk|wide)", sink=plain), "large")
    cluster.wait("the job streams", lambda: streaming(cluster, "large"))

    rows = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {BULK_ROWS})"
    execute(
        mysql_server,
        f"SET SESSION cte_max_recursion_depth = 1000000;\nINSERT INTO bulk {rows} SELECT i, REPEAT('y', 90) FROM n",
        mysql_database,
    )
    bulk = f"{mysql_database}.bulk"
    cluster.wait("the transaction is there", lambda: len(fold(read_topic(cluster.bootstrap, bulk))) == BULK_ROWS)
    assert max(peak_mib(pid) for pid in worker.children()) < LEADER_MIB_MAX

    wide = f"{mysql_database}.wide"
    execute(mysql_server, "INSERT INTO wide VALUES ('before', 'x')", mysql_database)
    execute(mysql_server, "INSERT INTO wide VALUES ('key-7', REPEAT('x', 1200000)), ('beside', 'x')", mysql_database)
    error = failure(cluster, "large")
    assert error["name"] == "OversizedRow"
    assert '{"id":"key-7"}' in error["message"]
    assert wide in error["message"]
    assert "xx" not in error["message"] + error["hint"]
    assert f"--entity-name {wide} --add-config max.message.bytes" in error["hint"]
    assert set(fold(read_topic(cluster.bootstrap, wide))) == {b'{"id":"before"}'}, "half a transaction"
    set_message_bytes(cluster, wide, 3_000_000)
    # What MySQL lets a client send does not bound what it sends: rows that are larger than its packets arrive.
    packet = ask(mysql_server, "SELECT @@GLOBAL.max_allowed_packet")
    execute(mysql_server, "SET GLOBAL max_allowed_packet = 1048576")
    request.addfinalizer(lambda: execute(mysql_server, f"SET GLOBAL max_allowed_packet = {packet}"))
    resume(cluster, "large")
    cluster.wait("the row is there", lambda: len(fold(read_topic(cluster.bootstrap, wide))) == 3, 60)

    cluster.submit(job(f"{mysql_database}.early", sink=plain), "copied")
    error = failure(cluster, "copied")
    assert error["name"] == "WorkerFailed"
    assert 'OversizedRow: The row with the key {"id":"key-5"}' in error["message"]
    set_message_bytes(cluster, f"{mysql_database}.early", 3_000_000)
    resume(cluster, "copied")
    cluster.wait("the table is copied", lambda: streaming(cluster, "copied"))
    assert len(fold(read_topic(cluster.bootstrap, f"{mysql_database}.early"))) == 2


def test_topics_that_change_under_a_job_stop_it_before_a_row_goes_astray(cluster, mysql_server, mysql_database) -> None:
    execute(
        mysql_server,
        "CREATE TABLE grown (id INT PRIMARY KEY, v INT);\nINSERT INTO grown VALUES (1, 1), (2, 2);\n"
        "CREATE TABLE gone (id INT PRIMARY KEY, v INT);\nINSERT INTO gone VALUES (1, 1)",
        mysql_database,
    )
    admin, names = admin_of(cluster), ("grown", "gone")
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    for name in names:
        cluster.submit(job(f"{mysql_database}.{name}", sink="  sink.topic.partitions: 2"), name)
    for name in names:
        cluster.wait(f"{name} streams", lambda name=name: streaming(cluster, name))
    grown, gone = (f"{mysql_database}.{name}" for name in names)

    admin.create_partitions([NewPartitions(grown, 7)])[grown].result()
    admin.delete_topics([gone])[gone].result()
    change = "".join(
        f"UPDATE {{0}} SET v = v + 10;\nINSERT INTO {{0}} VALUES ({number}, 0);\n" for number in range(3, 9)
    )
    for name in names:
        execute(mysql_server, change.format(name), mysql_database)
    error = failure(cluster, "grown")
    assert (error["name"], f"Topic {grown} has 7 partitions now, and had 2" in error["message"]) == (
        "TopicChanged",
        True,
    )
    assert fold(read_topic(cluster.bootstrap, grown)) == {
        b'{"id":%d}' % n: b'{"id":%d,"v":%d}' % (n, n) for n in (1, 2)
    }
    error = failure(cluster, "gone")
    assert (error["name"], f"Topic {gone} was deleted" in error["message"]) == ("TopicChanged", True)

    # Made again, as a broker with auto.create.topics.enable does it: it looks the same, and its rows are gone.
    admin.create_topics([NewTopic(gone, 2, 1)])[gone].result()
    cluster.cli("resume", "gone")
    cluster.wait("it was tried again", lambda: "made again" in str(cluster.status("gone")["error"]), 60)
    error = failure(cluster, "gone")
    assert (error["name"], "made again, without its rows" in error["message"]) == ("TopicChanged", True)
    assert read_topic(cluster.bootstrap, gone, "read_uncommitted") == []
