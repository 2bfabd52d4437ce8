"""What `scheduler verify`, its tasks and the comparison say to each other.

A run is one call of the command. It asks for parts: each is one table, or one range of a large one. A part may be tried again
under a new number when its worker was lost, so that two workers never speak for one try. All of it is for looking at: losing
it costs the run, and nothing else.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from shared.model.change import ChunkKey
from shared.model.chunk import KeyRange, bound_from_json, bound_to_json
from shared.model.schema import TableId

#: The digest of a key that is not there: a deleted row, a tombstone, or no message at all.
ABSENT = b""

_DIGEST_BYTES = 16
_SAMPLE_BYTES = 8
_PLACES = 1 << 8 * _SAMPLE_BYTES

#: The range of a whole table.
WHOLE = KeyRange(None, None)

#: Percent of the keys: all of them.
EVERYTHING = 100.0


class Kind(StrEnum):
    """How a key differs."""

    MISSING = "missing"  # MySQL has the row, the topic has not
    STALE = "stale"  # both have it, with different values
    GHOST = "ghost"  # the topic has it, MySQL has not


class Action(StrEnum):
    """What is to be done with a part."""

    COMPARE = "compare"
    REPAIR = "repair"  # compare, and write again what differs
    RESYNC = "resync"  # write again: all rows, those of a condition or those of some keys, and tombstones for keys that are gone


class Stage(StrEnum):
    """What a part does."""

    FOLDING = "folding"  # reads the topic
    READING = "reading"  # reads the table and compares
    WAITING = "waiting"  # for the job to publish what MySQL had when it was read
    CHECKING = "checking"  # compares again what differed
    MENDING = "mending"  # writes rows and tombstones again
    DIVIDED = "divided"  # the table is large: its ranges are parts of their own
    DONE = "done"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """True when nothing more will come."""
        return self in (Stage.DIVIDED, Stage.DONE, Stage.FAILED)


class Version(NamedTuple):
    """A message of a topic without its value; `timestamp` is Kafka's, in milliseconds since 1970."""

    key: bytes
    partition: int
    offset: int
    timestamp: int
    digest: bytes


class Open(NamedTuple):
    """A key that differs: what MySQL had when it was last read, what the topic's last message has, and where that
    message is (None: there is none).
    """

    key: bytes
    mysql: bytes
    topic: bytes
    partition: int | None
    offset: int | None

    @property
    def kind(self) -> Kind:
        """How it differs."""
        if self.topic == ABSENT:
            return Kind.MISSING
        return Kind.GHOST if self.mysql == ABSENT else Kind.STALE


