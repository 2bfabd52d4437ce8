"""The local stack's servers are what headrace needs them to be, and survive SIGKILL."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pymysql
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from headrace_local.kafka import KafkaServer
from headrace_local.mysql import MysqlServer
from headrace_local.valkey import ValkeyServer

from tests.plugins.fix_servers import REPOSITORY, root_connection

STACK = REPOSITORY / "compose" / "local" / "stack.py"
KAFKA_DEADLINE_S = 60.0


def new_topic(server: KafkaServer, **settings: str) -> str:
    name = f"t_{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(name, config=settings)])[name].result(KAFKA_DEADLINE_S)
    return name


def transactional_producer(server: KafkaServer) -> Producer:
    producer = Producer({"bootstrap.servers": server.bootstrap, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(KAFKA_DEADLINE_S)
    return producer


def write_in_transaction(server: KafkaServer, topic: str, *, value: bytes, commit: bool) -> None:
    producer = transactional_producer(server)
    producer.begin_transaction()
    producer.produce(topic, key=b"key", value=value)
    producer.flush(KAFKA_DEADLINE_S)
    if commit:
        producer.commit_transaction(KAFKA_DEADLINE_S)
    else:
        producer.abort_transaction(KAFKA_DEADLINE_S)


def committed_values(server: KafkaServer, topic: str, count: int) -> list[bytes | None]:
    """Read `count` committed values, and everything else that is there by then."""
    consumer = Consumer(
        {
            "bootstrap.servers": server.bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes | None] = []
    deadline = time.monotonic() + KAFKA_DEADLINE_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is not None:
                assert message.error() is None, message.error()
                values.append(message.value())
            elif len(values) >= count:
                break
    finally:
        consumer.close()
    return values


def test_mysql_logs_whole_rows_with_gtids_and_minimal_metadata(mysql_server: MysqlServer) -> None:
    with root_connection(mysql_server) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT @@gtid_mode, @@enforce_gtid_consistency, @@log_bin, @@binlog_format,"
            " @@binlog_row_image, @@binlog_row_metadata, @@local_infile, @@max_connections"
        )
        settings = cursor.fetchone()
    assert settings == ("ON", "ON", 1, "ROW", "FULL", "MINIMAL", 1, 200)


def test_mysql_80_is_that_release_and_logs_whole_rows_with_gtids(mysql80_server: MysqlServer) -> None:
    with root_connection(mysql80_server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@gtid_mode, @@log_bin, @@binlog_format, @@binlog_row_image, @@local_infile")
        assert cursor.fetchone() == ("8.0.12", "ON", 1, "ROW", "FULL", 1)


def test_mariadb_logs_whole_rows_and_knows_the_user(mariadb_server: MysqlServer) -> None:
    with root_connection(mariadb_server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@log_bin, @@binlog_format, @@binlog_row_image, @@local_infile")
        version, *settings = cursor.fetchone() or ()
        assert version.startswith("10.11.")
        assert settings == [1, "ROW", "FULL", 1]
        cursor.execute("SHOW GRANTS FOR headrace")
        ((grants,),) = cursor.fetchall()
    assert grants.startswith("GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `headrace`@`%`")


def test_mysql_gives_headrace_exactly_the_grants_it_documents(mysql_server: MysqlServer) -> None:
    connection = pymysql.connect(
        host=mysql_server.host,
        port=mysql_server.port,
        user=mysql_server.user,
        password=mysql_server.password,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        grants = cursor.fetchall()
    assert grants == (("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `headrace`@`%`",),)


def test_mysql_root_comes_in_by_the_socket_too(mysql_server: MysqlServer) -> None:
    connection = pymysql.connect(unix_socket=str(mysql_server.socket), user=mysql_server.root_user)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == ("root@localhost",)


def test_mysql_killed_comes_back_with_its_data(mysql_server: MysqlServer, mysql_database: str) -> None:
    with root_connection(mysql_server, mysql_database) as connection:
        connection.cursor().execute("CREATE TABLE t (id INT PRIMARY KEY)")
        connection.cursor().execute("INSERT INTO t VALUES (1), (2)")
        first = mysql_server.pid
        mysql_server.kill()
    assert not mysql_server.running
    assert not mysql_server.ready
    mysql_server.start()
    assert mysql_server.pid != first
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM t ORDER BY id")
        assert cursor.fetchall() == ((1,), (2,))


def test_a_throwaway_mysql_runs_beside_with_its_own_options(
    mysql_server: MysqlServer, throwaway_mysql: Callable[..., MysqlServer]
) -> None:
    other = throwaway_mysql("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
    with root_connection(other) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@gtid_mode, @@port")
        assert cursor.fetchone() == ("OFF", other.port)
    assert mysql_server.ready
    assert other.port != mysql_server.port


def test_mysql_finds_its_plugins(throwaway_mysql: Callable[..., MysqlServer]) -> None:
    with root_connection(throwaway_mysql()) as connection, connection.cursor() as cursor:
        cursor.execute("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        cursor.execute("SELECT @@rpl_semi_sync_source_enabled")
        assert cursor.fetchone() == (0,)


def test_kafka_shows_committed_transactions_and_hides_aborted_ones(
    kafka_server: KafkaServer,
) -> None:
    topic = new_topic(kafka_server)
    write_in_transaction(kafka_server, topic, value=b"aborted", commit=False)
    write_in_transaction(kafka_server, topic, value=b"committed", commit=True)
    assert committed_values(kafka_server, topic, count=1) == [b"committed"]


def test_kafka_gives_four_partitions_and_makes_no_topic_unasked(kafka_server: KafkaServer) -> None:
    topic = new_topic(kafka_server)
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    assert len(admin.list_topics(topic, KAFKA_DEADLINE_S).topics[topic].partitions) == 4
    unknown = f"t_{uuid.uuid4().hex[:12]}"
    admin.list_topics(unknown, KAFKA_DEADLINE_S)
    assert unknown not in admin.list_topics(timeout=KAFKA_DEADLINE_S).topics


def test_kafka_killed_comes_back_with_its_data(kafka_server: KafkaServer) -> None:
    topic = new_topic(kafka_server)
    write_in_transaction(kafka_server, topic, value=b"before", commit=True)
    kafka_server.kill()
    assert not kafka_server.ready
    kafka_server.start()
    write_in_transaction(kafka_server, topic, value=b"after", commit=True)
    values = committed_values(kafka_server, topic, count=2)
    # One key, one partition: the order is kept.
    assert values == [b"before", b"after"]


def test_valkey_evicts_nothing_and_killed_comes_back_with_its_data(
    redis_server: ValkeyServer,
) -> None:
    key = f"t_{uuid.uuid4().hex}"
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set(key, "value")
        # The append-only file is synced once a second; WAITAOF says when our write is on disk.
        assert client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1
    redis_server.kill()
    assert not redis_server.ready
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get(key) == b"value"
        client.delete(key)


def test_up_names_the_program_that_holds_a_port(
    redis_server: ValkeyServer, kafka_server: KafkaServer, mysql_server: MysqlServer, tmp_path: Path
) -> None:
    taken = {
        "HEADRACE_STACK_REDIS_PORT": str(redis_server.port),
        "HEADRACE_STACK_KAFKA_PORT": str(kafka_server.port),
        "HEADRACE_STACK_MYSQL_PORT": str(mysql_server.port),
    }
    done = subprocess.run(
        [sys.executable, STACK, "up", "--dir", tmp_path / "stack"],
        env={**os.environ, **taken},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"redis: port {redis_server.port} is taken by valkey-server" in done.stderr
    assert f"kafka: port {kafka_server.port} is taken by java" in done.stderr
    assert f"mysql: port {mysql_server.port} is taken by" in done.stderr
    assert "HEADRACE_STACK_REDIS_PORT" in done.stderr
    assert "Traceback" not in done.stderr
