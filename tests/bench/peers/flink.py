"""Flink CDC's SQL connector to upsert-kafka, in a local Flink cluster with two slots inside one JVM, tuned.

What is tuned: object reuse, large chunks and fetches, no backfill (nothing is written while a table is copied), no
materializer before the sink; short waits for events, a large queue of them; lz4, lingering and large batches in the producer; checkpoints every 5 seconds.
"""

import subprocess
from pathlib import Path

from headrace_local.java import find_compiler

from tests.bench.peers.maven import LOG4J, jars
from tests.bench.peers.program import Program
from tests.bench.peers.statements import renamed
from tests.bench.place import Place
from tests.bench.span import NotMeasured
from tests.bench.topics import Topics
from tests.plugins.fix_servers import root_connection

VERSION = "3.5.0"  # the newest SQL connector in Maven's repository when this was written
_FLINK = "1.20.1"
_ARTIFACTS = (
    f"org.apache.flink:flink-sql-connector-mysql-cdc:{VERSION}",
    "com.mysql:mysql-connector-j:8.4.0",
    "org.apache.flink:flink-connector-kafka:3.4.0-1.20",
    f"org.apache.flink:flink-connector-base:{_FLINK}",
    f"org.apache.flink:flink-json:{_FLINK}",
    f"org.apache.flink:flink-clients:{_FLINK}",
    f"org.apache.flink:flink-table-planner-loader:{_FLINK}",
    f"org.apache.flink:flink-table-runtime:{_FLINK}",
    f"org.apache.flink:flink-table-api-java-bridge:{_FLINK}",
    LOG4J,
)
_PARALLELISM = 2
_SOURCE_FILE = Path(__file__).parent / "flink_job" / "FlinkJob.java"
_READY_SECONDS_MAX = 120
# Java 17 shuts what Flink's serializers look into.
_OPENS = ("lang", "util", "util.concurrent", "time", "net", "io", "nio", "math", "text")

_SETTINGS = {
    "pipeline.object-reuse": "true",
    "execution.checkpointing.interval": "5s",
    "execution.buffer-timeout.interval": "20ms",
    "table.exec.sink.upsert-materialize": "NONE",
    "taskmanager.memory.network.min": "128m",
    "taskmanager.memory.network.max": "128m",
    "restart-strategy.type": "none",  # what fails shall be told of, not tried for ever
    "rest.port": 0,
    "rest.bind-port": 0,
}
_ORDERS = (
    "id BIGINT, customer INT, product STRING, amount DECIMAL(12,2), quantity INT, status STRING, created TIMESTAMP(3),"
    " updated TIMESTAMP_LTZ(6), ratio DOUBLE, active BOOLEAN, note STRING"
)
_COLUMNS = {"orders": _ORDERS, "hot": _ORDERS, "sbtest": "id INT, k INT, c STRING, pad STRING"}
_SQL = """\
CREATE TABLE source ({columns}, PRIMARY KEY (id) NOT ENFORCED) WITH (
  {source}
);
CREATE TABLE sink ({columns}, PRIMARY KEY (id) NOT ENFORCED) WITH (
  {sink}
);
INSERT INTO sink SELECT * FROM source"""
_SOURCE = {
    "connector": "mysql-cdc",
    "server-time-zone": "UTC",
    "scan.incremental.snapshot.chunk.size": 50_000,
    "scan.snapshot.fetch.size": 20_000,
    "scan.incremental.snapshot.backfill.skip": "true",
    "debezium.poll.interval.ms": 10,
    "debezium.max.batch.size": 16_384,
    "debezium.max.queue.size": 65_536,
}
_SINK = {
    "connector": "upsert-kafka",
    "key.format": "json",
    "value.format": "json",
    "properties.compression.type": "lz4",
    "properties.linger.ms": 20,
    "properties.batch.size": 1_048_576,
    "properties.buffer.memory": 268_435_456,
}


