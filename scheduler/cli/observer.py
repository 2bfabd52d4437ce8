"""Looks at jobs: live figures from Redis, else stored ones from the state topic, else none.

Law of this file: looking never fails for one job's sake. What could not be read becomes a note of that job.
"""

from __future__ import annotations

from typing import Any

from scheduler.cli.access import Access, Stored
from scheduler.cli.jobs import Jobs
from scheduler.cli.picture import Origin, Picture, complete
from scheduler.cli.stored import figures
from shared.errors import HeadraceError, Unavailable
from shared.model.job import Wanted

#: After a look in vain (Redis is down, or a state topic is not readable) the next one waits this long.
_PAUSE_SECONDS = 5.0


class Observer:
    """Takes pictures. Keeps what it has read of state topics, so that the next look only reads on."""

    def __init__(self, access: Access, jobs: Jobs) -> None:
        self._access = access
        self._jobs = jobs
        self._stored: dict[str, Stored] = {}
        self._kept: dict[str, tuple[float, dict[str, Any] | None, str]] = {}
        self._redis_down: tuple[float, str] | None = None

    def look(self, wanted: Wanted) -> Picture:
        """What is known of the job now. Raises InvalidJob when HEADRACE_REDIS_URL is no URL."""
        outcome = self._jobs.outcome(wanted)
        if self._jobs.is_over(wanted):
            return Picture(wanted, outcome, "", complete(None), Origin.NONE)
        leader, live, notes = self._live(wanted)
        if live is not None:
            return Picture(wanted, outcome, leader, complete(live), Origin.LIVE, _worker_notes(live))
        stored, note = self._from_topic(wanted)
        notes += (note,) if note else ()
        origin = Origin.NONE if stored is None else Origin.STORED
        return Picture(wanted, outcome, leader, complete(stored), origin, notes)

    def close(self) -> None:
        """Frees the clients."""
        for stored in self._stored.values():
            stored.close()

    def _live(self, wanted: Wanted) -> tuple[str | None, dict[str, Any] | None, tuple[str, ...]]:
        now = self._access.monotonic()
        if self._redis_down and now - self._redis_down[0] < _PAUSE_SECONDS:
            return None, None, (self._redis_down[1],)
        try:
            leader, live = self._access.live(wanted)
        except Unavailable as error:
            self._redis_down = (now, f"No live figures, and who leads is unknown. {error}")
            return None, None, (self._redis_down[1],)
        self._redis_down = None
        return leader, live, ()

    def _from_topic(self, wanted: Wanted) -> tuple[dict[str, Any] | None, str]:
        now = self._access.monotonic()
        kept = self._kept.get(wanted.id)
        if kept and now - kept[0] < _PAUSE_SECONDS:
            return kept[1], kept[2]
        stored, note = self._read(wanted)
        self._kept[wanted.id] = (now, stored, note)
        return stored, note

    def _read(self, wanted: Wanted) -> tuple[dict[str, Any] | None, str]:
        try:
            if wanted.id not in self._stored:
                self._stored[wanted.id] = self._access.stored(wanted, self._access.sink_options(wanted))
            state = self._stored[wanted.id].read()
        except HeadraceError as error:
            return None, f"The state topic is not readable here. {error}"
        return (figures(state), "") if state else (None, "")


def _worker_notes(live: dict[str, Any]) -> tuple[str, ...]:
    """What a snapshot worker complained about: the job goes on as far as others do its work."""
    error = live.get("worker_error")
    return (f"A snapshot worker fails with {error['name']}: {error['message']} Hint: {error['hint']}",) if error else ()
