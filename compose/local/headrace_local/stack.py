"""The three servers together: install, start, stop and describe them.

The command line (`compose/local/stack.py`) and the tests' plugin both drive this class.
"""

import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from .console import StackError, say, step
from .kafka import KafkaServer, install_kafka, install_tools
from .layout import HOST, Layout, field_of, locked
from .mysql import HEADRACE_PASSWORD, HEADRACE_USER, ROOT_USER, MysqlServer, install_mysql
from .server import Server, running_ports
from .valkey import ValkeyServer, install_valkey


@dataclass(frozen=True, slots=True)
class Programs:
    """The installed programs."""

    mysql: Path
    kafka: Path
    valkey: Path


def install(folder: Path) -> Programs:
    """Install what is missing, one after the other (two cores, one network, one apt lock)."""
    install_tools(folder)  # first, as only this may need root: fail before minutes of downloads
    return Programs(install_mysql(folder), install_kafka(folder), install_valkey(folder))


def as_running(layout: Layout) -> Layout:
    """Return the layout with the ports on which its servers run now, where they do."""
    known: dict[str, int] = {}
    for name in ("mysql", "kafka", "redis"):
        known |= running_ports(layout.stack / name)
    ports = replace(layout.ports, **{field_of(setting): port for setting, port in known.items()})
    return replace(layout, ports=ports)


class Stack:
    """MySQL, Kafka and Valkey in one folder."""

    def __init__(self, layout: Layout, programs: Programs) -> None:
        self.layout = layout
        ports, folder = layout.ports, layout.stack
        self.mysql = MysqlServer(programs.mysql, folder / "mysql", ports.mysql)
        self.kafka = KafkaServer(programs.kafka, folder / "kafka", ports.kafka, ports.kafka_controller)
        self.redis = ValkeyServer(programs.valkey, folder / "redis", ports.redis)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return the three servers; Kafka first, as it takes longest to start."""
        return (self.kafka, self.mysql, self.redis)

    def up(self) -> None:
        """Start the servers that are not running, at the same time, and wait until all answer."""
        with locked(self.layout.stack):
            self._all(_start)

    def down(self) -> None:
        """Stop the servers; their data stays."""
        with locked(self.layout.stack):
            self._all(_stop)

    def _all(self, action: Callable[[Server], None]) -> None:
        """Run the action on all servers, and raise one error that tells of all that failed."""
        with ThreadPoolExecutor(max_workers=len(self.servers)) as pool:
            futures = [pool.submit(action, server) for server in self.servers]
        failed = [error for future in futures if (error := future.exception()) is not None]
        told = [error for error in failed if isinstance(error, StackError)]
        for error in failed:
            if not isinstance(error, StackError):
                raise error
        if len(told) == 1:
            raise told[0]
        if told:
            raise StackError("\n".join(e.what for e in told), "\n  ".join(e.hint for e in told))


def exports(stack: Stack) -> Iterator[str]:
    """Yield the shell lines that point headrace, and the other make targets, at this stack."""
    values = {
        "HEADRACE_REDIS_URL": stack.redis.url,
        "HEADRACE_KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap,
        "HEADRACE_STACK_DIR": str(stack.layout.stack),
        "HEADRACE_STACK_INSTALL_DIR": str(stack.layout.install),
        "HEADRACE_STACK_MYSQL_HOST": HOST,
        "HEADRACE_STACK_MYSQL_PORT": str(stack.mysql.port),
        "HEADRACE_STACK_MYSQL_SOCKET": str(stack.mysql.socket),
        "HEADRACE_STACK_MYSQL_ROOT_USER": ROOT_USER,
        "HEADRACE_STACK_MYSQL_USER": HEADRACE_USER,
        "HEADRACE_STACK_MYSQL_PASSWORD": HEADRACE_PASSWORD,
        "HEADRACE_STACK_KAFKA_PORT": str(stack.kafka.port),
        "HEADRACE_STACK_KAFKA_CONTROLLER_PORT": str(stack.layout.ports.kafka_controller),
        "HEADRACE_STACK_REDIS_PORT": str(stack.redis.port),
        "HEADRACE_STACK_FLOWER_PORT": str(stack.layout.ports.flower),
    }
    for name, value in values.items():
        yield f"export {name}={shlex.quote(value)}"


def _start(server: Server) -> None:
    if server.running:
        server.start()
        say(f"{server.name}: already up on port {server.port} (pid {server.pid})")
        return
    with step(f"{server.name}: starting on port {server.port}"):
        server.start()


def _stop(server: Server) -> None:
    if not server.running:
        say(f"{server.name}: not running")
        return
    with step(f"{server.name}: stopping"):
        server.stop()