class Difference(NamedTuple):
    """A key that differs, with its values for people; None where there is none. `shortened`: values were left out, for
    they are too large to be shown.
    """

    kind: Kind
    key: bytes
    mysql: bytes | None
    topic: bytes | None
    partition: int | None
    offset: int | None
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What a part found: rows of MySQL that were compared, and how many keys differ; how many messages were `written` to mend
    them, and how many keys still differed after that (`left`).
    """

    rows: int = 0
    missing: int = 0
    stale: int = 0
    ghost: int = 0
    written: int = 0
    left: int = 0

    @property
    def differ(self) -> int:
        """How many keys differ."""
        return self.missing + self.stale + self.ghost

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.rows + other.rows,
            self.missing + other.missing,
            self.stale + other.stale,
            self.ghost + other.ghost,
            self.written + other.written,
            self.left + other.left,
        )


@dataclass(frozen=True, slots=True)
class VerifyPart:
    """A part, as it is asked for.

    Args:
        job: the job's name.
        job_id: and its id.
        run: the run.
        number: of the part in the run, from 0.
        attempt: which try of this part it is, from 0.
        table: the table.
        range: of the table's keys; both ends open for a table that may be divided.
        sample: percent of the keys.
        sharing: how many parts of the run may be compared at a time.
        action: what to do.
        where: a condition in SQL on the rows to write again; empty for all of them.
        keys: the keys to write again, as their messages spell them; empty for all of them.
    """

    job: str
    job_id: str
    run: str
    number: int
    attempt: int
    table: TableId
    range: KeyRange = WHOLE
    sample: float = EVERYTHING
    sharing: int = 1
    action: Action = Action.COMPARE
    where: str = ""
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What Redis calls this try of this part."""
        return f"{self.run}:{self.number}.{self.attempt}"

    def to_json(self) -> dict[str, Any]:
        """The arguments of the task."""
        return {
            "job": self.job,
            "job_id": self.job_id,
            "run": self.run,
            "part": [self.number, self.attempt],
            "table": list(self.table),
            "lower": bound_to_json(self.range.lower),
            "upper": bound_to_json(self.range.upper),
            "sample": self.sample,
            "sharing": self.sharing,
            "action": self.action,
            "where": self.where,
            "keys": list(self.keys),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> VerifyPart:
        """The part that `to_json` wrote.

        Raises:
            ValueError: the value has another shape.
        """
        try:
            number, attempt = body["part"]
            database, table = body["table"]
            return cls(
                str(body["job"]),
                str(body["job_id"]),
                str(body["run"]),
                int(number),
                int(attempt),
                TableId(str(database), str(table)),
                KeyRange(bound_from_json(body["lower"]), bound_from_json(body["upper"])),
                float(body["sample"]),
                int(body["sharing"]),
                Action(body["action"]),
                str(body["where"]),
                tuple(str(key) for key in body["keys"]),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not a part of a comparison ({error})") from error


class Failure(NamedTuple):
    """The error that ended a part: one of ours, in its words. `transient`: trying again may help."""

    name: str
    message: str
    hint: str
    transient: bool


@dataclass(frozen=True, slots=True)
class Report:
    """How far a part is, and in the end what came of it.

    `done` and `total` count what the stage counts: messages, rows. `suspects` are keys that differ so far. `waits` says what the part
    waits for; empty for nothing. `bounds` divide a large table.
    """

    stage: Stage
    worker: str = ""
    done: int = 0
    total: int = 0
    suspects: int = 0
    waits: str = ""
    counts: Counts = field(default_factory=Counts)
    bounds: tuple[ChunkKey, ...] = ()
    error: Failure | None = None


def digest_of(value: bytes | None) -> bytes:
    """Stands for a value; None for a row or a message that is not there."""
    return ABSENT if value is None else blake2b(value, digest_size=_DIGEST_BYTES).digest()


def in_sample(key: bytes, percent: float) -> bool:
    """True for about so many percent of all keys, the same ones on either side."""
    if percent >= EVERYTHING:
        return True
    place = int.from_bytes(blake2b(key, digest_size=_SAMPLE_BYTES, person=b"sample").digest(), "big")
    return place < percent / EVERYTHING * _PLACES


def encode_report(report: Report) -> bytes:
    """The report as JSON."""
    counts = report.counts
    body: dict[str, Any] = {
        "stage": report.stage,
        "worker": report.worker,
        "done": report.done,
        "total": report.total,
        "suspects": report.suspects,
        "waits": report.waits,
        "counts": [counts.rows, counts.missing, counts.stale, counts.ghost, counts.written, counts.left],
        "bounds": [bound_to_json(bound) for bound in report.bounds],
        "error": list(report.error) if report.error else None,
    }
    return orjson.dumps(body)


def decode_report(data: bytes) -> Report:
    """The report that `encode_report` wrote.

    Raises:
        ValueError: the bytes are none that this version knows.
    """
    try:
        body = orjson.loads(data)
        error = body["error"]
        bounds = tuple(bound for item in body["bounds"] if (bound := bound_from_json(item)) is not None)
        return Report(
            Stage(body["stage"]),
            body["worker"],
            body["done"],
            body["total"],
            body["suspects"],
            body["waits"],
            Counts(*body["counts"]),
            bounds,
            Failure(*error) if error else None,
        )
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"not a report of a comparison ({error})") from error


def encode_difference(difference: Difference) -> bytes:
    """The difference as JSON; bytes as base64, for those of a foreign message may be anything."""
    kind, key, mysql, topic, partition, offset, shortened = difference
    return orjson.dumps([kind, _text(key), _text(mysql), _text(topic), partition, offset, shortened])


def decode_difference(data: bytes) -> Difference:
    """The difference that `encode_difference` wrote.

    Raises:
        ValueError: the bytes are none that this version knows.
    """
    try:
        kind, key, mysql, topic, partition, offset, shortened = orjson.loads(data)
        return Difference(Kind(kind), _bytes(key) or b"", _bytes(mysql), _bytes(topic), partition, offset, shortened)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a difference ({error})") from error


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
