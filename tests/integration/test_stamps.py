"""`sink.metadata-headers`: each change tells of its transaction, and rows that were copied do not."""

from __future__ import annotations

import time

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_shared_topics import headers_of
from tests.plugins.fix_servers import root_connection


def test_changes_tell_of_their_transactions(cluster, mysql_server, mysql_database) -> None:
    table = f"{mysql_database}.t"
    execute(
        mysql_server, "CREATE TABLE t (id INT PRIMARY KEY, v INT);\nINSERT INTO t VALUES (1, 0), (2, 0)", mysql_database
    )
    sink = (
        "  sink.metadata-headers: gtid, op_ts, server_id\n  sink.custom-header: origin:test\n  sink.topic.partitions: 1"
    )
    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(job(table, sink=sink), "told")
    cluster.wait("the job streams", lambda: streaming(cluster, "told"))
    before = int(time.time() * 1000)
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        gtids = []
        # The server may have executed transactions of others, and ones with tags.
        cursor.execute("SELECT @@GLOBAL.gtid_executed, @@server_id")
        executed, server_id = cursor.fetchone()
        for sql in ("UPDATE t SET v = 1 WHERE id = 1", "DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (3, 3)"):
            cursor.execute(sql)
            connection.commit()
            cursor.execute("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, %s), @@GLOBAL.gtid_executed", (executed,))
            gtid, executed = cursor.fetchone()
            gtids.append(gtid)
    eventually_holds(cluster, table, {b'{"id":1}': b'{"id":1,"v":1}', b'{"id":3}': b'{"id":3,"v":3}'})

    found = headers_of(cluster, table)
    assert [headers for _, _, headers in found[:2]] == [{"origin": b"test"}] * 2
    assert [(key, gone) for key, gone, _ in found[2:]] == [
        (b'{"id":1}', False),
        (b'{"id":2}', True),
        (b'{"id":3}', False),
    ]
    for (_, _, headers), gtid in zip(found[2:], gtids, strict=True):
        assert headers.keys() == {"origin", "op_ts", "gtid", "server_id"}
        assert headers["gtid"] == gtid.encode()
        assert headers["server_id"] == str(server_id).encode()
        assert before - 1000 <= int(headers["op_ts"]) <= int(time.time() * 1000) + 1000
