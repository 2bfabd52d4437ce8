"""The preflight and the whole path on MySQL 8.0.12: what a job does on the newest server it does on this one."""

import json
from collections.abc import Iterator

import pytest
from headrace_local.mysql80 import Mysql80Server

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.plugins.fix_headrace import Cluster, fold, read_topic

#: Among them what only this server calls otherwise: the charset utf8mb3, and YEAR with a width.
CREATE = """
CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8, y YEAR, u INT UNSIGNED, v INT NOT NULL);
INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
 SELECT i, CONCAT('é', i), 2000 + i % 100, 4294967295 - i, 0 FROM n;
CREATE TABLE word (w VARCHAR(30) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, v INT);
INSERT INTO word SELECT CONCAT(IF(id % 2, 'É', 'e'), id), id FROM t
"""
SMALL = "  scan.incremental.snapshot.chunk.size: 100"


@pytest.fixture
def database(mysql80_server: Mysql80Server) -> Iterator[str]:
    execute(mysql80_server, "DROP DATABASE IF EXISTS early;\nCREATE DATABASE early")
    execute(mysql80_server, CREATE, "early")
    yield "early"
    execute(mysql80_server, "DROP DATABASE early")


def test_a_job_is_checked_copied_followed_and_taken_over(
    cluster: Cluster, mysql80_server: Mysql80Server, database: str
) -> None:
    cluster.environment["HEADRACE_VAR_PORT"] = str(mysql80_server.port)
    text = job(rf"{database}.\.*", source=SMALL) + "pipeline:\n  name: early\n"
    checked = cluster.cli("check", "-", "--json", stdin=text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    findings = json.loads(checked.stdout)["findings"]
    assert [f["subject"] for f in findings if not f["ok"]] == []
    workers = [cluster.binlog_worker(), cluster.binlog_worker()]
    cluster.snapshot_worker(2)
    cluster.submit(text, "early")
    execute(
        mysql80_server,
        "UPDATE t SET v = v + 1 WHERE id % 7 = 0;\nDELETE FROM t WHERE id % 50 = 1;\n"
        "UPDATE word SET w = UPPER(w) WHERE v % 3 = 0;\nINSERT INTO t VALUES (5000, NULL, 0, 4294967295, -1)",
        database,
    )
    cluster.wait("the job streams", lambda: streaming(cluster, "early"))
    leading = next(worker for worker in workers if worker.says("tenure_begins"))
    standby = next(worker for worker in workers if worker is not leading)
    leading.kill()
    execute(mysql80_server, "UPDATE t SET v = v + 10 WHERE id % 5 = 0;\nDELETE FROM word WHERE v = 7", database)
    cluster.wait("the standby leads", lambda: standby.says("tenure_begins"), 30)
    expected = {f'{{"id":{number}}}'.encode(): row_of(number) for number in [*range(1, 901), 5000] if number % 50 != 1}
    eventually_holds(cluster, f"{database}.t", expected, 60)
    words = fold(read_topic(cluster.bootstrap, f"{database}.word"))
    assert len(words) == 899
    assert words['{"w":"É3"}'.encode()] == '{"w":"É3","v":3}'.encode()
    assert words[b'{"w":"E6"}'] == b'{"w":"E6","v":6}'
    assert b'{"w":"e6"}' not in words
    assert not any(worker.says("tenure_failed") for worker in workers)


def row_of(number: int) -> bytes:
    if number == 5000:
        return b'{"id":5000,"name":null,"y":0,"u":4294967295,"v":9}'
    changed = (number % 7 == 0) + 10 * (number % 5 == 0)
    text = f'{{"id":{number},"name":"é{number}","y":{2000 + number % 100},"u":{4294967295 - number},"v":{changed}}}'
    return text.encode()
