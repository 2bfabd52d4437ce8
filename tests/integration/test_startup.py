"""`scan.startup.mode`: from where a job follows the binlog, and a job that ends when its tables are copied."""

from __future__ import annotations

import time

import pytest

from tests.integration.test_job import eventually_holds, execute, job, streaming
from tests.integration.test_without_gtids import LOCKS, OPTIONS
from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import root_connection

#: What `past.t` has been through: columns of one type that changed places, and one that came later.
PAST = r"""
CREATE DATABASE past;
USE past;
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 10, 100), (2, 20, 200);
ALTER TABLE t MODIFY COLUMN a INT AFTER b;
INSERT INTO t VALUES (3, 300, 30);
ALTER TABLE t ADD COLUMN c INT;
INSERT INTO t VALUES (4, 400, 40, 4);
DELETE FROM t WHERE id = 2;
CREATE TABLE plain (id INT PRIMARY KEY, v INT);
INSERT INTO plain VALUES (1, 1), (2, 2), (3, 3);
DELETE FROM plain WHERE id = 3;
CREATE TABLE emptied (id INT PRIMARY KEY, v INT);
INSERT INTO emptied VALUES (1, 1), (2, 2);
TRUNCATE TABLE emptied;
INSERT INTO emptied VALUES (2, 22);
CREATE TABLE gone (id INT PRIMARY KEY);
INSERT INTO gone VALUES (1);
DROP TABLE gone"""

T = {
    b'{"id":1}': b'{"id":1,"b":100,"a":10,"c":null}',
    b'{"id":3}': b'{"id":3,"b":300,"a":30,"c":null}',
    b'{"id":4}': b'{"id":4,"b":400,"a":40,"c":4}',
}


def plain(**rows: int) -> dict[bytes, bytes]:
    return {b'{"id":%d}' % int(k[1:]): b'{"id":%d,"v":%d}' % (int(k[1:]), v) for k, v in rows.items()}


def executed(server) -> str:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        return cursor.fetchone()[0].replace("\n", "")


def startup(mode: str, route: str, gtids: str = "", **more: object) -> str:
    source = f"  scan.startup.mode: {mode}\n"
    source += f"  scan.startup.specific-offset.gtid-set: {gtids}\n" if gtids else ""
    names = {"file": "specific-offset.file", "pos": "specific-offset.pos", "millis": "timestamp-millis"}
    source += "".join(f"  scan.startup.{names[name]}: {value}\n" for name, value in more.items())
    rule = f"route:\n  - source-table: past.\\.*\n    sink-table: startup_{route}.<>\n    replace-symbol: <>"
    return job(r"past.\.*", source, rule)


