"""The demo's five daemons: two binlog workers (one is a standby of the other), two snapshot workers, and Flower.

`make demo` starts what does not run, `make down` ends exactly what was started here.
"""

import secrets
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from headrace_local.console import StackError, say, step
from headrace_local.layout import HOST, REPOSITORY, locked

from headrace_demo.daemon import Daemon, WebPage, Worker
from headrace_demo.place import Place, write_secret

FLOWER_USER = "headrace"
_FLOWER_LOGIN = "login"
_WORKERS_OF_A_KIND = 2
_BINLOG_READY = r"\bbinlog_worker_starts\b"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The daemons of one stack."""

    place: Place
    binlog: Sequence[Worker]
    snapshot: Sequence[Worker]
    flower: WebPage

    @property
    def daemons(self) -> list[Daemon]:
        """Return all five."""
        return [*self.binlog, *self.snapshot, self.flower]

    @property
    def flower_password(self) -> str:
        """Return Flower's password, made up once for this stack."""
        path = self.flower.directory / "password"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_secret(path, secrets.token_urlsafe(12))
        return path.read_text().strip()

    def start(self) -> None:
        """Start what does not run, one beside the other, and wait until each is up."""
        with locked(self.place.folder):
            self.place.prepare()
            write_secret(self.flower.directory / _FLOWER_LOGIN, f"{FLOWER_USER}:{self.flower_password}")
            begun = {daemon.name: daemon.begin() for daemon in self.daemons}
            for daemon in self.daemons:
                daemon.wait_until_up()
                say(f"{daemon.name}: {'up' if begun[daemon.name] else 'already up'} (pid {daemon.pid})")

    def stop(self) -> None:
        """End the daemons that run."""
        if not any(daemon.running for daemon in self.daemons):
            say("demo: none of its programs runs")
            return
        with locked(self.place.folder), ThreadPoolExecutor(max_workers=len(self.daemons)) as pool:
            for done in [pool.submit(_stop, daemon) for daemon in self.daemons]:
                done.result()

    def check(self) -> None:
        """Raise for a daemon that has died since it was up."""
        for daemon in self.daemons:
            if not daemon.running:
                raise StackError(f"{daemon.name} has died", f"read {daemon.log}, then run `make demo` again")


def fleet(place: Place) -> Fleet:
    """Describe the daemons; nothing is started yet."""
    port = place.stack.layout.ports.flower
    celery = [sys.executable, "-m", "celery", "-A", "workers.app"]
    # The same configuration as in the image. A password on the command line could be seen by everybody.
    conf = REPOSITORY / "compose" / "flowerconfig.py"
    login = {"FLOWER_LOGIN_FILE": str(place.folder / "flower" / _FLOWER_LOGIN)}
    return Fleet(
        place,
        [_worker(place, f"binlog-{n}", [sys.executable, "-m", "workers.binlog"], _BINLOG_READY) for n in _numbers()],
        [_snapshot_worker(place, f"snapshot-{n}", celery) for n in _numbers()],
        WebPage(
            place.folder / "flower",
            [*celery, "flower", f"--conf={conf}", f"--address={HOST}", f"--port={port}"],
            place.environment() | login,
            place.settings() | login,
            port,
        ),
    )


def _snapshot_worker(place: Place, name: str, celery: Sequence[str]) -> Worker:
    # One process each: two workers then show that chunks are read at the same time.
    program = [*celery, "worker", "-Q", "snapshot", "-E", "-c", "1", "-n", f"{name}@{HOST}"]
    return _worker(place, name, program, rf"\b{name}@\S+ ready\.")


def _worker(place: Place, name: str, program: Sequence[str], ready_line: str) -> Worker:
    own = {"HEADRACE_WORKER_NAME": name}
    directory: Path = place.folder / name
    return Worker(directory, program, place.environment() | own, place.settings() | own, ready_line)


def _numbers() -> range:
    return range(1, _WORKERS_OF_A_KIND + 1)


def _stop(daemon: Daemon) -> None:
    if daemon.running:
        with step(f"{daemon.name}: stopping"):
            daemon.stop()
