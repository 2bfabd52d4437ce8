"""Columns that are left out of a job: by both paths, for readers of all kinds, and loudly where a pattern means nothing."""

from __future__ import annotations

import json

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import read_topic

SECRET = "not-for-kafka"


def test_what_is_left_out_is_nowhere(cluster, mysql_server, mysql_database) -> None:
    db = mysql_database
    execute(
        mysql_server,
        "CREATE TABLE user (id INT PRIMARY KEY, phone VARCHAR(30), name VARCHAR(30), pin VARBINARY(30), shape GEOMETRY);\n"
        f"INSERT INTO user VALUES (1, '{SECRET}1', 'Tom', '{SECRET}', POINT(1, 2)), (2, NULL, 'Jerry', NULL, NULL)",
        db,
    )
    text = job(rf"{db}.\.*", source=f"  columns.exclude: {db}.user.(phone|shape), {db}.\\.*.PIN")
    for wrong, said in (
        (f"{db}.user.fone", "user.fone"),
        (f"{db}.user.id", "user.id"),
        ("user.phone", "does not name"),
    ):
        refused = cluster.cli("submit", "-", "--name", "no", stdin=text.replace(f"{db}.user.(phone|shape)", wrong))
        assert refused.returncode == 2
        assert said in refused.stdout + refused.stderr

    cluster.binlog_worker(), cluster.snapshot_worker(1)
    cluster.submit(text, "less")
    cluster.wait("the job streams", lambda: streaming(cluster, "less"))
    execute(mysql_server, "SET GLOBAL binlog_row_metadata = FULL")
    try:
        execute(
            mysql_server,
            f"INSERT INTO user VALUES (3, '{SECRET}', 'Spike', '{SECRET}', NULL);\nUPDATE user SET phone = '{SECRET}9' WHERE id = 1",
            db,
        )
    finally:
        execute(mysql_server, "SET GLOBAL binlog_row_metadata = DEFAULT")
    execute(mysql_server, "UPDATE user SET name = 'Tim', pin = 'x' WHERE id = 1", db)
    rows = {
        b'{"id":%d}' % n: b'{"id":%d,"name":"%s"}' % (n, name)
        for n, name in ((1, b"Tim"), (2, b"Jerry"), (3, b"Spike"))
    }
    eventually_holds(cluster, f"{db}.user", rows)
    assert not any(
        SECRET.encode() in (value or b"")
        for _, value in read_topic(cluster.bootstrap, f"{db}.user", "read_uncommitted")
    )

    verified = cluster.cli("verify", "less", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    shown = cluster.cli("sql", "less", "SELECT * FROM user WHERE id = 3", "--format", "json")
    assert json.loads(shown.stdout) in ([{"id": 3, "name": "Spike"}], {"id": 3, "name": "Spike"}), (
        shown.stdout + shown.stderr
    )
    statements = cluster.cli("ddl", "less").stdout
    assert "`name`" in statements
    assert not any(f"`{name}`" in statements for name in ("phone", "pin", "shape")), statements

    # By another name it would be copied.
    execute(mysql_server, "ALTER TABLE user RENAME COLUMN phone TO fone", db)
    cluster.wait("the job fails", lambda: cluster.status("less")["state"] == "failed")
    assert "phone is gone, which the job hides, and fone came" in cluster.status("less")["error"]["message"]
    refused = cluster.cli("resume", "less", "--resync")
    cluster.wait("it fails again", lambda: cluster.status("less")["state"] == "failed")
    execute(
        mysql_server,
        "ALTER TABLE user RENAME COLUMN fone TO phone;\nINSERT INTO user (id, name) VALUES (7, 'Butch')",
        db,
    )
    assert cluster.cli("resume", "less").returncode == 0
    rows[b'{"id":7}'] = b'{"id":7,"name":"Butch"}'
    eventually_holds(cluster, f"{db}.user", rows, 60)
    for process in cluster.processes:
        assert not process.says(SECRET)
