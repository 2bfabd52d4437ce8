"""Topics that are wrong become right again on real servers, while changes stream: `verify --repair`, `resync`, and after TRUNCATE, DROP
and lost partitions.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka import Producer

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_verify import CHUNK_ROWS, MOVING, TABLES, results, verify, writing
from tests.plugins.fix_headrace import Cluster

#: Besides: one that loses a partition.
PARTS = """
CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (
  PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO part VALUES (1, 1), (9, 9), (11, 11), (12, 12)"""


def spoil(kafka_server, database: str, *messages: tuple[str, str, str | None]) -> None:
    """Somebody else writes to topics: table, key, and a value or a tombstone."""
    foreign = Producer({"bootstrap.servers": kafka_server.bootstrap, "partitioner": "murmur2_random"})
    for table, key, value in messages:
        foreign.produce(f"{database}.{table}", value and value.encode(), key.encode())
    assert foreign.flush(30) == 0


def states(cluster: Cluster) -> set[str]:
    return {table["state"] for table in cluster.status("shop")["tables"]}


def equal(cluster: Cluster, *words: str) -> dict[str, Any]:
    done, told = verify(cluster, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(results(told).values()) == {"equal"}
    return told


def test_wrong_topics_become_right(cluster, mysql_server, kafka_server, redis_server, mysql_database) -> None:
    execute(mysql_server, f"{TABLES};\n{PARTS}", mysql_database)
    cluster.binlog_worker()
    snapshot = cluster.snapshot_worker(3)
    small = f"  scan.incremental.snapshot.chunk.size: {CHUNK_ROWS}"
    cluster.submit(job(rf"{mysql_database}.\.*", small, "  value.fields-include: EXCEPT_KEY"), "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))

    # A comparison that repairs, while rows change.
    wrong = [
        ("item", '{"id":600}', None),
        ("item", '{"id":601}', '{"price":1,"note":"altered"}'),
        ("item", '{"id":77000}', '{"price":1,"note":"ghost"}'),
        ("pair", '{"a":2,"b":"É601"}', '{"v":1.50}'),
        ("pair", '{"a":2,"b":"é601"}', '{"v":601}'),
        ("label", '{"k":"m"}', '{"v":7}'),
        ("day", '{"d":"2020-13-45","n":1}', "\x01"),
    ]
    execute(mysql_server, "DELETE FROM label WHERE k = 'm'", mysql_database)
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    spoil(kafka_server, mysql_database, *wrong)
    quiet = [statement for statement in MOVING if "900 AND" in statement or "calm" in statement]
    with writing(mysql_server, mysql_database, quiet, 0.02):
        done, told = verify(cluster, "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    expected = dict.fromkeys(("calm", "part"), "equal") | dict.fromkeys(("day", "item", "label", "pair"), "repaired")
    assert results(told) == expected
    tables = {table["table"].partition(".")[2]: table for table in told["tables"]}
    assert (tables["item"]["missing"], tables["item"]["stale"], tables["item"]["ghost"]) == (1, 1, 1)
    assert {name: table["written"] for name, table in tables.items()} == {
        "calm": 0, "part": 0, "day": 1, "item": 3, "label": 1, "pair": 2,
    }  # fmt: skip

    # A whole table, a condition, a key: each under writes.
    spoil(kafka_server, mysql_database, *wrong[:3], ("item", '{"id":605}', '{"price":1,"note":"altered"}'))
    execute(mysql_server, "DELETE FROM item WHERE id = 605", mysql_database)
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    spoil(kafka_server, mysql_database, ("item", '{"id":605}', '{"price":1,"note":"ghost"}'))
    with writing(mysql_server, mysql_database, MOVING, 0.02):
        narrow = cluster.cli("resync", "shop", "item", "--where", "id BETWEEN 595 AND 605", "--json")
    assert narrow.returncode == 0, narrow.stdout + narrow.stderr
    assert '"notes":[]' in narrow.stdout.replace(" ", "")
    done, told = verify(cluster, "--table", "item")
    assert [one["key"] for table in told["tables"] for one in table["differences"]] == [{"id": 77000}]
    single = cluster.cli("resync", "shop", "item", "--key", "id=77000", "--key", "id=600")
    assert single.returncode == 0, single.stdout + single.stderr
    assert "2 rows and tombstones were written" in single.stdout
    spoil(kafka_server, mysql_database, *wrong[:5])
    with writing(mysql_server, mysql_database, MOVING, 0.02):
        for table in ("item", "pair"):
            whole = cluster.cli("resync", "shop", f"{mysql_database}.{table}")
            assert whole.returncode == 0, whole.stdout + whole.stderr
    equal(cluster, "--table", "item", "--table", "pair")
    bad = cluster.cli("resync", "shop", "item", "--where", "no_column = 1")
    assert bad.returncode == 2, bad.stdout + bad.stderr
    assert "The condition is none" in bad.stdout + bad.stderr
    assert "no_column" in bad.stdout + bad.stderr

    # Statements that take rows away without a change of each.
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    with writing(mysql_server, mysql_database, [s for s in MOVING if "item" in s or "pair" in s], 0.02):
        execute(
            mysql_server,
            "TRUNCATE TABLE label;\nINSERT INTO label VALUES ('z', 5);\nTRUNCATE pair;\nDROP TABLE calm;\n"
            "ALTER TABLE part DROP PARTITION low",
            mysql_database,
        )
        cluster.wait("the topics are swept", lambda: snapshot.says("topic_swept") and states(cluster) == {"live"})
    equal(cluster, "--table", "label", "--table", "pair", "--table", "part", "--table", "item")
    eventually_holds(cluster, f"{mysql_database}.calm", {})
    gone = cluster.cli("peek", f"{mysql_database}.calm", "--key", "id=1")
    assert "deleted (tombstone)" in gone.stdout
    cluster.wait("the job goes on", lambda: streaming(cluster, "shop"))
