"""Debezium's MySQL connector in a standalone Kafka Connect, tuned.

What is tuned: snapshot threads, no table locks, large fetches, queue and batches; flat rows without schemas by the
ExtractNewRecordState transform, tombstones for deletes; lz4, lingering and large batches in the producer. Rows are then
like ours, but for the form of times.
"""

import re

from headrace_local.ports import free_ports

from tests.bench.peers.maven import LOG4J, jars
from tests.bench.peers.program import Program
from tests.bench.place import Place
from tests.bench.topics import Topics

VERSION = "3.6.1.Final"
_CONNECT_VERSION = "4.3.0"  # the one that this Debezium is built for
_ARTIFACTS = (
    f"io.debezium:debezium-connector-mysql:{VERSION}",
    f"io.debezium:debezium-storage-file:{VERSION}",
    f"org.apache.kafka:connect-runtime:{_CONNECT_VERSION}",
    f"org.apache.kafka:connect-json:{_CONNECT_VERSION}",
    LOG4J,
)
_STREAMING = "Connected to binlog at"
_READY_SECONDS_MAX = 120

_PRODUCER = {
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1_048_576,
    "buffer.memory": 268_435_456,
    "max.request.size": 8_388_608,
    "enable.idempotence": "true",
    "max.in.flight.requests.per.connection": 5,
}
_CONNECTOR = {
    "name": "bench",
    "connector.class": "io.debezium.connector.mysql.MySqlConnector",
    "tasks.max": 1,
    "snapshot.mode": "initial",
    "snapshot.locking.mode": "none",
    "snapshot.fetch.size": 20_000,
    "max.batch.size": 16_384,
    "max.queue.size": 65_536,
    "poll.interval.ms": 10,
    "decimal.handling.mode": "string",
    "include.schema.changes": "false",
    "tombstones.on.delete": "true",
    "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
    "transforms": "unwrap",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.unwrap.delete.tombstone.handling.mode": "tombstone",
}


class Debezium:
    """One Connect process per run; a held run keeps its offsets in files."""

    streams_while_snapshotting = False

    def __init__(self, place: Place, snapshot_threads: int) -> None:
        self.name = f"debezium-{snapshot_threads}"
        self._place = place
        self._threads = snapshot_threads
        self._topics = Topics(place.kafka.bootstrap)
        self._program = Program(self.name, given_up="Task is being killed")
        self._runs: dict[str, list[str]] = {}

    def up(self) -> None:
        self._jars = jars(f"debezium-{VERSION}", _ARTIFACTS)

    def close(self) -> None:
        self._program.close()

    def pids(self) -> list[int]:
        return self._program.pids

    def roles(self) -> dict[str, list[int]]:
        return {"connect": self._program.pids}

    def topic(self, run: str, table: str) -> str:
        return f"{run}.{self._place.database}.{table}"

    def copy(self, run: str, tables: list[str]) -> None:
        self._runs[run] = tables
        self._topics.create(self.topic(run, table) for table in tables)
        self.go_on(run)

    def go_on(self, run: str) -> None:
        worker = self._program.write(f"{run}.worker", self._worker(run))
        connector = self._program.write(f"{run}.connector", self._connector(run))
        words = ["org.apache.kafka.connect.cli.ConnectStandalone", str(worker), str(connector)]
        self._program.start([self._jars / "*"], words)

    def hold(self, run: str) -> None:
        self._program.wait("streaming", lambda: self._program.says(_STREAMING), _READY_SECONDS_MAX)
        self._program.stop()

    def follow(self, run: str, table: str) -> None:
        self.copy(run, [table])
        self._program.wait("streaming", lambda: self._program.says(_STREAMING), _READY_SECONDS_MAX)

    def drop(self, run: str) -> None:
        self._program.stop()
        self._topics.delete(self.topic(run, table) for table in self._runs.get(run, []))

    def alive(self) -> None:
        self._program.alive()

    def facts(self, run: str) -> str:
        return f"Debezium {VERSION}, snapshot.max.threads={self._threads}"

    def _worker(self, run: str) -> dict[str, object]:
        (port,) = free_ports(1)
        converters = {
            f"{part}.converter{option}": value
            for part in ("key", "value")
            for option, value in (("", "org.apache.kafka.connect.json.JsonConverter"), (".schemas.enable", "false"))
        }
        return {
            "bootstrap.servers": self._place.kafka.bootstrap,
            "listeners": f"http://127.0.0.1:{port}",
            "offset.storage.file.filename": self._program.folder / f"{run}.offsets",
            "offset.flush.interval.ms": 5000,
            **converters,
            **{f"producer.{name}": value for name, value in _PRODUCER.items()},
        }

    def _connector(self, run: str) -> dict[str, object]:
        place = self._place
        tables = ",".join(f"{place.database}[.]{re.escape(table)}" for table in self._runs[run])
        return {
            **_CONNECTOR,
            "snapshot.max.threads": self._threads,
            "database.hostname": place.mysql.host,
            "database.port": place.mysql.port,
            "database.user": place.mysql.root_user,
            "database.password": place.mysql.root_password,
            "database.server.id": 7600 + self._threads,
            "database.include.list": place.database,
            "table.include.list": tables,
            "topic.prefix": run,
            "schema.history.internal.file.filename": self._program.folder / f"{run}.history",
        }
