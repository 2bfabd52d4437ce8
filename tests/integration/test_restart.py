"""What dies comes back without a gap: workers, leaders and Redis, each killed while rows and changes flow."""

import time

import redis
from celery.result import AsyncResult

from shared import settings
from shared.model.orders import CHUNK_TASK, SNAPSHOT_QUEUE, SPLIT_TASK
from shared.runtime.celery_app import make_app
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

CREATE = (
    "CREATE TABLE t (id INT PRIMARY KEY, v INT);\n"
    "SET SESSION cte_max_recursion_depth = 1000000;\n"
    "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, 0 FROM n"
)


OTHER_SOURCE = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


def rows_of(server, database: str) -> dict[bytes, bytes]:
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, v FROM t")
        return {b'{"id":%d}' % row: b'{"id":%d,"v":%d}' % (row, v) for row, v in cursor.fetchall()}


def test_a_leader_that_was_killed_goes_on_where_it_stopped_and_repeats_nothing(cluster, mysql_server, mysql_database):
    execute(mysql_server, CREATE.format(rows=10), mysql_database)
    worker = cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "again")
    cluster.wait("the job streams", lambda: streaming(cluster, "again"))
    number = 0
    for _ in range(3):
        for _ in range(40):
            number += 1
            execute(mysql_server, f"UPDATE t SET v = {number} WHERE id = {number % 10 + 1}", mysql_database)
        worker.kill()
        number += 1
        execute(mysql_server, f"UPDATE t SET v = {number} WHERE id = 1;\nDELETE FROM t WHERE id = 10", mysql_database)
        # As behind a failover: transactions of another source, with a gap, and tagged ones.
        execute(
            mysql_server,
            f"SET gtid_next = '{OTHER_SOURCE}:{number}';\nREPLACE INTO t VALUES (10, {number});\n"
            f"SET gtid_next = 'AUTOMATIC:tag';\nUPDATE t SET v = -{number} WHERE id = 2;\nSET gtid_next = 'AUTOMATIC'",
            mysql_database,
        )
        worker = cluster.binlog_worker()
    topic = f"{mysql_database}.t"
    eventually_holds(cluster, topic, rows_of(mysql_server, mysql_database), 60)
    written = [
        value for _, value in read_topic(cluster.bootstrap, topic) if value is not None and b'"v":0' not in value
    ]
    assert len(written) == len(set(written)), "a change was written twice"
    cluster.wait("the position is stored", lambda: f"{OTHER_SOURCE}:41" in cluster.status("again")["position"])
    assert ":tag:" in cluster.status("again")["position"]


def test_a_standby_takes_over_within_seconds(cluster, mysql_server, mysql_database):
    execute(mysql_server, CREATE.format(rows=10), mysql_database)
    workers = [cluster.binlog_worker(), cluster.binlog_worker()]
    cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "standby")
    cluster.wait("the job streams", lambda: streaming(cluster, "standby"))
    leading = next(worker for worker in workers if worker.says("tenure_begins"))
    standby = next(worker for worker in workers if worker is not leading)
    leading.kill()
    execute(mysql_server, "UPDATE t SET v = 99", mysql_database)
    cluster.wait("the standby leads", lambda: standby.says("tenure_begins"), 30)
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database))
    assert cluster.status("standby")["epoch"] == 2


def test_only_the_leading_child_dies_and_its_parent_starts_another(cluster, mysql_server, mysql_database):
    import os
    import signal

    execute(mysql_server, CREATE.format(rows=10), mysql_database)
    worker = cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "child")
    cluster.wait("the job streams", lambda: streaming(cluster, "child"))
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)
    execute(mysql_server, "UPDATE t SET v = 7", mysql_database)
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database), 60)


def test_redis_may_lose_everything_in_the_middle_of_a_snapshot(cluster, mysql_server, redis_server, mysql_database):
    execute(mysql_server, CREATE.format(rows=200_000), mysql_database)
    cluster.binlog_worker()
    cluster.binlog_worker()
    cluster.snapshot_worker(2)
    # Many chunks: no machine is through with them before the second flush.
    small = "  scan.incremental.snapshot.chunk.size: 1500"
    cluster.submit(job(f"{mysql_database}.t", source=small), "flush")
    client = redis.Redis.from_url(redis_server.url)
    flushes = 0
    deadline = time.monotonic() + 240
    while not cluster.status("flush")["snapshot_done"]:
        assert time.monotonic() < deadline
        if flushes < 3:
            client.flushall()
            flushes += 1
        execute(
            mysql_server,
            f"UPDATE t SET v = v + 1 WHERE id % 1000 = {flushes};\nDELETE FROM t WHERE id % 5003 = {flushes}",
            mysql_database,
        )
        time.sleep(1)
    assert flushes >= 2
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database), 60)