@pytest.fixture
def past(throwaway_mysql, cluster):
    """A server of its own, whose binlog is short, and of which the beginning is deleted."""
    server = throwaway_mysql()
    execute(server, "CREATE DATABASE lost;\nFLUSH BINARY LOGS;\nPURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
    execute(server, PAST)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    cluster.binlog_worker()
    cluster.snapshot_worker(2)
    return server


def topic(cluster, name: str) -> list[tuple[bytes, bytes | None]]:
    return read_topic(cluster.bootstrap, name)


def test_a_job_begins_where_it_is_told_to(cluster, past) -> None:
    before = executed(past)
    execute(past, "INSERT INTO past.plain VALUES (5, 5);\nUPDATE past.plain SET v = 11 WHERE id = 1")
    for name, mode, gtids in (("early", "earliest-offset", ""), ("given", "specific-offset", before)):
        cluster.submit(startup(mode, name, gtids), name)
    cluster.submit(startup("latest-offset", "late"), "late")
    for name in ("early", "given", "late"):
        cluster.wait(f"{name} streams", lambda name=name: streaming(cluster, name))
    execute(past, "INSERT INTO past.plain VALUES (6, 6)")

    eventually_holds(cluster, "startup_late.plain", plain(_6=6))
    eventually_holds(cluster, "startup_given.plain", plain(_1=11, _5=5, _6=6))
    assert topic(cluster, "startup_given.t") == []
    eventually_holds(cluster, "startup_early.plain", plain(_1=11, _2=2, _5=5, _6=6))
    # Rows that had other columns than the table has now are not guessed at: such a table is copied.
    eventually_holds(cluster, "startup_early.t", T)
    eventually_holds(cluster, "startup_early.emptied", plain(_2=22))
    assert (b'{"id":3}', None) in topic(cluster, "startup_early.plain"), "it was copied, not followed"

    # It goes on from where it stands, as any job.
    assert cluster.cli("pause", "late").returncode == 0
    cluster.wait("the job stands still", lambda: not cluster.status("late")["leader"])
    execute(past, "UPDATE past.plain SET v = 66 WHERE id = 6;\nDELETE FROM past.plain WHERE id = 2")
    assert cluster.cli("resume", "late").returncode == 0
    eventually_holds(cluster, "startup_late.plain", plain(_6=66))


def test_a_position_that_would_leave_out_changes_is_refused(cluster, past, tmp_path) -> None:
    uuid, _, numbers = executed(past).partition(":")
    last = int(numbers.rpartition("-")[2])
    cases = {
        f"{uuid}:1-{last + 5}": f"holds 5 transactions ({uuid}:{last + 1}-{last + 5}), which the server has not executed",
        f"{uuid}:2-{last}": f"lacks 1 transaction ({uuid}:1), whose binlogs the server has deleted",
    }
    for number, (gtids, sentence) in enumerate(cases.items()):
        file = tmp_path / f"job{number}.yaml"
        file.write_text(startup("specific-offset", "refused", gtids))
        done = cluster.cli("submit", str(file))
        assert done.returncode == 2
        assert sentence in " ".join(done.stdout.split()), done.stdout
        assert "source.scan.startup.specific-offset.gtid-set" in done.stdout + done.stderr


def asked(server, sql: str) -> tuple:
    with root_connection(server) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


@pytest.mark.parametrize("options", [(), OPTIONS], ids=["gtids", "places"])
def test_a_job_begins_at_a_place_or_a_moment(cluster, throwaway_mysql, tmp_path, options) -> None:
    server = throwaway_mysql(*options)
    cluster.environment |= {"HEADRACE_VAR_PORT": str(server.port)}
    execute(server, f"{LOCKS};\nCREATE DATABASE past;\nCREATE TABLE past.plain (id INT PRIMARY KEY, v INT)")
    execute(server, "INSERT INTO past.plain VALUES (1, 1);\nFLUSH BINARY LOGS;\nINSERT INTO past.plain VALUES (2, 2)")
    file, pos = asked(server, "SHOW BINARY LOG STATUS")[:2]
    execute(server, "INSERT INTO past.plain VALUES (3, 3);\nFLUSH BINARY LOGS")
    time.sleep(0.05)
    millis = int(asked(server, "SELECT FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000)")[0])
    time.sleep(0.05)
    execute(server, "INSERT INTO past.plain VALUES (4, 4);\nFLUSH BINARY LOGS;\nINSERT INTO past.plain VALUES (5, 5)")
    kind = "places" if options else "gtids"
    jobs = {
        f"place_{kind}": (startup("specific-offset", f"place_{kind}", file=file, pos=pos), plain(_3=3, _4=4, _5=5)),
        f"moment_{kind}": (startup("timestamp", f"moment_{kind}", millis=millis), plain(_4=4, _5=5)),
        f"ever_{kind}": (startup("timestamp", f"ever_{kind}", millis=1), plain(_1=1, _2=2, _3=3, _4=4, _5=5)),
    }
    if not options:  # by GTIDs it need not be where a transaction ends
        jobs["midst"] = (startup("specific-offset", "midst", file=file, pos=pos + 100), plain(_3=3, _4=4, _5=5))
    worker = cluster.binlog_worker()
    for name, (text, _) in jobs.items():
        cluster.submit(text, name)
    for name, (_, rows) in jobs.items():
        eventually_holds(cluster, f"startup_{name}.plain", rows, 60)
    assert not worker.says("tenure_failed")

    execute(server, f"PURGE BINARY LOGS TO '{file}'")
    refusals = {
        "it has from": startup("specific-offset", "no", file="binlog.000001", pos=4),
        "before 99999": startup("specific-offset", "no", file=file, pos=99_999),
        "has yet to come": startup("timestamp", "no", millis=millis + 86_400_000),
    }
    for sentence, text in refusals.items():
        (tmp_path / "job.yaml").write_text(text)
        done = cluster.cli("submit", str(tmp_path / "job.yaml"))
        assert done.returncode == 2
        assert sentence in " ".join(done.stdout.split()), done.stdout
    cluster.submit(startup("timestamp", f"gone_{kind}", millis=1), f"gone_{kind}")
    cluster.wait("it is refused", lambda: cluster.status(f"gone_{kind}")["error"])
    assert "what was before is deleted" in cluster.status(f"gone_{kind}")["error"]["message"]


def test_a_job_that_only_copies_is_finished_when_it_has(cluster, past, tmp_path) -> None:
    file = tmp_path / "copy.yaml"
    file.write_text(startup("snapshot", "copy"))
    done = cluster.cli("submit", str(file), "--wait")
    assert done.returncode == 0, done.stderr
    assert "Job copy is finished: 6 rows in 3 topics." in done.stderr
    assert fold(topic(cluster, "startup_copy.t")) == T
    assert fold(topic(cluster, "startup_copy.plain")) == plain(_1=1, _2=2)

    status = cluster.status("copy")
    assert (status["state"], status["error"]) == ("finished", None)
    cluster.wait("nobody leads it", lambda: not cluster.status("copy")["leader"])
    execute(past, "INSERT INTO past.plain VALUES (7, 7);\nDELETE FROM past.plain WHERE id = 1")
    for verb in ("pause", "resume"):
        refused = cluster.cli(verb, "copy")
        assert refused.returncode == 2
        assert "is finished" in refused.stderr
    assert "is finished" in cluster.cli("submit", str(file)).stderr
    compared = cluster.cli("verify", "copy", "--table", "past.plain")
    assert compared.returncode != 0
    assert "finished" in compared.stdout + compared.stderr

    assert cluster.cli("resume", "copy", "--resync").returncode == 0
    cluster.wait("it has copied again", lambda: cluster.status("copy")["state"] == "finished")
    assert fold(topic(cluster, "startup_copy.plain")) == plain(_2=2, _7=7)
    assert cluster.cli("cancel", "copy", "--delete-topics", "--yes").returncode == 0
