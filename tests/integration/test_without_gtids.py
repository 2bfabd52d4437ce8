"""A server without GTIDs: places in its binlog take their part (DESIGN rule 11). The whole path, what ends it, and its gap."""

from __future__ import annotations

import json
import threading
import time

import pytest
from headrace_local.mysql import MysqlServer
from headrace_local.mysql80 import Mysql80Server

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_visibility_gap import (
    a_careless_reader_loses_the_update,
    a_reader_waits,
    begin,
    held_commit,
    nothing_was_lost,
)
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

OPTIONS = ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
TABLES = """
CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL);
INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 0 FROM n;
CREATE TABLE word (w VARCHAR(30) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, v INT);
INSERT INTO word SELECT CONCAT(IF(id % 2, 'É', 'e'), id), id FROM t;
CREATE TABLE small (id INT PRIMARY KEY, v INT NOT NULL);
INSERT INTO small VALUES (1, 1), (2, 2)
"""
SMALL_CHUNKS = "  scan.incremental.snapshot.chunk.size: 100"
LOCKS = "GRANT LOCK TABLES ON *.* TO 'headrace'@'%'"


def rows_of(server, table: str) -> dict[bytes, bytes]:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id, v FROM {table}")
        return {b'{"id":%d}' % key: b'{"id":%d,"v":%d}' % (key, v) for key, v in cursor.fetchall()}


def flush_and_purge(server) -> str:
    """Begins a binlog file, and deletes those before it; returns its name."""
    execute(server, "FLUSH BINARY LOGS")
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW BINARY LOGS")
        last = cursor.fetchall()[-1][0]
        cursor.execute(f"PURGE BINARY LOGS TO '{last}'")
    return last


@pytest.fixture(params=[MysqlServer, Mysql80Server], ids=["9.7", "8.0"])
def server(request, throwaway_mysql, cluster):
    made = throwaway_mysql(*OPTIONS, kind=request.param)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(made.port)}
    return made


def test_the_whole_path(cluster, server) -> None:
    db = f"places{server.port}"
    execute(server, f"CREATE DATABASE {db}")
    execute(server, TABLES, db)
    text = job(rf"{db}.\.*", source=SMALL_CHUNKS) + "pipeline:\n  name: places\n"

    checked = cluster.cli("check", "-", "--json", stdin=text)
    findings = {finding["subject"]: finding for finding in json.loads(checked.stdout)["findings"]}
    assert checked.returncode == 2
    assert [name for name, finding in findings.items() if finding.get("severity") == "error" and not finding["ok"]] == [
        "lock_privileges"
    ]
    assert f"GRANT LOCK TABLES ON `{db}`.* TO 'headrace'@'%';" in findings["lock_privileges"]["hint"]
    assert "this one server" in findings["gtid_mode"]["message"]
    execute(server, LOCKS)
    assert cluster.cli("check", "-", stdin=text).returncode == 0

    workers = [cluster.binlog_worker(), cluster.binlog_worker()]
    cluster.snapshot_worker(2)
    cluster.submit(text, "places")
    execute(
        server,
        "UPDATE t SET v = v + 1 WHERE id % 7 = 0;\nDELETE FROM t WHERE id % 50 = 1;\nFLUSH BINARY LOGS;\n"
        "UPDATE word SET w = UPPER(w) WHERE v % 3 = 0;\nINSERT INTO t VALUES (5000, -1)",
        db,
    )
    cluster.wait("the job streams", lambda: streaming(cluster, "places"))
    assert "@binlog.000002:" in cluster.status("places")["position"]
    eventually_holds(cluster, f"{db}.t", rows_of(server, f"{db}.t"))
    assert len(fold(read_topic(cluster.bootstrap, f"{db}.word"))) == 900

    leading = next(worker for worker in workers if worker.says("tenure_begins"))
    standby = next(worker for worker in workers if worker is not leading)
    leading.kill()
    execute(server, "UPDATE t SET v = v + 10 WHERE id % 5 = 0;\nFLUSH BINARY LOGS;\nDELETE FROM t WHERE id = 7", db)
    cluster.wait("the standby leads", lambda: standby.says("tenure_begins"), 30)
    eventually_holds(cluster, f"{db}.t", rows_of(server, f"{db}.t"), 60)
    assert len(read_topic(cluster.bootstrap, f"{db}.t")) < 2500, "the new leader wrote all once more"

    execute(
        server, f"CREATE TABLE {db}.late (id INT PRIMARY KEY, v INT NOT NULL);\nINSERT INTO {db}.late VALUES (1, 1)"
    )
    eventually_holds(cluster, f"{db}.late", {b'{"id":1}': b'{"id":1,"v":1}'})
    execute(server, "ALTER TABLE small RENAME COLUMN v TO w;\nUPDATE small SET w = 9 WHERE id = 1", db)
    eventually_holds(cluster, f"{db}.small", {b'{"id":1}': b'{"id":1,"w":9}', b'{"id":2}': b'{"id":2,"w":2}'})
    execute(server, "TRUNCATE TABLE late", db)
    eventually_holds(cluster, f"{db}.late", {})

    last = flush_and_purge(server)  # what is processed to its end is not missed
    cluster.wait("the job is in the new file", lambda: f"@{last}:" in cluster.status("places")["position"])
    assert cluster.cli("pause", "places").returncode == 0
    execute(server, "UPDATE t SET v = 77 WHERE id = 2", db)
    assert cluster.cli("resume", "places").returncode == 0
    eventually_holds(cluster, f"{db}.t", rows_of(server, f"{db}.t"))
    verified = cluster.cli("verify", "places")
    assert verified.returncode == 0, verified.stdout + verified.stderr

    assert cluster.cli("pause", "places").returncode == 0
    execute(server, "DELETE FROM t WHERE id = 3", db)
    flush_and_purge(server)
    execute(server, "INSERT INTO t VALUES (3, 33)", db)
    cluster.cli("resume", "places")
    cluster.wait("the gap is told", lambda: (cluster.status("places")["error"] or {}).get("name") == "BinlogLost")
    assert "has deleted the binlogs with the bytes from binlog." in cluster.status("places")["error"]["message"]
    assert cluster.cli("resume", "places", "--on-gap", "resync").returncode == 0
    eventually_holds(cluster, f"{db}.t", rows_of(server, f"{db}.t"), 60)


