"""How loaded MySQL is, for the throttle. The source is asked on the leader's own connection; replicas in a thread, on
one connection each, so that a replica that is away never holds up the stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from shared.adapters.mysql.session import Session
from shared.errors import HeadraceError
from shared.model.throttle import Address, Limits, Pressure
from shared.runtime import logs

LOG = logs.get("headrace.binlog")

#: Replicas are asked this often while anybody wants to know.
_ASK_SECONDS = 1.0

#: Without a question for so long the replicas' connections are given back.
_IDLE_SECONDS = 30.0

_RUNNING = "SHOW GLOBAL STATUS LIKE 'Threads_running'"


def replica_lag(session: Session) -> float | None:
    """Seconds that a replica is behind its source, the longest of its channels; None when it is no replica, or its
    applier does not run.
    """
    channels = replica_channels(session)
    lags = [row.get("seconds_behind_source") or row.get("seconds_behind_master") or "" for row in channels]
    return max(map(float, lags)) if lags and all(lags) else None


def replica_channels(session: Session) -> list[dict[str, str]]:
    """The status of each channel of a replica; empty for a server that is none."""
    return session.named(_replica_command(session))


def _replica_command(session: Session) -> str:
    """SHOW REPLICA STATUS came with MySQL 8.0.22; a MariaDB may have several sources, each with a connection of its own."""
    if session.is_mariadb:
        return "SHOW ALL SLAVES STATUS"
    parts = session.version.split("-")[0].split(".")
    return "SHOW REPLICA STATUS" if tuple(map(int, parts[:3])) >= (8, 0, 22) else "SHOW SLAVE STATUS"


class MysqlGauge:
    """Implements `workers.binlog.ports.Gauge`.

    Args:
        session: the leader's SQL connection.
        open_replica: connects to a replica.
    """

    def __init__(self, session: Session, open_replica: Callable[[Address], Session]) -> None:
        self._session = session
        self._watch = _ReplicaWatch(open_replica)

    def pressure(self, limits: Limits) -> Pressure:
        """See `Gauge`."""
        running = 0
        if limits.max_threads_running is not None:
            running = int(self._session.named(_RUNNING)[0]["value"])
        if limits.max_replica_lag is None:
            return Pressure(running)
        if limits.replicas:
            return Pressure(running, self._watch.lags(limits.replicas))
        return Pressure(running, (("the source", replica_lag(self._session)),))

    def close(self) -> None:
        """Ends the thread and its connections."""
        self._watch.close()


class _ReplicaWatch:
    """Asks replicas once a second, in a thread that starts with the first question."""

    def __init__(self, open_replica: Callable[[Address], Session]) -> None:
        self._open = open_replica
        self._sessions: dict[Address, Session] = {}
        self._lags: dict[Address, float | None] = {}
        self._wanted: tuple[Address, ...] = ()
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def lags(self, replicas: tuple[Address, ...]) -> tuple[tuple[str, float | None], ...]:
        """What they said last; None for one that was not heard."""
        self._wanted = replicas
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="replicas", daemon=True)
            self._thread.start()
        return tuple((str(address), self._lags.get(address)) for address in replicas)

    def close(self) -> None:
        self._stopped.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(2 * _ASK_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                if self._asked.wait(_IDLE_SECONDS):
                    self._asked.clear()
                    self._ask_all(self._wanted)
                    self._stopped.wait(_ASK_SECONDS)
                else:
                    self._leave(())
        finally:
            self._leave(())

    def _ask_all(self, replicas: tuple[Address, ...]) -> None:
        self._leave(replicas)
        for address in replicas:
            try:
                if address not in self._sessions:
                    self._sessions[address] = self._open(address)
                self._lags[address] = replica_lag(self._sessions[address])
            except HeadraceError as error:
                LOG.warning("replica_unavailable", replica=str(address), reason=error.message)
                self._lags[address] = None
                if session := self._sessions.pop(address, None):
                    session.close()

    def _leave(self, kept: tuple[Address, ...]) -> None:
        for address in [one for one in self._sessions if one not in kept]:
            self._sessions.pop(address).close()
            self._lags.pop(address, None)
