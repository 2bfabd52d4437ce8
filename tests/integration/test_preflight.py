"""The preflight against real servers: every check seen failing for its own reason, and one run that is all green."""

from __future__ import annotations

import json
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from headrace_local.kafka import KafkaServer
from headrace_local.mysql import MysqlServer

from scheduler import preflight
from scheduler.preflight import Finding, Report
from shared.adapters.kafka.topics import Topics
from shared.job.placeholders import Resolver
from shared.job.spec import JobSpec, parse
from shared.model.topic import TopicSpec
from tests.plugins.fix_servers import root_connection

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "whole-database.yaml"
_COM_REGISTER_SLAVE = 0x15

ORDER_DW = (
    "CREATE TABLE user (id BIGINT PRIMARY KEY, name VARCHAR(50) NOT NULL)",
    "CREATE TABLE `order` (id BIGINT PRIMARY KEY, product VARCHAR(50) NOT NULL, user_id BIGINT NOT NULL)",
    "CREATE TABLE feedback (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, comment VARCHAR(50) NOT NULL)",
    "INSERT INTO user VALUES (1, 'Tom'), (2, 'Jerry')",
    "INSERT INTO `order` VALUES (1, 'Football', 2), (2, 'Basket', 1)",
    "INSERT INTO feedback VALUES (1, 1, 'Good.'), (2, 2, 'Very good')",
)


class Desk:
    """One database on one MySQL, one Kafka, and the example job over them."""

    def __init__(self, mysql: MysqlServer, bootstrap: str, database: str) -> None:
        self.mysql = mysql
        self.bootstrap = bootstrap
        self.database = database

    def sql(self, *statements: str, database: str | None = "") -> None:
        with root_connection(self.mysql, self.database if database == "" else database) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def job(self, *, tables: str = "", sink: str = "", rest: str = "", **more: str) -> JobSpec:
        text = EXAMPLE.read_text().replace("order_dw", self.database)
        if tables:
            text = text.replace(f"tables: {self.database}.\\.*", f"tables: {tables}")
        if "server_id" in more:
            text = text.replace("28601-28604", more.pop("server_id"))
        text = text.replace("type: upsert-kafka", f"type: upsert-kafka\n{sink}") + rest
        values = {
            "hostname": self.mysql.host,
            "port": str(self.mysql.port),
            "username": self.mysql.user,
            "password": self.mysql.password,
            "bootstrap": self.bootstrap,
        }
        return parse(text, "job.yaml").resolve(Resolver(values | more))

    def report(self, *, owned: tuple[str, ...] = (), **job: Any) -> Report:
        return preflight.run(self.job(**job), owned_topics=owned)


@pytest.fixture
def desk(mysql_server: MysqlServer, kafka_server: KafkaServer, mysql_database: str) -> Desk:
    made = Desk(mysql_server, kafka_server.bootstrap, mysql_database)
    made.sql(*ORDER_DW)
    return made


@pytest.fixture
def cluster(kafka_server: KafkaServer, mysql_database: str) -> Iterator[AdminClient]:
    """The cluster's topics; those of the test's database go after the test."""
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    yield admin
    if left := [name for name in topics_of(admin) if name.startswith(mysql_database)]:
        for future in admin.delete_topics(left).values():
            future.result()


@pytest.fixture
def limited(desk: Desk) -> Iterator[str]:
    """A user without any privilege; its password is `p`."""
    name = f"{desk.database}_u"
    desk.sql(f"CREATE USER `{name}` IDENTIFIED BY 'p'")
    yield name
    desk.sql(f"DROP USER `{name}`")


