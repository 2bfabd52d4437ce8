"""The main job on real servers: the three reference jobs, live changes, and what stops a job."""

import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

JOBS = Path(__file__).parents[1] / "unit" / "job"

ORDER_DW = """
CREATE TABLE user (id BIGINT PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE `order` (id BIGINT PRIMARY KEY, product VARCHAR(50) NOT NULL, user_id BIGINT NOT NULL);
CREATE TABLE feedback (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, comment VARCHAR(50) NOT NULL);
INSERT INTO user VALUES (1, 'Tom'), (2, 'Jerry');
INSERT INTO `order` VALUES (1, 'Football', 2), (2, 'Basket', 1);
INSERT INTO feedback VALUES (1, 1, 'Good.'), (2, 2, 'Very good');
"""

ROWS = {
    "user": {b'{"id":1}': b'{"id":1,"name":"Tom"}', b'{"id":2}': b'{"id":2,"name":"Jerry"}'},
    "order": {
        b'{"id":1}': b'{"id":1,"product":"Football","user_id":2}',
        b'{"id":2}': b'{"id":2,"product":"Basket","user_id":1}',
    },
    "feedback": {
        b'{"id":1}': b'{"id":1,"user_id":1,"comment":"Good."}',
        b'{"id":2}': b'{"id":2,"user_id":2,"comment":"Very good"}',
    },
}

JOB = """
source:
  type: mysql
  hostname: #{{hostname}}
  port: #{{port}}
  username: #{{username}}
  password: #{{password}}
  tables: {tables}
  server-id: 28601-28620
{source}
sink:
  type: upsert-kafka
  properties.bootstrap.servers: #{{bootstrap}}
{sink}
"""


def job(tables: str, source: str = "", sink: str = "") -> str:
    return JOB.format(tables=tables, source=source, sink=sink)


class Executed:
    """When `execute` was done last. A leader's figures are up to a second old, and those of before show nothing of it."""

    at = 0.0


def execute(server, sql: str, database: str | None = None) -> None:
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        for statement in filter(str.strip, sql.split(";\n")):
            cursor.execute(statement)
    Executed.at = time.time()


def copied(cluster, name: str) -> bool:
    """While others write, nothing more can be asked for: a leader is always some bytes behind."""
    return is_copied(cluster.status(name))


def streaming(cluster, name: str) -> bool:
    status = cluster.status(name)
    return is_copied(status) and status["lag_bytes"] == 0


def is_copied(status: dict) -> bool:
    shown = status["updated_at"] or 0.0  # none where nobody shows figures, and what is stored stands for them
    return bool(status["leader"]) and status["snapshot_done"] and shown > Executed.at


def topic_config(cluster, topic: str, name: str = "cleanup.policy") -> str:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result()[name].value


def eventually_holds(cluster, topic: str, expected: dict[bytes, bytes], seconds: float = 30) -> None:
    seen: dict[bytes, bytes] = {}

    def same() -> bool:
        seen.clear()
        seen.update(fold(read_topic(cluster.bootstrap, topic)))
        return seen == expected

    deadline = time.monotonic() + seconds
    while not same() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen == expected


@pytest.fixture
def order_dw(mysql_server):
    execute(mysql_server, "DROP DATABASE IF EXISTS order_dw;\nCREATE DATABASE order_dw")
    execute(mysql_server, ORDER_DW, "order_dw")
    yield "order_dw"
    execute(mysql_server, "DROP DATABASE order_dw")


