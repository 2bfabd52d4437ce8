"""headrace as a reader, run through its programs and its command line as a user does."""

import os
import re
import threading
import urllib.request
from typing import Any

from headrace_local.ports import free_ports

from tests.bench.place import Place
from tests.bench.span import NotMeasured
from tests.plugins.fix_headrace import REPOSITORY, Cluster, Process

#: As a job has it that says nothing.
PARALLELISM = 4

_JOB = """
source:
  type: mysql
  hostname: #{{hostname}}
  port: #{{port}}
  username: #{{username}}
  password: #{{password}}
  tables: {tables}
  server-id: {server_id}
{chunk_size}
sink:
  type: upsert-kafka
  properties.bootstrap.servers: #{{bootstrap}}
{partitions}
route:
  - source-table: {database}.\\.*
    sink-table: {prefix}.<>
    replace-symbol: <>
pipeline:
  parallelism: {parallelism}
"""
_STARTED_SECONDS_MAX = 60
_STREAMING_SECONDS_MAX = 120


class Headrace:
    """One binlog worker, and one snapshot worker with as many processes as chunks are read at a time; up beforehand."""

    name = "headrace"
    streams_while_snapshotting = True

    def __init__(
        self, place: Place, chunk_size: int | None, parallelism: int = PARALLELISM, partitions: int | None = None
    ) -> None:
        self._place = place
        self._parallelism = parallelism
        self._partitions = f"  sink.topic.partitions: {partitions}" if partitions else ""
        self._chunk_size = f"  scan.incremental.snapshot.chunk.size: {chunk_size}" if chunk_size else ""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADRACE_")}
        codec = os.environ.get("HEADRACE_CODEC")
        self._cluster = Cluster(
            environment
            | ({"HEADRACE_CODEC": codec} if codec else {})
            | {
                "PYTHONPATH": str(REPOSITORY),
                "HEADRACE_REDIS_URL": place.redis.url,
                "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": place.kafka.bootstrap,
                "HEADRACE_REGISTRY_TOPIC": f"{place.database}.registry",
                "HEADRACE_VAR_HOSTNAME": place.mysql.host,
                "HEADRACE_VAR_PORT": str(place.mysql.port),
                "HEADRACE_VAR_USERNAME": place.mysql.user,
                "HEADRACE_VAR_PASSWORD": place.mysql.password,
                "HEADRACE_VAR_BOOTSTRAP": place.kafka.bootstrap,
            },
            place.kafka.bootstrap,
        )
        self._roles: dict[str, Process] = {}
        self._command: threading.Thread | None = None
        self._failure = ""
        self._codec = ""
        self._jobs = 0
        (self._metrics_port,) = free_ports(1)

    def up(self) -> None:
        """Starts the programs, waits until they can be given work."""
        self._roles = {
            "leader": self._cluster.binlog_worker(),
            "worker": self._cluster.snapshot_worker(self._parallelism, HEADRACE_METRICS_PORT=str(self._metrics_port)),
        }
        self._cluster.wait("worker", lambda: self._roles["worker"].says("ready."), _STARTED_SECONDS_MAX)

    def close(self) -> None:
        self._cluster.stop()

    def pids(self) -> list[int]:
        return [process.pid for process in self._roles.values()]

    def roles(self) -> dict[str, list[int]]:
        return {role: [process.pid] for role, process in self._roles.items()}

    def topic(self, run: str, table: str) -> str:
        return f"{run}.{table}"

    def copy(self, run: str, tables: list[str]) -> None:
        """Submits a job; returns at once."""
        self._jobs += 1
        text = _JOB.format(
            tables=", ".join(f"{self._place.database}.{table}" for table in tables),
            server_id=f"{7000 + self._jobs * 10}-{7009 + self._jobs * 10}",
            chunk_size=self._chunk_size,
            partitions=self._partitions,
            database=self._place.database,
            prefix=run,
            parallelism=self._parallelism,
        )
        self._later("submit", "-", "--name", run, stdin=text)

    def follow_all(self, run: str, pattern: str) -> None:
        """Submits a job of all tables whose names match; returns when it was accepted."""
        self.copy(run, [pattern])
        self._joined()

    def hold(self, run: str) -> None:
        """Leaves the job standing at a position, once it streams."""
        self._joined()
        self._cluster.wait("streaming", lambda: self.status(run)["state"] == "streaming", _STREAMING_SECONDS_MAX)
        self._now("pause", run)

    def go_on(self, run: str) -> None:
        """Lets it go on; returns at once."""
        self._later("resume", run)

    def follow(self, run: str, table: str) -> None:
        """Copies a small table and returns when its changes stream."""
        self.copy(run, [table])
        self._joined()
        self._cluster.wait("streaming", lambda: self.status(run)["state"] == "streaming", _STREAMING_SECONDS_MAX)

    def drop(self, run: str) -> None:
        """Ends the job and deletes its topics."""
        self._joined()
        self._now("cancel", run, "--yes", "--delete-topics")

    def alive(self) -> None:
        if self._failure:
            raise NotMeasured(self._failure)

    def facts(self, run: str) -> str:
        """Which codec the job runs with, where this version says so."""
        if not self._codec:
            self._codec = str(self.status(run).get("codec", "not told"))
        return f"codec {self._codec}"

    def status(self, run: str) -> dict[str, Any]:
        return self._cluster.status(run)

    def shares(self, run: str) -> tuple[float, float]:
        """What the attempts of this run waited for admission, and for Kafka at their end, as shares of their time."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as answer:
            text = answer.read().decode()

        def seconds(metric: str) -> float:
            return sum(
                float(found)
                for found in re.findall(rf'^headrace_{metric}_sum{{job_name="{run}".*}} (\S+)$', text, re.M)
            )

        admission, reading, commit = map(seconds, ("admission_seconds", "attempt_seconds", "commit_seconds"))
        return admission / (admission + reading), commit / (admission + reading)

    def _now(self, *words: str, stdin: str = "") -> None:
        done = self._cluster.cli(*words, stdin=stdin)
        if done.returncode != 0:
            self._failure = (done.stdout + done.stderr).strip()
            raise NotMeasured(self._failure)

    def _later(self, *words: str, stdin: str = "") -> None:
        """In the background: rows may be visible before the command returns."""

        def run() -> None:
            done = self._cluster.cli(*words, stdin=stdin)
            if done.returncode != 0:
                self._failure = (done.stdout + done.stderr).strip()

        self._joined()
        self._command = threading.Thread(target=run, name=words[0], daemon=True)
        self._command.start()

    def _joined(self) -> None:
        if self._command is not None:
            self._command.join()
            self._command = None
        self.alive()
