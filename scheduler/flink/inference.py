"""From a topic's messages to its columns, as VVR's Kafka JSON catalog infers them.

Messages are taken one by one and forgotten; what stays is bounded by `NAMES_MAX` names in an object. What is not JSON, or not an object of
columns, makes its side of the topic one column of raw bytes: bytes can be read by everybody, and nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from scheduler.flink.shapes import NAMES_MAX, Number, Place, Rules, Shape, columns_of
from scheduler.flink.topics import JSON, RAW, Field, Topic
from shared.model.schema import Table

#: Deeper objects are STRING: a table that needs more is none.
DEPTH_MAX = 20
#: The column of a side that is raw bytes, as VVR calls it.
RAW_COLUMN = "col"

#: Marks of columns that are on their way out.
DROPPED = "dropped: no column of"
OLD = "old: not in the newest message"


@dataclass(slots=True)
class Side:
    """The keys, or the values, of the messages that were seen; `depth` is how deep objects are looked into."""

    depth: int = 1
    shape: Shape | None = None
    objects: int = 0
    nothing: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def see(self, data: bytes | None, place: Place) -> None:
        """Takes one key or value."""
        if data is None:
            self.nothing += 1
            return
        try:
            value = _DECODER.decode(data.decode("utf-8"))
        except (ValueError, RecursionError):
            self._other("text, not JSON" if _is_text(data) else "bytes")
            return
        if not isinstance(value, dict):
            self._other("JSON, not an object")
        else:
            self.objects += 1
            shape = Shape.of(value, place, self.depth)
            self.shape = shape if self.shape is None else self.shape.merge(shape)

    @property
    def raw(self) -> bool:
        """True when the side is bytes: not all of it is objects, or its objects use data as names."""
        return bool(self.others) or (self.shape is not None and self.shape.wide)

    def note(self) -> str:
        """What a raw side is."""
        kinds = dict(self.others)
        if self.shape is not None:
            wide = f" of more than {NAMES_MAX} different names" if self.shape.wide else ""
            kinds[f"JSON objects{wide}"] = self.objects
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items())

    def _other(self, kind: str) -> None:
        self.others[kind] = self.others.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class Inferred:
    """A topic as its messages describe it; `old` are the value's columns that its newest object does not have."""

    topic: Topic
    messages: int
    tombstones: int
    old: frozenset[str]


@dataclass(frozen=True, slots=True)
class Described:
    """An inferred topic, and by column of its value what is odd about it."""

    inferred: Inferred
    marks: Mapping[str, str]

    def marked(self) -> Topic:
        """The topic with the marks among the notes."""
        topic = self.inferred.topic
        values = [
            column._replace(note="; ".join(filter(None, (column.note, self.marks.get(column.name)))))
            for column in topic.values
        ]
        return replace(topic, values=tuple(values))


def describe(inferred: Inferred, table: Table | None) -> Described:
    """Marks columns that old messages carry and new ones do not; with the job's table, those that MySQL has not."""
    known = None if table is None else {column.name for column in table.columns}
    marks = {}
    for column in inferred.topic.values:
        if known is not None and table is not None and inferred.topic.value_format == JSON:
            if column.path[0] not in known:
                marks[column.name] = f"{DROPPED} {table.id}"
        elif column.name in inferred.old:
            marks[column.name] = OLD
    return Described(inferred, marks)


class Messages:
    """Takes a topic's messages and says what it is. As in VVR, only objects in values are ever flattened."""

    def __init__(self, rules: Rules, raw_column: str = RAW_COLUMN) -> None:
        self._rules = rules
        self._raw_column = raw_column
        self.keys = Side()
        self.values = Side(DEPTH_MAX if rules.flatten else 1)
        self.count = 0
        self._newest: Place | None = None

    def see(self, key: bytes | None, value: bytes | None, place: Place) -> None:
        """Takes one message."""
        self.count += 1
        self.keys.see(key, place)
        before = self.values.objects
        self.values.see(value, place)
        if self.values.objects > before:
            self._newest = max(self._newest or place, place)

    def infer(self, name: str) -> Inferred:
        """What the topic is, by all messages so far."""
        rules = self._rules
        keys, _ = _fields(self.keys, replace(rules, flatten=False), None, self._raw_column)
        values, old = _fields(self.values, rules, self._newest, self._raw_column)
        formats = {} if rules.standard == "SQL" else {"timestamp-format.standard": rules.standard}
        topic = Topic(
            name,
            keys,
            values,
            RAW if self.keys.raw else JSON,
            RAW if self.values.raw else JSON,
            formats,
        )
        return Inferred(topic, self.count, self.values.nothing, frozenset(old))


def _fields(side: Side, rules: Rules, newest: Place | None, raw_column: str) -> tuple[tuple[Field, ...], list[str]]:
    if side.raw:
        return (Field((raw_column,), "BYTES", side.note()),), []
    if side.shape is None:
        return (), []
    fields, old = [], []
    for path, kind, note, shape in columns_of(side.shape, rules):
        column = Field(path, kind, note)
        if newest is not None and shape.last < newest:
            old.append(column.name)
        fields.append(column)
    return tuple(fields), old


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