@pytest.mark.parametrize(
    ("file", "topics"),
    [
        ("reference_whole_database.yaml", {name: f"order_dw.{name}" for name in ROWS}),
        ("reference_renamed.yaml", {"user": "user1", "order": "order2", "feedback": "feedback3"}),
        ("reference_pattern.yaml", {name: f"topic_{name}" for name in ROWS}),
    ],
)
def test_a_reference_job_makes_its_topics_and_follows_changes(
    cluster, alikafka, mysql_server, order_dw, file, topics
) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    before = set(admin.list_topics(timeout=20).topics)
    text = (JOBS / file).read_text().replace("port: 3306", "port: #{port}").replace("broker:9092", cluster.bootstrap)
    cluster.environment |= alikafka.variables()
    worker, _ = cluster.binlog_worker(), cluster.snapshot_worker()
    cluster.submit(text, "reference")
    cluster.wait("the job streams", lambda: streaming(cluster, "reference"))
    made = {
        topic
        for topic in set(admin.list_topics(timeout=20).topics) - before
        if ".registry" not in topic and "__" not in topic
    }
    assert made == set(topics.values())
    assert made < set(alikafka.topics)
    for table, topic in topics.items():
        assert topic_config(cluster, topic) == "compact"
        assert fold(read_topic(cluster.bootstrap, topic)) == ROWS[table]
    execute(
        mysql_server,
        "START TRANSACTION;\nINSERT INTO user VALUES (3, 'Änn \"x\"');\nUPDATE user SET id = 10 WHERE id = 1;\n"
        "DELETE FROM `order` WHERE id = 2;\nCOMMIT;\nUPDATE feedback SET comment = 'Bad.' WHERE id = 1",
        "order_dw",
    )
    eventually_holds(
        cluster,
        topics["user"],
        {
            b'{"id":2}': b'{"id":2,"name":"Jerry"}',
            b'{"id":3}': '{"id":3,"name":"Änn \\"x\\""}'.encode(),
            b'{"id":10}': b'{"id":10,"name":"Tom"}',
        },
    )
    eventually_holds(cluster, topics["order"], {b'{"id":1}': ROWS["order"][b'{"id":1}']})
    assert (b'{"id":2}', None) in read_topic(cluster.bootstrap, topics["order"])
    assert (b'{"id":1}', None) in read_topic(cluster.bootstrap, topics["user"])
    eventually_holds(
        cluster,
        topics["feedback"],
        ROWS["feedback"] | {b'{"id":1}': b'{"id":1,"user_id":1,"comment":"Bad."}'},
    )
    assert not worker.says("tenure_failed")
    cluster.cli("cancel", "reference", "--yes", "--delete-topics")


def test_keys_of_every_chunkable_kind_arrive_row_for_row(cluster, mysql_server, mysql_database) -> None:
    """Composite, collated, binary, decimal, dated and sparse keys, cut small; empty and single-row tables."""
    execute(
        mysql_server,
        "CREATE TABLE pair (a INT, b VARCHAR(20), v INT, PRIMARY KEY (a, b));\n"
        "CREATE TABLE word (w VARCHAR(30) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, v INT);\n"
        "CREATE TABLE old (w VARCHAR(30) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY, v INT);\n"
        "CREATE TABLE raw_key (k VARBINARY(16) PRIMARY KEY, v INT);\n"
        "CREATE TABLE money (k DECIMAL(20,4) PRIMARY KEY, v INT);\n"
        "CREATE TABLE moment (k DATETIME(3) PRIMARY KEY, v INT);\n"
        "CREATE TABLE sparse (id BIGINT UNSIGNED PRIMARY KEY, v INT);\n"
        "CREATE TABLE label (k ENUM('z','a','m') PRIMARY KEY, v INT);\n"
        "CREATE TABLE nothing (id INT PRIMARY KEY);\n"
        "INSERT INTO label VALUES ('a', 1), ('z', 2);\n"
        "INSERT INTO pair WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)"
        " SELECT i DIV 100, CONCAT(CHAR(97 + i % 26 USING utf8mb4), i), i FROM n;\n"
        "INSERT INTO word SELECT CONCAT(IF(v % 2, 'É', 'e'), b), v FROM pair;\n"
        "INSERT INTO old SELECT CONCAT(IF(v % 2, 'Ä', 'a'), v), v FROM pair;\n"
        "INSERT INTO raw_key SELECT UNHEX(LEFT(SHA2(v, 256), 32)), v FROM pair;\n"
        "INSERT INTO money SELECT v * 1.5 - 300, v FROM pair;\n"
        "INSERT INTO moment SELECT TIMESTAMPADD(SECOND, v * 3600, '2020-02-28 00:00:00.125'), v FROM pair;\n"
        "INSERT INTO sparse SELECT 18446744073709551615 - v * 1000000007, v FROM pair",
        mysql_database,
    )
    cluster.binlog_worker()
    cluster.snapshot_worker(3)
    small = "  scan.incremental.snapshot.chunk.size: 37"
    cluster.submit(job(rf"{mysql_database}.\.*", source=small), "keys")
    stop = time.monotonic() + 120
    turn = 0
    while not cluster.status("keys")["snapshot_done"]:
        assert time.monotonic() < stop
        turn += 1
        for table in ("pair", "word", "old", "raw_key", "money", "moment", "sparse"):
            changes = (
                f"UPDATE {table} SET v = v + 1 WHERE v % 7 = {turn % 7};\nDELETE FROM {table} WHERE v = {turn * 5}"
            )
            execute(mysql_server, changes, mysql_database)
    cluster.wait("the job has caught up", lambda: streaming(cluster, "keys"))
    totals = {table["table"].split(".")[1]: table["chunks_total"] for table in cluster.status("keys")["tables"]}
    assert totals["label"] == totals["nothing"] == 1
    assert min(totals[name] for name in ("pair", "word", "old", "raw_key", "money", "moment", "sparse")) > 5
    for table in totals:
        with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*), COALESCE(SUM({'v' if table != 'nothing' else '0'}), 0) FROM {table}")
            count, total = cursor.fetchone()
        rows = fold(read_topic(cluster.bootstrap, f"{mysql_database}.{table}")).values()
        values = [int(row.rpartition(b":")[2].rstrip(b"}")) for row in rows]
        assert (table, len(values), sum(values)) == (table, count, total)


