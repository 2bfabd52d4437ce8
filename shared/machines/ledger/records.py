"""The durable records of a job: what the state topic holds, one JSON object a record, the last one of a key counts.

    key                               value
    ["position"]                      R, epoch of the leader that wrote it
    ["table", database, table]        schema, topic, how far it is split, rows and chunks done
    ["chunk", database, table, n]     bounds, and of a claimed chunk its attempt and where its hold began
    ["topic", name]                   what the topic is known by, and its partitions, as of when the job began
    ["resync"]                        for which wish all tables were begun anew
    ["salt"]                          by what the salt of hashed columns is known again
    ["done", database, table, n, id]  written by the attempt itself in the transaction of its rows

A table whose chunks are all released has no chunk records any more: tombstones follow them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from shared.model.change import ChunkKey
from shared.model.chunk import ChunkId, KeyRange, bound_from_json, bound_to_json
from shared.model.label import Origin
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId, table_from_json, table_to_json
from shared.model.shape import checked
from shared.model.topic import Placing

#: A table of so many rows at most is small: one chunk, which may be read together with others.
SMALL_TABLE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """R of rule 8: all that was processed, and the tenure that says so."""

    processed: GtidSet
    epoch: int
    server_uuid: str


@dataclass(frozen=True, slots=True)
class TableRecord:
    """A table of the job. `chunks` counts those named so far; the next bound follows `split_at`, `chunk_rows` on.
    `emptied` counts statements that took rows away without a change of each, `swept` those after which the topic was put right.
    `since` is what the server had executed when the table joined a job that ran already; None for one of its beginning.
    `stale` means that it must be copied again with its present columns.
    `shard_key` is the field that tells its messages from those of other tables in its topic; empty where the topic is its own.
    `described` is what the server had executed when its columns were looked at, where the stream may still bring statements from
    before that; None of any other. `version` counts the different columns and keys that the job has known it with.
    """

    table: Table
    topic: str
    rows_estimate: int
    chunk_rows: int
    chunks: int = 0
    split_at: ChunkKey | None = None
    split_done: bool = False
    released: int = 0
    rows: int = 0
    emptied: int = 0
    swept: int = 0
    since: GtidSet | None = None
    stale: bool = False
    described: GtidSet | None = None
    version: int = 1
    shard_key: str = ""

    @property
    def origin(self) -> Origin:
        """Whose messages go to the topic."""
        return Origin(self.table.id, self.shard_key)

    def low(self, processed: GtidSet) -> GtidSet:
        """P for its readers: what is processed, and all that the table joined behind."""
        return processed if self.since is None else processed.union(self.since)

    @property
    def live(self) -> bool:
        """True when the whole table has been read and released: from now on it only follows the binlog."""
        return not self.stale and self.split_done and self.released == self.chunks

    @property
    def small(self) -> int | None:
        """About how many rows the table has, if it is one chunk of few rows; None of any other."""
        whole = self.split_done and self.chunks == 1
        return self.rows_estimate if whole and self.rows_estimate <= SMALL_TABLE_ROWS else None


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A chunk. `attempt` and `since` (where its hold began) belong to a claim."""

    chunk: ChunkId
    range: KeyRange
    attempt: str | None = None
    since: GtidSet | None = None
    released: bool = False


@dataclass(frozen=True, slots=True)
class DoneMark:
    """An attempt has read its chunk: the rows stand in the same Kafka transaction as this record."""

    chunk: ChunkId
    attempt: str
    rows: int


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A topic of the job as it was when the job began to fill it."""

    topic: str
    placing: Placing


@dataclass(frozen=True, slots=True)
class ResyncRecord:
    """All tables were begun anew for the wish of this revision (`shared.model.job.Wanted.resync`)."""

    revision: int


@dataclass(frozen=True, slots=True)
class SaltRecord:
    """The fingerprint of the salt that all hashes of the job are made with (`shared.model.mask.fingerprint`)."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The binlog file of that server in which the stream was. A GTID set cannot tell whether there was anything without GTIDs."""

    server_uuid: str
    file: str


#: The state key of a `FileRecord`.
FILE_KEY = b'["file"]'

#: Key and value of a state message; value None is a tombstone.
Record: TypeAlias = tuple[bytes, bytes | None]
_StateRecord: TypeAlias = (
    PositionRecord | TableRecord | ChunkRecord | DoneMark | TopicRecord | ResyncRecord | SaltRecord | FileRecord
)


@dataclass(slots=True)
class StoredState:
    """The fold of a state topic. `fold` takes its records in offset order."""

    position: PositionRecord | None = None
    tables: dict[TableId, TableRecord] = field(default_factory=dict)
    chunks: dict[ChunkId, ChunkRecord] = field(default_factory=dict)
    done: dict[tuple[ChunkId, str], DoneMark] = field(default_factory=dict)
    topics: dict[str, Placing] = field(default_factory=dict)
    resynced: int = 0
    salt: str = ""
    file: FileRecord | None = None

    def fold(self, key: bytes, value: bytes | None) -> None:
        """Takes one committed record.

        Raises:
            ValueError: the record is not one of ours.

        """
        record = decode_record(key, value)
        match record:
            case PositionRecord():
                self.position = record
            case TableRecord():
                self.tables[record.table.id] = record
            case ChunkRecord():
                self.chunks[record.chunk] = record
            case DoneMark():
                self.done[record.chunk, record.attempt] = record
            case TopicRecord():
                self.topics[record.topic] = record.placing
            case ResyncRecord():
                self.resynced = record.revision
            case SaltRecord():
                self.salt = record.fingerprint
            case FileRecord():
                self.file = record
            case None:
                self._forget(orjson.loads(key))

    def _forget(self, key: object) -> None:
        match key:
            case ["chunk", str(database), str(table), int(number)]:
                self.chunks.pop(ChunkId(TableId(database, table), number), None)
            case ["done", str(database), str(table), int(number), str(attempt)]:
                self.done.pop((ChunkId(TableId(database, table), number), attempt), None)
            case ["file"]:
                self.file = None

    def open_claims(self) -> list[ChunkRecord]:
        """Claims without a done-mark: a new leader must fence their ids before anything else (rule 7)."""
        claims = (c for c in self.chunks.values() if c.attempt is not None and not c.released)
        return [c for c in claims if (c.chunk, c.attempt) not in self.done]


