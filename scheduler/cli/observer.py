"""Looks at jobs: live figures from Redis, else stored ones from the state topic, else none.

Law of this file: looking never fails for one job's sake. What could not be read becomes a note of that job.
"""

from __future__ import annotations

from typing import Any

from scheduler.cli.access import Access, Stored
from scheduler.cli.jobs import Jobs
from scheduler.cli.picture import Origin, Picture, complete
from scheduler.cli.stored import figures
from scheduler.cli.views import duration_text
from shared.errors import HeadraceError, Unavailable
from shared.model.job import Desire, Wanted

#: A job whose lag grows is warned of when its binlogs will be gone within this time.
_WARN_SECONDS = 24 * 3600

#: After a look in vain (Redis is down, or a state topic is not readable) the next one waits this long.
_PAUSE_SECONDS = 5.0


class Observer:
    """Takes pictures. Keeps what it has read of state topics, so that the next look only reads on."""

    def __init__(self, access: Access, jobs: Jobs) -> None:
        self._access = access
        self._jobs = jobs
        self._stored: dict[str, Stored] = {}
        self._kept: dict[tuple[str, bool], tuple[float, dict[str, Any] | None, str]] = {}
        self._redis_down: tuple[float, str] | None = None

    def look(self, wanted: Wanted) -> Picture:
        """What is known of the job now. Raises InvalidJob when HEADRACE_REDIS_URL is no URL."""
        outcome = self._jobs.outcome(wanted)
        if self._jobs.is_over(wanted):
            return Picture(wanted, outcome, "", complete(None), Origin.NONE)
        leader, live, notes = self._live(wanted, ended=outcome is not None)
        if live is not None and outcome is None:
            return Picture(wanted, outcome, leader, complete(live), Origin.LIVE, notes + _live_notes(live))
        # What a leader published last is older than the end of its job, and may lack what it did in its last second.
        stored, note = self._from_topic(wanted, ended=outcome is not None)
        notes += (note,) if note else ()
        origin = Origin.NONE if stored is None else Origin.STORED
        return Picture(wanted, outcome, leader, complete(stored), origin, notes)

    def close(self) -> None:
        """Frees the clients."""
        for stored in self._stored.values():
            stored.close()

    def _live(self, wanted: Wanted, *, ended: bool) -> tuple[str | None, dict[str, Any] | None, tuple[str, ...]]:
        now = self._access.monotonic()
        if self._redis_down and now - self._redis_down[0] < _PAUSE_SECONDS:
            return None, None, (self._redis_down[1],)
        try:
            leader, live = self._access.live(wanted)
            failure = self._access.failure(wanted) if wanted.desire is Desire.RUNNING and not ended else None
        except Unavailable as error:
            self._redis_down = (now, f"No live figures, and who leads is unknown. {error}")
            return None, None, (self._redis_down[1],)
        self._redis_down = None
        return leader, live, _failure_notes(failure, live)

    def _from_topic(self, wanted: Wanted, *, ended: bool) -> tuple[dict[str, Any] | None, str]:
        now = self._access.monotonic()
        kept = self._kept.get((wanted.id, ended))  # what a job leaves is not what was read while it ran
        if kept and now - kept[0] < _PAUSE_SECONDS:
            return kept[1], kept[2]
        stored, note = self._read(wanted)
        self._kept[wanted.id, ended] = (now, stored, note)
        return stored, note

    def _read(self, wanted: Wanted) -> tuple[dict[str, Any] | None, str]:
        try:
            if wanted.id not in self._stored:
                self._stored[wanted.id] = self._access.stored(wanted, self._access.sink_options(wanted))
            state = self._stored[wanted.id].read()
        except HeadraceError as error:
            return None, f"The state topic is not readable here. {error}"
        return (figures(state), "") if state else (None, "")


def _failure_notes(failure: dict[str, Any] | None, live: dict[str, Any] | None) -> tuple[str, ...]:
    """Why the job makes no headway; nothing where a leader has shown figures since."""
    if failure is None or (live is not None and live["updated_at"] > failure["at"]):
        return ()
    hint = f" Hint: {failure['hint']}" if failure["hint"] else ""
    return (f"It is tried again after {failure['name']}: {failure['message']}{hint}",)


def _live_notes(live: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        note for note in (_worker_note(live), _throttle_note(live), _waits_note(live), _retention_note(live)) if note
    )


def _worker_note(live: dict[str, Any]) -> str:
    """What a snapshot worker complained about: the job goes on as far as others do its work."""
    error = live.get("worker_error")
    return f"A snapshot worker fails with {error['name']}: {error['message']} Hint: {error['hint']}" if error else ""


def _throttle_note(live: dict[str, Any]) -> str:
    waits = (live.get("throttle") or {}).get("waits")
    return f"The snapshot is throttled: {waits}. Change limits with scheduler throttle." if waits else ""


def _waits_note(live: dict[str, Any]) -> str:
    waits = live.get("readers_wait")
    return f"The copying waits for {waits}." if waits else ""


def _retention_note(live: dict[str, Any]) -> str:
    """Said while there is time: binlogs that the server deletes before they are read are lost to the job."""
    binlog, lag = live.get("binlog") or {}, live.get("lag_seconds") or 0.0
    kept, lost = binlog.get("kept_seconds"), binlog.get("lost_in_seconds")
    if kept is None or (lag < kept / 2 and (lost is None or lost > _WARN_SECONDS)):
        return ""
    when = "" if lost is None else f" At this pace it loses changes in {duration_text(lost)}."
    return (
        f"The job is {duration_text(lag)} behind, and the server keeps binlogs for {duration_text(kept)}.{when}"
        " Raise binlog_expire_logs_seconds until it has caught up."
    )
