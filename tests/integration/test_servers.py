"""One path, step by step the same, on every kind of server that the other tests do not run on: a job is checked, copies, follows,
is taken over, follows what becomes of tables, is compared, misses a binlog and begins anew. At the end of each step topic = MySQL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from headrace_local.mariadb import MariadbServer
from headrace_local.mysql import MysqlServer
from headrace_local.mysql80 import Mysql80Server

from tests.integration.test_ground import failure
from tests.integration.test_job import execute, job, streaming
from tests.integration.test_without_gtids import LOCKS, OPTIONS
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection


@dataclass(frozen=True)
class Kind:
    """A kind of server, and what `scheduler check` says of it."""

    server: type[MysqlServer]
    options: tuple[str, ...] = ()
    collation: str = "utf8mb4_0900_ai_ci"

    @property
    def by_place(self) -> bool:
        return bool(self.options)

    @property
    def steps(self) -> list[str]:
        of_mariadb = OF_MARIADB if self.server is MariadbServer else []
        return [*([SELECTS] if self is not KINDS["8.0"] else []), *STEPS, *of_mariadb]


KINDS = {
    "8.0": Kind(Mysql80Server),
    "9.7-without-gtids": Kind(MysqlServer, OPTIONS),
    "8.0-without-gtids": Kind(Mysql80Server, OPTIONS),
    "mariadb": Kind(MariadbServer, collation="utf8mb4_unicode_ci"),
}

#: Among the columns what 8.0.12 and MariaDB call otherwise: the charset utf8mb3, and YEAR with a width.
TABLES = """
CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8, y YEAR, u INT UNSIGNED, v INT NOT NULL);
INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
 SELECT i, CONCAT('é', i), 2000 + i % 100, 4294967295 - i, 0 FROM n;
