"""Kafka as one KRaft node (broker and controller in one process), its jars from Maven's repository.

The replication factors of its internal topics are 1, because one node cannot keep more copies;
with the defaults the first transaction would wait for ever.
"""

import base64
import os
import re
import shutil
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .console import StackError, run, step
from .debian import install_packages
from .installed import install_once
from .server import Server

KAFKA_VERSION = "4.1.0"
_LOG4J_VERSION = "2.24.3"  # the one that this Kafka brings; its binding to slf4j comes from us
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_NAME = f"kafka-{KAFKA_VERSION}"
_JAVA_VERSION_MIN = 17
_JAVA = f"Java {_JAVA_VERSION_MIN} or newer"
# What one node with a few dozen small topics needs, with room for a benchmark.
_HEAP = ("-Xms256m", "-Xmx768m")

_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>headrace</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_ARTIFACTS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J_VERSION),
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
    """One Kafka node; clients use `bootstrap`."""

    name = "kafka"

    def __init__(self, install: Path, directory: Path, port: int, controller_port: int) -> None:
        super().__init__(directory, port)
        self._jars = install.absolute() / "*"  # java itself expands it
        self._controller_port = controller_port
        self._data = self.directory / "data"
        self._configuration = self.directory / "server.properties"

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
                    *("format", "-t", _new_cluster_id(), "-c", str(self._configuration)),
                ],
                what="formatting Kafka's data folder",
                hint=f"is the disk full? If not, remove {self._jars.parent} to install Kafka again",
            )
        fresh.rename(self._data)
        self._configure(self._data)

    def command(self) -> Sequence[str]:
        """Return java's command line."""
        log4j = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"
        return [*self._java(*_HEAP, log4j), "kafka.Kafka", str(self._configuration)]

    def probe(self, connection: socket.socket) -> bool:
        """Tell whether the node counts itself as a working broker (it answers earlier than that)."""
        connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
        answer = connection.recv(12)  # size, correlation id, number of brokers
        return len(answer) == 12 and bool(struct.unpack(">iii", answer)[2] > 0)

    def _java(self, *options: str) -> list[str]:
        return [find_java(), *options, "-cp", str(self._jars)]

    def _configure(self, data: Path) -> None:
        settings = {
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
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        self._configuration.write_text(text)


def install_tools(folder: Path) -> None:
    """Install, in one go, what the machine lacks to install and run Kafka: Java and maven."""
    packages, why = [], []
    if next(_fit_javas(), None) is None:
        packages.append("default-jre-headless")  # Debian 12: 17, Debian 13: 21
        why.append(_JAVA)
    if not (folder / _NAME).is_dir() and shutil.which("mvn") is None:
        packages.append("maven")
        why.append("maven")
    if packages:
        install_packages(packages, " and ".join(why))


def find_java() -> str:
    """Return a Java that is new enough."""
    found = next(_fit_javas(), None)
    if found is None:
        raise StackError(f"{_JAVA} is missing on this machine", "put it on PATH or set JAVA_HOME")
    return found


def _fit_javas() -> Iterator[str]:
    return (program for program in _javas() if _java_version(program) >= _JAVA_VERSION_MIN)


def _javas() -> Iterator[str]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    if home:
        yield str(Path(home) / "bin" / "java")
    if on_path:
        yield on_path
    yield from map(str, sorted(Path("/usr/lib/jvm").glob("*/bin/java")))


def _java_version(program: str) -> int:
    """Return the major version (17 for 17.0.15, 8 or less counts as 1), 0 if it does not run."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0


def _new_cluster_id() -> str:
    # A leading "-" would be read as an option of the format tool.
    return "h" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def _fetch_jars(target: Path, work: Path) -> None:
    dependencies = "\n".join(_DEPENDENCY.format(*artifact) for artifact in _ARTIFACTS)
    (work / "pom.xml").write_text(_POM.format(dependencies=dependencies))
    with step(f"maven: downloading Kafka {KAFKA_VERSION}"):
        run(
            [
                "mvn",
                "-q",
                "-B",
                "-Dstyle.color=never",
                _COPY,
                "-DincludeScope=runtime",
                f"-DoutputDirectory={target}",
            ],
            what=f"downloading Kafka {KAFKA_VERSION} with maven",
            hint="check the network, or name your mirror in maven's settings.xml",
            folder=work,
            # The java on PATH may be an older one than the one that we found.
            environment={**os.environ, "JAVA_HOME": str(Path(find_java()).resolve().parents[1])},
        )
    if not any(target.glob("kafka_2.13-*.jar")):
        raise StackError("maven ended well and left no Kafka", f"look into {target}")
