"""What a worker shows to Prometheus is what happened, in all of its processes; and what it logs is JSON."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.runtime import exposition, metrics
from shared.runtime.exposition import Children, Port
from shared.settings import Settings
from tests.integration.test_job import execute, job
from tests.plugins.fix_headrace import REPOSITORY, Cluster, Process, read_topic
from tests.plugins.fix_servers import free_ports

Figures = dict[tuple[str, ...], float]


def scrape(*ports: int) -> Figures:
    """All figures of these workers added up, by name and the values of labels, in the order of the labels' names."""
    found: Figures = {}
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = (sample.name.removeprefix("headrace_"), *sample.labels.values())
                found[name] = found.get(name, 0.0) + sample.value
    return found


def served(port: int) -> bool:
    """False while the worker is starting."""
    try:
        return bool(scrape(port))
    except urllib.error.URLError:
        return False


def sizes(cluster: Cluster, topic: str) -> list[int]:
    """The bytes of each message of a topic."""
    return [len(key) + len(value or b"") for key, value in read_topic(cluster.bootstrap, topic)]


def of(figures: Figures, *name: str) -> float:
    """0 for what was not counted yet."""
    return figures.get(name, 0.0)


def lines(process: Process) -> list[dict]:
    """All that a process and its children said; each line is JSON."""
    return [json.loads(line) for line in process.log.read_text().splitlines()]


