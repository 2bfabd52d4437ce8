"""`scheduler sql` and `scheduler peek` without servers: what words mean, which jobs are asked, how a conversation goes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from scheduler.cli.output import Output
from scheduler.cli.prompt import Prompt
from shared.adapters.duckdb.engine import Engine
from shared.errors import SinkRefused, Unavailable
from shared.model.job import Desire, End, Outcome
from shared.model.label import PLAIN
from tests.unit.cli.fake_world import JOB, FakeWorld, job, one_json, stored_state, table_record
from tests.unit.console.topics_lab import Lab, MemoryTopic, column, source


class ConsoleWorld(FakeWorld):
    """Two rows in order_dw.user of the job `orders`."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.add("orders", table_record("user", split_done=True), table_record("order", split_done=True))

    def add(self, name, *records, **changes) -> None:
        self.records.put(job(name, **changes))
        self.states[name] = stored_state(*records)

    def partitions(self, options, topic):
        return [0]

    def open_topic(self, options, topic, partitions=None, label=PLAIN):
        self.opened.append(topic)
        made = MemoryTopic()
        if topic == "order_dw.user":
            made.send(('{"id":1}', '{"id":1}'), ('{"id":2}', '{"id":2}'))
        return made


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["orders", "SELECT count(*) AS n FROM user"], ""),
        (["SELECT count(*) AS n FROM user"], ""),
        (["orders"], "SELECT count(*) AS n\nFROM user;\n"),
        ([], "SELECT count(*) AS n FROM order_dw.user"),
    ],
)
def test_a_query_comes_as_a_word_or_by_stdin(words, stdin) -> None:
    world = ConsoleWorld()
    done = world.run("sql", *words, "--json", stdin=stdin)
    assert (done.exit_code, one_json(done.stdout), done.stderr) == (0, {"n": 2}, "")
    assert world.opened == ["order_dw.user"]


