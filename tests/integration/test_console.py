"""`scheduler sql` and `scheduler peek` on the topics of a real job, while MySQL changes."""

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from confluent_kafka import Producer

from shared.adapters.kafka.partitions import partition_of
from tests.integration.test_job import ORDER_DW, execute, job, streaming
from tests.plugins.fix_headrace import Cluster
from tests.plugins.fix_servers import REPOSITORY

ORDERS = """
SELECT order_source.key_id AS order_id, value_product AS product, user_source.value_name AS user_name
FROM order_source LEFT JOIN user_source ON order_source.value_user_id = user_source.key_id"""
FEEDBACK = """
SELECT feedback_source.key_id AS feedback_id, value_comment AS comment, user_source.value_name AS user_name
FROM feedback_source LEFT JOIN user_source ON feedback_source.value_user_id = user_source.key_id"""

WIDE_ROWS = 24_000
WIDE = f"""
CREATE TABLE wide (id INT PRIMARY KEY, price DECIMAL(30,10) NOT NULL, raw VARBINARY(9), moment TIMESTAMP(3) NULL,
  kinds SET('x','y'), body TEXT NOT NULL);
INSERT INTO wide SELECT n, n + 0.0000000001, x'00ff', '2026-01-31 09:08:07.123', 'x,y', repeat(sha2(n, 256), 30) FROM (
  WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < {WIDE_ROWS}) SELECT n FROM s) AS t
"""


def sql(cluster: Cluster, *words: str, code: int = 0, stdin: str = "") -> str:
    """What the command prints: its result, or its error."""
    done = cluster.cli("sql", *words, stdin=stdin)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


class Followed:
    """A `scheduler sql --follow` in the background, line by line."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "scheduler", "sql", *words, "--follow"],
            cwd=REPOSITORY, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background inherits SIG_IGN
        )  # fmt: skip
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))

    def take(self, cluster: Cluster, count: int) -> list[str]:
        """The next so many lines, sorted."""
        cluster.wait(f"{count} lines", lambda: len(self._lines) >= count or self.popen.poll() is not None)
        taken, self._lines[:count] = sorted(self._lines[:count]), []
        return taken

    def end(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and what stderr has."""
        self.popen.send_signal(signal.SIGINT)
        code = self.popen.wait(30)
        self._thread.join(10)
        assert self._lines == []
        assert self.popen.stderr is not None
        with self.popen.stderr as stderr:
            return code, stderr.read()


@contextmanager
def followed(cluster: Cluster, *words: str) -> Iterator[Followed]:
    one = Followed(cluster, *words)
    try:
        yield one
    finally:
        if one.popen.poll() is None:
            one.popen.kill()
            one.popen.wait(10)


@pytest.fixture
def console(cluster: Cluster, mysql_server) -> Iterator[Cluster]:
    """A cluster whose job `orders` streams order_dw."""
    execute(mysql_server, "DROP DATABASE IF EXISTS order_dw;\nCREATE DATABASE order_dw")
    execute(mysql_server, "SET SESSION cte_max_recursion_depth = 1000000;\n" + ORDER_DW + ";\n" + WIDE, "order_dw")
    cluster.binlog_worker(), cluster.snapshot_worker()
    cluster.submit(job(r"order_dw.\.*", sink="  sink.topic.partitions: 3"), "orders")
    cluster.wait("the snapshot", lambda: streaming(cluster, "orders"))
    yield cluster
    # Other tests copy tables of the same names.
    done = cluster.cli("cancel", "orders", "--yes", "--delete-topics")
    assert done.returncode == 0, done.stdout + done.stderr
    execute(mysql_server, "DROP DATABASE order_dw")


@pytest.mark.timeout(300)
def test_topics_are_tables_again(console: Cluster, mysql_server, tmp_path: Path) -> None:
    the_joins_answer_in_every_form(console, tmp_path)
    a_prompt_answers(console, tmp_path)
    what_cannot_be_answered_is_told(console)
    a_table_larger_than_the_memory_limit_answers(console, tmp_path)
    changes_are_followed(console, mysql_server)
    a_key_is_looked_at(console)


def the_joins_answer_in_every_form(console: Cluster, tmp_path: Path) -> None:
    orders = [
        {"order_id": 1, "product": "Football", "user_name": "Jerry"},
        {"order_id": 2, "product": "Basket", "user_name": "Tom"},
    ]
    assert objects(sql(console, "orders", ORDERS + " ORDER BY order_id", "--json")) == orders
    table = sql(console, FEEDBACK + " ORDER BY feedback_id;")
    assert table.splitlines()[:1] == ["feedback_id  comment    user_name"]
    assert table.splitlines()[2:] == ["          1  Good.      Tom", "          2  Very good  Jerry", "(2 rows)"]
    text = sql(console, "orders", "--format", "csv", stdin="SELECT * FROM order_dw.order -- of a file\nORDER BY 1 DESC")
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "product", "user_id"],
        ["2", "Basket", "1"],
        ["1", "Football", "2"],
    ]

    parquet, lines = tmp_path / "orders.parquet", tmp_path / "orders.json"
    sql(console, "orders", ORDERS, "--output", str(parquet))
    found = duckdb.sql(f"SELECT * FROM '{parquet}' ORDER BY order_id")
    assert [str(kind) for kind in found.types] == ["BIGINT", "VARCHAR", "VARCHAR"]
    assert found.fetchall() == [tuple(row.values()) for row in orders]
    sql(console, "orders", ORDERS + " ORDER BY 1", "--format", "json", "--output", str(lines))
    assert objects(lines.read_text()) == orders


