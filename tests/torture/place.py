"""The servers, a proxy before each, and headrace's processes."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from headrace_local.kafka import KafkaServer
from headrace_local.layout import Layout, Ports, default_install, locked
from headrace_local.mariadb import MariadbServer, install_mariadb
from headrace_local.mysql import MysqlServer
from headrace_local.ports import free_ports
from headrace_local.server import kill_leftovers
from headrace_local.stack import Stack, install

from shared.adapters.redis import keys, progress
from shared.errors import Unavailable
from tests.plugins.fix_headrace import REPOSITORY, Cluster, Process
from tests.plugins.fix_servers import root_connection
from tests.torture.proxy import Proxy

FOLDER = REPOSITORY / ".local" / "torture-stack"
_POOL_MB, _REDO_MB = 256, 256


class ProxiedKafka(KafkaServer):
    """A Kafka that tells its clients the proxy's port."""

    advertised_port = 0

    def _configure(self, data: Path) -> None:
        super()._configure(data)
        text = self._configuration.read_text()
        here = f"advertised.listeners=PLAINTEXT://{self.host}:"
        told = text.replace(f"{here}{self.port}", f"{here}{self.advertised_port}")
        self._configuration.write_text(told)


@dataclass
class Place:
    """Everything that runs. `proxies` are by the server's name."""

    stack: Stack
    cluster: Cluster
    proxies: dict[str, Proxy]
    database: str
    direct_redis: redis.Redis
    is_mariadb: bool = False
    binlog_workers: list[Process] = field(default_factory=list)
    snapshot_workers: list[Process] = field(default_factory=list)

    @property
    def mysql(self) -> MysqlServer:
        """The source."""
        return self.stack.mysql

    def start_workers(self) -> None:
        """As many as there should be: two of each kind."""
        for workers, start in (
            (self.binlog_workers, self.cluster.binlog_worker),
            (self.snapshot_workers, self.cluster.snapshot_worker),
        ):
            _refill(workers, start)

    def leader(self, job: str) -> Process | None:
        """The binlog worker that leads the job, as far as Redis knows."""
        holder = self.direct_redis.get(keys.lease(job))
        name = holder.decode() if isinstance(holder, bytes) else ""
        return next((worker for worker in self.binlog_workers if f"-{worker.pid}-" in name), None)

    def status(self, job: str) -> dict | None:
        """What the job's leader has published lately."""
        try:
            return progress.latest(self.direct_redis, job)
        except Unavailable:  # Redis may just be down, which is one of the faults
            return None


def _refill(workers: list[Process], start: Callable[[], Process]) -> None:
    workers[:] = [worker for worker in workers if worker.popen.poll() is None]
    while len(workers) < 2:
        workers.append(start())


_WITHOUT_GTIDS = ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")

#: What the source may be.
SOURCES = ("mysql", "without-gtids", "mariadb")


@contextmanager
def own_place(source: str = "mysql") -> Iterator[Place]:
    """A stack with empty data, on ports of its own; nothing is left of it. `source` is one of SOURCES."""
    with locked(FOLDER.with_name("torture-lock")):
        kill_leftovers(FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
        mysql, kafka, controller, port = free_ports(4)
        layout = Layout(
            default_install(os.environ),
            FOLDER,
            Ports(mysql=mysql, kafka=kafka, kafka_controller=controller, redis=port),
        )
        programs = install(layout.install)
        stack = Stack(layout, programs)
        proxies = {name: Proxy(target) for name, target in (("mysql", mysql), ("kafka", kafka), ("redis", port))}
        kind, program = MysqlServer, programs.mysql
        if source == "mariadb":
            kind, program = MariadbServer, install_mariadb(layout.install)
        more = _WITHOUT_GTIDS if source == "without-gtids" else ()
        options = (*kind.memory(_POOL_MB, _REDO_MB), "--sync-binlog=1", *more)
        stack.mysql = kind(program, FOLDER / "mysql", mysql, options)
        stack.kafka = ProxiedKafka(programs.kafka, FOLDER / "kafka", kafka, controller)
        stack.kafka.advertised_port = proxies["kafka"].port
        place: Place | None = None
        try:
            stack.up()
            if source == "without-gtids":
                with root_connection(stack.mysql) as connection:
                    connection.cursor().execute(f"GRANT LOCK TABLES ON *.* TO '{stack.mysql.user}'@'%'")
            place = Place(
                stack,
                Cluster(_environment(stack, proxies), f"127.0.0.1:{kafka}"),
                proxies,
                "torture",
                redis.Redis(port=port, socket_timeout=2),
                is_mariadb=source == "mariadb",
            )
            yield place
        finally:
            if place is not None:
                place.cluster.stop()
            for server in stack.servers:
                server.kill()
            for proxy in proxies.values():
                proxy.close()
            shutil.rmtree(FOLDER, ignore_errors=True)


def _environment(stack: Stack, proxies: dict[str, Proxy]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    if "HEADRACE_CODEC" in os.environ:
        kept["HEADRACE_CODEC"] = os.environ["HEADRACE_CODEC"]
    bootstrap = f"127.0.0.1:{proxies['kafka'].port}"
    return kept | {
        "PYTHONPATH": str(REPOSITORY),
        "HEADRACE_REDIS_URL": f"redis://127.0.0.1:{proxies['redis'].port}/0",
        "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "HEADRACE_REGISTRY_TOPIC": f"torture.{secrets.token_hex(3)}",
        "HEADRACE_VAR_HOSTNAME": stack.mysql.host,
        "HEADRACE_VAR_PORT": str(proxies["mysql"].port),
        "HEADRACE_VAR_USERNAME": stack.mysql.user,
        "HEADRACE_VAR_PASSWORD": stack.mysql.password,
        "HEADRACE_VAR_BOOTSTRAP": bootstrap,
    }
