"""Records of the state topic survive their bytes, and other bytes are a ValueError, never another error."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.machines.ledger import (
    ChunkRecord,
    DoneMark,
    FileRecord,
    PositionRecord,
    SaltRecord,
    StoredState,
    TableRecord,
    decode_record,
    encode_record,
)
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId
from shared.model.shape import checked

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
TABLE = Table(TableId("d", "t"), (Column("id", "int", "int"), Column("e", "enum", "enum('a')", labels=("a",))), ("id",))
CHUNK = ChunkId(TABLE.id, 3)
RECORDS = [
    PositionRecord(GtidSet.parse(f"{UUID}:1-5,{UUID}:tag:7"), 2, UUID),
    TableRecord(TABLE, "d.t", 10, 5, 2, (7,), True, 1, 4),
    ChunkRecord(CHUNK, KeyRange((1, "ä", b"\0", Decimal("1.20")), None)),
    ChunkRecord(CHUNK, KeyRange(None, (9,)), "attempt", GtidSet.parse(f"{UUID}:1-5")),
    DoneMark(CHUNK, "attempt", 5),
    SaltRecord("91d4ce2a07b3f568"),
    FileRecord(UUID, "binlog.000007"),
]

unhurried = settings(deadline=None, max_examples=80)

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=4) | st.just(f"{UUID}:1-5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["d", "b", "x"]), inner, max_size=2),
    max_leaves=6,
)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_survives(record: Any) -> None:
    assert decode_record(*encode_record(record)) == record


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inside for found in places(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value[path[0]] = put(value[path[0]], path[1:], new)
    return value


@unhurried
@given(st.sampled_from(RECORDS), st.data())
def test_a_damaged_record_is_whole_or_a_value_error(record: Any, data: st.DataObject) -> None:
    key, value = (json.loads(part) for part in encode_record(record))
    damaged = data.draw(st.sampled_from(places(value)))
    value = put(value, damaged, data.draw(anything))
    if data.draw(st.booleans()):
        key = put(key, data.draw(st.sampled_from(places(key))), data.draw(anything))
    with suppress(ValueError):
        found = decode_record(as_bytes(key), as_bytes(value))
        assert found is not None
        checked(found)
        encode_record(found)  # what was taken can be stored again


@unhurried
@given(st.lists(st.tuples(st.sampled_from(RECORDS), st.booleans()), max_size=4), anything, anything)
def test_any_key_and_value_are_folded_or_a_value_error(before: list[tuple[Any, bool]], key: Any, value: Any) -> None:
    state = StoredState()
    for record, dead in before:
        name, body = encode_record(record)
        state.fold(name, None if dead else body)
    for name in (
        as_bytes(key),
        as_bytes(["chunk", key, value, 3]),
        as_bytes(["done", "d", "t", key, value]),
        b"",
        b"\xff",
    ):
        for body in (None, as_bytes(value), b"", b"{"):
            with suppress(ValueError):
                state.fold(name, body)
    state.open_claims()


@pytest.mark.parametrize("key", [b"[]", b"5", b'["chunk"]', b'["chunk",[],"t",0]', b'["done","d","t",0]', b"null"])
def test_a_tombstone_of_nothing_of_ours_forgets_nothing(key: bytes) -> None:
    state = StoredState()
    claim = RECORDS[3]
    state.fold(*encode_record(claim))
    state.fold(key, None)
    assert state.open_claims() == [claim]
