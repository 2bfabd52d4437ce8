"""A commit that stands in the binlog but is not visible yet: the gap in which a careless reader loses an update.

Semi-synchronous replication without a replica holds a commit between binlog and engine until its time-out.
"""

import threading

from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

HELD_MILLISECONDS = 15_000


def test_a_chunk_is_not_read_before_what_its_leader_has_seen_is_visible(cluster, throwaway_mysql) -> None:
    server = throwaway_mysql()
    execute(server, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    execute(
        server,
        "CREATE DATABASE gap;\nCREATE TABLE gap.t (id INT PRIMARY KEY, v INT);\nINSERT INTO gap.t VALUES (1, 0), (2, 0)",
    )
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    cluster.binlog_worker()
    cluster.submit(job("gap.t"), "gap")
    cluster.wait("the leader streams", lambda: cluster.status("gap")["leader"])
    execute(
        server,
        f"SET GLOBAL rpl_semi_sync_source_timeout = {HELD_MILLISECONDS};\nSET GLOBAL rpl_semi_sync_source_enabled = 1",
    )
    held = threading.Thread(target=execute, args=(server, "UPDATE gap.t SET v = 1 WHERE id = 1"))
    held.start()
    topic = "gap.t"
    cluster.wait("the change is in Kafka", lambda: fold(read_topic(cluster.bootstrap, topic)), 10)
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT v FROM gap.t WHERE id = 1")
        assert cursor.fetchone() == (0,), "the gap closed too early to prove anything"
    worker = cluster.snapshot_worker(1)
    cluster.wait("the snapshot worker is up", lambda: worker.says("ready."))
    assert held.is_alive(), "the gap closed too early to prove anything"
    cluster.wait("the snapshot is done", lambda: streaming(cluster, "gap"))
    held.join(30)
    rows = {b'{"id":1}': b'{"id":1,"v":1}', b'{"id":2}': b'{"id":2,"v":0}'}
    for isolation in ("read_committed", "read_uncommitted"):
        messages = read_topic(cluster.bootstrap, topic, isolation)
        assert fold(messages) == rows
        assert (b'{"id":1}', b'{"id":1,"v":0}') not in messages, "the reader did not wait"
