"""All that is known of one job at one moment: what the user wants, how it ended, who leads it, how far it is.

Law of this file: pure. Figures are the plain JSON values of `shared.machines.ledger.summary` and what the leader adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.model.job import Desire, End, Outcome, Wanted

#: A job counts as current when it is this close behind MySQL: about the leader's own commits and publishing.
CURRENT_LAG_SECONDS = 5.0

#: What only a leader knows, and what summary() says of a job without tables.
_NOTHING: Mapping[str, Any] = {
    "epoch": 0,
    "position": "",
    "coordinates": "",
    "lag_seconds": None,
    "lag_bytes": None,
    "rows": 0,
    "rows_estimate": 0,
    "chunks_done": 0,
    "chunks_total": 0,
    "snapshot_done": False,
    "changes": None,
    "held_events": None,
    "updated_at": None,
    "mysql": None,
    "throttle": None,
    "readers_wait": "",
    "snapshot_seconds_left": None,
    "binlog": None,
    "codec": None,
    "tables": [],
}


class State(StrEnum):
    """What a job does, in one word."""

    SUBMITTED = "submitted"
    STARTING = "starting"
    NO_LEADER = "no-leader"
    SNAPSHOT = "snapshot"
    STREAMING = "streaming"
    PAUSING = "pausing"
    PAUSED = "paused"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class Origin(StrEnum):
    """Where the figures come from."""

    LIVE = "live"
    STORED = "stored"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Picture:
    """One look at one job. `leader` is None when nobody could be asked (Redis is down)."""

    wanted: Wanted
    outcome: Outcome | None
    leader: str | None
    figures: Mapping[str, Any]
    origin: Origin
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """What the job does."""
        if self.outcome is not None:
            return State(self.outcome.end.value)
        match self.wanted.desire:
            case Desire.CANCELLED:
                return State.CANCELLING
            case Desire.PAUSED:
                return State.PAUSING if self.leader else State.PAUSED
            case Desire.RUNNING:
                return self._running()

    @property
    def failed(self) -> bool:
        """True when the job stopped with an error that waiting cannot mend."""
        return self.state is State.FAILED

    @property
    def current(self) -> bool:
        """True when the snapshot is complete and the job is close behind MySQL."""
        seconds, size = self.figures["lag_seconds"], self.figures["lag_bytes"]
        close = size == 0 or (seconds is not None and seconds <= CURRENT_LAG_SECONDS)
        return self.state is State.STREAMING and self.origin is Origin.LIVE and close

    def as_json(self) -> dict[str, Any]:
        """The form that `status --json` prints."""
        wanted, outcome = self.wanted, self.outcome
        error = None
        if outcome is not None and outcome.end is End.FAILED:
            error = {"name": outcome.error, "message": outcome.message, "hint": outcome.hint}
        return {
            "job": wanted.name,
            "desire": str(wanted.desire),
            "state": str(self.state),
            "error": error,
            "leader": self.leader or "",
            **self.figures,
            "figures": str(self.origin),
            "id": wanted.id,
            "revision": wanted.revision,
            "submitted_at": wanted.submitted_at,
            "file": wanted.file,
            "notes": list(self.notes),
        }

    def _running(self) -> State:
        if self.leader == "":
            return State.SUBMITTED if not self.figures["tables"] else State.NO_LEADER
        if not self.figures["tables"]:
            return State.SUBMITTED if self.leader is None else State.STARTING
        return State.STREAMING if self.figures["snapshot_done"] else State.SNAPSHOT


def complete(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Figures with every field, whatever version of the leader wrote them; the leader's name is kept apart."""
    given = {name: value for name, value in (figures or {}).items() if name != "leader"}
    return {**_NOTHING, **given}
