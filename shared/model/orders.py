"""The wire contract between leader and snapshot workers: task arguments, questions and answers.

Everything here may be lost, doubled or late (DESIGN rule 1), so no message carries truth: a hint names its subject,
a question names its attempt, and an answer counts only for the attempt that it names. Messages are JSON objects with
a version; a worker accepts all versions up to its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from shared.model.change import ChunkKey
from shared.model.chunk import ChunkId, KeyRange, bound_from_json, bound_to_json
from shared.model.label import Origin
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId, table_from_json, table_to_json
from shared.model.shape import checked
from shared.model.throttle import FULL_SPEED, Pace
from shared.model.topic import Placing

VERSION = 1

#: Names of the Celery tasks and of their queue. They are the wire: moving code must not change them.
CHUNK_TASK = "headrace.snapshot.chunk"
SPLIT_TASK = "headrace.snapshot.split"
SWEEP_TASK = "headrace.mend.sweep"
VERIFY_TASK = "headrace.verify.part"
SNAPSHOT_QUEUE = "snapshot"


@dataclass(frozen=True, slots=True)
class AskChunks:
    """May this attempt read these chunks? Its transactional id is initialised already (rule 2)."""

    chunks: tuple[ChunkId, ...]
    attempt: str
    worker: str


@dataclass(frozen=True, slots=True)
class AskSplit:
    """May this attempt look for the bounds of this table?"""

    table: TableId
    attempt: str
    worker: str


@dataclass(frozen=True, slots=True)
class AskReread:
    """May this attempt read a range of a live table again (rule 10)? Answered like `AskChunks`."""

    table: TableId
    range: KeyRange
    attempt: str
    worker: str


@dataclass(frozen=True, slots=True)
class AskSweep:
    """May this attempt put the topic of a table right that lost rows without a change of each?"""

    table: TableId
    attempt: str
    worker: str


@dataclass(frozen=True, slots=True)
class Swept:
    """Every key that the topic had when the sweep was granted is as MySQL has it. `emptied` is that of the grant."""

    table: TableId
    attempt: str
    emptied: int


@dataclass(frozen=True, slots=True)
class Beat:
    """The attempt is alive and has read so many rows and bytes; `waits` is what it waits for, for people, empty where it does not."""

    attempt: str
    rows: int
    bytes: int = 0
    waits: str = ""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The attempt ended in an error. `fatal` means that trying again cannot help (an error of NeedsOperator)."""

    attempt: str
    error: str
    message: str
    hint: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """The next bounds of a table in key order; `finished` when no more follow."""

    table: TableId
    attempt: str
    after: ChunkKey | None
    bounds: tuple[ChunkKey, ...]
    finished: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """A chunk that the attempt may read: its range of the table goes to the topic, as long as that is placed so; with the
    table's `shard_key`, if it shares that.
    """

    chunk: ChunkId
    table: Table
    topic: str
    range: KeyRange
    placing: Placing | None = None
    shard_key: str = ""

    @property
    def origin(self) -> Origin:
        """Whose rows they are."""
        return Origin(self.table.id, self.shard_key)


@dataclass(frozen=True, slots=True)
class ReadChunks:
    """`go(P)`: read the granted chunks once the server has executed `low`; all of them in one Kafka transaction. `salt` is the
    fingerprint of that of the job's hashes, if it has any.
    """

    attempt: str
    low: GtidSet
    granted: tuple[Granted, ...]
    pace: Pace = FULL_SPEED
    salt: str = ""


@dataclass(frozen=True, slots=True)
class SplitTable:
    """Find bounds behind `after`, about `chunk_rows` rows apart."""

    attempt: str
    table: Table
    after: ChunkKey | None
    chunk_rows: int
    rows_estimate: int


