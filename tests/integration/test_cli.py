"""The CLI against the real servers: what it writes, what it must not write, and what it says when one of them is away."""

import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from headrace_local.mysql import MysqlServer
from headrace_local.valkey import ValkeyServer

from scheduler.cli import cli
from scheduler.cli.access import Access
from shared.adapters.kafka.registry import Registry, log_topic
from shared.adapters.kafka.topics import Topics
from shared.adapters.redis import progress
from shared.adapters.redis.client import connect
from shared.adapters.redis.lease import Leases
from shared.machines.ledger import PositionRecord, TableRecord, encode_record, summary
from shared.model.job import Desire, End, Outcome, Wanted, state_topic
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId
from shared.model.topic import TopicSpec
from tests.plugins.fix_alikafka import Emulator
from tests.plugins.fix_headrace import Cluster
from tests.plugins.fix_servers import REPOSITORY, root_connection

REFERENCE = Path(__file__).parents[1] / "unit" / "job" / "reference_whole_database.yaml"
PROCESSED = GtidSet.parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")


class Desk:
    """One database, one registry of its own on the shared Kafka, and the CLI over them."""

    def __init__(self, mysql: MysqlServer, alikafka: Emulator, redis_url: str, database: str) -> None:
        bootstrap = alikafka.bootstrap
        self.database = database
        self.alikafka = alikafka
        self.mysql = mysql
        self.kafka = {"bootstrap.servers": bootstrap}
        self.registry = f"cli-{secrets.token_hex(4)}.registry"
        self.redis_url = redis_url
        self.environment = {
            "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "HEADRACE_REDIS_URL": redis_url,
            "HEADRACE_REGISTRY_TOPIC": self.registry,
            "HEADRACE_VAR_HOSTNAME": mysql.host,
            "HEADRACE_VAR_USERNAME": mysql.user,
            "HEADRACE_VAR_PASSWORD": mysql.password,
            **alikafka.variables(),
        }
        text = REFERENCE.read_text().replace("order_dw", database).replace("broker:9092", bootstrap)
        self.text = text.replace("port: 3306", f"port: {mysql.port}")

    def run(self, *words: str, stdin: str = "", **environment: str) -> Result:
        done = CliRunner().invoke(cli, list(words), input=stdin, obj=Access(self.environment | environment))
        assert self.mysql.password not in done.output
        assert "Traceback" not in done.output
        return done

    def submit(self, name: str = "orders") -> Wanted:
        done = self.run("submit", "-", "--name", name, stdin=self.text)
        assert done.exit_code == 0, done.output
        return self.records()[0][name]

    def status(self, name: str, **environment: str) -> dict[str, Any]:
        done = self.run("status", name, "--json", **environment)
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def topics(self) -> set[str]:
        """All topics but Kafka's own, which it creates when it is first looked at."""
        found = AdminClient(self.kafka).list_topics(timeout=20).topics
        return {topic for topic in found if not topic.startswith("__")}

    def records(self) -> tuple[dict[str, Wanted], dict[str, Outcome]]:
        with Registry(self.kafka, self.registry) as registry:
            registry.refresh()
            return registry.wanted, registry.outcomes

    def write(self, record: Wanted | Outcome) -> None:
        with Registry(self.kafka, self.registry) as registry:
            registry.write(record)

    def store(self, wanted: Wanted, *tables: TableRecord) -> None:
        """Writes a state topic as a leader would, with the data topics that it names."""
        topic = state_topic(self.registry, wanted.id)
        compacted = {"cleanup.policy": "compact"}
        wanted_topics = [log_topic(topic), *(TopicSpec(t.topic, 1, config=compacted) for t in tables)]
        Topics(self.kafka, self.alikafka.maker()).ensure(wanted_topics)
        producer = Producer(self.kafka)
        for record in (PositionRecord(PROCESSED, 3, "uuid"), *tables):
            key, value = encode_record(record)
            producer.produce(topic, value, key)
        assert producer.flush(30) == 0

    def table(self, name: str, **changes: Any) -> TableRecord:
        columns = (Column("id", "bigint", "bigint", nullable=False),)
        fields = {"chunks": 2, "released": 1, "rows": 40, "split_done": True} | changes
        topic = f"{self.database}.{name}"
        return TableRecord(Table(TableId(self.database, name), columns, ("id",)), topic, 100, 50, **fields)

    @contextmanager
    def led(self, wanted: Wanted, *tables: TableRecord, name: str = "b1") -> Iterator[None]:
        """A leader that does nothing but publish."""
        client = connect(self.redis_url)
        leases = Leases(client, name, 60)
        stopped = threading.Event()
        figures = summary(tables, PROCESSED, 4, {}) | {"job_id": wanted.id, "leader": name}
        figures |= {"lag_seconds": 0.1, "lag_bytes": 0, "changes": 5, "held_events": 0, "coordinates": "b:4"}

        def publish() -> None:
            while not stopped.is_set():
                progress.publish(client, wanted.name, figures | {"updated_at": time.time()})
                stopped.wait(0.2)

        assert leases.lead(wanted.name)
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            leases.resign(wanted.name)
            client.close()


