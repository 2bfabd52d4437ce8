"""`scheduler verify` on real servers: a job whose tables change meanwhile is right, a topic that somebody else wrote to is not,
and a job that stands still is not waited for.
"""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import CompletedProcess
from typing import Any

import pymysql
import redis
from confluent_kafka import Producer

from shared.adapters.redis.client import connect
from shared.adapters.redis.verify import Heard, VerifyDesk, VerifyRun
from shared.model.verify import Counts, Difference, Kind, Report, Stage
from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_headrace import Cluster
from tests.plugins.fix_servers import root_connection

ROWS, CHUNK_ROWS = 1200, 100

#: A key that is divided into ranges, one of two columns that the server sorts by a collation, one that cannot be cut, one with days
#: that no calendar has.
TABLES = f"""
CREATE TABLE item (id BIGINT PRIMARY KEY, price DECIMAL(9,2) NOT NULL, note VARCHAR(50));
CREATE TABLE pair (a INT, b VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, v INT, PRIMARY KEY (a, b));
CREATE TABLE label (k ENUM('z','a','m') PRIMARY KEY, v INT);
CREATE TABLE calm (id INT PRIMARY KEY);
CREATE TABLE day (d DATE, n INT, v INT, PRIMARY KEY (d, n));
SET SESSION cte_max_recursion_depth = {ROWS};
INSERT INTO item WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
  SELECT i, i + 0.10, CONCAT('note ', i) FROM n;
INSERT INTO pair SELECT id DIV 100, CONCAT(IF(id % 2, 'É', 'e'), id), id FROM item WHERE id < 300;
INSERT INTO label VALUES ('a', 1), ('z', 2);
INSERT INTO calm VALUES (1), (2);
SET SESSION sql_mode = '';
INSERT INTO day VALUES ('0000-00-00', 1, 1), ('2020-00-00', 2, 1), ('2026-01-31', 3, 1);
ANALYZE TABLE item"""


def verify(cluster: Cluster, *words: str) -> tuple[CompletedProcess, dict[str, Any]]:
    done = cluster.cli("verify", "shop", "--json", *words)
    assert done.stdout, done.stderr + "".join(p.log.read_text(errors="replace")[-3000:] for p in cluster.processes)
    return done, json.loads(done.stdout)


def results(told: dict[str, Any]) -> dict[str, str]:
    return {table["table"].partition(".")[2]: table["result"] for table in told["tables"]}


@contextmanager
def writing(server, database: str, statements: list[str], pause: float = 0.005) -> Iterator[None]:
    """Statements again and again, some hundred a second; `%d` is a number that grows."""
    stopped = threading.Event()

    def write() -> None:
        with root_connection(server, database) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            for turn in itertools.count():
                for statement in statements:
                    if stopped.is_set():
                        return
                    # Another writer has made the row, or waits for the same locks.
                    with suppress(pymysql.err.IntegrityError, pymysql.err.OperationalError):
                        cursor.execute(statement.replace("%d", str(turn)))
                    stopped.wait(pause)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stopped.set()
        for writer in writers:
            writer.join()


MOVING = [
    "UPDATE item SET price = %d / 100 WHERE id = 3",
    f"DELETE FROM item WHERE id = 1 + %d % {ROWS}",
    f"INSERT INTO item VALUES (1 + (%d + {ROWS} - 10) % {ROWS}, 1, 'new')",
    "UPDATE item SET price = price + 1 WHERE id BETWEEN 900 AND 1000",
    "UPDATE pair SET b = IF(BINARY b = 'e6', 'É6', 'e6'), v = %d WHERE a = 0 AND b = 'e6'",
    "UPDATE pair SET a = 1 - a WHERE b = 'é9'",
    "DELETE FROM pair WHERE a = 9 AND b = 'x'",
    "INSERT INTO pair VALUES (9, 'X', %d)",
    "REPLACE INTO label VALUES ('m', %d)",
    "DELETE FROM label WHERE k = 'm'",
    "UPDATE day SET v = %d",
]


