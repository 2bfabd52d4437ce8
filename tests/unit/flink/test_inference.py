"""What messages say of a topic: laws of merging for any JSON, and the types of the edges one by one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.flink import Messages, describe
from scheduler.flink.inference import Inferred
from scheduler.flink.shapes import NAMES_MAX, Number, Rules, Shape, type_of
from shared.model.schema import Column, Table, TableId

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=5).map(lambda value: f"{value:f}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
).map(Number)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.sampled_from(["", "x", "2026-01-31", "2026-02-31", "2026-01-31 09:08:07.5", "2026-01-31T09:08:07Z"]),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
PLACES = st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 99))
SHAPES = st.builds(lambda value, place: Shape.of(value, place, 3), VALUES, PLACES)


def inferred(*values: Any, rules: Rules | None = None, keys: list[Any] | None = None) -> Inferred:
    messages = Messages(rules or Rules())
    for number, value in enumerate(values):
        key = None if keys is None else keys[number]
        messages.see(encoded(key), encoded(value), (number, 0, number))
    return messages.infer("t")


def encoded(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()


def types(*values: Any, **rules: Any) -> dict[str, str]:
    return {field.name: field.type for field in inferred(*values, rules=Rules(**rules)).topic.values}


@given(SHAPES, SHAPES, SHAPES)
def test_the_order_and_the_grouping_of_messages_do_not_matter(a: Shape, b: Shape, c: Shape) -> None:
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(SHAPES)
def test_the_same_again_changes_no_type(shape: Shape) -> None:
    for rules in (Rules(), Rules(as_string=True), Rules(standard="ISO-8601")):
        assert type_of(shape.merge(shape), rules) == type_of(shape, rules)


@given(st.lists(NUMBERS, min_size=1))
def test_the_type_of_numbers_holds_each_of_them_exactly(numbers: list[Number]) -> None:
    shape = Shape.of(numbers[0], (0, 0, 0), 0)
    for number in numbers[1:]:
        shape = shape.merge(Shape.of(number, (0, 0, 0), 0))
    kind, _ = type_of(shape, Rules())
    for number in numbers:
        value = Decimal(number)
        if kind == "BIGINT":
            assert value == int(value)
            assert -(2**63) <= value < 2**63
        elif kind == "DOUBLE":
            assert Decimal(repr(float(number))) == value or Decimal(float(number)) == value
        elif kind != "STRING":
            scale = int(kind.removeprefix("DECIMAL(38, ").removesuffix(")"))
            assert -value.as_tuple().exponent <= scale
            assert abs(value) < Decimal(10) ** (38 - scale)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1))
def test_every_name_of_every_object_is_a_column(rows: list[dict[str, Any]]) -> None:
    found = inferred(*rows)
    assert {field.name for field in found.topic.values} == set().union(*rows)


@given(st.binary() | st.text().map(str.encode), st.binary() | st.none())
def test_no_bytes_are_too_strange(value: bytes, key: bytes | None) -> None:
    found = inferred(value, keys=[key])
    assert found.messages == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**63 - 1], "BIGINT"),
        ([1, 2**63], "DECIMAL(38, 0)"),
        ([1, 10**38], "STRING"),
        ([1, 0.5], "DOUBLE"),
        ([2**53 + 1, 0.5], "DECIMAL(38, 1)"),
        ([b'{"a":1e5}', b'{"a":9007199254740993}'], "STRING"),
        ([b'{"a":0.12345678901234567890}', b'{"a":5}'], "DECIMAL(38, 20)"),
        ([True, None], "BOOLEAN"),
        ([True, 1], "STRING"),
        ([None, None], "STRING"),
        (["2026-01-31", None], "DATE"),
        (["2026-01-31", "0000-00-00"], "STRING"),
        (["2026-01-31 01:02:03", "2026-01-31 01:02:03.25"], "TIMESTAMP(2)"),
        (["2026-01-31 01:02:03.123456Z"], "TIMESTAMP_LTZ(6)"),
        (["2026-01-31 01:02:03.123456Z", "2026-01-31 01:02:03"], "STRING"),
        (["2026-01-31T01:02:03"], "STRING"),
        ([[1], [2]], "STRING"),
        ([{"b": 1}], "STRING"),
    ],
)
def test_the_edges_of_types(values: list[Any], expected: str) -> None:
    rows = [value if isinstance(value, bytes) else {"a": value} for value in values]
    assert types(*rows) == {"a": expected}


def test_the_catalogs_options() -> None:
    row = {"n": {"x": 1, "y": {"z": True}}, "s": 1.5, "t": "2026-01-31T01:02:03"}
    assert types(row, flatten=True) == {"n.x": "BIGINT", "n.y.z": "BOOLEAN", "s": "DOUBLE", "t": "STRING"}
    assert types(row, as_string=True) == {"n": "STRING", "s": "STRING", "t": "STRING"}
    assert types(row, standard="ISO-8601") == {"n": "STRING", "s": "DOUBLE", "t": "TIMESTAMP(0)"}
    # An object here and a plain value there is no object.
    assert types(row, {"n": 1}, flatten=True)["n"] == "STRING"


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ([b"abc", b"abd"], "2 text, not JSON"),
        ([b"\xff\x00", b"abc"], "1 bytes, 1 text, not JSON"),
        ([b"5", b'{"id":1}'], "1 JSON, not an object, 1 JSON objects"),
        ([b"NaN", b"[" * 100_000], "2 text, not JSON"),
    ],
)
def test_what_is_not_an_object_is_bytes_and_says_so(keys: list[bytes], note: str) -> None:
    topic = inferred({"a": 1}, {"a": 2}, keys=keys).topic
    assert [(field.name, field.type, field.note) for field in topic.keys] == [("col", "BYTES", note)]
    assert (topic.key_format, topic.value_format, topic.upsertable) == ("raw", "json", False)


def test_data_used_as_names_is_no_table() -> None:
    rows = [{f"k{number}": 1} for number in range(NAMES_MAX + 1)]
    (column,) = inferred(*rows).topic.values
    assert (column.type, column.note) == (
        "BYTES",
        f"{NAMES_MAX + 1} JSON objects of more than {NAMES_MAX} different names",
    )
    nested = [{"m": {f"k{number}": 1}} for number in range(NAMES_MAX + 1)]
    (column,) = inferred(*nested, rules=Rules(flatten=True)).topic.values
    assert (column.name, column.type) == ("m", "STRING")
    assert str(NAMES_MAX) in column.note


def test_columns_that_only_old_messages_carry_are_marked() -> None:
    found = inferred({"id": 1, "gone": "x"}, {"id": 2}, None)
    assert found.tombstones == 1
    assert dict(describe(found, None).marks) == {"gone": "old: not in the newest message"}
    table = Table(TableId("d", "t"), (Column("id", "int", "int"),), ("id",))
    described = describe(found, table)
    assert dict(described.marks) == {"gone": "dropped: no column of d.t"}
    assert [field.note for field in described.marked().values] == ["", "dropped: no column of d.t"]


def test_nothing_to_infer() -> None:
    found = inferred(None, keys=[{"id": 1}])
    assert (found.topic.values, found.topic.keys[0].type, found.tombstones) == ((), "BIGINT", 1)
