"""The options of a Kafka JSON catalog, by the names that VVR's catalog and Flink's `kafka` connector have for them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scheduler.flink.inference import RAW_COLUMN
from scheduler.flink.shapes import Rules
from shared.errors import InvalidJob
from shared.model.sampling import Mode, Start

_PATH = "--option"
_RECORDS_MAX = 100_000
_OFFSETS = re.compile(r"partition:(\d+),offset:(\d+)")

_KEY_PREFIX, _VALUE_PREFIX = "key.fields-prefix", "value.fields-prefix"
_FLATTEN = "infer-schema.flatten-nested-columns.enable"
_AS_STRING = "infer-schema.primitive-as-string"
_RAW_NAME = "infer-schema.parse-key-error.field-name"
_UPSERT = "infer-schema.compacted-topic-as-upsert-table"
_RECORDS = "max.fetch.records"
_STANDARD = "timestamp-format.standard"
_MODE, _TIME, _SPECIFIC = "scan.startup.mode", "scan.startup.timestamp-millis", "scan.startup.specific-offsets"
_GROUP = "properties.group.id"
_PROPERTIES = "properties."

#: Which option a mode needs; no other mode may have it.
_COMPANIONS: Mapping[Mode, str] = {
    Mode.TIMESTAMP: _TIME,
    Mode.SPECIFIC_OFFSETS: _SPECIFIC,
    Mode.GROUP_OFFSETS: _GROUP,
}


@dataclass(frozen=True, slots=True)
class CatalogOptions:
    """What the user wants of a catalog. `properties` are those of the Kafka client as written, without that prefix."""

    rules: Rules = field(default_factory=Rules)
    key_prefix: str = "key_"
    value_prefix: str = "value_"
    raw_column: str = RAW_COLUMN
    upsert: bool = True
    records: int = 100
    start: Start = field(default_factory=lambda: Start(Mode.EARLIEST_OFFSET))
    startup: tuple[tuple[str, str], ...] = ((_MODE, "earliest-offset"),)
    properties: Mapping[str, str] = field(default_factory=dict)


def catalog_options(arguments: Iterable[str]) -> CatalogOptions:
    """The options of these `NAME=VALUE`.

    Raises:
        InvalidJob: one is unknown, comes twice, has a wrong value, or lacks its companion.
    """
    given = _pairs(arguments)
    properties = {n.removeprefix(_PROPERTIES): t for n, t in given.items() if n.startswith(_PROPERTIES)}
    known = {name: _READERS[name](name, text) for name, text in given.items() if name in _READERS}
    start = _start(known, properties.pop("group.id", ""))
    startup = [(name, given[name]) for name in (_TIME, _SPECIFIC) if name in given]
    return CatalogOptions(
        Rules(known.get(_FLATTEN, False), known.get(_AS_STRING, False), known.get(_STANDARD, "SQL")),
        known.get(_KEY_PREFIX, "key_"),
        known.get(_VALUE_PREFIX, "value_"),
        known.get(_RAW_NAME, RAW_COLUMN),
        # A table that begins elsewhere than at the beginning is no whole table.
        known.get(_UPSERT, True) and start.mode is Mode.EARLIEST_OFFSET,
        known.get(_RECORDS, 100),
        start,
        ((_MODE, start.mode.value), *startup),
        properties,
    )


def _pairs(arguments: Iterable[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        name = name.strip()
        if not equals:
            raise InvalidJob(f"`{name}` has no value.", "Write NAME=VALUE.", _PATH)
        if name in given:
            raise InvalidJob(f"`{name}` is given twice.", "Give it once.", _PATH)
        if name not in _READERS and not (name.startswith(_PROPERTIES) and len(name) > len(_PROPERTIES)):
            near = difflib.get_close_matches(name, _READERS, n=1)
            meant = f"Did you mean `{near[0]}`? " if near else ""
            raise InvalidJob(
                f"There is no option `{name}`.", f"{meant}Known: {', '.join(_READERS)}, properties.*.", _PATH
            )
        given[name] = text.strip()
    return given


def _start(known: Mapping[str, Any], group: str) -> Start:
    mode: Mode = known.get(_MODE, Mode.EARLIEST_OFFSET)
    given = {_TIME: _TIME in known, _SPECIFIC: _SPECIFIC in known, _GROUP: bool(group)}
    needed = _COMPANIONS.get(mode)
    if needed is not None and not given[needed]:
        raise InvalidJob(f"`{_MODE}={mode}` needs `{needed}`.", f"Add --option {needed}=….", _PATH)
    for name in (_TIME, _SPECIFIC):
        if given[name] and name != needed:
            raise InvalidJob(f"`{name}` has no effect with `{_MODE}={mode}`.", "Remove it, or change the mode.", _PATH)
    return Start(mode, known.get(_TIME, 0), known.get(_SPECIFIC, {}), group)


def _wrong(name: str, expected: str) -> InvalidJob:
    return InvalidJob(f"`{name}` must be {expected}.", "Correct the value.", _PATH)


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _wrong(name, "true or false")
    return text.lower() == "true"


def _whole(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        # Not isdecimal: digits of other scripts are none here.
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise _wrong(name, f"a number from {least} to {most}")
        return int(text)

    return read


def _text(_: str, text: str) -> str:
    return text


def _column(name: str, text: str) -> str:
    if not text:
        raise _wrong(name, "a name")
    return text


def _mode(name: str, text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise _wrong(name, f"one of {', '.join(Mode)}") from None


def _standard(name: str, text: str) -> str:
    if text not in ("SQL", "ISO-8601"):
        raise _wrong(name, "SQL or ISO-8601")
    return text


def _offsets(name: str, text: str) -> dict[int, int]:
    found = [_OFFSETS.fullmatch(part.strip()) for part in text.split(";")]
    offsets = {int(match[1]): int(match[2]) for match in found if match}
    if len(offsets) != len(found):
        raise _wrong(name, "like partition:0,offset:42;partition:1,offset:300")
    return offsets


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    _KEY_PREFIX: _text,
    _VALUE_PREFIX: _text,
    _FLATTEN: _flag,
    _AS_STRING: _flag,
    _RAW_NAME: _column,
    _UPSERT: _flag,
    _RECORDS: _whole(1, _RECORDS_MAX),
    _STANDARD: _standard,
    _MODE: _mode,
    _TIME: _whole(0, 10**16),
    _SPECIFIC: _offsets,
}
