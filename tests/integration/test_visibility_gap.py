"""A commit that stands in the binlog but is not visible yet: the gap in which a careless reader loses an update.

Semi-synchronous replication without a replica holds a commit between binlog and engine until its time-out.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

HELD_MILLISECONDS = 120_000
CHANGED = b'{"id":1,"v":1}'
BEFORE = b'{"id":1,"v":0}'
ROWS = {b'{"id":1}': CHANGED, b'{"id":2}': b'{"id":2,"v":0}'}


@contextmanager
def held_commit(server, sql: str, switch: str = "rpl_semi_sync_source") -> Iterator[threading.Thread]:
    """Runs a change whose commit hangs between binlog and engine until the block ends, or its time is over."""
    execute(server, f"SET GLOBAL {switch}_timeout = {HELD_MILLISECONDS};\nSET GLOBAL {switch}_enabled = 1")
    held = threading.Thread(target=execute, args=(server, sql))
    held.start()
    try:
        yield held
    finally:
        execute(server, f"SET GLOBAL {switch}_enabled = 0")
        held.join(30)


def value_in(server, table: str) -> int:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT v FROM {table} WHERE id = 1")
        return cursor.fetchone()[0]


def begin(cluster, server, name: str) -> None:
    """A job whose leader streams, and nobody copies yet."""
    execute(
        server, f"CREATE TABLE gap.{name} (id INT PRIMARY KEY, v INT);\nINSERT INTO gap.{name} VALUES (1, 0), (2, 0)"
    )
    cluster.submit(job(f"gap.{name}"), name)
    cluster.wait("the leader streams", lambda: cluster.status(name)["leader"])


def test_a_chunk_is_not_read_before_what_its_leader_has_seen_is_visible(cluster, throwaway_mysql) -> None:
    server = throwaway_mysql()
    execute(server, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so';\nCREATE DATABASE gap")
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    cluster.binlog_worker()
    begin(cluster, server, "t")
    with held_commit(server, "UPDATE gap.t SET v = 1 WHERE id = 1") as held:
        worker = a_reader_waits(cluster, server, "t")
        assert held.is_alive(), "the gap closed too early to prove anything"
    nothing_was_lost(cluster, "t")
    worker.stop()
    begin(cluster, server, "careless")
    a_careless_reader_loses_the_update(cluster, server, "careless")
    a_statement_is_not_judged_by_the_columns_that_it_changes(cluster, server)


def a_reader_waits(cluster, server, name: str):
    """Within a held commit that the leader has seen: a worker claims the chunk. Returns the worker."""
    cluster.wait("the change is in Kafka", lambda: fold(read_topic(cluster.bootstrap, f"gap.{name}")), 30)
    assert value_in(server, f"gap.{name}") == 0, "the gap closed too early to prove anything"
    worker = cluster.snapshot_worker(1)
    cluster.wait("the snapshot worker is up", lambda: worker.says("ready."))
    cluster.wait("the chunk is claimed", lambda: cluster.status(name).get("readers") == 1)
    return worker


def nothing_was_lost(cluster, name: str) -> None:
    """Once the commit is through."""
    cluster.wait("the snapshot is done", lambda: streaming(cluster, name))
    for isolation in ("read_committed", "read_uncommitted"):
        messages = read_topic(cluster.bootstrap, f"gap.{name}", isolation)
        assert fold(messages) == ROWS
        assert (b'{"id":1}', BEFORE) not in messages, "the reader did not wait"


def a_careless_reader_loses_the_update(cluster, server, name: str, switch: str = "rpl_semi_sync_source") -> None:
    """Rule 4 switched off. Were nothing lost here, the test above would prove nothing."""
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.careless", "worker", "-Q", "snapshot", "-E"]
    with held_commit(server, f"UPDATE gap.{name} SET v = 1 WHERE id = 1", switch) as held:
        cluster.wait("the change is in Kafka", lambda: fold(read_topic(cluster.bootstrap, f"gap.{name}")), 30)
        cluster.start("snapshot", [*command, "-c", "1", "-n", "careless@localhost"], {})
        cluster.wait("the snapshot is done", lambda: cluster.status(name)["snapshot_done"], 50)
        assert held.is_alive(), "the gap closed too early to prove anything"
    cluster.wait("the job has caught up", lambda: streaming(cluster, name))
    assert value_in(server, f"gap.{name}") == 1
    assert fold(read_topic(cluster.bootstrap, f"gap.{name}")) == ROWS | {b'{"id":1}': BEFORE}


def a_statement_is_not_judged_by_the_columns_that_it_changes(cluster, server) -> None:
    """The catalog shows the old columns as long as the statement's commit hangs. Their values fit the new ones as well."""
    begin(cluster, server, "renamed")
    cluster.snapshot_worker(1)
    cluster.wait("the job streams", lambda: streaming(cluster, "renamed"))
    with held_commit(server, "ALTER TABLE gap.renamed RENAME COLUMN v TO w") as held:
        waits = "MySQL does not show yet what its binlog has"
        cluster.wait("the leader waits for it", lambda: any(process.says(waits) for process in cluster.processes))
        assert held.is_alive(), "the gap closed too early to prove anything"
    execute(server, "INSERT INTO gap.renamed VALUES (3, 30)")
    expected = {b'{"id":1}': b'{"id":1,"w":0}', b'{"id":2}': b'{"id":2,"w":0}', b'{"id":3}': b'{"id":3,"w":30}'}
    cluster.wait("the topic is the table", lambda: fold(read_topic(cluster.bootstrap, "gap.renamed")) == expected)