def a_prompt_answers(console: Cluster, home: Path) -> None:
    ours, its = pty.openpty()
    popen = subprocess.Popen(
        [sys.executable, "-m", "scheduler", "sql", "orders"],
        cwd=REPOSITORY, env=console.environment | {"HOME": str(home), "TERM": "dumb"}, stdin=its, stdout=its, stderr=its,
    )  # fmt: skip
    os.close(its)
    os.write(ours, b"SELECT name || '!' AS shout\nFROM user WHERE id = 1;\n.quit\n")
    seen = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    assert popen.wait(30) == 0
    assert b"Tom!" in seen and b"(1 row)" in seen, seen
    assert "FROM user WHERE id = 1;" in (home / ".headrace_sql_history").read_text()


def what_cannot_be_answered_is_told(console: Cluster) -> None:
    wrong = {
        "SELECT id,\n  nme FROM user": '"nme" not found in FROM clause (line 2, column 3). Hint: Candidate bindings: "name"',
        "SELECT * FROM usr": "There is no table `usr` (line 1, column 15). Hint: Did you mean `user`",
    }
    for text, told in wrong.items():
        error = sql(console, "orders", text, code=2)
        assert told in " ".join(error.split("\n")), error
        assert error.startswith("Error: ") and "Traceback" not in error and "Tom" not in error
    assert "There is no job `ordres`" in sql(console, "ordres", "SELECT 1", code=2)


def a_table_larger_than_the_memory_limit_answers(console: Cluster, tmp_path: Path) -> None:
    """The bodies alone are 46 MB; a sorted copy of all of them passes through as well."""
    query = """
        SELECT count(*) AS rows, sum(price)::VARCHAR AS price, count(DISTINCT body) AS bodies, min(raw) AS raw,
               max(moment) AS moment, any_value(kinds) AS kinds FROM wide"""
    found = objects(sql(console, "orders", query, "--json", "--memory-limit", "40MB", "--spill-dir", str(tmp_path)))
    price = f"{WIDE_ROWS * (WIDE_ROWS + 1) // 2}.{WIDE_ROWS:010d}"
    at = "2026-01-31 09:08:07.123+00"
    assert found == [
        {"rows": WIDE_ROWS, "price": price, "bodies": WIDE_ROWS, "raw": "AP8=", "moment": at, "kinds": ["x", "y"]}
    ]
    assert list(tmp_path.glob("headrace-sql-*")) == []


def changes_are_followed(console: Cluster, mysql_server) -> None:
    plain = "SELECT id, name FROM user WHERE name <> 'Nobody'"
    with followed(console, "orders", plain) as users, followed(console, ORDERS, "--format", "json") as orders:
        assert users.take(console, 2) == ["+I[1, Tom]", "+I[2, Jerry]"]
        assert {json.loads(line)["op"] for line in orders.take(console, 2)} == {"+I"}
        execute(
            mysql_server,
            "INSERT INTO user VALUES (3, 'Spike'), (4, 'Nobody');\nUPDATE user SET name = 'Jerome' WHERE id = 2;\n"
            "DELETE FROM `order` WHERE id = 2",
            "order_dw",
        )
        assert users.take(console, 3) == ["+I[3, Spike]", "+U[2, Jerome]", "-U[2, Jerry]"]
        row = {"order_id": 1, "product": "Football"}
        assert [json.loads(line) for line in orders.take(console, 3)] == [
            {"op": "+U", "row": {**row, "user_name": "Jerome"}},
            {"op": "-D", "row": {"order_id": 2, "product": "Basket", "user_name": "Tom"}},
            {"op": "-U", "row": {**row, "user_name": "Jerry"}},
        ]
        execute(
            mysql_server, "UPDATE user SET name = 'Nobody' WHERE id = 3;\nDELETE FROM user WHERE id = 1", "order_dw"
        )
        assert users.take(console, 2) == ["-D[1, Tom]", "-D[3, Spike]"]
        assert users.end() == (130, "")
        assert orders.end() == (130, "")


def a_key_is_looked_at(console: Cluster) -> None:
    def peek(*words: str, code: int = 0) -> dict:
        done = console.cli("peek", *words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    found = peek("order_dw.user", "--key", "id=2")
    assert found["key"] == {"id": 2} and found["messages"] == 2
    assert [message["value"]["name"] for message in found["history"]] == ["Jerry", "Jerome"]
    assert found["partitions_read"] == [found["partition"]], "only the key's partition is read"
    assert found["last"]["offset"] > found["history"][0]["offset"]
    gone = peek("order_dw.user", "--key", '{"id": 1}', "--history", "1")
    assert (gone["messages"], gone["last"]["deleted"], len(gone["history"])) == (2, True, 1)
    assert peek("order_dw.user", "--key", "id=99", code=1)["partitions_read"] == [0, 1, 2]

    # Somebody's partitioner put the key elsewhere: it is found all the same.
    producer = Producer({"bootstrap.servers": console.bootstrap})
    other = (found["partition"] + 1) % 3
    producer.produce("order_dw.user", key=b'{"id":2}', value=b"no json", partition=other)
    producer.produce("order_dw.user", key=b'{"id": 77}', value=b"no json", partition=other)
    assert producer.flush(30) == 0
    assert peek("order_dw.user", "--key", "id=2")["last"]["value"] == {"id": 2, "name": "Jerome"}
    found = peek("order_dw.user", "--key", "id=77")
    assert (found["messages"], found["partition"], found["last"]["value"]) == (1, other, "no json")
    assert found["partitions_read"] == [0, 1, 2] or other == partition_of(b'{"id":77}', 3)
    shown = console.cli("peek", "order_dw.user", "--key", "id=1")
    assert "deleted (tombstone)" in shown.stdout and '{"id":1,"name":"Tom"}' in shown.stdout
    wrong = console.cli("peek", "order_dw.user", "--key", "name=Tom")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "The key of order_dw.user is id" in wrong.stderr