class Flink:
    """One JVM per run. A held run keeps the GTIDs at which it was stopped, and starts its stream there."""

    name = "flink"
    streams_while_snapshotting = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._topics = Topics(place.kafka.bootstrap)
        self._program = Program(self.name)
        self._tables: dict[str, str] = {}
        self._stopped_at: dict[str, str] = {}
        #: What stands before its jars on the class path.
        self._first: list[Path] = []

    def up(self) -> None:
        self._jars = jars(f"flink-cdc-{VERSION}", _ARTIFACTS)
        connector = self._jars / f"flink-sql-connector-mysql-cdc-{VERSION}.jar"
        if not self._place.early:
            self._first = [renamed(connector, self._program.folder / "renamed.jar")]
        self._compile()

    def _compile(self) -> None:
        compiler = find_compiler()
        if compiler is None:
            raise NotMeasured("Flink needs a small Java program, and this machine has no javac")
        command = [
            compiler,
            "--release",
            "17",
            "-cp",
            f"{self._jars}/*",
            "-d",
            str(self._program.folder),
            str(_SOURCE_FILE),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotMeasured(f"javac: {done.stderr.strip()[:200]}")

    def close(self) -> None:
        self._program.close()

    def pids(self) -> list[int]:
        return self._program.pids

    def roles(self) -> dict[str, list[int]]:
        return {"flink": self._program.pids}

    def topic(self, run: str, table: str) -> str:
        return f"{run}.{table}"

    def copy(self, run: str, tables: list[str]) -> None:
        self._begin(run, tables[0], {"scan.startup.mode": "initial"})

    def hold(self, run: str) -> None:
        self._program.stop()
        with root_connection(self._place.mysql) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.gtid_executed")
            self._stopped_at[run] = str(cursor.fetchone()[0]).replace("\n", "")

    def go_on(self, run: str) -> None:
        gtids = self._stopped_at[run]
        self._start(run, {"scan.startup.mode": "specific-offset", "scan.startup.specific-offset.gtid-set": gtids})

    def follow(self, run: str, table: str) -> None:
        self._begin(run, table, {"scan.startup.mode": "latest-offset"})
        self._program.wait("streaming", lambda: self._program.says("Connected to 127.0.0.1"), _READY_SECONDS_MAX)

    def drop(self, run: str) -> None:
        self._program.stop()
        if run in self._tables:
            self._topics.delete([self.topic(run, self._tables[run])])

    def alive(self) -> None:
        self._program.alive()

    def facts(self, run: str) -> str:
        changed = " with SHOW MASTER STATUS renamed" * bool(self._first)
        return f"Flink CDC {VERSION}{changed}, Flink {_FLINK}, parallelism {_PARALLELISM}"

    def _begin(self, run: str, table: str, startup: dict[str, object]) -> None:
        self._tables[run] = table
        self._topics.create([self.topic(run, table)])
        self._start(run, startup)

    def _start(self, run: str, startup: dict[str, object]) -> None:
        settings = self._program.write(f"{run}.properties", _SETTINGS)
        sql = self._program.folder / f"{run}.sql"
        sql.write_text(self._sql(run, startup))
        opens = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENS]
        words = ["FlinkJob", str(settings), str(sql), str(_PARALLELISM)]
        self._program.start([*self._first, self._jars / "*", self._program.folder], words, opens)

    def _sql(self, run: str, startup: dict[str, object]) -> str:
        place, table = self._place, self._tables[run]
        source = {
            "hostname": place.mysql.host,
            "port": place.mysql.port,
            "username": place.mysql.root_user,
            "password": place.mysql.root_password,
            "database-name": place.database,
            "table-name": table,
            "server-id": "7650-7659",
        }
        sink = {"topic": self.topic(run, table), "properties.bootstrap.servers": place.kafka.bootstrap}
        return _SQL.format(
            columns=_COLUMNS[table], source=_options(_SOURCE | source | startup), sink=_options(_SINK | sink)
        )


def _options(options: dict[str, object]) -> str:
    return ",\n  ".join(f"'{name}' = '{value}'" for name, value in options.items())
