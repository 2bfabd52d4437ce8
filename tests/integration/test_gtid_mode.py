"""`gtid_mode` that is switched, step by step as MySQL's manual tells, under a job that runs or stands still: a job that counts by GTIDs is not
sent what has none, and says so, also when GTIDs are back; one that counts by places goes on.
"""

from __future__ import annotations

from tests.integration.test_ground import failure
from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_without_gtids import LOCKS, rows_of

OFF, ON = ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"), ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")
WRITING = "INSERT INTO modes.t (v) VALUES (1);\nUPDATE modes.t SET v = v + 1 WHERE id = 1"


def switch(server, *modes: str, writing: bool = True) -> None:
    """One step after the other, each perhaps with transactions behind it."""
    for mode in modes:
        execute(server, f"SET GLOBAL gtid_mode = {mode};\n{WRITING if writing else ''}")


def same(cluster, server) -> None:
    cluster.wait("the job streams", lambda: streaming(cluster, "modes"))
    eventually_holds(cluster, "modes.t", rows_of(server, "modes.t"))


def paused(cluster) -> None:
    assert cluster.cli_here("pause", "modes").exit_code == 0
    cluster.wait("the job stands still", lambda: not cluster.status("modes")["leader"])


def resumed(cluster, *options: str) -> None:
    cluster.cli_here("resume", "modes", *options)  # it may say already why it fails
    cluster.wait("it has begun", lambda: cluster.status("modes")["leader"] or cluster.status("modes")["error"])


def fails(cluster, *said: str) -> None:
    error = failure(cluster, "modes")
    assert error["name"] == "BinlogLost", error
    for part in said:
        assert part in f"{error['message']} {error['hint']}"


def test_the_mode_is_switched(cluster, throwaway_mysql) -> None:
    server = throwaway_mysql()
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    execute(
        server,
        "CREATE DATABASE modes;\nCREATE TABLE modes.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT);\n"
        f"INSERT INTO modes.t (v) VALUES (1), (2);\n{LOCKS}",
    )
    cluster.binlog_worker()
    cluster.snapshot_worker(1)
    cluster.submit(job("modes.t"), "modes")
    same(cluster, server)

    # A live job stops, and does not go on when GTIDs are back: what came without them would be left out.
    switch(server, "ON_PERMISSIVE")
    same(cluster, server)
    switch(server, "OFF_PERMISSIVE")
    fails(cluster, "anonymous transaction", "gtid_mode was switched")
    switch(server, "ON_PERMISSIVE", "ON")
    resumed(cluster)
    fails(cluster, "anonymous transaction", "gtid_mode was switched")
    resumed(cluster, "--on-gap", "resync")
    same(cluster, server)

    # One that stands still goes on when there was nothing, however often the files changed; else not, although no GTID is missing.
    paused(cluster)
    execute(server, "FLUSH BINARY LOGS;\nFLUSH BINARY LOGS")
    resumed(cluster)
    same(cluster, server)
    paused(cluster)
    switch(server, *OFF[:2], writing=False)
    execute(server, WRITING)
    switch(server, "ON_PERMISSIVE", writing=False)
    resumed(cluster)
    fails(cluster, "without a GTID", "gtid_mode was switched")
    switch(server, "ON")
    resumed(cluster)
    fails(cluster, "anonymous transaction", "gtid_mode was switched")
    resumed(cluster, "--resync")
    same(cluster, server)

    # Where there are none it counts by places, and goes on when they come: where it had yet to read what has none, in a mode that sends it.
    paused(cluster)
    switch(server, *OFF)
    resumed(cluster)
    fails(cluster, "gtid_mode=OFF", "It counts by places then.")
    resumed(cluster, "--on-gap", "resync")
    same(cluster, server)
    assert "@binlog." in cluster.status("modes")["position"]
    epoch = cluster.status("modes")["epoch"]
    switch(server, *ON)
    same(cluster, server)
    assert cluster.status("modes")["epoch"] == epoch
    switch(server, *OFF)
    same(cluster, server)
    paused(cluster)
    switch(server, *ON)
    resumed(cluster)
    fails(cluster, "anonymous transaction", "gtid_mode was switched")
    switch(server, "ON_PERMISSIVE")
    resumed(cluster)
    same(cluster, server)
    switch(server, "ON")
    paused(cluster)
    resumed(cluster, "--resync")
    same(cluster, server)
    assert "@binlog." not in cluster.status("modes")["position"]
    verified = cluster.cli_here("verify", "modes")
    assert verified.exit_code == 0, verified.output