def chunk_key_bytes(chunk: ChunkId) -> bytes:
    """The state key of a chunk."""
    return orjson.dumps(["chunk", *chunk.table, chunk.number])


def done_key_bytes(chunk: ChunkId, attempt: str) -> bytes:
    """The state key of an attempt's done-mark."""
    return orjson.dumps(["done", *chunk.table, chunk.number, attempt])


def encode_record(record: _StateRecord) -> tuple[bytes, bytes]:
    """Key and value bytes of a record."""
    match record:
        case PositionRecord(processed, epoch, server_uuid):
            body = {"processed": str(processed), "epoch": epoch, "server_uuid": server_uuid}
            return orjson.dumps(["position"]), orjson.dumps(body)
        case TableRecord():
            return orjson.dumps(["table", *record.table.id]), orjson.dumps(_table_body(record))
        case ChunkRecord():
            return chunk_key_bytes(record.chunk), orjson.dumps(_chunk_body(record))
        case ResyncRecord(revision):
            return orjson.dumps(["resync"]), orjson.dumps({"revision": revision})
        case SaltRecord(fingerprint):
            return orjson.dumps(["salt"]), orjson.dumps({"fingerprint": fingerprint})
        case FileRecord(server_uuid, file):
            return FILE_KEY, orjson.dumps({"server_uuid": server_uuid, "file": file})
        case TopicRecord(topic, placing):
            return orjson.dumps(["topic", topic]), orjson.dumps(placing._asdict())
        case DoneMark(chunk, attempt, rows):
            return done_key_bytes(chunk, attempt), orjson.dumps({"rows": rows})


def _table_body(record: TableRecord) -> dict[str, Any]:
    emptied = {"emptied": record.emptied, "swept": record.swept} if record.emptied else {}
    joined: dict[str, Any] = {} if record.since is None else {"since": str(record.since)}
    joined |= {"stale": True} if record.stale else {}
    joined |= {} if record.described is None else {"described": str(record.described)}
    joined |= {} if record.version == 1 else {"version": record.version}
    joined |= {"shard_key": record.shard_key} if record.shard_key else {}
    return {
        **emptied,
        **joined,
        "schema": table_to_json(record.table),
        "topic": record.topic,
        "rows_estimate": record.rows_estimate,
        "chunk_rows": record.chunk_rows,
        "chunks": record.chunks,
        "split_at": bound_to_json(record.split_at),
        "split_done": record.split_done,
        "released": record.released,
        "rows": record.rows,
    }


def _chunk_body(record: ChunkRecord) -> dict[str, Any]:
    body: dict[str, Any] = {"lower": bound_to_json(record.range.lower), "upper": bound_to_json(record.range.upper)}
    if record.attempt is not None:
        body |= {"attempt": record.attempt, "since": str(record.since)}
    if record.released:
        body["released"] = True
    return body


def decode_record(key: bytes, value: bytes | None) -> _StateRecord | None:
    """The record of these bytes; None for a tombstone.

    Raises:
        ValueError: the bytes are not a state record that this version knows.

    """
    if value is None:
        return None
    try:
        return checked(_decode(orjson.loads(key), orjson.loads(value)))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a state record: key {key!r} ({error})") from error


def _decode(key: list[Any], body: dict[str, Any]) -> _StateRecord:
    match key:
        case ["position"]:
            return PositionRecord(GtidSet.parse(body["processed"]), body["epoch"], body["server_uuid"])
        case ["table", _, _]:
            fields = {
                name: body[name]
                for name in ("topic", "rows_estimate", "chunk_rows", "chunks", "split_done", "released", "rows")
            }
            fields |= {name: body.get(name, 0) for name in ("emptied", "swept")}
            fields |= {"stale": body.get("stale", False), "version": body.get("version", 1)}
            fields["shard_key"] = body.get("shard_key", "")
            fields |= {name: GtidSet.parse(body[name]) if name in body else None for name in ("since", "described")}
            return TableRecord(table_from_json(body["schema"]), split_at=bound_from_json(body["split_at"]), **fields)
        case ["chunk", str(database), str(table), int(number)]:
            chunk = ChunkId(TableId(database, table), number)
            bounds = KeyRange(bound_from_json(body["lower"]), bound_from_json(body["upper"]))
            since = GtidSet.parse(body["since"]) if "since" in body else None
            return ChunkRecord(chunk, bounds, body.get("attempt"), since, body.get("released", False))
        case ["topic", str(topic)]:
            return TopicRecord(topic, Placing(body["id"], body["partitions"]))
        case ["resync"]:
            return ResyncRecord(body["revision"])
        case ["salt"]:
            return SaltRecord(body["fingerprint"])
        case ["file"]:
            return FileRecord(body["server_uuid"], body["file"])
        case ["done", str(database), str(table), int(number), str(attempt)]:
            return DoneMark(ChunkId(TableId(database, table), number), attempt, body["rows"])
    raise ValueError(f"not a state record: key {key!r}")