def test_the_metrics_of_a_job_are_what_happened(cluster: Cluster, mysql_server, mysql_database: str) -> None:
    db = mysql_database
    execute(
        mysql_server,
        "CREATE TABLE small (id INT PRIMARY KEY, v VARCHAR(20));\nINSERT INTO small VALUES (1, 'é'), (2, 'b'), (3, NULL);\n"
        "CREATE TABLE big (id INT PRIMARY KEY, v INT);\n"
        "INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) SELECT i, i FROM n",
        db,
    )
    ports = free_ports(2)
    cluster.environment |= {"HEADRACE_LOG_FORMAT": "json"}
    leading = cluster.binlog_worker(HEADRACE_METRICS_PORT=str(ports[0]))
    copying = cluster.snapshot_worker(2, HEADRACE_METRICS_PORT=str(ports[1]))
    text = job(rf"{db}.\.*", source="  scan.incremental.snapshot.chunk.size: 100")
    cluster.submit(f"{text}\npipeline:\n  schema.change.behavior: EXCEPTION\n", "j")
    cluster.wait("the metrics are served", lambda: all(map(served, ports)))
    cluster.wait("the snapshot", lambda: of(scrape(*ports), "tables", "j", "live") == 2)
    cluster.wait("the binlog's end", lambda: scrape(*ports)["lag_bytes", "j"] == 0)

    found = scrape(*ports)
    assert found["build_info", *version_and_codec(found)] == 2
    assert found["rows_total", "j", "snapshot", f"{db}.small"] == 3
    assert found["rows_total", "j", "snapshot", f"{db}.big"] == 250
    for table in ("small", "big"):
        assert found["bytes_total", "j", "snapshot", f"{db}.{table}"] == sum(sizes(cluster, f"{db}.{table}"))
    chunks = 4  # 100, 100 and 50 rows, and the small table
    assert {name[2]: count for name, count in found.items() if name[0] == "chunks"} == {
        "waiting": 0, "claimed": 0, "read": 0, "draining": 0, "released": chunks
    }  # fmt: skip
    assert found["snapshot_rows", "j"] == found["snapshot_rows_estimate", "j"] == 253
    attempts = found["attempts_total", "j", "read"]
    assert 2 <= attempts <= chunks
    assert found["attempt_seconds_count", "j"] == found["commit_seconds_count", "j", "snapshot"] == attempts
    assert found["admission_seconds_count", "j"] == attempts
    assert 0 < found["admission_seconds_sum", "j"] < found["attempt_seconds_sum", "j"] + 60
    assert [found[name, "j"] for name in ("lag_bytes", "lag_seconds", "held_events", "readers", "leading")] == [
        0,
        0,
        0,
        0,
        1,
    ]
    assert (found["throttled", "j"], ("binlog_loss_seconds", "j") in found) == (0, False)
    assert (found["job_state", "j", "running"], found["takeovers_total", "j"], found["fences_total", "j"]) == (1, 0, 0)
    open_now = {name[2]: count for name, count in found.items() if name[0] == "mysql_connections"}
    assert open_now == {"binlog": 1, "leader": 1, "replica": 0, "snapshot": 0, "split": 0}
    assert found["mysql_connections_opened_total", "j", "snapshot"] == attempts
    # Each attempt asks at least once whether MySQL has executed P.
    assert found["mysql_rows_total", "j", "snapshot"] >= 253 + attempts
    assert found["mysql_queries_total", "j", "snapshot"] >= chunks + attempts
    assert found["mysql_received_bytes_total", "j", "binlog"] > 0

    execute(
        mysql_server,
        "START TRANSACTION;\nINSERT INTO small VALUES (4, 'd'), (5, 'e');\nUPDATE small SET id = 9 WHERE id = 1;\n"
        "DELETE FROM small WHERE id = 2;\nCOMMIT",
        db,
    )
    changes = ("j", "stream", f"{db}.small")  # two inserts, a changed key as two messages, a delete
    cluster.wait("the changes", lambda: of(scrape(*ports), "rows_total", *changes) == 5)
    found = scrape(*ports)
    copied = found["bytes_total", "j", "snapshot", f"{db}.small"]
    assert found["bytes_total", *changes] == sum(sizes(cluster, f"{db}.small")) - copied
    assert found["commit_seconds_count", "j", "stream"] >= 1

    (child,) = leading.children()
    os.kill(child, signal.SIGKILL)
    cluster.wait("another tenure", lambda: of(scrape(*ports), "takeovers_total", "j") == 1)
    cluster.wait("its figures", lambda: ("lag_bytes", "j") in scrape(*ports))
    found = scrape(*ports)
    assert found["errors_total", "j", "ChildDied"] == 1
    assert found["rows_total", *changes] == 5, "what the dead leader had counted stays"
    assert found["mysql_connections", "j", "binlog"] == 1

    execute(mysql_server, "ALTER TABLE small ADD COLUMN w INT;\nINSERT INTO small VALUES (7, 'g', 7)", db)
    cluster.wait("the job fails", lambda: ("job_state", "j", "failed") in scrape(*ports))
    cluster.wait("its leader's gauges go", lambda: ("leading", "j") not in scrape(*ports))
    found = scrape(*ports)
    assert found["errors_total", "j", "SchemaChanged"] == 1
    gauges = {name for name, one in metrics.DECLARED.items() if one.type == "gauge"}
    shown = {name[0] for name in found if f"headrace_{name[0]}" in gauges and name[1] == "j"}
    assert shown == {"job_state", "mysql_connections"}
    assert found["errors_total", "j", "ChildDied"] == 1, "a leader that ends by itself ends well"
    assert cluster.cli("cancel", "j", "--yes").returncode == 0
    cluster.wait("it is forgotten", lambda: not any(name[:2] == ("job_state", "j") for name in scrape(*ports)))

    check_logs(leading, copying, db, mysql_server.password)


def version_and_codec(found: Figures) -> tuple[str, ...]:
    (name,) = [name for name in found if name[0] == "build_info"]
    return name[1:]


