"""Shards in one topic: copied, followed, joined, truncated and compared each for itself, and ended together; with headers that name them."""

from __future__ import annotations

import json

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_mend import spoil, states
from tests.integration.test_verify import verify

SHARDS = """
CREATE TABLE order_1 (id INT PRIMARY KEY, v VARCHAR(9));
CREATE TABLE order_2 (v TEXT, id INT PRIMARY KEY);
INSERT INTO order_1 VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO order_2 VALUES ('x', 1), ('y', 2), ('z', 3)
"""


def headers_of(cluster, topic: str) -> list[tuple[bytes, bool, dict[str, bytes]]]:
    """Of each message its key, whether it is a tombstone, and its headers."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found = []
    while (message := consumer.poll(20)) is not None and message.error() is None:
        found.append((message.key(), message.value() is None, dict(message.headers() or [])))
    consumer.close()
    return found


def test_shards_share_a_topic(cluster, mysql_server, kafka_server, redis_server, mysql_database) -> None:
    db, topic = mysql_database, f"{mysql_database}.all"
    execute(mysql_server, SHARDS, db)
    headers = (
        "  sink.add-tableId-to-header-enabled: true\n  sink.custom-header: origin:test\n  sink.topic.partitions: 1"
    )
    route = f"route:\n  - source-table: {db}.order_\\d\n    sink-table: {topic}\n    shard-key: of\n"

    def key(shard: int, number: int) -> bytes:
        return b'{"of":"%s.order_%d","id":%d}' % (db.encode(), shard, number)

    def row(shard: int, number: int, v: str) -> tuple[bytes, bytes]:
        body = f'"v":"{v}","id":{number}' if shard == 2 else f'"id":{number},"v":"{v}"'
        return key(shard, number), f'{{"of":"{db}.order_{shard}",{body}}}'.encode()

    snapshot = cluster.snapshot_worker(3)
    cluster.binlog_worker()
    text = job(rf"{db}.\.*", sink=headers) + route
    cluster.submit(text, "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))
    two = dict([row(2, 1, "x"), row(2, 2, "y"), row(2, 3, "z")])
    eventually_holds(cluster, topic, dict([row(1, 1, "a"), row(1, 2, "b"), row(1, 3, "c")]) | two)

    # Changes, a new key, a shard that joins, and one that is swept: each leaves the others alone.
    execute(
        mysql_server,
        "UPDATE order_1 SET v = 'd' WHERE id = 1;\nDELETE FROM order_1 WHERE id = 2;\nUPDATE order_1 SET id = 5 WHERE id = 3;\n"
        "CREATE TABLE order_3 LIKE order_1;\nINSERT INTO order_3 VALUES (1, 'n'), (2, 'm');\n"
        "TRUNCATE order_2;\nINSERT INTO order_2 VALUES ('q', 2)",
        db,
    )
    rows = dict([row(1, 1, "d"), row(1, 5, "c"), row(2, 2, "q"), row(3, 1, "n"), row(3, 2, "m")])
    eventually_holds(cluster, topic, rows)
    cluster.wait("the topic is swept", lambda: snapshot.says("topic_swept") and states(cluster) == {"live"})

    # Whoever reads it.
    shown = cluster.cli_here("sql", "shop", "SELECT id, v FROM order_1 ORDER BY id", "--format", "csv")
    assert shown.stdout == "id,v\n1,d\n5,c\n", shown.output
    peeked = cluster.cli_here("peek", topic, "--key", f"of={db}.order_3", "--key", "id=1", "--json")
    assert json.loads(peeked.stdout)["last"]["value"] == {"of": f"{db}.order_3", "id": 1, "v": "n"}
    named = headers_of(cluster, topic)
    assert {gone for _, gone, _ in named} == {True, False}
    for at, _, found in named:
        table = json.loads(at)["of"].partition(".")[2].encode()
        assert found == {"namespace": b"", "schemaName": db.encode(), "tableName": table, "origin": b"test"}

    # Ghosts and wrong rows are one shard's, too.
    wrong = [(key(1, 9), row(1, 9, "ghost")[1]), (key(2, 2), b'{"of":"?"}'), (key(3, 1), None)]
    spoil(kafka_server, db, *(("all", at.decode(), value and value.decode()) for at, value in wrong))
    done, told = verify(cluster)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {
        (table["table"].partition(".")[2], one["kind"], one["key"]["id"])
        for table in told["tables"]
        for one in table["differences"]
    }
    assert found == {("order_1", "ghost", 9), ("order_2", "stale", 2), ("order_3", "missing", 1)}
    assert [len(table["differences"]) for table in told["tables"]] == [1, 1, 1]

    # A shard that is not like the others stops the job.
    execute(mysql_server, "CREATE TABLE order_4 (id BIGINT PRIMARY KEY, v VARCHAR(9))", db)
    cluster.wait("the job fails", lambda: cluster.status("shop")["state"] == "failed")
    assert f"`id` of {db}.order_4 is BIGINT" in cluster.status("shop")["error"]["message"]

    # The job goes with the one topic that all of them have.
    done = cluster.cli_here("cancel", "shop", "--delete-topics", "--yes")
    assert done.exit_code == 0, done.output
    assert f"Deleted: {topic}.\n" in done.output
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    assert not [name for name in admin.list_topics(timeout=20).topics if name.startswith(db)]
