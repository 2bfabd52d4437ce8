"""Where a benchmark runs: its servers and its database."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace_local.kafka import KafkaServer
from headrace_local.layout import Layout, Ports, default_install, locked
from headrace_local.mysql import MysqlServer, install_mysql
from headrace_local.mysql80 import Mysql80Server, install_mysql80
from headrace_local.ports import free_ports
from headrace_local.server import kill_leftovers
from headrace_local.stack import Stack, install
from headrace_local.valkey import ValkeyServer

from tests.plugins.fix_headrace import REPOSITORY

FOLDER = REPOSITORY / ".local" / "bench-stack"
#: The MySQL that all readers read from, by the name that is told on the command line.
SERVERS: dict[str, tuple[type[MysqlServer], Callable[[Path], Path]]] = {
    "9.7": (MysqlServer, install_mysql),
    "8.0": (Mysql80Server, install_mysql80),
}
# Both tables stay in memory: what is measured is not the disk.
_POOL_MB, _REDO_MB = 1536, 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The servers, and the database of the measured tables."""

    mysql: MysqlServer
    kafka: KafkaServer
    redis: ValkeyServer
    database: str

    @property
    def early(self) -> bool:
        """True for MySQL 8.0, which still knows SHOW MASTER STATUS and mysql_native_password."""
        return isinstance(self.mysql, Mysql80Server)

    def servers(self) -> dict[str, int]:
        """The processes whose CPU time is told apart from the reader's."""
        found = {"mysqld": self.mysql.pid, "broker": self.kafka.pid}
        return {name: pid for name, pid in found.items() if pid is not None}


@contextmanager
def own_stack(database: str, server: str = "9.7") -> Iterator[Place]:
    """A stack with empty data, in a folder and on ports of its own; all but the MySQL are the programs of `make up`."""
    kind, installed = SERVERS[server]
    with locked(FOLDER.with_name("bench-lock")):
        kill_leftovers(FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
        mysql, kafka, controller, redis = free_ports(4)
        ports = Ports(mysql=mysql, kafka=kafka, kafka_controller=controller, redis=redis)
        programs = install(default_install(os.environ))
        stack = Stack(Layout(default_install(os.environ), FOLDER, ports), programs)
        program = installed(default_install(os.environ))
        stack.mysql = kind(program, FOLDER / "mysql", mysql, kind.memory(_POOL_MB, _REDO_MB))
        try:
            stack.up()
            yield Place(stack.mysql, stack.kafka, stack.redis, database)
        finally:
            for server in stack.servers:
                server.kill()
            shutil.rmtree(FOLDER, ignore_errors=True)
