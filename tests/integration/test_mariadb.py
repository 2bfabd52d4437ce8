"""A job on MariaDB: its GTIDs, its consistent snapshots, where it begins, failovers (DESIGN rule 11); `test_servers` has the whole path."""

from __future__ import annotations

import pytest
from headrace_local.mariadb import MariadbServer

from tests.integration.test_ground import failure, resume
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_startup import plain, startup
from tests.integration.test_visibility_gap import (
    a_careless_reader_loses_the_update,
    a_reader_waits,
    begin,
    held_commit,
    nothing_was_lost,
)
from tests.integration.test_without_gtids import rows_of
from tests.plugins.fix_headrace import read_topic
from tests.plugins.fix_servers import root_connection


@pytest.fixture
def server(throwaway_mysql, cluster):
    made = throwaway_mysql(kind=MariadbServer)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(made.port)}
    return made


def asked(server, sql: str) -> tuple:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_a_job_begins_where_it_is_told_to(cluster, server, tmp_path) -> None:
    execute(server, "CREATE DATABASE lost;\nFLUSH BINARY LOGS;\nPURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
    moment = 1_700_000_000
    execute(
        server,
        f"SET timestamp = {moment - 200};\nCREATE DATABASE past;\nCREATE TABLE past.plain (id INT PRIMARY KEY, v INT);\n"
        "INSERT INTO past.plain VALUES (1, 1);\nFLUSH BINARY LOGS;\nINSERT INTO past.plain VALUES (2, 2)",
    )
    file, pos = asked(server, "SHOW MASTER STATUS")[:2]
    (gtids,) = asked(server, "SELECT @@GLOBAL.gtid_binlog_pos")
    execute(
        server,
        f"SET timestamp = {moment - 100};\nINSERT INTO past.plain VALUES (3, 3);\nFLUSH BINARY LOGS;\n"
        # The binlog tells seconds: what was committed within the one of the moment may have been committed behind it.
        f"SET timestamp = {moment};\nINSERT INTO past.plain VALUES (4, 4);\nFLUSH BINARY LOGS;\n"
        f"SET timestamp = {moment + 1};\nINSERT INTO past.plain VALUES (5, 5)",
    )
    late = plain(_3=3, _4=4, _5=5)
    jobs = {
        "place": (startup("specific-offset", "maria_place", file=file, pos=pos), late),
        "midst": (startup("specific-offset", "maria_midst", file=file, pos=pos + 40), late),
        "gtids": (startup("specific-offset", "maria_gtids", gtids), late),
        "moment": (startup("timestamp", "maria_moment", millis=moment * 1000 + 500), plain(_4=4, _5=5)),
        "early": (startup("earliest-offset", "maria_early"), plain(_1=1, _2=2) | late),
    }
    worker = cluster.binlog_worker()
    cluster.snapshot_worker(1)
    for name, (text, _) in jobs.items():
        cluster.submit(text, name)
    for name, (_, rows) in jobs.items():
        eventually_holds(cluster, f"startup_maria_{name}.plain", rows, 60)
    assert not worker.says("tenure_failed")

    number = int(gtids.rpartition("-")[2])
    (tmp_path / "job.yaml").write_text(startup("specific-offset", "no", f"0-1-{number + 9000}"))
    done = cluster.cli("submit", str(tmp_path / "job.yaml"))
    assert done.returncode == 2
    assert "which the server has not executed" in " ".join(done.stdout.split())


def test_a_chunk_is_not_read_before_what_its_leader_has_seen_is_visible(cluster, server) -> None:
    switch = "rpl_semi_sync_master"
    execute(server, f"SET GLOBAL {switch}_wait_point = AFTER_SYNC;\nCREATE DATABASE gap")
    leader = cluster.binlog_worker()
    begin(cluster, server, "snapped")
    # A job begins with all that the binlog has, behind what hangs.
    cluster.wait("it has begun", lambda: leader.says("tenure_begins"))
    with held_commit(server, "UPDATE gap.snapped SET v = 1 WHERE id = 1", switch) as held:
        worker = a_reader_waits(cluster, server, "snapped")
        assert held.is_alive(), "the gap closed too early to prove anything"
    nothing_was_lost(cluster, "snapped")
    worker.stop()
    begin(cluster, server, "careless_snap")
    cluster.wait("it has begun", lambda: leader.log.read_text().count("tenure_begins") == 2)
    a_careless_reader_loses_the_update(cluster, server, "careless_snap", switch)


@pytest.fixture
def successor(throwaway_mysql, server):
    """A replica of the source, which writes a binlog of its own."""
    made = throwaway_mysql("--server-id=2", "--log-slave-updates", kind=MariadbServer)
    execute(
        made,
        f"RESET MASTER;\nCHANGE MASTER TO MASTER_HOST = '{server.host}', MASTER_PORT = {server.port},"
        f" MASTER_USER = '{server.user}', MASTER_PASSWORD = '{server.password}', MASTER_USE_GTID = slave_pos;\nSTART SLAVE",
    )
    return made


def test_a_job_follows_a_failover_and_stops_where_transactions_are_missing(cluster, server, successor) -> None:
    execute(server, "CREATE DATABASE moves;\nCREATE TABLE moves.t (id INT PRIMARY KEY, v INT)")
    # It tells whether a server that lacks transactions may still receive them; else the job would wait for them.
    execute(server, f"INSERT INTO moves.t VALUES (1, 0), (2, 0);\nGRANT SLAVE MONITOR ON *.* TO '{server.user}'@'%'")
    worker = cluster.binlog_worker()
    reader = cluster.snapshot_worker(1)
    cluster.submit(job("moves.t"), "moves")
    cluster.wait("the job streams", lambda: streaming(cluster, "moves"))
    execute(server, "UPDATE moves.t SET v = 1 WHERE id = 1")
    eventually_holds(cluster, "moves.t", rows_of(server, "moves.t"))

    def lead_from(other) -> None:
        nonlocal worker
        worker.stop()
        worker = cluster.binlog_worker(HEADRACE_VAR_PORT=str(other.port))

    worker.stop()
    execute(server, "INSERT INTO moves.t VALUES (3, 3)")
    (executed,) = asked(server, "SELECT @@GLOBAL.gtid_binlog_pos")
    assert asked(successor, f"SELECT MASTER_GTID_WAIT('{executed}', 30)") == (0,)
    execute(
        successor,
        "STOP SLAVE;\nRESET SLAVE ALL;\nDELETE FROM moves.t WHERE id = 2;\nINSERT INTO moves.t VALUES (4, 4)",
    )
    lead_from(successor)
    eventually_holds(cluster, "moves.t", rows_of(successor, "moves.t"))
    last = int(executed.rpartition("-")[2])
    position = f"0-1:1-{last},0-2:1-{last + 2}"
    cluster.wait("the position has both servers'", lambda: cluster.status("moves")["position"] == position)
    written = [value for _, value in read_topic(cluster.bootstrap, "moves.t") if value and b'"v":0' not in value]
    assert len(written) == len(set(written)) == 3, "a change was written twice"

    lead_from(server)
    error = failure(cluster, "moves")
    assert error["name"] == "BinlogLost"
    assert "another server than before" in error["message"]
    assert "which the job has processed" in error["message"]

    lead_from(successor)
    resume(cluster, "moves")
    execute(successor, "UPDATE moves.t SET v = 5 WHERE id = 4")
    eventually_holds(cluster, "moves.t", rows_of(successor, "moves.t"))

    # The server forgets its past under the running stream, and counts from 1 again.
    execute(successor, "RESET MASTER;\nUPDATE moves.t SET v = 6")
    error = failure(cluster, "moves")
    assert error["name"] == "BinlogLost"
    reader.stop()
    cluster.snapshot_worker(1, HEADRACE_VAR_PORT=str(successor.port))
    done = cluster.cli("resume", "moves", "--on-gap", "resync")
    assert done.returncode == 0, done.stdout + done.stderr
    eventually_holds(cluster, "moves.t", rows_of(successor, "moves.t"), 60)
