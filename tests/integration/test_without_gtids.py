"""A server without GTIDs: places in its binlog take their part (DESIGN rule 11). Its gap; `test_servers` has the whole path."""

from __future__ import annotations

import threading
import time

from tests.integration.test_job import execute
from tests.integration.test_visibility_gap import (
    a_careless_reader_loses_the_update,
    a_reader_waits,
    begin,
    held_commit,
    nothing_was_lost,
)
from tests.plugins.fix_servers import root_connection

OPTIONS = ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
LOCKS = "GRANT LOCK TABLES ON *.* TO 'headrace'@'%'"


def rows_of(server, table: str) -> dict[bytes, bytes]:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id, v FROM {table}")
        return {b'{"id":%d}' % key: b'{"id":%d,"v":%d}' % (key, v) for key, v in cursor.fetchall()}


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
