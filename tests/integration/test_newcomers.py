"""Tables that match the job's patterns and are made while it runs, or stands still, join it by themselves."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.test_job import copied, eventually_holds, execute, job, streaming
from tests.integration.test_mend import equal, spoil
from tests.integration.test_verify import writing


def tables(cluster) -> set[str]:
    return {table["table"].partition(".")[2] for table in cluster.status("shop")["tables"]}


def failure(cluster) -> dict[str, str]:
    cluster.wait("the job fails", lambda: cluster.status("shop")["state"] == "failed")
    return cluster.status("shop")["error"]


def goes_on(cluster, *names: str) -> None:
    cluster.wait("the tables have joined", lambda: set(names) <= tables(cluster) and copied(cluster, "shop"))


def test_new_tables_join(cluster, mysql_server, kafka_server, redis_server, mysql_database) -> None:
    execute(mysql_server, "CREATE TABLE t (id INT PRIMARY KEY, v INT);\nINSERT INTO t VALUES (1, 1)", mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker(2)
    cluster.submit(job(rf"{mysql_database}.\.*"), "shop")
    cluster.wait("the job streams", lambda: streaming(cluster, "shop"))

    # One after the other while both old and new ones change; some columns of one table come from another's rows.
    moving = ["INSERT INTO t (id, v) SELECT MAX(id) + 1, 1 FROM t s", "UPDATE t SET v = v + 1 WHERE id < 9"]
    with writing(mysql_server, mysql_database, moving, 0.01):
        execute(
            mysql_server,
            "CREATE TABLE a (id INT PRIMARY KEY, v INT);\nINSERT INTO a VALUES (1, 1), (2, 2);\n"
            "DELETE FROM a WHERE id = 2;\nUPDATE a SET v = 3;\n"
            "CREATE TABLE b (id INT PRIMARY KEY) AS SELECT id, v FROM t;\n"
            "DROP TABLE b;\n"
            "CREATE TABLE b (id INT PRIMARY KEY) AS SELECT id, v FROM t WHERE id < 5;\n"
            "CREATE TABLE c LIKE b;\nINSERT INTO c SELECT * FROM b;\n"
            "CREATE TEMPORARY TABLE scratch (id INT);\nCREATE DATABASE IF NOT EXISTS elsewhere",
            mysql_database,
        )
        execute(
            mysql_server,
            f"CREATE TABLE elsewhere.d (id INT PRIMARY KEY, v INT);\nINSERT INTO elsewhere.d VALUES (1, 1);\n"
            f"RENAME TABLE elsewhere.d TO {mysql_database}.d;\nINSERT INTO d VALUES (2, 2);\nDROP DATABASE elsewhere",
            mysql_database,
        )
        goes_on(cluster, "a", "b", "c", "d")
        execute(mysql_server, "UPDATE a SET v = 4;\nDELETE FROM d WHERE id = 1", mysql_database)
    cluster.wait("the job has caught up", lambda: streaming(cluster, "shop"))
    equal(cluster)
    eventually_holds(cluster, f"{mysql_database}.a", {b'{"id":1}': b'{"id":1,"v":4}'})
    eventually_holds(cluster, f"{mysql_database}.d", {b'{"id":2}': b'{"id":2,"v":2}'})

    # While the job stands still.
    assert cluster.cli("pause", "shop").returncode == 0
    cluster.wait("the job stands still", lambda: not cluster.status("shop")["leader"])
    execute(mysql_server, "CREATE TABLE e (id INT PRIMARY KEY);\nINSERT INTO e VALUES (7)", mysql_database)
    assert cluster.cli("resume", "shop").returncode == 0
    goes_on(cluster, "e")
    eventually_holds(cluster, f"{mysql_database}.e", {b'{"id":7}': b'{"id":7}'})

    # One that cannot be copied stops the job, which goes on when it is mended.
    execute(mysql_server, "CREATE TABLE f (id INT);\nINSERT INTO f VALUES (1)", mysql_database)
    error = failure(cluster)
    assert error["name"] == "PreflightFailed"
    assert f"{mysql_database}.f" in error["message"]
    assert "scheduler resume shop" in error["hint"]
    execute(mysql_server, "ALTER TABLE f ADD PRIMARY KEY (id);\nINSERT INTO f VALUES (2)", mysql_database)
    assert cluster.cli("resume", "shop").returncode == 0
    goes_on(cluster, "f")
    eventually_holds(cluster, f"{mysql_database}.f", {b'{"id":1}': b'{"id":1}', b'{"id":2}': b'{"id":2}'})

    # Nor does it mix its rows with what somebody else has in a topic.
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    admin.create_topics([NewTopic(f"{mysql_database}.g", 1)])[f"{mysql_database}.g"].result(30)
    spoil(kafka_server, mysql_database, ("g", "theirs", "theirs"))
    execute(mysql_server, "CREATE TABLE g (id INT PRIMARY KEY)", mysql_database)
    error = failure(cluster)
    assert error["name"] == "SinkRefused"
    assert f"{mysql_database}.g" in error["message"]
    execute(mysql_server, "DROP TABLE g", mysql_database)
    assert cluster.cli("resume", "shop").returncode == 0
    goes_on(cluster)
    equal(cluster)
