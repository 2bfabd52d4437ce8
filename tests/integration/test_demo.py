"""`make demo` works on a fresh stack, works again on what it has left, and `make down` leaves nothing running."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from headrace_local.layout import default_install
from headrace_local.ports import free_ports

from tests.plugins.fix_headrace import fold, read_topic
from tests.plugins.fix_servers import REPOSITORY

LOCAL = REPOSITORY / "compose" / "local"
USER_TOPICS = {"order_dw.user", "user1", "topic_user"}
TOPICS = {
    *USER_TOPICS,
    *("order_dw.order", "order2", "topic_order"),
    *("order_dw.feedback", "feedback3", "topic_feedback"),
}


@dataclass
class Machine:
    """A stack of our own: its folder and ports, and the two programs that the Makefile calls."""

    folder: Path
    environment: dict[str, str]

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, LOCAL / program, *arguments],
            cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
        )  # fmt: skip

    def processes(self) -> list[str]:
        """What runs here: started from the folder, or told of it."""
        mark = os.fsencode(self.folder)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if mark in command or mark in (process / "environ").read_bytes():
                    found.append(command.replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # ended meanwhile
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    names = ("MYSQL", "KAFKA", "KAFKA_CONTROLLER", "REDIS", "FLOWER")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    environment |= {f"HEADRACE_STACK_{name}_PORT": str(port) for name, port in zip(names, free_ports(5), strict=True)}
    environment["HEADRACE_STACK_INSTALL_DIR"] = str(default_install(os.environ))
    environment["HEADRACE_STACK_DIR"] = str(tmp_path / "stack")
    # A shell that points elsewhere must not send the demo there.
    environment["HEADRACE_KAFKA_BOOTSTRAP_SERVERS"] = "192.0.2.1:9092"
    started = Machine(tmp_path / "stack", environment)
    yield started
    started.run("demo.py", "stop")
    started.run("stack.py", "down")


@pytest.mark.timeout(300)
def test_the_demo_shows_its_jobs_twice_and_down_leaves_nothing(machine: Machine) -> None:
    first = machine.run("demo.py")
    assert first.returncode == 0, first.stdout + first.stderr
    bootstrap = f"127.0.0.1:{machine.environment['HEADRACE_STACK_KAFKA_PORT']}"
    assert cleanup_policies(bootstrap) == dict.fromkeys(TOPICS, "compact")
    assert "is submitted (id" in first.stdout
    assert '{"id":3}' in first.stdout and "null (tombstone)" in first.stdout
    assert "\x1b" not in first.stdout
    joins = first.stdout.partition("The topics are tables again")[2]
    for words in ("1 Football Jerry", "2 Basket Tom", "3 Tennis Butch", "1 Good. Tom", "2 Very good Jerry"):
        assert words in " ".join(joins.split())
    after_first = {topic: fold(read_topic(bootstrap, topic)) for topic in USER_TOPICS}
    expected = {
        b'{"id":1}': b'{"id":1,"name":"Tom"}',
        b'{"id":2}': b'{"id":2,"name":"Jerry"}',
        b'{"id":4}': b'{"id":4,"name":"Butch"}',
    }
    assert after_first == dict.fromkeys(USER_TOPICS, expected)

    second = machine.run("demo.py", "run")
    assert second.returncode == 0, second.stdout + second.stderr
    output = second.stdout + second.stderr
    assert output.count("is submitted already") == 3
    assert output.count("already up (pid") == 5
    after_second = {topic: fold(read_topic(bootstrap, topic)) for topic in USER_TOPICS}
    assert after_second == dict.fromkeys(USER_TOPICS, expected | {b'{"id":6}': b'{"id":6,"name":"Butch"}'})

    for program, command in (("demo.py", "stop"), ("stack.py", "down"), ("demo.py", "stop")):
        done = machine.run(program, command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert machine.processes() == []


def cleanup_policies(bootstrap: str) -> dict[str, str]:
    """The policy of every topic that is no topic of headrace or Kafka itself."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [name for name in admin.list_topics(timeout=20).topics if not name.startswith(("headrace.", "__"))]
    futures = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    return {resource.name: future.result()["cleanup.policy"].value for resource, future in futures.items()}
