"""One of headrace's own programs in the background, kept as the stack keeps its servers.

Its folder holds the log, the pid file (pid and start time, so that nobody else's process is ever signalled) and the
settings that it was started with: a daemon that runs with other settings than wanted is started again.
"""

import http.client
import json
import re
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace_local.console import StackError, say, tail
from headrace_local.server import Server

# A cold start is about 4 s of CPU for five Pythons on two cores; a test run beside it may take ten times as long.
UP_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.1
_HTTP_TIMEOUT_S = 2.0


class Daemon(Server):
    """A program that runs until it is told to stop.

    Args:
        directory: its folder; the last part is its name.
        program: the command line.
        environment: the whole environment that it sees.
        settings: those variables of it that make a difference; others may change while it runs.
    """

    def __init__(
        self,
        directory: Path,
        program: Sequence[str],
        environment: Mapping[str, str],
        settings: Mapping[str, str],
        port: int = 0,
    ) -> None:
        super().__init__(directory, port)
        self.name = directory.name
        self._program = list(program)
        self._environment = dict(environment)
        self._wanted = json.dumps({"program": self._program, "settings": dict(settings)}, indent=1)
        self._known = self.directory / "started.json"

    def begin(self) -> bool:
        """Start the program unless it runs as wanted; False if it does. `wait_until_up` tells when it is up."""
        if self.running and not self._runs_as_wanted():
            say(f"{self.name}: runs with other settings, starting it again")
            self.stop()
        return self.start()

    def prepare(self) -> None:
        """Note the settings, and put the log of the last run aside: readiness is read from this run's own."""
        self._known.write_text(self._wanted)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))

    def command(self) -> Sequence[str]:
        """Return the command line: env clears the shell's variables and becomes the program."""
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", "--ignore-environment", *variables, *self._program]

    def wait_until_up(self) -> None:
        """Wait until the program does its work; shorter than for a server, as there is no data to recover."""
        deadline = time.monotonic() + UP_TIMEOUT_S
        while not self.ready:
            if not self.running:
                raise self._not_up("ended while starting")
            if time.monotonic() > deadline:
                raise self._not_up(f"is not up after {UP_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_INTERVAL_S)

    def _runs_as_wanted(self) -> bool:
        return self._known.exists() and self._known.read_text() == self._wanted

    def _not_up(self, what: str) -> StackError:
        end = tail(self.log.read_text(errors="replace")) if self.log.exists() else "    (no log)"
        return StackError(f"{self.name}: {what}; the end of its log:\n{end}", f"read {self.log}")

    def _wait_until_ready(self) -> None:
        """Leave that to `wait_until_up`: first all are started, then all are waited for, and Ctrl-C ends it at once."""


class Worker(Daemon):
    """A daemon that listens nowhere; a line in its log says that it is up."""

    def __init__(
        self,
        directory: Path,
        program: Sequence[str],
        environment: Mapping[str, str],
        settings: Mapping[str, str],
        ready_line: str,
    ) -> None:
        super().__init__(directory, program, environment, settings)
        self._ready_line = re.compile(ready_line)

    def ports(self) -> Mapping[str, int]:
        """Return nothing: a worker has no port."""
        return {}

    @property
    def ready(self) -> bool:
        """Tell whether the line is in the log."""
        return self.log.exists() and self._ready_line.search(self.log.read_text(errors="replace")) is not None

    def probe(self, connection: socket.socket) -> bool:
        """Tell what its log says, as a worker has nothing to connect to."""
        del connection
        return self.ready


class WebPage(Daemon):
    """A daemon that answers HTTP."""

    @property
    def url(self) -> str:
        """Return the address for a browser."""
        return f"http://{self.host}:{self.port}"

    def probe(self, connection: socket.socket) -> bool:
        """Tell whether its health check answers 200."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=_HTTP_TIMEOUT_S)
        client.sock = connection
        client.request("GET", "/healthcheck")
        return client.getresponse().status == http.client.OK