def topics_of(admin: AdminClient) -> set[str]:
    """All but the cluster's own, of which the first transaction ever makes one."""
    return {name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")}


def create(admin: AdminClient, name: str, policy: str = "compact", partitions: int = 1) -> None:
    topic = NewTopic(name, partitions, 1, config={"cleanup.policy": policy})
    admin.create_topics([topic])[name].result()


def only_error(report: Report) -> Finding:
    (finding,) = report.errors
    assert report.plan is None
    assert finding.hint
    return finding


def subjects(report: Report) -> list[str]:
    return [finding.subject for finding in report.errors]


def test_all_green_prints_the_plan_and_creates_nothing(desk: Desk, cluster: AdminClient) -> None:
    before = topics_of(cluster)
    report = desk.report()
    assert report.errors == ()
    assert report.plan is not None
    assert [(str(p.table.id), p.topic, p.rows_estimate, p.chunks_estimate) for p in report.plan.tables] == [
        (f"{desk.database}.{name}", f"{desk.database}.{name}", 2, 1) for name in ("feedback", "order", "user")
    ]
    assert report.plan.connections.total == 7
    assert json.loads(json.dumps(preflight.as_json(report)))["plan"]["rows_estimate"] == 6
    assert report.facts is not None
    assert report.facts.gtid_mode == "ON"
    assert topics_of(cluster) == before


def test_nothing_answers_and_both_are_told(desk: Desk) -> None:
    desk.bootstrap = "127.0.0.1:1"
    report = desk.report(port="1")
    assert subjects(report) == ["mysql", "kafka"]
    assert report.transient
    assert "source.hostname and source.port" in report.errors[0].hint
    assert "Connection refused" in report.errors[1].message


def test_a_wrong_password_is_told_without_showing_it(desk: Desk) -> None:
    finding = only_error(desk.report(password="swordfish"))
    assert finding.subject == "mysql"
    assert "Access denied" in finding.message
    assert "source.password" in finding.hint
    assert "swordfish" not in repr(finding)
    assert not finding.transient


def test_a_host_without_a_name_is_told(desk: Desk) -> None:
    finding = only_error(desk.report(hostname="nowhere.invalid"))
    assert finding.subject == "mysql"
    assert "nowhere.invalid" in finding.message


def test_a_login_that_kafka_does_not_take_is_told(desk: Desk) -> None:
    sink = (
        "  properties.security.protocol: SASL_PLAINTEXT\n  properties.sasl.mechanism: PLAIN\n"
        "  properties.sasl.jaas.config: org.apache.kafka.common.security.plain.PlainLoginModule"
        ' required username="u" password="#{password}";'
    )
    finding = only_error(desk.report(sink=sink))
    assert finding.subject == "kafka"
    assert "properties.sasl" in finding.hint
    assert desk.mysql.password not in repr(finding)


def test_an_unknown_option_of_kafka_is_told_with_its_line(desk: Desk) -> None:
    finding = only_error(desk.report(sink="  properties.lingre.ms: 20"))
    assert finding.path == "sink.properties.lingre.ms"
    assert "job.yaml:" in finding.message


def test_a_user_without_privileges_reads_the_grants_it_needs(desk: Desk, limited: str) -> None:
    escaped = desk.database.replace("_", "\\_")
    report = desk.report(username=limited, password="p")
    assert subjects(report) == ["replication_privileges", "tables"]
    replication, tables = report.errors
    assert replication.hint == f"Run: GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{limited}'@'%';"
    assert f"GRANT SELECT ON `{escaped}`.* TO '{limited}'@'%';" in tables.hint


def test_following_the_hints_makes_the_report_green(desk: Desk, limited: str) -> None:
    for _ in range(3):
        report = desk.report(username=limited, password="p")
        for finding in report.errors:
            statements = [part for part in finding.hint.split("Run")[-1].split(";") if "GRANT " in part]
            desk.sql(*(statement[statement.index("GRANT") :] for statement in statements))
        if report.ok:
            break
    assert report.ok
    assert report.warnings == ()


def test_privileges_on_single_columns_are_not_enough(desk: Desk, limited: str) -> None:
    desk.sql(
        f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `{limited}`",
        f"GRANT SELECT (id) ON user TO `{limited}`",
        f"GRANT SELECT ON feedback TO `{limited}`",
    )
    finding = only_error(desk.report(username=limited, password="p"))
    assert finding.subject == "read_privileges"
    assert finding.hint == f"Run: GRANT SELECT ON `{desk.database}`.`user` TO '{limited}'@'%';"


def test_privileges_of_an_active_role_count(desk: Desk, limited: str) -> None:
    role = f"{desk.database}_r"
    desk.sql(
        f"CREATE ROLE {role}",
        f"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {role}",
        f"GRANT {role} TO `{limited}`",
    )
    assert not desk.report(username=limited, password="p").ok
    desk.sql(f"SET DEFAULT ROLE ALL TO `{limited}`")
    assert desk.report(username=limited, password="p").ok
    desk.sql(f"DROP ROLE {role}")


def test_tables_that_cannot_be_copied_are_all_told(desk: Desk) -> None:
    desk.sql("CREATE TABLE keyless (a INT)", "CREATE TABLE prefixed (name VARCHAR(200), PRIMARY KEY (name(5)))")
    report = desk.report()
    assert only_error(report).message.startswith(f"1 table has no primary key: {desk.database}.keyless")
    assert [finding.subject for finding in report.warnings] == ["key_prefixes"]


def test_no_table_matched_and_two_tables_for_one_topic(desk: Desk) -> None:
    nothing = only_error(desk.report(tables=f"{desk.database}.nothing"))
    assert (nothing.subject, nothing.path) == ("tables", "source.tables")
    route = f"route:\n  - source-table: {desk.database}.\\.*\n    sink-table: all\n"
    twice = only_error(desk.report(rest=route))
    assert (twice.subject, twice.path) == ("routes", "route[0].sink-table")


def test_topics_that_the_cluster_would_not_create_are_one_finding(desk: Desk, cluster: AdminClient) -> None:
    before = topics_of(cluster)
    finding = only_error(desk.report(sink="  sink.topic.replication-factor: 7"))
    assert finding.subject == "topics"
    assert "INVALID_REPLICATION_FACTOR" in finding.message
    assert "The same goes for" in finding.message
    assert topics_of(cluster) == before


def test_topics_that_exist_are_compared(desk: Desk, cluster: AdminClient) -> None:
    user, order, feedback = (f"{desk.database}.{name}" for name in ("user", "order", "feedback"))
    create(cluster, user, partitions=2)
    create(cluster, order, "delete")
    create(cluster, feedback)
    producer = Producer({"bootstrap.servers": desk.bootstrap})
    producer.produce(feedback, b"row", b"{}")
    producer.flush(10)
    report = desk.report(sink="  sink.topic.partitions: 1")
    told = " ".join(finding.message for finding in report.errors)
    assert subjects(report) == ["topics"] * 3
    assert f"`{user}` has 2 partitions, the job wants 1" in told
    assert f"`{order}` has cleanup.policy=delete" in told
    assert f"`{feedback}` is not empty" in told


def test_a_topic_of_its_own_may_hold_messages(desk: Desk, cluster: AdminClient) -> None:
    user = f"{desk.database}.user"
    create(cluster, user)
    producer = Producer({"bootstrap.servers": desk.bootstrap})
    producer.produce(user, b"row", b"{}")
    producer.flush(10)
    assert subjects(desk.report()) == ["topics"]
    assert desk.report(owned=(user,)).ok


def test_a_topic_that_metrics_cannot_tell_apart_is_told(desk: Desk, cluster: AdminClient) -> None:
    create(cluster, f"{desk.database}_user")
    finding = only_error(desk.report())
    assert f"`{desk.database}.user` cannot stand beside `{desk.database}_user`" in finding.message


@contextmanager
def registered_replica(server: MysqlServer, server_id: int) -> Iterator[None]:
    """A connection that SHOW REPLICAS lists."""
    with root_connection(server) as connection:
        nobody = b"\x00" * 3  # host, user and password, each of no length
        packet = struct.pack("<I", server_id) + nobody + struct.pack("<HII", 0, 0, 0)
        connection._execute_command(_COM_REGISTER_SLAVE, packet)  # type: ignore[attr-defined]
        connection._read_ok_packet()  # type: ignore[attr-defined]
        yield


def test_server_ids_that_others_use_are_told(desk: Desk) -> None:
    own = only_error(desk.report(server_id="1-4"))
    assert (own.subject, own.path) == ("server_id", "source.server-id")
    with registered_replica(desk.mysql, 28602):
        taken = only_error(desk.report())
    assert "replicas of this server use 28602" in taken.message


#: One server for all settings that can be set at run time, as each start takes seconds.
SETTINGS = [
    ("binlog_format", "'STATEMENT'", "binlog_format"),
    ("binlog_row_image", "'MINIMAL'", "binlog_row_image"),
    ("binlog_row_value_options", "'PARTIAL_JSON'", "binlog_row_value_options"),
    ("binlog_expire_logs_seconds", "600", "binlog_retention"),
]


def test_each_setting_of_the_server_is_told_for_itself(
    throwaway_mysql: Callable[..., MysqlServer], kafka_server: KafkaServer
) -> None:
    desk = Desk(throwaway_mysql(), kafka_server.bootstrap, "order_dw")
    desk.sql("CREATE DATABASE order_dw", database=None)
    desk.sql(*ORDER_DW)
    assert desk.report().ok
    for variable, value, subject in SETTINGS:
        desk.sql(f"SET @@global.{variable} = {value}")
        assert only_error(desk.report()).subject == subject
        desk.sql(f"SET @@global.{variable} = DEFAULT")
    desk.sql("SET GLOBAL gtid_mode = 'ON_PERMISSIVE'")
    report = desk.report()
    assert [finding.subject for finding in report.errors] == ["lock_privileges"]
    assert [finding.subject for finding in report.warnings] == ["gtid_mode"]
    desk.sql("SET GLOBAL gtid_mode = 'ON'")
    desk.sql("SET GLOBAL binlog_expire_logs_seconds = 7200")
    report = desk.report()
    assert report.ok
    assert [finding.subject for finding in report.warnings] == ["binlog_retention"]


def test_a_server_that_is_wrong_in_everything_is_told_everything(
    throwaway_mysql: Callable[..., MysqlServer], kafka_server: KafkaServer
) -> None:
    mysql = throwaway_mysql(
        "--skip-log-bin",
        "--gtid-mode=OFF",
        "--enforce-gtid-consistency=OFF",
        "--binlog-row-image=MINIMAL",
        "--binlog-row-value-options=PARTIAL_JSON",
        "--lower-case-table-names=0",
    )
    desk = Desk(mysql, kafka_server.bootstrap, "order_dw")
    desk.sql("CREATE DATABASE order_dw", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='nowhere.invalid'", database=None)
    desk.sql(*ORDER_DW)
    report = desk.report()
    assert subjects(report) == [
        "log_bin",
        "binlog_row_image",
        "binlog_row_value_options",
        "replication",
        "lock_privileges",
    ]
    assert "log_replica_updates=ON" in report.errors[-2].hint
    assert "gtid_mode" in [finding.subject for finding in report.warnings]


def test_cascades_that_innodb_does_by_itself_are_refused(
    desk: Desk, throwaway_mysql: Callable[..., MysqlServer], kafka_server: KafkaServer
) -> None:
    """The binlog of such a server lacks the rows that a foreign key changes; ours by default has them."""
    family = (
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
    )
    desk.sql(*family)
    assert desk.report().ok
    native = Desk(throwaway_mysql("--innodb-native-foreign-keys=ON"), kafka_server.bootstrap, "order_dw")
    native.sql("CREATE DATABASE order_dw", database=None)
    native.sql(*ORDER_DW, *family)
    finding = only_error(native.report())
    assert (finding.subject, finding.path) == ("cascades", "source.tables")
    assert "order_dw.child" in finding.message


def test_topics_are_checked_made_and_deleted_in_several_requests(kafka_server, monkeypatch) -> None:
    """A broker refuses a request for more than 10,000 partitions, which a database of a few thousand tables asks for."""
    monkeypatch.setattr("shared.adapters.kafka.topics._TOPICS_PER_REQUEST", 2)
    topics = Topics({"bootstrap.servers": kafka_server.bootstrap})
    specs = [TopicSpec(f"batched.{secrets.token_hex(3)}.{number}", partitions=1) for number in range(5)]
    wrong = TopicSpec("batched.wrong", partitions=1, config={"cleanup.policy": "never"})
    assert list(topics.refusals([*specs, wrong])) == ["batched.wrong"]
    calls: list[int] = []
    topics.ensure(specs, lambda: calls.append(1))
    names = [spec.name for spec in specs]
    assert set(topics.describe(names)) == set(names)
    assert len(calls) >= 3
    topics.delete(names)
    deadline = time.monotonic() + 30
    while topics.names() & set(names):
        assert time.monotonic() < deadline
        time.sleep(0.1)
