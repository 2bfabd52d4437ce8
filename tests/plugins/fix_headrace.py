"""headrace's own processes for tests: binlog workers, snapshot workers and the CLI, on the session's real servers."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from scheduler.cli import cli
from shared.codec import implementation
from tests.plugins.fix_servers import drop_ended

REPOSITORY = Path(__file__).resolve().parents[2]
LOGS = REPOSITORY / ".local" / "test-logs"


def pytest_report_header() -> str:
    wanted = os.environ.get("HEADRACE_CODEC", "")
    return f"headrace codec: {implementation(wanted).name}"


@dataclass
class Process:
    """A program of ours, in a process group of its own."""

    name: str
    popen: subprocess.Popen
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def children(self) -> list[int]:
        """Its child processes."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def kill(self) -> None:
        """SIGKILL to it and to all of its children, as a host that dies does."""
        for pid in [*self.children(), self.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait(10)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def says(self, text: str) -> bool:
        """True when its log holds the text."""
        return text in self.log.read_text(errors="replace")


@dataclass
class Cluster:
    """One headrace cluster: its own registry topic, on shared servers."""

    environment: dict[str, str]
    bootstrap: str
    processes: list[Process] = field(default_factory=list)

    def binlog_worker(self, **environment: str) -> Process:
        """Starts `python -m workers.binlog`."""
        return self.start("binlog", [sys.executable, "-m", "workers.binlog"], environment)

    def snapshot_worker(self, concurrency: int = 2, name: str = "", **environment: str) -> Process:
        """Starts a Celery worker; without a name it has one that no other has."""
        name = f"{name or 'w' + secrets.token_hex(3)}@localhost"
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "snapshot", "-E"]
        return self.start("snapshot", [*command, "-c", str(concurrency), "-n", name], environment)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        """Starts a program of ours; its log is named after it."""
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{name}-{secrets.token_hex(4)}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.environment | environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def cli(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        """Runs the CLI as its users do."""
        return subprocess.run(
            [sys.executable, "-m", "scheduler", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def cli_here(self, *arguments: str, stdin: str = "") -> Result:
        """The same in this process, which spares it the most of a second of starting: for what is done again and again."""
        others = {name: None for name in os.environ if name.startswith("HEADRACE_") and name not in self.environment}
        return CliRunner().invoke(cli, arguments, input=stdin, env=others | self.environment)

    def submit(self, text: str, name: str) -> None:
        """Submits a job file."""
        done = self.cli_here("submit", "-", "--name", name, stdin=text)
        assert done.exit_code == 0, done.output

    def status(self, name: str) -> dict:
        """`scheduler status NAME --json`."""
        done = self.cli_here("status", name, "--json")
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 90) -> None:
        """Waits until the condition holds; shows the logs' ends when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tails = "\n".join(
                    f"--- {p.log.name}\n" + p.log.read_text(errors="replace")[-3000:] for p in self.processes
                )
                pytest.fail(f"not within {seconds} s: {what}\n{tails}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Ends everything that was started, all at once."""
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self.processes:
            process.stop()


def read_topic(bootstrap: str, topic: str, isolation: str = "read_committed") -> list[tuple[bytes, bytes | None]]:
    """All messages of a topic, partition by partition, in offset order."""
    options = {"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False}
    options["fetch.wait.max.ms"] = 10  # else a broker answers half a second later that there is no more
    consumer = Consumer(options | {"isolation.level": isolation, "enable.partition.eof": True})
    partitions = list(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    messages: list[tuple[bytes, bytes | None]] = []
    left = set(partitions)
    deadline = time.monotonic() + 120
    while left:
        assert time.monotonic() < deadline, f"{topic} could not be read to its end"
        for message in consumer.consume(10_000, 0.02):
            if message.error() is None:
                messages.append((message.key(), message.value()))
            else:
                left.discard(message.partition())
    consumer.close()
    return messages


def fold(messages: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    """The last value of each key, without the deleted ones."""
    last = dict(messages)
    return {key: value for key, value in last.items() if value is not None}


@pytest.fixture
def cluster(mysql_server, kafka_server, redis_server) -> Iterator[Cluster]:
    """A headrace cluster without processes; the test starts them. Its topics go with it: another test may use their names."""
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    present = _topics(admin)
    name = f"t{secrets.token_hex(4)}"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("HEADRACE_") or key == "HEADRACE_CODEC"
    }
    environment |= {
        "PYTHONPATH": str(REPOSITORY),
        "HEADRACE_REDIS_URL": redis_server.url,
        "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap,
        "HEADRACE_REGISTRY_TOPIC": f"{name}.registry",
        "HEADRACE_VAR_HOSTNAME": mysql_server.host,
        "HEADRACE_VAR_PORT": str(mysql_server.port),
        "HEADRACE_VAR_USERNAME": mysql_server.user,
        "HEADRACE_VAR_PASSWORD": mysql_server.password,
        "HEADRACE_VAR_BOOTSTRAP": kafka_server.bootstrap,
    }
    started = Cluster(environment, kafka_server.bootstrap)
    yield started
    started.stop()
    drop_ended()
    kafka_server.start()  # the test may have killed it
    if made := _topics(admin) - present:
        for deleted in admin.delete_topics(list(made)).values():
            deleted.result(30)


def _topics(admin: AdminClient) -> set[str]:
    """All topics but Kafka's own."""
    return {topic for topic in admin.list_topics(timeout=20).topics if not topic.startswith("__")}
