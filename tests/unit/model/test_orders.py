"""Every message survives the wire unchanged, and bytes that are no message of ours are a ValueError, never another error."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.chunk import ChunkId, KeyRange
from shared.model.orders import (
    VERSION,
    Answer,
    AskChunks,
    AskSplit,
    Beat,
    Bounds,
    GaveUp,
    Granted,
    Question,
    ReadChunks,
    Refused,
    SplitTable,
    decode,
    encode,
)
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId

#: A slow machine is no failure, and these examples are large.
unhurried = settings(deadline=None, max_examples=60)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 2**62)
table_ids = st.builds(TableId, words, words)
chunk_ids = st.builds(ChunkId, table_ids, st.integers(0, 10**9))
parts = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20),
    st.binary(max_size=8),
    words,
)
bounds = st.lists(parts, max_size=3).map(tuple)
columns = st.builds(
    Column,
    name=words,
    data_type=words,
    column_type=words,
    nullable=st.booleans(),
    character_set=st.none() | words,
    collation=st.none() | words,
    length=st.none() | counts,
    precision=st.none() | st.integers(0, 65),
    scale=st.none() | st.integers(0, 30),
    fraction=st.none() | st.integers(0, 6),
    labels=st.lists(words, max_size=3).map(tuple),
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    found = draw(st.lists(columns, max_size=3, unique_by=lambda column: column.name))
    names = [column.name for column in found]
    key = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    return Table(draw(table_ids), tuple(found), tuple(key))


sources = st.sampled_from(["aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000001:tag"])
positions = st.lists(st.tuples(sources, st.integers(1, 50)), max_size=5).map(
    lambda found: GtidSet.parse(",".join(f"{source}:{number}" for source, number in found))
)


@st.composite
def granted(draw: st.DrawFn) -> Granted:
    table = draw(tables())
    ends = st.none() | bounds
    return Granted(ChunkId(table.id, draw(counts)), table, draw(words), KeyRange(draw(ends), draw(ends)))


messages = st.one_of(
    st.builds(AskChunks, st.lists(chunk_ids, max_size=3).map(tuple), words, words),
    st.builds(AskSplit, table_ids, words, words),
    st.builds(Beat, words, counts, counts),
    st.builds(GaveUp, words, words, words, words, st.booleans()),
    st.builds(Bounds, table_ids, words, st.none() | bounds, st.lists(bounds, max_size=4).map(tuple), st.booleans()),
    st.builds(ReadChunks, words, positions, st.lists(granted(), max_size=3).map(tuple)),
    st.builds(SplitTable, words, tables(), st.none() | bounds, counts, counts),
    st.builds(Refused, words, words),
)


@unhurried
@given(messages)
def test_a_message_survives_the_wire(message: Question | Answer) -> None:
    assert decode(encode(message)) == message


@unhurried
@given(messages)
def test_parts_of_keys_keep_their_type_and_spelling(message: Question | Answer) -> None:
    assert repr(decode(encode(message))) == repr(message)


def test_a_decimal_keeps_its_scale() -> None:
    told = Bounds(
        TableId("d", "t"), "a", (Decimal("1.20"),), ((Decimal("-0.50"), b"\x00\xff", "é", 7),), finished=False
    )
    assert repr(decode(encode(told))) == repr(told)


@unhurried
@given(messages)
def test_a_message_is_a_json_object_with_version_and_kind(message: Question | Answer) -> None:
    body = orjson.loads(encode(message))
    assert (body["v"], body["kind"], body["attempt"]) == (VERSION, type(message).__name__, message.attempt)


@unhurried
@given(messages)
def test_a_newer_version_is_refused(message: Question | Answer) -> None:
    body = orjson.loads(encode(message))
    with pytest.raises(ValueError, match="newer than ours"):
        decode(orjson.dumps(body | {"v": VERSION + 1}))


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        decode(orjson.dumps({"v": VERSION, "kind": "Nonsense", "attempt": "a"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("dbx"), inner, max_size=2),
    max_leaves=5,
)


@unhurried
@given(messages, st.data())
def test_a_damaged_message_is_a_value_error(message: Question | Answer, data: st.DataObject) -> None:
    body = orjson.loads(encode(message))
    field = data.draw(st.sampled_from(sorted(body)))
    body[field] = data.draw(json_values)
    with suppress(ValueError):
        decode(orjson.dumps(body))


@unhurried
@given(messages, st.data())
def test_a_message_without_one_of_its_fields_is_a_value_error(message: Question | Answer, data: st.DataObject) -> None:
    body = orjson.loads(encode(message))
    del body[data.draw(st.sampled_from(sorted(body)))]
    with pytest.raises(ValueError, match="not a message of ours"):
        decode(orjson.dumps(body))


@unhurried
@given(st.binary(max_size=40) | json_values.map(orjson.dumps))
def test_bytes_from_elsewhere_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


@pytest.mark.parametrize(
    "part", [{"d": "x"}, {"d": "NaN"}, {"d": "Infinity"}, {"d": ""}, {"b": "0"}, {"b": 1}, True, None, 1.5, []]
)
def test_what_is_no_part_of_a_bound_is_a_value_error(part: object) -> None:
    body = {
        "v": VERSION,
        "kind": "Bounds",
        "attempt": "a",
        "table": ["d", "t"],
        "after": [part],
        "bounds": [],
        "finished": True,
    }
    with pytest.raises(ValueError):
        decode(orjson.dumps(body))