@pytest.mark.parametrize(
    "words",
    [
        ["a", "b", "c"],
        ["SELECT 1", "--json", "--format", "csv"],
        ["SELECT 1", "--format", "parquet"],
        ["SELECT 1", "--follow", "--output", "x.csv"],
        ["SELECT 1", "--spill-dir", "no-such-folder"],
        ["SELECT 1", "--memory-limit", "much"],
    ],
)
def test_words_that_contradict_each_other(words, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    done = ConsoleWorld().run("sql", *words)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_duckdb_the_extra_is_named_before_anything_is_looked_up(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    world = ConsoleWorld()
    world.registry_error = Unavailable("must not be asked")
    done = world.run("sql", "SELECT 1", "--json")
    error = one_json(done.stderr)
    assert (done.exit_code, error["error"]["name"]) == (2, "ExtraMissing")
    assert "headrace[sql]" in error["error"]["hint"]


def test_jobs_that_cannot_be_looked_at_are_told_and_the_others_answer() -> None:
    world = ConsoleWorld()
    world.add("gone", table_record("feedback"), desire=Desire.CANCELLED)
    world.records.put(Outcome("gone", 1, End.CANCELLED))
    world.records.put(job("closed"))
    world.states["closed"] = SinkRefused("The topic is closed to us.")
    done = world.run("sql", "SELECT count(*) FROM user")
    assert (done.exit_code, done.stdout.splitlines()[2:]) == (0, ["           2", "(1 row)"])
    assert "Job closed is left out. The topic is closed to us." in done.stderr
    assert world.run("sql", "SELECT * FROM feedback").exit_code == 2
    assert world.run("sql", "closed", "SELECT 1").exit_code == 1
    world.states["orders"] = None
    nothing = world.run("sql", "orders", "SELECT 1")
    assert nothing.exit_code == 2 and "Job `orders` has no tables yet" in nothing.stderr


def test_tables_of_several_jobs_and_tables_that_are_being_copied_are_told() -> None:
    world = ConsoleWorld()
    world.add("second", table_record("user", split_done=False))
    done = world.run("sql", "SELECT * FROM user")
    assert done.exit_code == 2 and "copied by several jobs (line 1, column 15): orders, second" in done.stderr
    half = world.run("sql", "second", "SELECT id FROM user ORDER BY 1", "--format", "csv")
    assert half.stdout == "id\n1\n2\n"
    assert "Table order_dw.user is still being copied" in half.stderr


def test_a_job_is_read_as_its_format_options_say(tmp_path) -> None:
    world = ConsoleWorld()
    text = JOB.replace(
        "type: upsert-kafka", "type: upsert-kafka\n  value.fields-include: EXCEPT_KEY\n  binary.encoding: '#{enc}'"
    )
    world.records.put(job("orders", text=text, revision=2))
    refused = world.run("sql", "orders", "SELECT 1")
    assert refused.exit_code == 2 and "enc" in refused.stderr
    world.environment = {**world.environment, "HEADRACE_VAR_ENC": "base65"}
    wrong = world.run("sql", "orders", "SELECT 1")
    assert wrong.exit_code == 2 and "sink.binary.encoding" in wrong.stderr and "base65" not in wrong.stderr
    world.environment = {**world.environment, "HEADRACE_VAR_ENC": "hex"}
    assert one_json(world.run("sql", "orders", "FROM user_source LIMIT 1", "--json").stdout) == {"key_id": 1}


def test_files(tmp_path: Path) -> None:
    world = ConsoleWorld()
    for name, form in (("a.csv", "csv"), ("a.json", "json"), ("a.txt", "table")):
        done = world.run("sql", "SELECT id FROM user ORDER BY id", "--format", form, "--output", str(tmp_path / name))
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr.startswith(f"Wrote 2 rows to {tmp_path}")
    assert (tmp_path / "a.csv").read_text() == "id\n1\n2\n"
    assert (tmp_path / "a.json").read_text() == '{"id":1}\n{"id":2}\n'
    assert (tmp_path / "a.txt").read_text().endswith("(2 rows)\n")
    quoted = tmp_path / "it's.parquet"
    assert world.run("sql", "SELECT id FROM user", "--output", str(quoted)).exit_code == 0
    assert quoted.read_bytes()[:4] == b"PAR1"
    nowhere = world.run("sql", "SELECT id FROM user", "--output", str(tmp_path / "no" / "a.parquet"))
    assert nowhere.exit_code == 2 and "Traceback" not in nowhere.stderr


def test_a_conversation(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lab = Lab(tmp_path / "spill", source("t", column("v", "int")))
    lab.send("t", ('{"id":1}', '{"id":1,"v":5}'))
    lines = iter([
        "", "SELECT v", "  FROM t;", ".tables", ".table t", "SELECT nope FROM t;", ".nonsense", "SELECT", KeyboardInterrupt,
        "SELECT v + 1 FROM t;", ".quit",
    ])  # fmt: skip
    asked = []

    def read(before: str) -> str:
        asked.append(before)
        line = next(lines)
        if line is KeyboardInterrupt:
            lab.send("t", ('{"id":1}', '{"id":1,"v":7}'))
            raise KeyboardInterrupt
        return line

    Prompt(lab.session, Output(json=False), "csv", read).run()
    out, err = capsys.readouterr()
    assert out.startswith("v\n5\nshop.t  (job j, topic shop.t)\ncolumn_name,")
    assert "v,INTEGER," in out and "A query ends with ;" in out
    assert out.endswith("\n(v + 1)\n8\n"), "the second query reads on"
    assert err.count("Error: ") == 1 and '"nope" not found' in err
    assert asked.count("   ...> ") == 2
    assert list(lines) == []


def test_ctrl_c_ends_a_query_that_computes(tmp_path) -> None:
    engine = Engine("100MB", tmp_path)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background inherits SIG_IGN
    try:
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            list(engine.query("SELECT count(*) FROM range(3000000000) a, range(100) b WHERE a.range % 7 = b.range % 5"))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert engine.run("SELECT 1") == [(1,)]


def test_peek_finds_the_job_of_a_topic() -> None:
    world = ConsoleWorld()
    done = world.run("peek", "order_dw.user", "--key", "id=2", "--json")
    found = one_json(done.stdout)
    assert (done.exit_code, found["messages"], found["last"]["value"]) == (0, 1, {"id": 2})
    assert world.run("peek", "order_dw.user", "--key", "id=3").exit_code == 1
    text = world.run("peek", "order_dw.user", "--key", '{"id":1}')
    assert 'order_dw.user, key {"id":1}: 1 message\n' in text.stdout
    assert '{"id":1}' in text.stdout.splitlines()[-1]
    wrong = world.run("peek", "order_dw.user", "--key", "nr=3", "--json")
    assert (wrong.exit_code, json.loads(wrong.stderr)["error"]["name"]) == (2, "InvalidQuery")


class SharedWorld(ConsoleWorld):
    """The topic `all` has rows of order_dw.user and order_dw.order, told apart by the field `of`."""

    def __init__(self) -> None:
        super().__init__()
        records = (table_record(name, topic="all", shard_key="of", split_done=True) for name in ("user", "order"))
        self.add("orders", *records)
        self.labels: list[bytes] = []

    def open_topic(self, options, topic, partitions=None, label=PLAIN):
        self.labels.append(label.key)
        made = MemoryTopic()
        for table, number in (("user", 1), ("order", 1), ("user", 2)):
            key = f'{{"of":"order_dw.{table}","id":{number}}}'
            if label.has(key.encode()):
                plain = label.off(key.encode(), None)[0].decode()
                made.send((plain, plain))
        return made


def test_of_a_topic_that_tables_share_a_query_reads_its_tables_rows() -> None:
    world = SharedWorld()
    done = world.run("sql", "orders", "SELECT count(*) AS n FROM user", "--format", "csv")
    assert (done.stdout, world.labels) == ("n\n2\n", [b'{"of":"order_dw.user",'])


def test_in_a_topic_that_tables_share_a_key_names_its_table() -> None:
    world = SharedWorld()
    done = world.run("peek", "all", "--key", "of=order_dw.order", "--key", "id=1", "--json")
    found = one_json(done.stdout)
    assert (done.exit_code, found["key"], found["messages"]) == (0, {"of": "order_dw.order", "id": 1}, 1)
    wrong = world.run("peek", "all", "--key", "id=1", "--json")
    assert "The key of order_dw.all is of, id" in json.loads(wrong.stderr)["error"]["message"]
