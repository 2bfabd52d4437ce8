"""Tables that change while a job runs, or stands still, are copied again with their present columns: at the end topic = MySQL."""

from __future__ import annotations

import pytest

from tests.integration.test_job import copied, eventually_holds, execute, job, streaming
from tests.integration.test_verify import verify, writing
from tests.plugins.fix_headrace import Process
from tests.plugins.fix_servers import root_connection

ROWS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"

START = f"""
CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL DEFAULT 0, w VARCHAR(20), e ENUM('a','b'));
CREATE TABLE other (id INT PRIMARY KEY, v INT);
INSERT INTO t (id, v, w, e) {ROWS} SELECT i, i, CONCAT('w', i), IF(i % 2, 'a', 'b') FROM n;
INSERT INTO other {ROWS} SELECT i, i FROM n"""

#: What goes on meanwhile, whatever the columns are.
MOVING = ["UPDATE t SET v = v + 1 WHERE id % 50 = 7", "UPDATE other SET v = v + 1 WHERE id % 50 = 7"]

#: One after the other, each on what the one before has left. The second ones of some have the layout of the first.
ALTERATIONS = [
    "ALTER TABLE t ADD COLUMN x INT DEFAULT 5",
    "ALTER TABLE t ADD COLUMN y VARCHAR(9) FIRST, ALGORITHM=INSTANT",
    "ALTER TABLE t RENAME COLUMN w TO word",
    "ALTER TABLE t MODIFY v BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE t MODIFY e ENUM('b','a','c')",
    "ALTER TABLE t DROP COLUMN x, ADD COLUMN z DATETIME(3) DEFAULT '2020-01-01', ALGORITHM=COPY",
    "ALTER TABLE t CHANGE y y2 VARCHAR(30) CHARACTER SET latin1 AFTER id",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id)",
    # As gh-ost and pt-online-schema-change end: a shadow table takes the name.
    "CREATE TABLE _t_gho LIKE t;\nALTER TABLE _t_gho ADD COLUMN g INT;\n"
    "INSERT INTO _t_gho SELECT t.*, 1 FROM t;\nRENAME TABLE t TO _t_del, _t_gho TO t",
    "DROP TABLE _t_del",
    # Rows that come and go without a change of each.
    "CREATE TABLE spare LIKE t;\nINSERT INTO spare SELECT * FROM t WHERE id < 300;\n"
    "RENAME TABLE t TO old, spare TO t;\nDROP TABLE old",
]


def begin(cluster, mysql_server, database: str, start: str = START) -> Process:
    """Begins the job; returns the worker that leads it."""
    execute(mysql_server, start, database)
    leader = cluster.binlog_worker()
    cluster.snapshot_worker(2)
    small = "  scan.incremental.snapshot.chunk.size: 100"
    cluster.submit(job(rf"{database}.\.*", f"{small}\n  tables.exclude: {database}.spare"), "shop")
    return leader


