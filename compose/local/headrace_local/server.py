"""One server process: start it, know it again later, stop it, kill it.

A server outlives the program that started it. Its pid file therefore holds the pid *and* the
process's start time, so that a pid that the kernel has given to somebody else is never signalled.
MySQL, Kafka and Valkey are subclasses; the stack and the tests call `start`, `stop` and `kill`.
"""

import json
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from .console import StackError, say, tail
from .layout import HOST
from .ports import holder_of, is_taken

_PID_FILE = "server.pid"
# Looked at when a server starts: a log is kept short between runs, not during one.
LOG_BYTES_MAX = 32 * 1024 * 1024
POLL_INTERVAL_S = 0.05
PROBE_TIMEOUT_S = 2.0
# Cold start on a busy two-core machine is about 20 s for the slowest (Kafka); crash recovery adds.
START_TIMEOUT_S = 120.0
# A clean stop takes about 2 s; a server that is still there after this is stuck, and is killed.
STOP_TIMEOUT_S = 60.0


class Server(ABC):
    """A server on the loopback address, with its own folder for data, log and pid file."""

    name: str

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory.absolute()
        self.host = HOST
        self.port = port
        self.log = self.directory / "server.log"
        self._pid_file = self.directory / _PID_FILE
        self._child: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Create the data folder and the configuration where they are missing."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command line that runs the server in the foreground."""

    @abstractmethod
    def probe(self, connection: socket.socket) -> bool:
        """Tell over a fresh connection whether the server does its work by now."""

    def ports(self) -> Mapping[str, int]:
        """Return every port that the server listens on, by the setting that moves it."""
        return {f"HEADRACE_STACK_{self.name.upper()}_PORT": self.port}

    @property
    def pid(self) -> int | None:
        """Return the pid of the running server, or None."""
        return _live_pid(self._pid_file)

    @property
    def running(self) -> bool:
        """Tell whether the process is there (it may still be starting)."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            with socket.create_connection((self.host, self.port), PROBE_TIMEOUT_S) as connection:
                connection.settimeout(PROBE_TIMEOUT_S)
                return self.probe(connection)
        except OSError:
            return False

    def start(self) -> bool:
        """Bring the server up on its old data, wait until it answers; False if it was up already."""
        if self.running:
            self._check_known_ports()
            self._wait_until_ready()
            return False
        for setting, port in self.ports().items():
            if is_taken(port):
                raise StackError(
                    f"{self.name}: port {port} is taken by {holder_of(port)}",
                    f"stop that program, or choose another port with {setting}",
                )
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._reap()
        self._launch()
        self._wait_until_ready()
        return True

    def stop(self) -> None:
        """Ask the server to end, wait until it has; a stuck one is killed."""
        if self._signal(signal.SIGTERM) and not self._wait_until_gone(STOP_TIMEOUT_S):
            say(f"{self.name}: did not stop within {STOP_TIMEOUT_S:.0f} s, killing it")
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL), and wait until the kernel has removed it."""
        if self._signal(signal.SIGKILL) and not self._wait_until_gone(STOP_TIMEOUT_S):
            raise StackError(f"{self.name}: the kernel did not end pid {self.pid}", "see dmesg")

    def _launch(self) -> None:
        command = self.command()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.old"))
        try:
            with self.log.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Its own session: Ctrl-C in the terminal that ran `up` is not for the servers.
                    start_new_session=True,
                )
        except OSError as error:
            raise StackError(f"{self.name}: cannot run {command[0]}: {error.strerror}", "install it again") from error
        self._remember(self._child.pid)

    def _reap(self) -> None:
        """Collect our own ended child, so that no zombie and no unfinished Popen stays."""
        if self._child is not None and not self.running:
            self._child.wait()
            self._child = None

    def _remember(self, pid: int) -> None:
        known = {"pid": pid, "begin": _begin_of(pid), "ports": dict(self.ports())}
        temporary = self._pid_file.with_suffix(".new")
        temporary.write_text(json.dumps(known))
        temporary.replace(self._pid_file)

    def _check_known_ports(self) -> None:
        known = running_ports(self.directory)
        if known != self.ports():
            raise StackError(
                f"{self.name}: runs already in {self.directory}, on other ports ({known})",
                "stop it first with `stack.py down`, or use another folder (--dir)",
            )

    def _signal(self, number: signal.Signals) -> bool:
        pid = self.pid
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def _wait_until_gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL_S)
        self._reap()
        return True

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready:
            if not self.running:
                self._give_up("ended while starting")
            if time.monotonic() > deadline:
                self._give_up(f"does not answer on port {self.port} after {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_INTERVAL_S)

    def _give_up(self, what: str) -> None:
        self._reap()
        end = tail(self.log.read_text(errors="replace")) if self.log.exists() else "    (no log)"
        raise StackError(
            f"{self.name}: {what}; the end of its log:\n{end}",
            f"read {self.log}; to begin with empty data, stop it and remove {self.directory}",
        )


def running_ports(directory: Path) -> dict[str, int]:
    """Return the ports, by setting, of the server that runs in the folder; empty if none does."""
    pid_file = directory / _PID_FILE
    if _live_pid(pid_file) is None:
        return {}
    return {name: int(port) for name, port in json.loads(pid_file.read_text())["ports"].items()}


def kill_leftovers(folder: Path) -> None:
    """Kill every server that was started somewhere below a folder whose owner is gone."""
    for pid_file in folder.rglob(_PID_FILE):
        pid = _live_pid(pid_file)
        if pid is not None:
            say(f"killing a server left over in {pid_file.parent} (pid {pid})")
            os.kill(pid, signal.SIGKILL)


def _live_pid(pid_file: Path) -> int | None:
    try:
        known = json.loads(pid_file.read_text())
    except FileNotFoundError:
        return None
    pid = int(known["pid"])
    return pid if _begin_of(pid) == int(known["begin"]) else None


def _begin_of(pid: int) -> int | None:
    """Return the start time of a live process (clock ticks since boot); None for a dead one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name stands in brackets and may hold anything, so count from the last bracket.
    fields = text.rpartition(")")[2].split()
    state, threads, begin = fields[0], int(fields[17]), int(fields[19])
    # A zombie is dead, but only once its last thread is: until then it keeps its port and locks.
    return None if state in ("Z", "X") and threads <= 1 else begin