def test_the_python_codec_does_the_whole_job_as_well(cluster, mysql_server, mysql_database) -> None:
    execute(
        mysql_server,
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), at DATETIME(3));\n"
        "INSERT INTO t VALUES (1, 'é', '2026-01-31 09:08:07.120'), (2, NULL, NULL)",
        mysql_database,
    )
    workers = [cluster.binlog_worker(HEADRACE_CODEC="python"), cluster.snapshot_worker(1, HEADRACE_CODEC="python")]
    cluster.submit(job(rf"{mysql_database}.\.*"), "slow")
    cluster.wait("the job streams", lambda: streaming(cluster, "slow"))
    execute(mysql_server, "UPDATE t SET v = 'x' WHERE id = 2", mysql_database)
    expected = {
        b'{"id":1}': '{"id":1,"v":"é","at":"2026-01-31 09:08:07.120"}'.encode(),
        b'{"id":2}': b'{"id":2,"v":"x","at":null}',
    }
    eventually_holds(cluster, f"{mysql_database}.t", expected)
    assert cluster.status("slow")["codec"] == "python"
    assert all(worker.says("codec=python") for worker in workers)
    assert not workers[1].says("table_split"), "so few rows need no splitter"


def test_every_mysql_transaction_is_visible_as_a_whole(cluster, mysql_server, mysql_database) -> None:
    execute(
        mysql_server,
        "CREATE TABLE a (id INT PRIMARY KEY, v INT);\nCREATE TABLE b (id INT PRIMARY KEY, v INT);\n"
        "INSERT INTO a VALUES (1, 0);\nINSERT INTO b VALUES (1, 0)",
        mysql_database,
    )
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    topics = "  sink.topic.partitions: 3\n  sink.topic.replication-factor: 1\n  sink.topic.config.segment.ms: 3600000"
    cluster.submit(job(rf"{mysql_database}.\.*", sink=topics), "whole")
    cluster.wait("the job streams", lambda: streaming(cluster, "whole"))
    assert topic_config(cluster, f"{mysql_database}.a", "segment.ms") == "3600000"
    assert topic_config(cluster, f"{mysql_database}.a") == "compact"
    found = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(f"{mysql_database}.a", timeout=20)
    assert len(found.topics[f"{mysql_database}.a"].partitions) == 3
    for number in range(1, 20):
        execute(
            mysql_server,
            f"START TRANSACTION;\nUPDATE a SET v = {number};\nSAVEPOINT s;\nUPDATE b SET v = -1;\n"
            f"ROLLBACK TO SAVEPOINT s;\nUPDATE b SET v = {number};\nCOMMIT",
            mysql_database,
        )
        # Read b first: whoever sees a transaction in b must find it in a.
        in_b = fold(read_topic(cluster.bootstrap, f"{mysql_database}.b"))[b'{"id":1}']
        in_a = fold(read_topic(cluster.bootstrap, f"{mysql_database}.a"))[b'{"id":1}']
        assert int(in_a[12:-1]) >= int(in_b[12:-1]) >= 0


