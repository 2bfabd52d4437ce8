"""The binlog worker's parent process: contests the lease of every job that should run, and keeps a child per job that
it leads. It holds no data and no connection to MySQL; killing it ends its children within a moment.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from shared import clock
from shared.adapters.kafka.registry import Registry
from shared.adapters.redis import client as redis_client
from shared.adapters.redis.lease import Leases
from shared.errors import Bug, Transient, Unavailable
from shared.machines.backoff import Backoff
from shared.model.job import Desire, End, Wanted
from shared.runtime import connections, logs, metrics
from shared.runtime.liveness import LOOP_SECONDS, Heart
from shared.settings import Settings

LOG = logs.get("headrace.binlog")

#: A child's exit codes: the job needs no more of us now, or it should be tried again.
EXIT_DONE = 0
EXIT_AGAIN = 75

_ROUND_SECONDS = 0.5

#: While a child is on its way out, for which somebody waits.
_SHORT_ROUND_SECONDS = 0.1

#: A tenure of this length counts as a success, so that the next failure is tried again at once.
_LONG_TENURE_SECONDS = 60.0

#: A child needs a moment before it renews its lease itself, from its work loop; until then its parent does.
_START_SECONDS = 60.0

#: A child that is told to stop gets this long to commit and leave.
_STOP_SECONDS = 10.0


def worker_name(settings: Settings) -> str:
    """This process's name in leases, status and logs. Two workers that were given one name must still differ."""
    return f"{settings.worker_name or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    revision: int
    started: float
    throttle: Mapping[str, str]
    told_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Runs until `stop` is set.

    Args:
        settings: of this process; children read the same environment.
        name: this worker's name in leases.
        stop: ends it.
        metrics_address: where children show their metrics; empty for nowhere.
    """

    settings: Settings
    name: str
    stop: threading.Event
    metrics_address: str = ""
    _children: dict[str, _Child] = field(default_factory=dict)
    _backoffs: dict[str, Backoff] = field(default_factory=dict)
    _shown: dict[tuple[str, ...], float] = field(default_factory=dict)

    def run(self) -> None:
        """Contests, starts, watches and stops children.

        Raises:
            HeadraceError: the registry cannot be read at all.
        """
        client = redis_client.connect(self.settings.redis_url.get_secret_value())
        leases = Leases(client, self.name, self.settings.lease_seconds)
        heart = Heart(self.settings.liveness_dir, "supervisor", LOOP_SECONDS)
        LOG.info("binlog_worker_starts", worker=self.name, registry=self.settings.registry_topic)
        with connections.open_registry(self.settings) as registry:
            try:
                while not self.stop.is_set():
                    self._round(registry, leases, heart)
                    leaving = any(child.told_at is not None for child in self._children.values())
                    self.stop.wait(_SHORT_ROUND_SECONDS if leaving else _ROUND_SECONDS)
            finally:
                self._stop_children(leases)

    def _round(self, registry: Registry, leases: Leases, heart: Heart) -> None:
        try:
            registry.refresh(to_end=False)
        except Transient as error:
            LOG.warning("registry_unavailable", reason=error.message)
        now = clock.monotonic_seconds()
        self._reap(leases, now)
        heart.beat()
        for job in registry.wanted.values():
            heart.beat()  # while Redis is away, each job costs seconds
            self._care(job, registry, leases, now)
        self._show(registry)

    def _show(self, registry: Registry) -> None:
        """The registry's jobs in Prometheus; one that was cancelled for good is not shown."""
        states: dict[tuple[str, ...], float] = {
            (job.name, state): 1.0 for job in registry.wanted.values() if (state := _state(job, registry))
        }
        if states != self._shown:
            metrics.show(metrics.JOB_STATE, states)
            for job, *_ in states:
                metrics.TAKEOVERS.labels(job)  # from 0 on: a counter that begins at 1 looks as if it had not moved
            self._shown = states

    def _care(self, job: Wanted, registry: Registry, leases: Leases, now: float) -> None:
        child = self._children.get(job.name)
        if child is not None:
            if child.revision != job.revision:
                self._tell(child, now)
            elif child.throttle != job.throttle:
                self._throttle(child, job)
            elif now - child.started < _START_SECONDS:
                self._contest(leases, job.name)
            return
        paused = job.desire is Desire.PAUSED
        backoff = self._backoffs.setdefault(job.name, Backoff())
        if paused or registry.outcome(job) is not None or not backoff.ready(now):
            return
        won = self._contest(leases, job.name)
        if won:
            self._start(job, now)
        elif won is None:
            backoff.failed(now)

    def _contest(self, leases: Leases, name: str) -> bool | None:
        """Takes or renews the lease. None when Redis is away: whoever leads goes on, and a new leader waits for it."""
        try:
            return leases.lead(name)
        except Unavailable as error:
            LOG.warning("lease_unavailable", job=name, reason=error.message)
            metrics.count_error(name, error)
            return None

    def _start(self, job: Wanted, now: float) -> None:
        command = [sys.executable, "-m", "workers.binlog", "--lead", job.name, "--holder", self.name]
        command += ["--metrics", self.metrics_address]
        # Its own session: Ctrl-C reaches the parent, which then stops its children in order.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        self._children[job.name] = _Child(process, job.revision, now, job.throttle)
        metrics.LEADING.labels(job.name).set(1)
        LOG.info("child_starts", job=job.name, revision=job.revision, pid=process.pid)

    def _reap(self, leases: Leases, now: float) -> None:
        for name, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                if child.told_at is not None and now - child.told_at > _STOP_SECONDS:
                    child.process.kill()
                continue
            del self._children[name]
            metrics.LEADING.remove(name)
            backoff = self._backoffs.setdefault(name, Backoff())
            if code == EXIT_DONE or now - child.started > _LONG_TENURE_SECONDS:
                backoff.succeeded()
            if code != EXIT_DONE:
                LOG.warning("child_ended", job=name, code=code)
                backoff.failed(now)
            if code not in (EXIT_DONE, EXIT_AGAIN):  # it was killed, or failed before or beside its tenure
                metrics.ERRORS.labels(name, metrics.CHILD_DIED).inc()
            self._resign(leases, name)

    def _throttle(self, child: _Child, job: Wanted) -> None:
        """A change of limits needs no new tenure: the child gets it as a line."""
        child.throttle = job.throttle
        if child.process.stdin is None:
            raise Bug("The child has no standard input.")
        with suppress(OSError):  # it has just ended; its successor reads the registry
            child.process.stdin.write(orjson.dumps(dict(job.throttle)) + b"\n")
            child.process.stdin.flush()

    def _tell(self, child: _Child, now: float) -> None:
        if child.told_at is None:
            child.told_at = now
            child.process.terminate()

    def _resign(self, leases: Leases, name: str) -> None:
        try:
            leases.resign(name)
        except Unavailable as error:
            LOG.warning("lease_unavailable", job=name, reason=error.message)  # it expires by itself

    def _stop_children(self, leases: Leases) -> None:
        for child in self._children.values():
            child.process.terminate()
        for name, child in self._children.items():
            try:
                child.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
            self._resign(leases, name)


def _state(job: Wanted, registry: Registry) -> str:
    """What the registry says of a job, in a word; empty for one that was cancelled for good."""
    outcome = registry.outcome(job)
    if outcome is not None:
        return "" if outcome.end is End.CANCELLED else str(outcome.end)
    return "cancelling" if job.desire is Desire.CANCELLED else str(job.desire)
