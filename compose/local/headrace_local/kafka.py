"""Kafka as one KRaft node (broker and controller in one process), its jars from Maven's repository.

The replication factors of its internal topics are 1, because one node cannot keep more copies;
with the defaults the first transaction would wait for ever.
"""

import base64
import shutil
import socket
import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from .console import StackError, run, step
from .installed import install_once
from .java import find_java, install_java
from .maven import LOG4J, copy_jars
from .server import Server

KAFKA_VERSION = "4.1.0"
_NAME = f"kafka-{KAFKA_VERSION}"
# What one node with a few dozen small topics needs, with room for a benchmark.
_HEAP = ("-Xms256m", "-Xmx768m")

_ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    # The log4j that this Kafka brings; its binding to slf4j comes from us.
    LOG4J,
)

_LOG4J = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c{1})%n
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
"""

# Metadata request, version 1, no topics: the answer lists the brokers that are fit for work.
_METADATA = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)


def install_kafka(folder: Path) -> Path:
    """Return the folder of Kafka's jars, made first if it is missing."""
    install_tools(folder)
    return install_once(folder, _NAME, _fetch_jars)


class KafkaServer(Server):
    """One Kafka node; clients use `bootstrap`. Subclasses change `settings` and the options of its two programs."""

    name = "kafka"

    def __init__(self, install: Path, directory: Path, port: int, controller_port: int) -> None:
        super().__init__(directory, port)
        self._jars = install.absolute() / "*"  # java itself expands it
        self._controller_port = controller_port
        self._data = self.directory / "data"
        self._configuration = self.directory / "server.properties"
        self.cluster_id = new_cluster_id()  # of a data folder that is yet to be formatted

    @property
    def bootstrap(self) -> str:
        """Return the value of `bootstrap.servers`."""
        return f"{self.host}:{self.port}"

    def ports(self) -> Mapping[str, int]:
        """Return the client port and the controller's."""
        return {**super().ports(), "HEADRACE_STACK_KAFKA_CONTROLLER_PORT": self._controller_port}

    def prepare(self) -> None:
        """Write the configuration, and format the data folder unless it is there."""
        (self.directory / "log4j2.properties").write_text(_LOG4J)
        self._configure(self._data)
        if self._data.is_dir():
            return
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._configure(fresh)
        with step("kafka: formatting its data folder"):
            run(
                [
                    *self._java("-XX:TieredStopAtLevel=1"),
                    "kafka.tools.StorageTool",
                    *("format", "-t", self.cluster_id, "-c", str(self._configuration), *self.format_options()),
                ],
                what="formatting Kafka's data folder",
                hint=f"is the disk full? If not, remove {self._jars.parent} to install Kafka again",
            )
        fresh.rename(self._data)
        self._configure(self._data)

    def command(self) -> Sequence[str]:
        """Return java's command line."""
        log4j = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"
        return [*self._java(*_HEAP, log4j, *self.java_options()), "kafka.Kafka", str(self._configuration)]

    def probe(self, connection: socket.socket) -> bool:
        """Tell whether the node counts itself as a working broker (it answers earlier than that)."""
        connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
        answer = connection.recv(12)  # size, correlation id, number of brokers
        return len(answer) == 12 and bool(struct.unpack(">iii", answer)[2] > 0)

    def _java(self, *options: str) -> list[str]:
        return [find_java(), *options, "-cp", str(self._jars)]

    def _configure(self, data: Path) -> None:
        text = "".join(f"{name}={value}\n" for name, value in self.settings(data).items())
        self._configuration.write_text(text)

    def java_options(self) -> Sequence[str]:
        """Return further options of the node's java."""
        return ()

    def format_options(self) -> Sequence[str]:
        """Return further options of the tool that formats the data folder."""
        return ()

    def settings(self, data: Path) -> dict[str, object]:
        """Return what stands in server.properties, with its data in that folder."""
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.host}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": data,
            "num.partitions": 4,
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # After a SIGKILL the node waits until the session of its former self has timed out. With
            # the defaults (9 s and 2 s) that is most of the time that it takes to come back.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
            # A lone consumer of a test need not wait for others to join its group.
            "group.initial.rebalance.delay.ms": 0,
        }


def install_tools(folder: Path) -> None:
    """Install, in one go, what the machine lacks to install and run Kafka: Java and maven."""
    install_java(maven=not (folder / _NAME).is_dir())


def new_cluster_id() -> str:
    """Return a name for a cluster that nobody has."""
    # A leading "-" would be read as an option of the format tool.
    return "h" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def _fetch_jars(target: Path, work: Path) -> None:
    copy_jars(f"Kafka {KAFKA_VERSION}", _ARTIFACTS, target, work)
    if not any(target.glob("kafka_2.13-*.jar")):
        raise StackError("maven ended well and left no Kafka", f"look into {target}")
