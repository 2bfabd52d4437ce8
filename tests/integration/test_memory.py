"""Memory is bounded in bytes, whatever the rows' size."""

from pathlib import Path

from tests.integration.test_job import execute, job, streaming
from tests.plugins.fix_headrace import fold, read_topic

ROWS, ROW_BYTES = 500, 500_000
#: The interpreter with its libraries needs about 120 MiB; the table is 240 MiB.
PEAK_MIB_MAX = 200


def peak_mib(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def test_long_rows_in_one_chunk_do_not_fill_memory(cluster, mysql_server, mysql_database) -> None:
    execute(mysql_server, "CREATE TABLE t (e ENUM('a'), id INT, v MEDIUMTEXT, PRIMARY KEY (e, id))", mysql_database)
    execute(
        mysql_server,
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        f"{ROWS}) SELECT 'a', i, REPEAT(CHAR(97 + i % 26 USING utf8mb4), {ROW_BYTES}) FROM n",
        mysql_database,
    )
    cluster.binlog_worker()
    worker = cluster.snapshot_worker(1, HEADRACE_SINK_BUFFER_MB="16")
    cluster.submit(job(f"{mysql_database}.t"), "long")
    cluster.wait("the job streams", lambda: streaming(cluster, "long"), 180)
    assert cluster.status("long")["chunks_total"] == 1
    assert max(peak_mib(pid) for pid in worker.children()) < PEAK_MIB_MAX
    rows = fold(read_topic(cluster.bootstrap, f"{mysql_database}.t"))
    assert len(rows) == ROWS
    assert {len(value) for value in rows.values()} == {
        len(b'{"e":"a","id":%d,"v":""}' % number) + ROW_BYTES for number in (1, 10, 100)
    }