def test_two_workers_never_speak_for_one_try_and_nobody_for_a_run_that_ended(redis_server) -> None:
    client = connect(redis_server.url)
    run = secrets.token_hex(8)
    asking = VerifyRun(client, run)
    one, two = (VerifyDesk(client, run, f"{run}:0.0", holder) for holder in ("one", "two"))
    report, done = Report(Stage.READING, "w1", 3, 9), Report(Stage.DONE, "w1", counts=Counts(rows=9, ghost=1))
    assert one.tell(report) is Heard.UNHEARD
    assert asking.report(f"{run}:0.0") is None
    asking.renew()
    assert one.tell(report) is Heard.OURS
    assert two.tell(report) is Heard.ANOTHER
    assert asking.report(f"{run}:0.0") == report
    found = [Difference(Kind.GHOST, b"%d" % n, None, b"\xff", 1, n) for n in range(250)]
    one.put_differences(found)
    one.put_differences(found)  # said again
    assert one.tell(done) is Heard.OURS
    assert two.tell(report) is Heard.ANOTHER
    assert asking.report(f"{run}:0.0") == done
    assert asking.take_differences(f"{run}:0.0") == found
    assert asking.take_differences(f"{run}:0.0") == []
    asking.end()
    assert one.tell(done) is Heard.ENDED
    assert min(client.ttl(key) for key in client.keys(f"headrace:verify:{run}*")) > 0
    client.close()


def test_right_topics_and_wrong_ones(cluster, mysql_server, kafka_server, redis_server, mysql_database) -> None:
    execute(mysql_server, TABLES, mysql_database)
    cluster.binlog_worker()
    snapshot = cluster.snapshot_worker(3)
    small = f"  scan.incremental.snapshot.chunk.size: {CHUNK_ROWS}"
    cluster.submit(job(rf"{mysql_database}.\.*", small, "  value.fields-include: EXCEPT_KEY"), "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))

    with writing(mysql_server, mysql_database, MOVING):
        done, told = verify(cluster)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(told) == dict.fromkeys(("calm", "day", "item", "label", "pair"), "equal")
    tables = {table["table"].partition(".")[2]: table for table in told["tables"]}
    assert tables["item"]["rows"] > ROWS / 2
    assert tables["day"]["rows"] == 3
    assert snapshot.says("ranges=")

    execute(
        mysql_server,
        "REPLACE INTO item VALUES (3, 1, 'hot'), (600, 6.10, 'there');\nREPLACE INTO pair VALUES (2, 'É601', 601);\n"
        "DELETE FROM label WHERE k = 'm'",
        mysql_database,
    )
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    foreign = Producer({"bootstrap.servers": kafka_server.bootstrap, "partitioner": "murmur2_random"})
    foreign.produce(f"{mysql_database}.item", None, b'{"id":600}')
    foreign.produce(f"{mysql_database}.pair", b'{"v":1.50}', '{"a":2,"b":"É601"}'.encode())
    foreign.produce(f"{mysql_database}.label", b'{"v":7}', b'{"k":"m"}')
    foreign.produce(f"{mysql_database}.day", b"\xff", b'{"d":"2020-13-45","n":1}')
    assert foreign.flush(30) == 0

    # One row of each table changes all the time; the others' writers rest, or they would mend what is wrong.
    with writing(mysql_server, mysql_database, [*MOVING[:1], "UPDATE label SET v = %d WHERE k = 'a'"]):
        done, told = verify(cluster)
    assert done.returncode == 1, done.stdout + done.stderr
    assert results(told) == {"calm": "equal", **dict.fromkeys(("day", "item", "label", "pair"), "differs")}
    found = [
        (table["table"].partition(".")[2], *one.values()) for table in told["tables"] for one in table["differences"]
    ]
    assert [(table, kind, key, mysql, topic) for table, kind, key, mysql, topic, *_ in found] == [
        ("day", "ghost", {"d": "2020-13-45", "n": 1}, None, "\\xff"),
        ("item", "missing", {"id": 600}, {"price": 6.1, "note": "there"}, None),
        ("label", "ghost", {"k": "m"}, None, {"v": 7}),
        ("pair", "stale", {"a": 2, "b": "É601"}, {"v": 601}, {"v": 1.5}),
    ]
    assert all(offset is not None for *_, offset, _ in found)
    assert '"price":6.10' in done.stdout
    client = redis.Redis.from_url(redis_server.url)
    assert client.keys("headrace:verify:*:found") == []
    client.close()

    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    assert cluster.cli("pause", "shop").returncode == 0
    assert results(verify(cluster, "--table", r"c\.*m")[1]) == {"calm": "equal"}  # nothing has happened since
    execute(mysql_server, "INSERT INTO calm VALUES (3)", mysql_database)
    done, told = verify(cluster, "--table", "calm")
    assert done.returncode == 2
    (table,) = told["tables"]
    assert (table["result"], table["error"]["name"]) == ("failed", "NotFollowing")
    assert "Job shop is paused, and MySQL has 1 transaction that" in table["error"]["message"]