@pytest.fixture
def desk(
    mysql_server: MysqlServer, alikafka: Emulator, redis_server: ValkeyServer, mysql_database: str
) -> Iterator[Desk]:
    with root_connection(mysql_server, mysql_database) as connection, connection.cursor() as cursor:
        for name in ("user", "`order`", "feedback"):
            cursor.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, text VARCHAR(50) NOT NULL)")
            cursor.execute(f"INSERT INTO {name} VALUES (1, 'one'), (2, 'two')")
    desk = Desk(mysql_server, alikafka, redis_server.url, mysql_database)
    yield desk
    Topics(desk.kafka).delete(t for t in desk.topics() if t.startswith((desk.registry, mysql_database)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No binlog worker runs in these tests, so nobody waits long for one."""
    monkeypatch.setattr("scheduler.cli.control.EFFECT_SECONDS", 1.5)


def test_submit_of_the_reference_job_writes_one_record_and_nothing_else(desk: Desk) -> None:
    before = desk.topics()
    done = desk.run("submit", "-", "--name", "orders", "--json", stdin=desk.text)
    assert done.exit_code == 0, done.output
    assert desk.topics() - before == {desk.registry}
    result = json.loads(done.stdout)
    wanted, outcomes = desk.records()
    assert list(wanted) == ["orders"]
    assert not outcomes
    record = wanted["orders"]
    assert (record.id, record.revision, record.desire) == (result["id"], 1, Desire.RUNNING)
    assert record.text == desk.text
    assert "password: #{password}" in record.text
    topics = [table["topic"] for table in result["plan"]["tables"]]
    assert sorted(topics) == [f"{desk.database}.{name}" for name in ("feedback", "order", "user")]


def test_submitting_again_leaves_the_record_as_it_is(desk: Desk) -> None:
    first = desk.submit()
    done = desk.run("submit", "-", "--name", "orders", stdin=desk.text)
    assert (done.exit_code, "nothing was changed" in done.stderr) == (0, True)
    assert desk.records()[0] == {"orders": first}
    done = desk.run("submit", "-", "--name", "orders", stdin=desk.text + "# newer\n")
    assert (done.exit_code, "There is a job `orders` already" in done.stderr) == (2, True)
    assert desk.records()[0] == {"orders": first}


def test_bad_jobs_create_nothing(desk: Desk) -> None:
    route = "route:\n  - source-table: {0}\n    sink-table: {1}\n"
    bad: dict[str, tuple[str, str]] = {
        "misspelt option": (desk.text.replace("server-id", "server-idd"), "source.server-idd"),
        "wrong type": (desk.text.replace(f"port: {desk.mysql.port}", "port: many"), "source.port"),
        "literal secret": (desk.text.replace("#{password}", "hunter2"), "source.password"),
        "no such placeholder": (desk.text.replace("#{password}", "#{nobody}"), "HEADRACE_VAR_NOBODY"),
        "no table matches": (desk.text.replace(f"tables: {desk.database}", "tables: nowhere"), "source.tables"),
        "route without match": (desk.text + route.format("nowhere.t", "x"), "route[0]"),
        "two tables, one topic": (desk.text + route.format(f"{desk.database}.\\.*", "one"), "one"),
        "server id in use is no id": (desk.text.replace("28601-28604", "5-1"), "source.server-id"),
    }
    before = desk.topics()
    for what, (text, where) in bad.items():
        for verb in (["submit", "-", "--name", "orders"], ["check", "-"]):
            done = desk.run(*verb, stdin=text if verb[0] == "submit" else text + "pipeline:\n  name: orders\n")
            assert done.exit_code == 2, f"{what}: {done.output}"
            assert where in done.output, f"{what}: {done.output}"
            assert "Hint: " in done.stderr
            assert "hunter2" not in done.output
    with root_connection(desk.mysql, desk.database) as connection:
        connection.cursor().execute("CREATE TABLE loose (a INT)")
    done = desk.run("submit", "-", "--name", "orders", stdin=desk.text)
    assert (done.exit_code, f"{desk.database}.loose" in done.output) == (2, True)
    assert desk.topics() == before


def test_status_looks_without_creating_the_registry(desk: Desk) -> None:
    before = desk.topics()
    assert desk.run("status", "--json").stdout == "[]\n"
    assert desk.run("check", "-", stdin=desk.text + "pipeline:\n  name: orders\n").exit_code == 0
    assert desk.run("watch", "orders").exit_code == 2
    assert desk.topics() == before


def test_a_job_goes_from_submitted_to_live_to_stored(desk: Desk) -> None:
    wanted = desk.submit()
    found = desk.status("orders")
    assert (found["state"], found["leader"], found["figures"], found["tables"]) == ("submitted", "", "none", [])
    user = desk.table("user")
    desk.store(wanted, user)
    with desk.led(wanted, user):
        found = desk.status("orders")
        assert (found["state"], found["leader"], found["figures"], found["epoch"]) == ("snapshot", "b1", "live", 4)
        assert (found["lag_seconds"], found["lag_bytes"]) == (0.1, 0)
    found = desk.status("orders")
    assert (found["state"], found["leader"], found["figures"], found["epoch"]) == ("no-leader", "", "stored", 3)
    assert (found["rows"], found["chunks_done"], found["chunks_total"], found["lag_seconds"]) == (40, 1, 2, None)
    assert found["position"] == str(PROCESSED)


def test_the_last_words_of_a_cancelled_namesake_are_not_the_jobs(desk: Desk) -> None:
    desk.submit()
    other = Wanted("orders", "00000000", "", "", Desire.RUNNING, 1, "")
    with desk.led(other, desk.table("user")):
        found = desk.status("orders")
    assert (found["state"], found["figures"]) == ("starting", "none")


def test_redis_down_does_not_break_status(desk: Desk, redis_server: ValkeyServer) -> None:
    wanted = desk.submit()
    desk.store(wanted, desk.table("user"))
    redis_server.stop()
    begin = time.monotonic()
    found = desk.status("orders")
    assert (found["state"], found["figures"], found["rows"]) == ("snapshot", "stored", 40)
    assert "Redis" in found["notes"][0]
    assert desk.run("status").exit_code == 0
    assert time.monotonic() - begin < 20


def test_a_machine_without_the_jobs_variables_still_has_a_status(desk: Desk) -> None:
    desk.text = desk.text.replace(desk.kafka["bootstrap.servers"], "#{bootstrap}")
    desk.environment["HEADRACE_VAR_BOOTSTRAP"] = desk.kafka["bootstrap.servers"]
    desk.store(desk.submit(), desk.table("user"))
    # What only MySQL needs is not asked for.
    del desk.environment["HEADRACE_VAR_PASSWORD"]
    assert desk.status("orders")["rows"] == 40
    del desk.environment["HEADRACE_VAR_BOOTSTRAP"]
    found = desk.status("orders")
    assert (found["state"], found["figures"]) == ("submitted", "none")
    assert "HEADRACE_VAR_BOOTSTRAP" in found["notes"][0]


def test_pause_resume_and_cancel_are_one_record_each(desk: Desk, impatient: None) -> None:
    wanted = desk.submit()
    user = desk.table("user")
    desk.store(wanted, user)

    def now() -> tuple[str, int]:
        record = desk.records()[0]["orders"]
        assert (record.id, record.text) == (wanted.id, wanted.text)
        return str(record.desire), record.revision

    assert desk.run("pause", "orders").exit_code == 0
    assert now() == ("paused", 2)
    assert "already" in desk.run("pause", "orders").stdout
    assert now() == ("paused", 2)
    assert desk.status("orders")["state"] == "paused"
    done = desk.run("resume", "orders")
    assert (done.exit_code, "python -m workers.binlog" in done.stderr) == (0, True)
    assert now() == ("running", 3)
    desk.write(Outcome("orders", 3, End.FAILED, "BinlogLost", "It is gone.", "Submit anew."))
    failed = desk.run("status", "orders", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["error"]["name"] == "BinlogLost"
    desk.run("resume", "orders")
    assert now() == ("running", 4)
    assert desk.status("orders")["error"] is None
    with desk.led(wanted, user):
        assert "shall pause" in desk.run("pause", "orders").stdout
        assert desk.status("orders")["state"] == "pausing"
        assert desk.run("resume", "orders").stdout == "Job orders runs again.\n"
    assert "no binlog worker has ended it" in desk.run("cancel", "orders").stdout
    assert now() == ("cancelled", 7)
    assert desk.status("orders")["state"] == "cancelling"


def end_cancelled_jobs(desk: Desk) -> None:
    """What a binlog worker does of it; for one job."""
    deadline = time.monotonic() + 60
    with Registry(desk.kafka, desk.registry) as registry:
        while time.monotonic() < deadline:
            registry.refresh()
            for wanted in registry.wanted.values():
                if wanted.desire is Desire.CANCELLED:
                    Topics(desk.kafka).delete([state_topic(desk.registry, wanted.id)])
                    registry.write(Outcome(wanted.name, wanted.revision, End.CANCELLED))
                    return
            time.sleep(0.1)


def test_cancel_deletes_the_topics_and_frees_the_name(desk: Desk) -> None:
    wanted = desk.submit()
    desk.store(wanted, desk.table("user"), desk.table("order"))
    mine = {f"{desk.database}.user", f"{desk.database}.order", state_topic(desk.registry, wanted.id)}
    assert mine <= desk.topics()
    ender = threading.Thread(target=end_cancelled_jobs, args=(desk,))
    ender.start()
    done = desk.run("cancel", "orders", "--delete-topics", "--yes")
    ender.join()
    assert done.exit_code == 0, done.output
    assert not mine & desk.topics()
    assert desk.status("orders")["state"] == "cancelled"
    again = desk.submit()
    assert again.id != wanted.id
    assert again.revision == 3
    assert desk.status("orders")["state"] == "submitted"


def test_a_topic_belongs_to_one_job(desk: Desk) -> None:
    first = desk.submit("first")

    def refused() -> list[str]:
        done = desk.run("submit", "-", "--name", "second", "--json", stdin=desk.text)
        assert done.exit_code == 2, done.output
        errors = [finding for finding in json.loads(done.stdout)["findings"] if finding["severity"] == "error"]
        return [finding["message"] for finding in errors if finding["subject"] == "topic_owner"]

    assert len(refused()) == 3  # known from the file of the other job, which has not begun
    desk.store(first, desk.table("user"))
    producer = Producer(desk.kafka)
    producer.produce(f"{desk.database}.user", b"{}", b'{"id":1}')
    assert producer.flush(30) == 0
    (message,) = refused()
    assert message.startswith(f"Topic {desk.database}.user ")
    assert "`first`" in message
    # To the job that filled it the topic is no obstacle.
    done = desk.run("check", "-", stdin=desk.text + "pipeline:\n  name: first\n")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("server", ["kafka", "mysql", "sink"])
def test_a_server_that_does_not_answer_is_exit_code_3(desk: Desk, server: str) -> None:
    place = {"mysql": f"port: {desk.mysql.port}", "sink": desk.kafka["bootstrap.servers"]}.get(server, "nowhere")
    text = desk.text.replace(place, "port: 1" if server == "mysql" else "127.0.0.1:1")
    environment = {"HEADRACE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"} if server == "kafka" else {}
    before = desk.topics()
    done = desk.run("submit", "-", "--name", "orders", stdin=text, **environment)
    assert done.exit_code == 3, done.output
    assert done.stderr.startswith("Error: ")
    assert desk.topics() == before


def test_ctrl_c_ends_watch_with_130(desk: Desk) -> None:
    desk.submit()
    command = (sys.executable, "-m", "scheduler", "watch", "orders", "--json")
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    piped["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background inherits SIG_IGN
    with subprocess.Popen(command, cwd=REPOSITORY, env=desk.environment, **piped) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["state"] == "submitted"
        watch.send_signal(signal.SIGINT)
        _, notes = watch.communicate(timeout=30)
    assert watch.returncode == 130
    assert "goes on as before" in notes


def test_a_whole_life_with_real_workers(desk: Desk, cluster: Cluster, tmp_path: Path) -> None:
    cluster.environment |= desk.environment
    path = tmp_path / "orders.yaml"
    path.write_text(desk.text)

    def cli_says(*words: str, code: int = 0) -> str:
        done = cluster.cli(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    cluster.binlog_worker()
    cluster.snapshot_worker()
    assert "Job orders is current: 6 rows in 3 topics." in cli_says("submit", str(path), "--wait")
    assert cluster.status("orders")["state"] == "streaming"
    assert "is paused" in cli_says("pause", "orders")
    assert cluster.status("orders")["state"] == "paused"
    assert "runs again" in cli_says("resume", "orders")
    assert {f"{desk.database}.{name}" for name in ("user", "order", "feedback")} <= desk.topics()
    assert "Deleted: " in cli_says("cancel", "orders", "--delete-topics")
    cluster.wait("topics deleted", lambda: not any(t.startswith(f"{desk.database}.") for t in desk.topics()))
    assert "is current" in cli_says("submit", str(path), "--wait")
