"""`scan.snapshot.filters`: rows that the snapshot leaves out, and changes of them that arrive all the same."""

from __future__ import annotations

from tests.integration.test_job import eventually_holds, execute, job, streaming


def test_the_snapshot_leaves_out_rows_and_the_stream_does_not(cluster, mysql_server, mysql_database) -> None:
    db = mysql_database
    execute(
        mysql_server,
        "CREATE TABLE t (id INT PRIMARY KEY, v INT);\n"
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT i, i % 4 FROM n;\n"
        "CREATE TABLE whole (id INT PRIMARY KEY, v INT);\nINSERT INTO whole VALUES (1, 0), (2, 1)",
        db,
    )
    source = f"  scan.incremental.snapshot.chunk.size: 100\n  scan.snapshot.filters: {db}.t:v = 0 OR v = ';'"
    text = job(rf"{db}.\.*", source=source)
    for wrong, said in (
        ("v = 0) OR (1 = 1", "is no condition"),
        ("nothing = 0", "nothing"),
        (f"v = 0; {db}.\\.*:v = 1", "Several filters"),
        (f"v = 0; {db}.u:v = 1", "means no table"),
        ("'", "quote"),
    ):
        refused = cluster.cli("submit", "-", "--name", "no", stdin=text.replace("v = 0 OR v = ';'", wrong))
        assert refused.returncode == 2, wrong
        assert said in " ".join((refused.stdout + refused.stderr).split()), wrong

    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(text, "some")
    cluster.wait("the job streams", lambda: streaming(cluster, "some"))
    rows = {b'{"id":%d}' % n: b'{"id":%d,"v":0}' % n for n in range(4, 401, 4)}
    eventually_holds(cluster, f"{db}.t", rows)
    eventually_holds(cluster, f"{db}.whole", {b'{"id":1}': b'{"id":1,"v":0}', b'{"id":2}': b'{"id":2,"v":1}'})

    execute(
        mysql_server,
        "UPDATE t SET v = 9 WHERE id IN (1, 4);\nINSERT INTO t VALUES (1001, 3);\nDELETE FROM t WHERE id = 8",
        db,
    )
    rows |= {b'{"id":%d}' % n: b'{"id":%d,"v":%d}' % (n, v) for n, v in ((1, 9), (4, 9), (1001, 3))}
    del rows[b'{"id":8}']
    eventually_holds(cluster, f"{db}.t", rows)
    verified = cluster.cli("verify", "some")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert cluster.cli("resync", "some", f"{db}.t").returncode == 0
    eventually_holds(cluster, f"{db}.t", rows)

    # A table that is copied again: of what the filter leaves out, rows that the topic has are written as they are now.
    execute(mysql_server, "ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 5", db)
    rows = {key: value[:-1] + b',"w":5}' for key, value in rows.items()}
    eventually_holds(cluster, f"{db}.t", rows, 60)