def check_logs(leading: Process, copying: Process, database: str, password: str) -> None:
    begins = [line for line in lines(leading) if line["event"] == "tenure_begins"]
    assert [(line["job"], line["epoch"]) for line in begins] == [("j", 1), ("j", 2)]
    assert all(":" in line["gtid"] for line in begins)
    (failed,) = [line for line in lines(leading) if line["event"] == "tenure_failed"]
    assert (failed["job"], failed["error"], failed["level"]) == ("j", "SchemaChanged", "error")
    reads = [line for line in lines(copying) if line["event"] == "chunk_read"]
    assert {line["table"] for line in reads if "table" in line} >= {f"{database}.big"}
    assert all(line["job"] == "j" and line["chunk"].startswith(f"{database}.") for line in reads)
    assert sum(line["rows"] for line in reads) == 253
    assert {line["logger"].partition(".")[0] for line in lines(copying)} >= {"headrace", "celery"}
    for process in (leading, copying):
        assert not process.says(password)


def test_a_session_costs_what_mysql_says_that_it_costs(mysql_server) -> None:
    cost = Cost()
    target = MysqlTarget(mysql_server.host, mysql_server.port, mysql_server.user, mysql_server.password)

    def said(session: Session, name: str) -> int:
        return int(session.query(f"SHOW SESSION STATUS LIKE '{name}'")[0][1] or 0)

    with Session(target, "cost", cost) as session:
        assert (cost.connections, cost.opened) == (1, 1)
        assert len(session.query("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")) == 3
        assert len(session.named("SELECT 4 AS four")) == 1
        assert cost.rows == 4
        assert said(session, "Questions") == cost.queries
        assert cost.received_bytes == said(session, "Bytes_sent")
        session.scalar("SELECT REPEAT('x', 100000)")
        assert cost.received_bytes == said(session, "Bytes_sent")
    assert (cost.connections, cost.opened) == (0, 1)


# One port for several processes.

CHILD = """
import sys
from shared.runtime import metrics
from shared.runtime.exposition import Membership

with Membership(sys.argv[1]):
    metrics.FENCES.labels("j").inc(2)
    metrics.READERS.labels("j").set(1)
    print("counted", flush=True)
    sys.stdin.readline()
    metrics.FENCES.labels("j").inc(3)
"""


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


@pytest.fixture
def child(children: Children) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts a child process that has counted 2 fences and a reader; it counts 3 more and ends when it is told to."""
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", CHILD, children.address]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def fences_and_readers(children: Children) -> tuple[float, float]:
    found = {name: value for (name, _), value in children.samples().items()}
    return found.get("headrace_fences_total", 0), found.get("headrace_readers", 0)


def eventually(children: Children, expected: tuple[float, float]) -> None:
    deadline = time.monotonic() + 10
    while fences_and_readers(children) != expected:
        assert time.monotonic() < deadline, fences_and_readers(children)
        time.sleep(0.02)


def test_children_add_up_and_what_they_counted_outlives_them(children: Children, child) -> None:
    first, second = child(), child()
    eventually(children, (4, 2))
    first.communicate("\n")
    eventually(children, (7, 1))  # it told everything when it left
    second.kill()
    eventually(children, (7, 0))


def test_a_child_that_hangs_has_no_gauges_and_holds_nobody_up(children: Children, child, monkeypatch) -> None:
    hanging, _ = child(), child()
    eventually(children, (4, 2))
    monkeypatch.setattr(exposition, "_PATIENCE_SECONDS", 0.5)
    os.kill(hanging.pid, signal.SIGSTOP)
    for _ in range(2):  # it is asked once only, and answers later
        eventually(children, (4, 1))
    os.kill(hanging.pid, signal.SIGCONT)
    eventually(children, (4, 2))


def test_a_port_that_is_taken_stops_nothing_and_is_served_when_it_is_free(monkeypatch, capsys) -> None:
    monkeypatch.setattr(exposition, "_RETRY_SECONDS", 0.05)
    (number,) = free_ports(1)
    settings = Settings(metrics_port=number)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", number))
        other.listen()
        port = Port(settings)
        port.open()
        assert "metrics_not_served" in capsys.readouterr().out
    deadline = time.monotonic() + 10
    while True:
        try:
            found = scrape(number)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert isinstance(found, dict)
    port.close()
    with pytest.raises(OSError, match="refused"):
        scrape(number)
