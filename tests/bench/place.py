"""Where a benchmark runs: its servers and its database."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from headrace_local.kafka import KafkaServer
from headrace_local.layout import Layout, Ports, default_install, locked
from headrace_local.mysql import MysqlServer
from headrace_local.ports import free_ports
from headrace_local.server import kill_leftovers
from headrace_local.stack import Stack, install
from headrace_local.valkey import ValkeyServer

from tests.plugins.fix_headrace import REPOSITORY

FOLDER = REPOSITORY / ".local" / "bench-stack"
# Both tables stay in memory: what is measured is not the disk.
_MYSQL_OPTIONS = ("--innodb-buffer-pool-size=1536M", "--innodb-redo-log-capacity=1G")


@dataclass(frozen=True, slots=True)
class Place:
    """The servers, and the database of the measured tables."""

    mysql: MysqlServer
    kafka: KafkaServer
    redis: ValkeyServer
    database: str

    def servers(self) -> dict[str, int]:
        """The processes whose CPU time is told apart from the reader's."""
        found = {"mysqld": self.mysql.pid, "broker": self.kafka.pid}
        return {name: pid for name, pid in found.items() if pid is not None}


@contextmanager
def own_stack(database: str) -> Iterator[Place]:
    """A stack with empty data, in a folder and on ports of its own; its programs are those of `make up`."""
    with locked(FOLDER.with_name("bench-lock")):
        kill_leftovers(FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
        mysql, kafka, controller, redis = free_ports(4)
        ports = Ports(mysql=mysql, kafka=kafka, kafka_controller=controller, redis=redis)
        programs = install(default_install(os.environ))
        stack = Stack(Layout(default_install(os.environ), FOLDER, ports), programs)
        stack.mysql = MysqlServer(programs.mysql, FOLDER / "mysql", mysql, _MYSQL_OPTIONS)
        try:
            stack.up()
            yield Place(stack.mysql, stack.kafka, stack.redis, database)
        finally:
            for server in stack.servers:
                server.kill()
            shutil.rmtree(FOLDER, ignore_errors=True)