CREATE TABLE word (w VARCHAR(30) COLLATE {collation} PRIMARY KEY, v INT);
INSERT INTO word SELECT CONCAT(IF(id % 2, 'É', 'e'), id), id FROM t;
CREATE TABLE small (id INT PRIMARY KEY, v INT NOT NULL, e ENUM('a','b'));
INSERT INTO small VALUES (1, 1, 'a'), (2, 2, 'b');
CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (
 PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO part VALUES (1, 1), (2, 2), (11, 11)
"""

#: What happens to tables, one after the other; each step is followed before the next.
STEPS = [
    "CREATE TABLE late (id INT PRIMARY KEY, v INT NOT NULL);\nINSERT INTO late VALUES (1, 1), (2, 2)",
    "CREATE TABLE copy LIKE small;\nINSERT INTO copy SELECT * FROM small",
    # A column of NULLs, in a table that is at rest.
    "ALTER TABLE late ADD COLUMN note VARCHAR(9) FIRST;\nINSERT INTO late VALUES ('n', 3, 3)",
    # These come while the table is copied again for the one before.
    "ALTER TABLE small RENAME COLUMN v TO w;\nUPDATE small SET w = 9 WHERE id = 1;\n"
    "ALTER TABLE small ADD COLUMN x INT NOT NULL DEFAULT 5, ALGORITHM=INSTANT;\nINSERT INTO small VALUES (3, 3, 'a', 3);\n"
    "ALTER TABLE small MODIFY e ENUM('b','a','c') AFTER id, MODIFY w BIGINT;\nINSERT INTO small VALUES (4, 'c', 4, 4);\n"
    "ALTER TABLE small DROP COLUMN x, FORCE;\nINSERT INTO small VALUES (5, 'b', 5)",
    "ALTER TABLE small DROP PRIMARY KEY, ADD PRIMARY KEY (id, w);\nINSERT INTO small VALUES (5, 'a', 6)",
    "ALTER TABLE part DROP PARTITION low;\nTRUNCATE TABLE late;\nINSERT INTO late VALUES ('again', 7, 7);\nDROP TABLE IF EXISTS chosen",
    "CREATE TABLE spare LIKE part;\nINSERT INTO spare VALUES (12, 12);\nRENAME TABLE part TO gone, spare TO part",
]
SMALL_CHUNKS = "  scan.incremental.snapshot.chunk.size: 100"

#: With GTIDs, 8.0.12 refuses it.
SELECTS = "CREATE TABLE chosen (PRIMARY KEY (id)) SELECT id, v FROM part"
#: MariaDB's own words.
OF_MARIADB = [
    "SET STATEMENT lock_wait_timeout = 5 FOR ALTER TABLE copy RENAME COLUMN v TO w;\nUPDATE copy SET w = 8",
    "CREATE OR REPLACE TABLE late (id INT PRIMARY KEY, v INT NOT NULL);\nINSERT INTO late VALUES (2, 5)",
]


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def server(kind: Kind, throwaway_mysql, cluster):
    made = throwaway_mysql(*kind.options, kind=kind.server)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(made.port)}
    return made


def rows(cursor, table: str) -> dict[bytes, bytes]:
    """The messages that a table's rows should be, as told by nobody but MySQL; without what is NULL."""
    cursor.execute(
        "SELECT column_name FROM information_schema.key_column_usage"
        f" WHERE constraint_name = 'PRIMARY' AND CONCAT(table_schema, '.', table_name) = '{table}' ORDER BY ordinal_position"
    )
    key = [name for (name,) in cursor.fetchall()]
    cursor.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    found = [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in cursor.fetchall()]
    return {message({name: row[name] for name in key}): message(row) for row in found}


def message(value: dict) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def differing(cluster, server, db: str) -> dict[str, tuple]:
    """The tables whose topics are not as they are."""
    with root_connection(server, db) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        wanted = {table: rows(cursor, f"{db}.{table}") for (table,) in cursor.fetchall()}
    topics = {table: fold(read_topic(cluster.bootstrap, f"{db}.{table}")) for table in wanted}
    there = {table: {key: without_nulls(value) for key, value in found.items()} for table, found in topics.items()}
    return {table: (wanted[table], there[table]) for table in wanted if wanted[table] != there[table]}


def without_nulls(value: bytes) -> bytes:
    return message({name: one for name, one in json.loads(value).items() if one is not None})


def same(cluster, server, db: str, after: str) -> None:
    cluster.wait(f"the job streams after {after}", lambda: streaming(cluster, "path"))
    cluster.wait(f"all topics are as their tables after {after}", lambda: not differing(cluster, server, db), 60)


def test_the_whole_path(cluster, kind: Kind, server) -> None:
    db = f"path{server.port}"
    execute(server, f"CREATE DATABASE {db}")
    execute(server, TABLES.format(collation=kind.collation), db)
    text = job(rf"{db}.\.*", source=SMALL_CHUNKS) + "pipeline:\n  name: path\n"
    is_checked(cluster, kind, server, db, text)

    workers = [cluster.binlog_worker(), cluster.binlog_worker()]
    cluster.snapshot_worker(2)
    cluster.submit(text, "path")
    execute(
        server,
        "UPDATE t SET v = v + 1 WHERE id % 7 = 0;\nDELETE FROM t WHERE id % 50 = 1;\nFLUSH BINARY LOGS;\n"
        "UPDATE word SET w = UPPER(w) WHERE v % 3 = 0;\nINSERT INTO t VALUES (5000, NULL, 0, 4294967295, -1)",
        db,
    )
    same(cluster, server, db, "the snapshot")
    if kind.by_place:
        assert "@binlog.000002:" in cluster.status("path")["position"]

    leading = next(worker for worker in workers if worker.says("tenure_begins"))
    standby = next(worker for worker in workers if worker is not leading)
    leading.kill()
    execute(server, "UPDATE t SET v = v + 10 WHERE id % 5 = 0;\nFLUSH BINARY LOGS;\nDELETE FROM word WHERE v = 7", db)
    cluster.wait("the standby leads", lambda: standby.says("tenure_begins"), 30)
    same(cluster, server, db, "the takeover")
    assert len(read_topic(cluster.bootstrap, f"{db}.t")) < 2500, "the new leader wrote all once more"

    for step in kind.steps:
        execute(server, step, db)
        same(cluster, server, db, step)
    assert not any(worker.says("tenure_failed") for worker in workers)

    what_it_has_processed_may_be_purged(cluster, server, db)
    verified = cluster.cli("verify", "path")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    what_it_has_not_may_not(cluster, kind, server, db)


def is_checked(cluster, kind: Kind, server, db: str, text: str) -> None:
    checked = cluster.cli("check", "-", "--json", stdin=text)
    findings = {finding["subject"]: finding for finding in json.loads(checked.stdout)["findings"]}
    wrong = [name for name, finding in findings.items() if finding.get("severity") == "error" and not finding["ok"]]
    if kind.by_place:
        assert checked.returncode == 2
        assert wrong == ["lock_privileges"]
        assert f"GRANT LOCK TABLES ON `{db}`.* TO 'headrace'@'%';" in findings["lock_privileges"]["hint"]
        assert "this one server" in findings["gtid_mode"]["message"]
        execute(server, LOCKS)
        checked, wrong = cluster.cli("check", "-", stdin=text), []
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert wrong == []
    assert kind.server is not MariadbServer or "MariaDB 10.11" in findings["version"]["message"]


def flush_and_purge(cluster, server) -> None:
    """Begins a binlog file, and deletes those before it: a server keeps what somebody reads, and hears late of one who has gone."""
    execute(server, "FLUSH BINARY LOGS")

    def purged() -> bool:
        with root_connection(server) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            files = [row[0] for row in cursor.fetchall()]
            cursor.execute(f"PURGE BINARY LOGS TO '{files[-1]}'")
        return len(files) == 1

    cluster.wait("the binlogs are deleted", purged)


def what_it_has_processed_may_be_purged(cluster, server, db: str) -> None:
    flush_and_purge(cluster, server)
    execute(server, "UPDATE t SET v = 77 WHERE id = 2", db)
    same(cluster, server, db, "the purge")


def what_it_has_not_may_not(cluster, kind: Kind, server, db: str) -> None:
    assert cluster.cli("pause", "path").returncode == 0
    cluster.wait("the job stands still", lambda: not cluster.status("path")["leader"])
    execute(server, "DELETE FROM t WHERE id = 3", db)
    flush_and_purge(cluster, server)
    execute(server, "INSERT INTO t VALUES (3, 'new', 2001, 3, 33)", db)
    cluster.cli("resume", "path")  # it may say already what follows
    error = failure(cluster, "path")
    assert error["name"] == "BinlogLost"
    assert not kind.by_place or "has deleted the binlogs with the bytes from binlog." in error["message"]
    assert cluster.cli("resume", "path", "--on-gap", "resync").returncode == 0
    same(cluster, server, db, "the gap")
