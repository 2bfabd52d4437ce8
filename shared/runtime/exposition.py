"""One port for the metrics of a worker: its own, and those of its child processes.

A child keeps a connection to its parent and answers each question with all its figures. The parent asks when it is asked
itself, so figures are fresh, and cost nothing while nobody looks. A connection that ends is a child that ended: what it
had counted stays, so that counters of a worker never go back; its gauges go. So do those of a child that hangs.

Law of this file: measuring never stops the work. A port that is taken is a warning, and tried again.
"""

from __future__ import annotations

import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from wsgiref.simple_server import WSGIServer

import orjson
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared import clock
from shared.runtime import logs, metrics
from shared.runtime.metrics import Samples
from shared.settings import Settings

LOG = logs.get("headrace.metrics")

#: A child that has not answered for this long hangs, or its machine does. Prometheus itself waits 10 seconds.
_PATIENCE_SECONDS = 5.0

#: Between two tries to have a port that somebody else has.
_RETRY_SECONDS = 5.0


class _Child:
    """A child process as its parent sees it. `answered` is clear while a question is open."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.figures: Samples = {}
        self.answered = threading.Event()
        self.answered.set()

    def ask(self) -> None:
        """One question at a time, so that those to a child that hangs do not fill its socket."""
        if self.answered.is_set():
            self.answered.clear()
            with suppress(OSError):
                self.connection.sendall(b"\n")


class Children:
    """The parent's side. `address` is where children join."""

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="headrace-metrics-"))
        self.address = str(self._folder / "socket")
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._children: list[_Child] = []
        self._ended: Samples = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(self.address)
            self._socket.listen()
        except OSError:
            self.close()
            raise
        threading.Thread(target=self._accept, name="metrics", daemon=True).start()

    def samples(self) -> Samples:
        """The sum of what all children have counted, and the gauges of those that live and answer."""
        with self._asking:
            with self._lock:
                asked = list(self._children)
            for child in asked:
                child.ask()
            until = clock.monotonic_seconds() + _PATIENCE_SECONDS
            fresh = [one for one in asked if one.answered.wait(max(0.0, until - clock.monotonic_seconds()))]
            with self._lock:  # those that ended meanwhile are among the ended now
                total = dict(self._ended)
                for child in self._children:
                    metrics.add(total, child.figures, gauges=child in fresh)
        return total

    def close(self) -> None:
        """Nobody can join any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there
        self.forget()
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget(self) -> None:
        """Lets go of the socket, for a fork to which it does not belong."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            child = _Child(connection)
            with self._lock:
                self._children.append(child)
            threading.Thread(target=self._listen, args=(child,), name="metrics", daemon=True).start()

    def _listen(self, child: _Child) -> None:
        with suppress(OSError), child.connection, child.connection.makefile("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):  # else the child was killed in the middle of it
                    child.figures = _decoded(line)
                    child.answered.set()
        with self._lock:
            self._children.remove(child)
            metrics.add(self._ended, child.figures, gauges=False)
        child.answered.set()


class Membership:
    """A child's side; nothing happens without an address. As a context manager: for a process's whole work."""

    def __init__(self, address: str) -> None:
        self._sending = threading.Lock()
        self._connection: socket.socket | None = None
        if address:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(address)
            except OSError as error:
                connection.close()
                LOG.warning("metrics_not_shown", reason=str(error))
                return
            self._connection = connection
            threading.Thread(target=self._answer, args=(connection,), name="metrics", daemon=True).start()

    def leave(self) -> None:
        """Tells everything a last time."""
        if self._connection is not None:
            with suppress(OSError):
                self._tell(self._connection)
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection = None

    def __enter__(self) -> Membership:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as questions:
            for _ in questions:
                self._tell(connection)

    def _tell(self, connection: socket.socket) -> None:
        with self._sending:
            connection.sendall(_encoded(metrics.samples()))


class _Sum(Collector):
    """A process and its children."""

    def __init__(self, children: Children) -> None:
        self._children = children

    def collect(self) -> list[Metric]:
        total: Samples = {}
        metrics.add(total, metrics.samples(), gauges=True)
        metrics.add(total, self._children.samples(), gauges=True)
        return metrics.families(total)


class Port:
    """The port of HEADRACE_METRICS_PORT, which a worker's first process opens; 0 for none.

    `address` is where its children join: as the argument of `Membership`, or, if they are forks, by `join`.
    """

    def __init__(self, settings: Settings) -> None:
        self._host = settings.metrics_host
        self._number = settings.metrics_port
        self._children: Children | None = None
        self._server: WSGIServer | None = None
        self._membership: Membership | None = None
        self._closed = threading.Event()
        self.address = ""

    def open(self) -> None:
        """Serves from now on, or as soon as the port is free."""
        if not self._number:
            return
        try:
            self._children = Children()
        except OSError as error:
            self._warn(f"no socket for child processes: {error}")
            return
        self.address = self._children.address
        registry = CollectorRegistry()
        registry.register(_Sum(self._children))
        if not self._serve(registry, quiet=False):
            threading.Thread(target=self._try_again, args=(registry,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._children is not None:
            self._children.close()

    def join(self) -> None:
        """For a fork of the process that opened it: lets go of the port, and answers that process."""
        if self._server is not None:
            self._server.socket.close()
        if self._children is not None:
            self._children.forget()
            metrics.begin_anew()
            self._membership = Membership(self.address)

    def leave(self) -> None:
        """For such a fork, when it ends."""
        if self._membership is not None:
            self._membership.leave()

    def __enter__(self) -> Port:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _try_again(self, registry: CollectorRegistry) -> None:
        while not self._closed.wait(_RETRY_SECONDS):
            if self._serve(registry, quiet=True):
                return

    def _serve(self, registry: CollectorRegistry, *, quiet: bool) -> bool:
        try:
            self._server, _ = start_http_server(self._number, self._host, registry)
        except OSError as error:
            if not quiet:
                self._warn(f"{error}; it is tried again every {_RETRY_SECONDS:.0f} s")
            return False
        LOG.info("metrics_served", host=self._host, port=self._number)
        return True

    def _warn(self, reason: str) -> None:
        LOG.warning(
            "metrics_not_served",
            host=self._host,
            port=self._number,
            reason=reason,
            hint="The work goes on. Check HEADRACE_METRICS_HOST, and give each worker of a machine its own HEADRACE_METRICS_PORT.",
        )


def _encoded(figures: Samples) -> bytes:
    """One line of JSON."""
    return orjson.dumps([(name, labels, figure) for (name, labels), figure in figures.items()]) + b"\n"


def _decoded(line: bytes) -> Samples:
    return {(name, tuple((key, value) for key, value in labels)): figure for name, labels, figure in orjson.loads(line)}