def test_redis_killed_and_started_again_does_not_stop_the_stream(cluster, mysql_server, redis_server, mysql_database):
    execute(mysql_server, CREATE.format(rows=10), mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "redis")
    cluster.wait("the job streams", lambda: streaming(cluster, "redis"))
    redis_server.kill()
    execute(mysql_server, "UPDATE t SET v = 1", mysql_database)
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database))
    status = cluster.status("redis")
    assert status["tables"][0]["state"] == "live"
    redis_server.start()
    cluster.wait("the leader is seen again", lambda: cluster.status("redis")["leader"], 60)


def test_mysql_and_kafka_killed_and_started_again(cluster, mysql_server, kafka_server, mysql_database):
    execute(mysql_server, CREATE.format(rows=10), mysql_database)
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job(f"{mysql_database}.t"), "servers")
    cluster.wait("the job streams", lambda: streaming(cluster, "servers"))
    mysql_server.kill()
    mysql_server.start()
    execute(mysql_server, "UPDATE t SET v = 1", mysql_database)
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database), 90)
    kafka_server.kill()
    execute(mysql_server, "UPDATE t SET v = 2;\nDELETE FROM t WHERE id = 3", mysql_database)
    kafka_server.start()
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database), 120)


def test_purged_binlogs_stop_the_job_with_a_named_error(cluster, throwaway_mysql, mysql_database):
    server = throwaway_mysql()
    execute(server, "CREATE DATABASE d")
    execute(server, CREATE.format(rows=3), "d")
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    worker = cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job("d.t"), "purged")
    cluster.wait("the job streams", lambda: streaming(cluster, "purged"))
    worker.stop()
    execute(server, "UPDATE t SET v = 5;\nFLUSH BINARY LOGS;\nUPDATE t SET v = 6;\nFLUSH BINARY LOGS", "d")
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW BINARY LOGS")
        last = cursor.fetchall()[-1][0]
    execute(server, f"PURGE BINARY LOGS TO '{last}'")
    cluster.binlog_worker()
    cluster.wait("the job fails", lambda: cluster.status("purged")["state"] == "failed")
    assert cluster.status("purged")["error"]["name"] == "BinlogLost"
    assert fold(read_topic(cluster.bootstrap, "d.t"))[b'{"id":1}'] == b'{"id":1,"v":0}'


def test_doubled_and_late_hints_change_nothing(cluster, mysql_server, mysql_database):
    """Celery may deliver anything at any time: every chunk is hinted many times over, also long after its release."""
    execute(mysql_server, CREATE.format(rows=20_000), mysql_database)
    cluster.binlog_worker()
    workers = [cluster.snapshot_worker(2), cluster.snapshot_worker(2)]
    small = "  scan.incremental.snapshot.chunk.size: 2000"
    cluster.submit(job(f"{mysql_database}.t", source=small), "hints")
    environment = {name: value for name, value in cluster.environment.items() if name.startswith("HEADRACE_")}
    app = make_app(settings.load(environment))
    job_id = cluster.status("hints")["id"]
    arguments = {"job": "hints", "job_id": job_id}

    def hint(*numbers: int) -> AsyncResult:
        chunks = {"chunks": [[mysql_database, "t", number] for number in numbers]}
        return app.send_task(CHUNK_TASK, kwargs=arguments | chunks, queue=SNAPSHOT_QUEUE)

    def storm() -> None:
        for number in range(12):
            hint(number)
            hint(number, number + 1)
        table = {"database": mysql_database, "table": "t"}
        app.send_task(SPLIT_TASK, kwargs=arguments | table, queue=SNAPSHOT_QUEUE)

    storm()
    cluster.wait("the job streams", lambda: streaming(cluster, "hints"))
    execute(mysql_server, "UPDATE t SET v = 1 WHERE id % 3 = 0;\nDELETE FROM t WHERE id % 7 = 0", mysql_database)
    eventually_holds(cluster, f"{mysql_database}.t", rows_of(mysql_server, mysql_database))
    storm()
    late = hint(99)
    cluster.wait("the last hint was taken", lambda: any(w.says(f"{late.id}] succeeded") for w in workers))
    app.close()
    messages = read_topic(cluster.bootstrap, f"{mysql_database}.t", "read_uncommitted")
    assert fold(messages) == rows_of(mysql_server, mysql_database)
    assert sum(value is not None and b'"v":0' in value for _, value in messages) == 20_000, "a chunk was read twice"
