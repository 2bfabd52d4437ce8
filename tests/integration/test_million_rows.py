"""The promise itself: a large table, writers that never rest, a worker and a leader killed; topic = MySQL, row for row."""

import json
import os
import random
import threading
import time

import pymysql
import pytest

from shared.model.position import GtidSet
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

ROWS = int(os.environ.get("HEADRACE_TEST_ROWS", "1000000"))
PARALLELISM = 2

JOB = """
source:
  type: mysql
  hostname: #{{hostname}}
  port: #{{port}}
  username: #{{username}}
  password: #{{password}}
  tables: {database}.\\.*
  server-id: 7701-7704
  # A hundred chunks: time enough for two kills, however fast the codec is.
  scan.incremental.snapshot.chunk.size: {chunk}
sink:
  type: upsert-kafka
  properties.bootstrap.servers: #{{bootstrap}}
pipeline:
  parallelism: {parallelism}
"""

CREATE = """
CREATE TABLE account (
  id BIGINT NOT NULL PRIMARY KEY, owner VARCHAR(40) NOT NULL, balance DECIMAL(12,2) NOT NULL, note VARCHAR(60), seen INT
)"""

FILL = """
INSERT INTO account
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)
SELECT i * 2, CONCAT('owner ', i), i %% 100000 / 100, IF(i %% 7 = 0, NULL, REPEAT('n', i %% 50)), 0 FROM n"""


class Writer(threading.Thread):
    """Inserts, updates, deletes and key changes on the same table, in transactions of one to twenty rows."""

    def __init__(self, server, database: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.database = server, database
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.statements = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with root_connection(self.server, self.database) as connection:
                connection.autocommit(False)
                while not self.stopped.is_set():
                    self.transaction(connection)
        except pymysql.MySQLError as error:
            self.error = error

    def transaction(self, connection) -> None:
        with connection.cursor() as cursor:
            for _ in range(self.random.randint(1, 20)):
                row = self.random.randint(1, ROWS * 2)
                other = self.random.randint(1, ROWS * 2)
                cursor.execute(
                    *self.random.choice(
                        [
                            ("UPDATE account SET seen = seen + 1, balance = balance + 0.01 WHERE id = %s", (row,)),
                            ("DELETE FROM account WHERE id = %s", (row,)),
                            ("REPLACE INTO account VALUES (%s, 'new', 1.50, NULL, 1)", (row,)),
                            ("UPDATE IGNORE account SET id = %s, seen = -1 WHERE id = %s", (other, row)),
                        ]
                    )
                )
                self.statements += 1
        if self.random.random() < 0.1:
            connection.rollback()
        else:
            connection.commit()
        self.stopped.wait(0.002)


class Watch(threading.Thread):
    """Samples what MySQL sees of us: dump connections, other connections, locks."""

    def __init__(self, server) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.stopped = threading.Event()
        self.dumps_max = self.others_max = self.locks = self.samples = 0

    def run(self) -> None:
        with root_connection(self.server) as connection, connection.cursor() as cursor:
            while not self.stopped.wait(0.1):
                cursor.execute(
                    "SELECT command FROM information_schema.processlist WHERE user = %s", (self.server.user,)
                )
                commands = [row[0] for row in cursor.fetchall()]
                dumps = sum(command.startswith("Binlog Dump") for command in commands)
                self.dumps_max = max(self.dumps_max, dumps)
                self.others_max = max(self.others_max, len(commands) - dumps)
                cursor.execute(
                    "SELECT COUNT(*) FROM performance_schema.data_locks l JOIN performance_schema.threads t"
                    " USING (thread_id) WHERE t.processlist_user = %s",
                    (self.server.user,),
                )
                self.locks += cursor.fetchone()[0]
                self.samples += 1


def rows_of(server, database: str) -> dict[bytes, bytes]:
    """MySQL's rows as the messages they should be; written apart from the codec on purpose."""
    with root_connection(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, owner, CAST(balance AS CHAR), note, seen FROM account")
        return {
            b'{"id":%d}' % row_id: (
                f'{{"id":{row_id},"owner":{json.dumps(owner)},"balance":{balance},'
                f'"note":{json.dumps(note)},"seen":{json.dumps(seen)}}}'
            ).encode()
            for row_id, owner, balance, note, seen in cursor.fetchall()
        }


@pytest.mark.timeout(900)
def test_a_large_table_under_writes_and_kills_arrives_row_for_row(cluster, mysql_server, mysql_database) -> None:
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE)
        cursor.execute("SET SESSION cte_max_recursion_depth = 4294967295")
        cursor.execute(FILL, (ROWS,))
        cursor.execute("ANALYZE TABLE account")
    writers = [Writer(mysql_server, mysql_database, seed) for seed in range(2)]
    watch = Watch(mysql_server)
    for thread in (*writers, watch):
        thread.start()
    leaders = [cluster.binlog_worker(), cluster.binlog_worker()]
    workers = [cluster.snapshot_worker(1), cluster.snapshot_worker(1)]
    began = time.monotonic()
    cluster.submit(JOB.format(database=mysql_database, parallelism=PARALLELISM, chunk=max(500, ROWS // 100)), "million")

    def status() -> dict:
        return cluster.status("million")

    cluster.wait("some chunks are read", lambda: status()["chunks_done"] >= 2)
    workers[0].kill()
    cluster.snapshot_worker(1)
    cluster.wait("more chunks are read", lambda: status()["chunks_done"] >= 6 or status()["snapshot_done"])
    before = status()
    leading = next(process for process in leaders if process.says("tenure_begins"))
    leading.kill()
    killed = time.monotonic()
    cluster.wait("the standby leads", lambda: status()["epoch"] > before["epoch"], 30)
    print(f"takeover after {time.monotonic() - killed:.1f} s, {before['chunks_done']} chunks were done")
    assert not before["snapshot_done"], "the leader was killed too late to prove anything"
    cluster.wait("the snapshot is done", lambda: status()["snapshot_done"], 400)
    print(f"snapshot of {ROWS} rows in {time.monotonic() - began:.1f} s beside the writers")
    for writer in writers:
        writer.stopped.set()
        writer.join(30)
        assert writer.error is None
    print(f"{sum(writer.statements for writer in writers)} statements by the writers")
    truth = rows_of(mysql_server, mysql_database)
    with root_connection(mysql_server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        executed = GtidSet.parse(cursor.fetchone()[0])
    cluster.wait("the last change arrives", lambda: GtidSet.parse(status()["position"]).covers(executed), 120)
    topic = f"{mysql_database}.account"
    watch.stopped.set()
    watch.join(10)
    for isolation in ("read_committed", "read_uncommitted"):
        seen = fold(read_topic(cluster.bootstrap, topic, isolation))
        different = [key for key in truth.keys() | seen.keys() if truth.get(key) != seen.get(key)]
        assert different == [], f"{isolation}: {len(different)} rows differ, such as {different[:5]}"
    assert watch.samples > 20
    assert watch.dumps_max == 1
    assert watch.others_max <= PARALLELISM + 2
    assert watch.locks == 0