def caught_up(cluster, mysql_server, database: str) -> None:
    """All tables that the job has and MySQL has are equal."""
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    with root_connection(mysql_server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
        present = {f"{database}.{name}" for name, _ in cursor.fetchall()}
    both = present & {table["table"] for table in cluster.status("shop")["tables"]}
    assert both
    words = [word for table in sorted(both) for word in ("--table", table)]
    # Not at once: the job may have a statement before it that a comparison waits for, and then copy a table again.
    cluster.wait("all topics are equal", lambda: verify(cluster, *words)[0].returncode == 0)


def test_a_table_that_changes_is_copied_again(
    cluster, mysql_server, kafka_server, redis_server, mysql_database
) -> None:
    begin(cluster, mysql_server, mysql_database)
    cluster.wait("chunks are read", lambda: cluster.status("shop").get("chunks_done", 0) > 2)
    with writing(mysql_server, mysql_database, MOVING, 0.02):
        for number, alteration in enumerate(ALTERATIONS):
            execute(mysql_server, alteration, mysql_database)
            if number % 3 == 0:  # the others come while the table is being copied
                cluster.wait("the tables are copied", lambda: copied(cluster, "shop"))
    caught_up(cluster, mysql_server, mysql_database)
    versions = {table["table"]: table["schema_version"] for table in cluster.status("shop")["tables"]}
    assert versions[f"{mysql_database}.t"] > 1  # several statements may be one copy
    assert versions[f"{mysql_database}.other"] == 1

    # Many at once, that it finds when it goes on.
    assert cluster.cli("pause", "shop").returncode == 0
    cluster.wait("the job stands still", lambda: not cluster.status("shop")["leader"])
    execute(
        mysql_server,
        "INSERT INTO t (id) VALUES (5001);\nALTER TABLE t ADD COLUMN p INT;\nINSERT INTO t (id, p) VALUES (5002, 1);\n"
        "ALTER TABLE t RENAME COLUMN p TO q, ADD COLUMN r INT;\nINSERT INTO t (id, q, r) VALUES (5003, 1, 2);\n"
        "RENAME TABLE t TO t2;\nUPDATE t2 SET r = 3;\nRENAME TABLE t2 TO t3;\n"
        "CREATE TABLE once (id INT PRIMARY KEY);\nINSERT INTO once VALUES (1);\nDROP TABLE once;\n"
        "CREATE TABLE once (id INT PRIMARY KEY, v INT);\nINSERT INTO once VALUES (1, 1);\nDROP TABLE once;\n"
        "DELETE FROM other WHERE id > 10",
        mysql_database,
    )
    assert cluster.cli("resume", "shop").returncode == 0
    cluster.wait("the table has its new name", lambda: f"{mysql_database}.t3" in str(cluster.status("shop")["tables"]))
    caught_up(cluster, mysql_server, mysql_database)
    # By a sweep, which begins when all before it is in the topics.
    eventually_holds(cluster, f"{mysql_database}.t", {}, 60)
    gone = cluster.cli("peek", f"{mysql_database}.t", "--key", "id=1")
    assert "deleted (tombstone)" in gone.stdout


def test_partitions_that_are_exchanged(cluster, mysql_server, kafka_server, redis_server, mysql_database) -> None:
    begin(cluster, mysql_server, mysql_database)
    execute(
        mysql_server,
        "CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) ("
        "PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE);\n"
        "CREATE TABLE spare (id INT PRIMARY KEY, v INT);\n"
        "INSERT INTO part VALUES (1, 1), (11, 11);\nINSERT INTO spare VALUES (2, 2)",
        mysql_database,
    )
    cluster.wait("it has joined", lambda: f"{mysql_database}.part" in str(cluster.status("shop")["tables"]))
    caught_up(cluster, mysql_server, mysql_database)
    execute(mysql_server, "ALTER TABLE part EXCHANGE PARTITION low WITH TABLE spare", mysql_database)
    eventually_holds(
        cluster, f"{mysql_database}.part", {b'{"id":2}': b'{"id":2,"v":2}', b'{"id":11}': b'{"id":11,"v":11}'}
    )
    caught_up(cluster, mysql_server, mysql_database)


@pytest.mark.parametrize("statement", ["ALTER TABLE t ADD COLUMN x INT", "RENAME TABLE t TO spare"])
def test_a_job_that_is_to_stop_does(cluster, mysql_server, redis_server, mysql_database, statement: str) -> None:
    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY);\nINSERT INTO t VALUES (1)", mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    text = job(rf"{mysql_database}.\.*", f"  tables.exclude: {mysql_database}.spare")
    cluster.submit(f"{text}\npipeline:\n  schema.change.behavior: EXCEPTION\n", "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))
    execute(mysql_server, statement, mysql_database)
    cluster.wait("the job fails", lambda: cluster.status("shop")["state"] == "failed")
    assert cluster.status("shop")["error"]["name"] == "SchemaChanged"