def test_a_chunk_is_not_read_before_what_its_leader_has_seen_is_visible(cluster, throwaway_mysql) -> None:
    server = throwaway_mysql(*OPTIONS)
    execute(server, f"INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so';\nCREATE DATABASE gap;\n{LOCKS}")
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    leader = cluster.binlog_worker()
    begin(cluster, server, "placed")
    # By place a job begins at the binlog's end, behind what hangs.
    cluster.wait("it has begun", lambda: leader.says("tenure_begins"))
    a_lock_that_is_refused_names_the_privilege(cluster, server, "placed")
    with held_commit(server, "UPDATE gap.placed SET v = 1 WHERE id = 1") as held:
        worker = a_reader_waits(cluster, server, "placed")
        waits = f"MySQL at 127.0.0.1:{server.port} to end the transactions that have changed gap.placed"
        cluster.wait("it is told what is waited for", lambda: cluster.status("placed")["readers_wait"] == waits)
        assert cluster.status("placed")["notes"] == [f"The copying waits for {waits}."]
        others_may_write_between_the_tries(server)
        assert held.is_alive(), "the gap closed too early to prove anything"
    nothing_was_lost(cluster, "placed")
    assert cluster.status("placed")["readers_wait"] == ""
    worker.stop()
    begin(cluster, server, "careless_place")
    cluster.wait("it has begun", lambda: leader.log.read_text().count("tenure_begins") == 3)
    a_careless_reader_loses_the_update(cluster, server, "careless_place")


def a_lock_that_is_refused_names_the_privilege(cluster, server, name: str) -> None:
    """It is taken away when the job has begun, before a chunk is read; the job goes on when it is given back."""
    execute(server, "REVOKE LOCK TABLES ON *.* FROM 'headrace'@'%'")
    worker = cluster.snapshot_worker(1)
    cluster.wait("the job stops", lambda: cluster.status(name)["error"])
    error = cluster.status(name)["error"]
    assert f"PreflightFailed: gap.{name} cannot be locked for a moment" in error["message"]
    assert "Run: GRANT SELECT, LOCK TABLES ON `gap`.* TO 'headrace'@'%';" in error["hint"]
    worker.stop()
    execute(server, LOCKS)
    assert cluster.cli_here("resume", name).exit_code == 0
    cluster.wait("the leader streams", lambda: cluster.status(name)["leader"])


def others_may_write_between_the_tries(server) -> None:
    """The reader's lock is waited for behind the transaction that hangs, and others wait behind it: for a second each time."""
    began = time.monotonic()
    change = "START TRANSACTION;\nINSERT INTO gap.placed VALUES (3, 0);\nROLLBACK"  # a commit would hang as well
    writer = threading.Thread(target=execute, args=(server, change))
    writer.start()
    writer.join(20)
    assert not writer.is_alive(), f"a writer waited {time.monotonic() - began:.0f} s"
