"""A leader's figures, taken once a second: for `scheduler status` and for Prometheus alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from shared import clock
from shared.job.throttling import as_json
from shared.machines.ledger import summary
from shared.machines.trend import Trend, seconds_until
from shared.model.orders import GaveUp
from shared.model.schema import TableId
from shared.runtime import metrics
from workers.binlog.leader import Leader
from workers.binlog.opening import Opened

_CHUNK_STATES = ("waiting", "claimed", "read", "draining", "released")
_TABLE_STATES = ("splitting", "snapshot", "live")


class Figures:
    """Of one tenure."""

    def __init__(self, job: str, leader: Leader, opened: Opened) -> None:
        self._job = job
        self._leader = leader
        self._opened = opened
        self._rows, self._lag = Trend(), Trend()

    def take(self, now: float, changed: Mapping[str, str]) -> dict[str, Any]:
        """Where the job stands, in plain JSON values.

        Args:
            now: seconds of a clock that never goes back.
            changed: what `scheduler throttle` has changed.

        Raises:
            HeadraceError: MySQL did not tell where its binlog ends.
        """
        leader, opened, ledger = self._leader, self._opened, self._leader.ledger
        moment = clock.unix_seconds()  # nothing that is told is older
        end = opened.source.binlog_end()
        behind = opened.source.bytes_behind(leader.reached, end)
        running: dict[TableId, int] = {}
        for chunk, rows in leader.progress().items():
            running[chunk.table] = running.get(chunk.table, 0) + rows
        committed = leader.commit_microseconds / 1e6
        lag = max(0.0, moment - committed) if behind and committed else 0.0
        told = summary(ledger.tables.values(), ledger.processed, ledger.epoch, running)
        return told | {
            "server_id": opened.server_id,
            "coordinates": str(leader.reached),
            "lag_bytes": behind,
            "lag_seconds": round(lag, 3),
            "changes": leader.changes,
            "held_events": ledger.held_events(),
            "readers": ledger.claimed,
            "worker_error": worker_error(leader.worker_error, told["tables"]),
            "throttle": self._throttle(now, changed),
            "readers_wait": self._readers_wait(now),
            "snapshot_seconds_left": self._snapshot_left(now, told),
            "binlog": self._binlog(now, lag),
            "mysql": self._mysql(),
            "updated_at": moment,
        }

    def show(self, taken: Mapping[str, Any]) -> None:
        """Tells Prometheus. A job's leader is a process of its own, and its gauges end with it."""
        job, ledger = self._job, self._leader.ledger
        for gauge, name in (
            (metrics.UPDATED, "updated_at"),
            (metrics.LAG_SECONDS, "lag_seconds"),
            (metrics.LAG_BYTES, "lag_bytes"),
            (metrics.SNAPSHOT_ROWS, "rows"),
            (metrics.SNAPSHOT_ESTIMATE, "rows_estimate"),
            (metrics.HELD, "held_events"),
            (metrics.READERS, "readers"),
        ):
            gauge.labels(job).set(taken[name])
        metrics.THROTTLED.labels(job).set(bool(taken["throttle"]["waits"]))
        lost_in = taken["binlog"]["lost_in_seconds"]
        metrics.show(metrics.BINLOG_LOSS, {} if lost_in is None else {(job,): lost_in})
        chunks = Counter(chunk.state.value for chunk in ledger.held_chunks())
        chunks.update(waiting=len(ledger.waiting), released=taken["chunks_done"])
        tables = Counter(table["state"] for table in taken["tables"])
        metrics.show(metrics.CHUNKS, {(job, state): chunks[state] for state in _CHUNK_STATES})
        metrics.show(metrics.TABLES, {(job, state): tables[state] for state in _TABLE_STATES})
        self.count()

    def count(self) -> None:
        """Counts what the leader has done since the last time."""
        metrics.count_written(self._job, "stream", self._leader.take_tallies())
        fences, self._leader.fences = self._leader.fences, 0
        metrics.FENCES.labels(self._job).inc(fences)

    def _throttle(self, now: float, changed: Mapping[str, str]) -> dict[str, Any]:
        """The limits, which changes they hold, and why the snapshot stands still; empty when it does not."""
        throttle = self._leader.throttle
        waits = "" if self._leader.ledger.snapshot_done else throttle.reason(now)
        return {"limits": as_json(throttle.limits), "changed": dict(changed), "waits": waits}

    def _readers_wait(self, now: float) -> str:
        """What readers wait for before they read, one of them; empty when they do not."""
        leader = self._leader
        claims = {attempt for _, attempt in leader.ledger.claims()}
        waits = [sign.waits for attempt, sign in leader.signs.items() if attempt in claims and sign.waits]
        return next(iter([*waits, *leader.chores.waits(now)]), "")

    def _snapshot_left(self, now: float, told: Mapping[str, Any]) -> float | None:
        self._rows.note(now, told["rows"])
        if told["snapshot_done"]:
            return None
        left = seconds_until(told["rows"], told["rows_estimate"], self._rows.per_second())
        return None if left is None else round(left)

    def _binlog(self, now: float, lag: float) -> dict[str, float | None]:
        """How long the server keeps binlogs, and when a lag that goes on growing has lost the race against it."""
        self._lag.note(now, lag)
        kept = self._opened.binlog_kept_seconds
        lost = None if kept is None else seconds_until(lag, kept, self._lag.per_second())
        return {"kept_seconds": kept, "lost_in_seconds": None if lost is None else round(lost)}

    def _mysql(self) -> dict[str, int]:
        """What the job takes: the leader's own, and what attempts have told."""
        mine = [metrics.mysql_cost(self._job, kind) for kind in (metrics.BINLOG, metrics.LEADER, metrics.REPLICA)]
        return {
            "connections": sum(cost.connections for cost in mine) + self._leader.ledger.claimed,
            "queries": sum(cost.queries for cost in mine),
            "rows": self._leader.throttle.rows_read,
            "bytes": self._leader.throttle.bytes_read,
        }


def worker_error(message: GaveUp | None, tables: Iterable[Mapping[str, Any]]) -> dict[str, str] | None:
    """What a worker fails with. What may pass is told while anything waits for workers: nobody says when it has passed."""
    if message is None or not (message.fatal or any(table["state"] != "live" for table in tables)):
        return None
    return {"name": message.error, "message": message.message, "hint": message.hint}
