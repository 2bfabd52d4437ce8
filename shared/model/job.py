"""What the registry knows of a job: what the user wants, and how the last tenure ended.

Two records a job, with one writer each: the CLI writes `Wanted`, the binlog worker writes `Outcome`. An outcome counts
only for the revision that it names, so that `resume` clears a failure without touching the other's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from shared.model.shape import checked


class Desire(StrEnum):
    """What the user wants of a job."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class OnGap(StrEnum):
    """What the user wants when changes are lost that nobody can bring back."""

    STOP = "stop"
    RESYNC = "resync"  # copy every table again, into the same topics


class End(StrEnum):
    """How the last tenure ended, when that is final for the revision."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A submitted job. `text` is the job file with its placeholders; it never holds a secret.

    `id` is new with each submission, so that a job that is submitted again after a cancel starts from nothing.
    `revision` grows with every change of `desire`. `throttle` holds what `scheduler throttle` has changed: options of
    `source.throttle` and their texts. `on_gap` is as the last `resume` said.
    `resync` is the revision in which all tables were last wanted anew, 0 for never.
    """

    name: str
    id: str
    text: str
    file: str
    desire: Desire
    revision: int
    submitted_at: str
    throttle: Mapping[str, str] = field(default_factory=dict)
    on_gap: OnGap = OnGap.STOP
    resync: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a tenure ended for good: an error that waiting cannot mend, the end of a cancelled job, or of one that only copies."""

    name: str
    revision: int
    end: End
    error: str = ""
    message: str = ""
    hint: str = ""


def encode_wanted(wanted: Wanted) -> tuple[bytes, bytes]:
    """Key and value of the user's record."""
    body = {name: getattr(wanted, name) for name in ("id", "text", "file", "desire", "revision", "submitted_at")}
    if wanted.throttle:
        body["throttle"] = dict(wanted.throttle)
    if wanted.on_gap is not OnGap.STOP:
        body["on_gap"] = wanted.on_gap
    if wanted.resync:
        body["resync"] = wanted.resync
    return orjson.dumps(["job", wanted.name]), orjson.dumps({"v": 1, **body})


def encode_outcome(outcome: Outcome) -> tuple[bytes, bytes]:
    """Key and value of the worker's record."""
    body = {name: getattr(outcome, name) for name in ("revision", "end", "error", "message", "hint")}
    return orjson.dumps(["outcome", outcome.name]), orjson.dumps({"v": 1, **body})


def decode_registry(key: bytes, value: bytes) -> Wanted | Outcome:
    """The record of these bytes.

    Raises:
        ValueError: the bytes are not a registry record that this version knows.
    """
    try:
        kind, name = orjson.loads(key)
        body: dict[str, Any] = orjson.loads(value)
        if body.pop("v") != 1:
            raise ValueError("a newer headrace wrote the registry")
        if kind == "job":
            gap = OnGap(body.get("on_gap", OnGap.STOP))
            return checked(Wanted(name=name, **{**body, "desire": Desire(body["desire"]), "on_gap": gap}))
        if kind == "outcome":
            return checked(Outcome(name=name, **{**body, "end": End(body["end"])}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a registry record: key {key!r} ({error})") from error
    raise ValueError(f"not a registry record: key {key!r}")


def state_topic(registry_topic: str, job_id: str) -> str:
    """The job's state topic."""
    return f"{registry_topic}.state.{job_id}"


def leader_transactional_id(job_id: str) -> str:
    """The one `transactional.id` of the job's leaders."""
    return f"headrace.{job_id}.leader"
