"""Maxwell, for the drain and for latency: it copies tables by other means than its stream, which are not measured.

Maven's repository has old releases only, which know MySQL up to 8.0: its binlog client logs in by mysql_native_password,
so that it gets a user of its own.
"""

from pathlib import Path

from tests.bench.peers.maven import LOG4J, jars
from tests.bench.peers.program import Program
from tests.bench.peers.statements import SCRIPT_ENGINE, renamed
from tests.bench.place import Place
from tests.bench.span import NotMeasured
from tests.bench.topics import Topics
from tests.plugins.fix_servers import root_connection

VERSION = "1.22.6"  # the newest one in Maven's repository when this was written
_USER = "maxwell"
_READY_SECONDS_MAX = 60
_ARTIFACTS = (
    f"com.zendesk:maxwell:{VERSION}",
    "com.mysql:mysql-connector-j:8.4.0",
    # Kafka 4 refuses clients from before 2.1, and Maxwell's own is 1.0.
    "org.apache.kafka:kafka-clients:3.9.1",
    "org.apache.logging.log4j:log4j-core:2.24.3",
    # It asks of every value whether a script has made it, and Java 15 dropped that script engine.
    "org.openjdk.nashorn:nashorn-core:15.4",
    LOG4J,
)
# Its own driver is older than MySQL 8.
_WITHOUT = ("mysql:mysql-connector-java",)
_PRODUCER = {
    "kafka.compression.type": "lz4",
    "kafka.linger.ms": 20,
    "kafka.batch.size": 1_048_576,
    "kafka.acks": "all",
    "kafka.max.in.flight.requests.per.connection": 5,
}


class Maxwell:
    """One process per run; it keeps its position in the database `maxwell` of the server."""

    name = "maxwell"
    streams_while_snapshotting = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._topics = Topics(place.kafka.bootstrap)
        self._program = Program(self.name)
        self._tables: dict[str, str] = {}

    def up(self) -> None:
        if not self._place.early:
            raise NotMeasured("Maxwell of Maven's repository cannot read from this MySQL; run with --server 8.0")
        self._jars: Path = jars(f"maxwell-{VERSION}-java-17", _ARTIFACTS, _WITHOUT)
        own = self._jars / f"maxwell-{VERSION}.jar"
        self._first = renamed(own, self._program.folder / "renamed.jar", SCRIPT_ENGINE)
        with root_connection(self._place.mysql) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {_USER} IDENTIFIED WITH mysql_native_password BY '{_USER}'")
            cursor.execute(f"GRANT ALL ON *.* TO {_USER}")

    def close(self) -> None:
        self._program.close()

    def pids(self) -> list[int]:
        return self._program.pids

    def roles(self) -> dict[str, list[int]]:
        return {"maxwell": self._program.pids}

    def topic(self, run: str, table: str) -> str:
        return f"{run}.{table}"

    def copy(self, run: str, tables: list[str]) -> None:
        self._tables[run] = tables[0]
        self._topics.create([self.topic(run, tables[0])])
        raise NotMeasured("Maxwell copies tables by a bootstrap of its own, which is not measured")

    def hold(self, run: str) -> None:
        """Its first start notes its position."""
        self.go_on(run)
        self._program.wait("streaming", lambda: self._program.says("Binlog connected"), _READY_SECONDS_MAX)
        self._program.stop()

    def go_on(self, run: str) -> None:
        place = self._place
        table = self._tables[run]
        settings = {
            "host": place.mysql.host,
            "port": place.mysql.port,
            "user": _USER,
            "password": _USER,
            "client_id": run,
            "replica_server_id": 7690,
            "gtid_mode": "true",
            "filter": f"exclude: *.*, include: {place.database}.{table}",
            "producer": "kafka",
            "kafka.bootstrap.servers": place.kafka.bootstrap,
            "kafka_topic": self.topic(run, table),
            "producer_partition_by": "primary_key",
            **_PRODUCER,
        }
        path = self._program.write(f"{run}.properties", settings)
        self._program.start([self._first, self._jars / "*"], ["com.zendesk.maxwell.Maxwell", "--config", str(path)])

    def follow(self, run: str, table: str) -> None:
        self._tables[run] = table
        self._topics.create([self.topic(run, table)])
        self.go_on(run)
        self._program.wait("streaming", lambda: self._program.says("Binlog connected"), _READY_SECONDS_MAX)

    def drop(self, run: str) -> None:
        self._program.stop()
        if run in self._tables:
            self._topics.delete([self.topic(run, self._tables[run])])
        with root_connection(self._place.mysql) as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS maxwell")

    def alive(self) -> None:
        self._program.alive()

    def facts(self, run: str) -> str:
        return f"Maxwell {VERSION} with kafka-clients 3.9 and the script engine's classes renamed"