def test_a_schema_change_stops_the_job_loudly_and_keeps_its_checkpoint(cluster, mysql_server, mysql_database) -> None:
    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY, v INT);\nINSERT INTO t VALUES (1, 1)", mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    text = job(rf"{mysql_database}.\.*")
    cluster.submit(f"{text}\npipeline:\n  schema.change.behavior: EXCEPTION\n", "ddl")
    cluster.wait("the job streams", lambda: streaming(cluster, "ddl"))
    execute(mysql_server, "ALTER TABLE t ADD INDEX (v);\nINSERT INTO t VALUES (2, 2)", mysql_database)
    rows = {b'{"id":1}': b'{"id":1,"v":1}', b'{"id":2}': b'{"id":2,"v":2}'}
    eventually_holds(cluster, f"{mysql_database}.t", rows)
    execute(mysql_server, "ALTER TABLE t ADD COLUMN w INT;\nINSERT INTO t VALUES (3, 3, 3)", mysql_database)
    cluster.wait("the job fails", lambda: cluster.status("ddl")["state"] == "failed")
    error = cluster.status("ddl")["error"]
    assert error["name"] == "SchemaChanged"
    assert f"{mysql_database}.t" in error["message"]
    assert "resume JOB --resync" in error["hint"]
    assert fold(read_topic(cluster.bootstrap, f"{mysql_database}.t")) == rows

    # With the present columns, in the topic that there is; what went meanwhile goes.
    execute(mysql_server, "DELETE FROM t WHERE id = 1", mysql_database)
    done = cluster.cli("resume", "ddl", "--resync")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {b'{"id":2}': b'{"id":2,"v":2,"w":null}', b'{"id":3}': b'{"id":3,"v":3,"w":3}'}
    eventually_holds(cluster, f"{mysql_database}.t", rows)
    execute(mysql_server, "UPDATE t SET w = 2 WHERE id = 2", mysql_database)
    eventually_holds(cluster, f"{mysql_database}.t", rows | {b'{"id":2}': b'{"id":2,"v":2,"w":2}'})


def test_a_missing_secret_fails_with_its_name_and_resume_goes_on(cluster, mysql_server, mysql_database) -> None:
    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY);\nINSERT INTO t VALUES (1)", mysql_database)
    worker = cluster.binlog_worker(HEADRACE_VAR_PASSWORD="", HEADRACE_VARS_DIR="")
    worker.stop()
    without = {key: value for key, value in cluster.environment.items() if key != "HEADRACE_VAR_PASSWORD"}
    full, cluster.environment = cluster.environment, without
    worker = cluster.binlog_worker()
    cluster.environment = full
    cluster.submit(job(rf"{mysql_database}.t"), "secret")
    cluster.wait("the job fails", lambda: cluster.status("secret")["state"] == "failed")
    error = cluster.status("secret")["error"]
    assert error["name"] == "MissingSecret"
    assert "password" in error["message"]
    worker.stop()
    cluster.binlog_worker()
    # One that cannot reach MySQL from where it runs stops nothing, and is told.
    worker = cluster.snapshot_worker(1, HEADRACE_VAR_PORT="1")
    assert cluster.cli("resume", "secret").returncode == 0
    note = "A snapshot worker fails with Unavailable: MySQL at 127.0.0.1:1 "
    cluster.wait("what it fails with is told", lambda: note in str(cluster.status("secret")["notes"]))
    worker.stop()
    cluster.snapshot_worker(1)
    cluster.wait("the job streams", lambda: streaming(cluster, "secret"))
    assert cluster.status("secret")["notes"] == []


def test_no_password_leaves_the_process_that_resolved_it(cluster, mysql_server, redis_server, mysql_database) -> None:
    import redis

    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY);\nINSERT INTO t VALUES (1)", mysql_database)
    processes = [cluster.binlog_worker(HEADRACE_LOG_LEVEL="DEBUG"), cluster.snapshot_worker(1)]
    cluster.submit(job(rf"{mysql_database}.t"), "quiet")
    cluster.wait("the job streams", lambda: streaming(cluster, "quiet"))
    password = mysql_server.password.encode()
    for process in processes:
        assert password not in process.log.read_bytes()
        for pid in [process.pid, *process.children()]:
            assert password not in Path(f"/proc/{pid}/cmdline").read_bytes()
    client = redis.Redis.from_url(redis_server.url)
    for key in client.scan_iter():
        assert password not in (client.dump(key) or b"")
    registry = cluster.environment["HEADRACE_REGISTRY_TOPIC"]
    topics = [t for t in AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics().topics if registry in t]
    assert len(topics) == 2
    for topic in topics:
        for key, value in read_topic(cluster.bootstrap, topic, "read_uncommitted"):
            assert password not in key + (value or b"")