@dataclass(frozen=True, slots=True)
class SweepTable:
    """Compare the topic with the table once the server has executed `low`, and write again what differs. The table had been
    emptied so many times.
    """

    attempt: str
    table: Table
    topic: str
    emptied: int
    low: GtidSet
    shard_key: str = ""

    @property
    def origin(self) -> Origin:
        """Whose messages the topic has, among others."""
        return Origin(self.table.id, self.shard_key)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not now: the hint was stale, doubled or early. `final` when it is no use to ask again."""

    attempt: str
    reason: str
    final: bool = False


Question: TypeAlias = AskChunks | AskSplit | AskReread | AskSweep | Swept | Beat | GaveUp | Bounds
Answer: TypeAlias = ReadChunks | SplitTable | SweepTable | Refused


def encode(message: Question | Answer) -> bytes:
    """The message as JSON bytes."""
    body = _answer_body(message) if isinstance(message, Answer) else _question_body(message)
    return orjson.dumps({"v": VERSION, "kind": type(message).__name__, "attempt": message.attempt, **body})


def _question_body(message: Question) -> dict[str, Any]:
    match message:
        case AskChunks(chunks, _, worker):
            return {"chunks": chunks_to_json(chunks), "worker": worker}
        case AskSplit(table, _, worker) | AskSweep(table, _, worker):
            return {"table": list(table), "worker": worker}
        case Swept(table, _, emptied):
            return {"table": list(table), "emptied": emptied}
        case AskReread(table, bounds, _, worker):
            return {"table": list(table), **_range_to_json(bounds), "worker": worker}
        case Beat(_, rows, size, waits):
            return {"rows": rows, "bytes": size} | ({"waits": waits} if waits else {})
        case GaveUp(_, error, text, hint, fatal):
            return {"error": error, "message": text, "hint": hint, "fatal": fatal}
        case Bounds(table, _, after, bounds, finished):
            found = [bound_to_json(bound) for bound in bounds]
            return {"table": list(table), "after": bound_to_json(after), "finished": finished, "bounds": found}


def _answer_body(message: Answer) -> dict[str, Any]:
    match message:
        case ReadChunks(_, low, granted, pace, salt):
            body: dict[str, Any] = {"low": str(low), "granted": [_granted_to_json(one) for one in granted]}
            body |= {"salt": salt} if salt else {}
            return body if pace == FULL_SPEED else {**body, "pace": [pace.rows_per_second, pace.bytes_per_second]}
        case SplitTable(_, schema, after, rows, estimate):
            body = {"table": table_to_json(schema), "after": bound_to_json(after)}
            return {**body, "chunk_rows": rows, "rows_estimate": estimate}
        case SweepTable(_, schema, topic, emptied, low, shard_key):
            body = {"table": table_to_json(schema), "topic": topic, "emptied": emptied, "low": str(low)}
            return body | _shard_to_json(shard_key)
        case Refused(_, reason, final):
            return {"reason": reason} | ({"final": True} if final else {})


def chunks_to_json(chunks: Iterable[ChunkId]) -> list[list[Any]]:
    """Chunks as lists of database, table and number: in questions, and as the argument of the chunk task."""
    return [[*chunk.table, chunk.number] for chunk in chunks]


def chunks_from_json(value: Iterable[Sequence[Any]]) -> tuple[ChunkId, ...]:
    """The chunks that `chunks_to_json` wrote.

    Raises:
        ValueError: the value has another shape.
    """
    found = []
    for one in value:
        match one:
            case [str(database), str(table), int(number)]:
                found.append(ChunkId(TableId(database, table), number))
            case _:
                raise ValueError(f"not the name of a chunk: {one!r}")
    return tuple(found)


def _granted_to_json(granted: Granted) -> dict[str, Any]:
    body = {
        "number": granted.chunk.number,
        "table": table_to_json(granted.table),
        "topic": granted.topic,
        **_range_to_json(granted.range),
        **_shard_to_json(granted.shard_key),
    }
    return body if granted.placing is None else body | {"placing": list(granted.placing)}


def _granted_from_json(body: dict[str, Any]) -> Granted:
    table = table_from_json(body["table"])
    placing = Placing(*body["placing"]) if "placing" in body else None
    chunk, shard_key = ChunkId(table.id, int(body["number"])), body.get("shard_key", "")
    return Granted(chunk, table, body["topic"], _range_from_json(body), placing, shard_key)


def _shard_to_json(shard_key: str) -> dict[str, str]:
    return {"shard_key": shard_key} if shard_key else {}


def _range_to_json(bounds: KeyRange) -> dict[str, Any]:
    return {"lower": bound_to_json(bounds.lower), "upper": bound_to_json(bounds.upper)}


def _range_from_json(body: dict[str, Any]) -> KeyRange:
    return KeyRange(bound_from_json(body["lower"]), bound_from_json(body["upper"]))


def decode(data: bytes) -> Question | Answer:
    """The message of these bytes.

    Raises:
        ValueError: the bytes are not a message that this version knows.
    """
    try:
        body = orjson.loads(data)
        if body["v"] > VERSION:
            raise ValueError(f"message version {body['v']} is newer than ours ({VERSION}); update this worker")
        return checked(_decode(body["kind"], body["attempt"], body))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a message of ours ({error})") from error


def _decode(kind: str, attempt: str, body: dict[str, Any]) -> Question | Answer:
    if kind not in _DECODERS:
        raise ValueError(f"message kind {kind!r} is unknown")
    return _DECODERS[kind](attempt, body)


def _bounds_of(attempt: str, body: dict[str, Any]) -> Bounds:
    bounds = tuple(bound for item in body["bounds"] if (bound := bound_from_json(item)) is not None)
    return Bounds(TableId(*body["table"]), attempt, bound_from_json(body["after"]), bounds, bool(body["finished"]))


def _read_chunks_of(attempt: str, body: dict[str, Any]) -> ReadChunks:
    granted = tuple(_granted_from_json(one) for one in body["granted"])
    rows, size = body.get("pace", (0, 0))
    low, pace = GtidSet.parse(body["low"]), Pace(float(rows), float(size))
    return ReadChunks(attempt, low, granted, pace, body.get("salt", ""))


def _split_table_of(attempt: str, body: dict[str, Any]) -> SplitTable:
    after, schema = bound_from_json(body["after"]), table_from_json(body["table"])
    return SplitTable(attempt, schema, after, int(body["chunk_rows"]), int(body["rows_estimate"]))


def _sweep_table_of(attempt: str, body: dict[str, Any]) -> SweepTable:
    table, low = table_from_json(body["table"]), GtidSet.parse(body["low"])
    return SweepTable(attempt, table, body["topic"], int(body["emptied"]), low, body.get("shard_key", ""))


_DECODERS: dict[str, Callable[[str, dict[str, Any]], Question | Answer]] = {
    "AskChunks": lambda attempt, body: AskChunks(chunks_from_json(body["chunks"]), attempt, body["worker"]),
    "AskSplit": lambda attempt, body: AskSplit(TableId(*body["table"]), attempt, body["worker"]),
    "AskReread": lambda attempt, body: AskReread(
        TableId(*body["table"]), _range_from_json(body), attempt, body["worker"]
    ),
    "AskSweep": lambda attempt, body: AskSweep(TableId(*body["table"]), attempt, body["worker"]),
    "Swept": lambda attempt, body: Swept(TableId(*body["table"]), attempt, int(body["emptied"])),
    "Beat": lambda attempt, body: Beat(attempt, int(body["rows"]), int(body["bytes"]), body.get("waits", "")),
    "GaveUp": lambda attempt, body: GaveUp(attempt, body["error"], body["message"], body["hint"], bool(body["fatal"])),
    "Bounds": _bounds_of,
    "ReadChunks": _read_chunks_of,
    "SplitTable": _split_table_of,
    "SweepTable": _sweep_table_of,
    "Refused": lambda attempt, body: Refused(attempt, body["reason"], bool(body.get("final"))),
}
