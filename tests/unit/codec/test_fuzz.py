"""Cut and changed values: what decodes is what was stored, and all else is an error that the decoders name."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.codec.options import FormatOptions
from shared.codec.reference import temporal
from shared.codec.reference.decimal_bytes import decimal_text, decimal_width
from shared.codec.reference.geometry import geometry_text
from shared.codec.reference.json_text import VALUE_ERRORS, RowWriter
from shared.codec.reference.jsonb import json_document_text
from shared.codec.reference.snapshot import SnapshotEncoder
from shared.errors import SchemaChanged, UnsupportedEvent, UnsupportedType
from shared.model.schema import Column, Table, TableId
from tests.unit.codec.packets import recorded

EVERYTHING = FormatOptions(False, "EXCEPT_KEY", "ISO-8601", False, True, "hex", "object", "string")
TABLES, _ = recorded()

# --- JSON documents in MySQL's binary form, small and large

_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
DOCUMENTS = st.recursive(
    _SCALARS | _TEXTS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_TEXTS, inner, max_size=6),
    max_leaves=25,
)


def counted(raw: bytes) -> bytes:
    """Bytes behind their length, seven bits a byte."""
    length, size = bytearray(), len(raw)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes((*length, size)) + raw


def stored(value: Any, width: int) -> tuple[int, bytes]:
    """Kind and bytes of a value; containers have offsets of this width."""
    if isinstance(value, dict | list):
        return container(value, width)
    if value is None or isinstance(value, bool):
        return 4, bytes(({None: 0, True: 1, False: 2}[value],))
    if isinstance(value, int):
        return (0x0A, struct.pack("<Q", value)) if value >= 2**63 else (0x09, struct.pack("<q", value))
    if isinstance(value, float):
        return 0x0B, struct.pack("<d", value)
    return 0x0C, counted(value.encode())


def container(value: Any, width: int) -> tuple[int, bytes]:
    """An object or an array: count, size, tables of keys and values, then keys and values."""
    names = [name.encode() for name in value] if isinstance(value, dict) else []
    members = [stored(member, width) for member in (value.values() if isinstance(value, dict) else value)]
    place = 2 * width + len(names) * (width + 2) + len(members) * (width + 1)
    table, rest = b"", b"".join(names)
    for name in names:
        table += place.to_bytes(width, "little") + len(name).to_bytes(2, "little")
        place += len(name)
    for kind, body in members:
        inside = kind == 4
        table += bytes((kind,)) + (body.ljust(width, b"\0") if inside else place.to_bytes(width, "little"))
        place += 0 if inside else len(body)
        rest += b"" if inside else body
    head = len(members).to_bytes(width, "little") + place.to_bytes(width, "little")
    return (0 if isinstance(value, dict) else 2) + (width == 4), head + table + rest


def document(value: Any, width: int) -> bytes:
    kind, body = stored(value, width)
    return bytes((kind,)) + body


@settings(deadline=None, max_examples=120)
@given(DOCUMENTS, st.sampled_from([2, 4]))
def test_a_document_reads_back_equal(value: Any, width: int) -> None:
    text = json_document_text(document(value, width))
    assert json.loads(text) == value
    assert json.loads(text.encode()) == value


# --- geometries


def wkb(order: str, code: int, parts: list[bytes] | None = None, points: int = 1) -> bytes:
    head = struct.pack(order + "BI", order == "<", code)
    if parts is not None:
        return head + struct.pack(order + "I", len(parts)) + b"".join(parts)
    coordinates = struct.pack(f"{order}{2 * points}d", *range(2 * points))
    if code == 1:
        return head + coordinates[:16]
    line = struct.pack(order + "I", points) + coordinates
    return head + (line if code == 2 else struct.pack(order + "I", 1) + line)


ORDERS = st.sampled_from(["<", ">"])
SIMPLE = st.builds(wkb, ORDERS, st.sampled_from([1, 2, 3]), st.none(), st.integers(1, 5))
SHAPES = st.recursive(
    SIMPLE, lambda inner: st.builds(wkb, ORDERS, st.just(7), st.lists(inner, max_size=4)), max_leaves=8
).map(lambda shape: bytes(4) + shape)


@given(SHAPES)
def test_a_geometry_is_valid_json(shape: bytes) -> None:
    assert json.loads(geometry_text(shape))["srid"] == 0


# --- damage


@st.composite
def damaged(draw: st.DrawFn, values: st.SearchStrategy[bytes]) -> bytes:
    """A value with some bytes changed, cut, or with bytes behind it; or only noise."""
    value = bytearray(draw(values))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)):
        if value:
            value[place % len(value)] = byte
    cut = draw(st.integers(0, len(value)))
    return bytes(value[:cut] if draw(st.booleans()) else value) + draw(st.binary(max_size=3))


NOISE = st.binary(max_size=80)
READERS: dict[str, tuple[Callable[[bytes], object], st.SearchStrategy[bytes]]] = {
    "JSON": (json_document_text, st.builds(document, DOCUMENTS, st.sampled_from([2, 4])) | NOISE),
    "opaque JSON": (
        json_document_text,
        st.builds(
            lambda kind, raw: bytes((0x0F, kind)) + counted(raw), st.sampled_from([7, 10, 11, 12, 246, 252]), NOISE
        ),
    ),
    "geometry": (geometry_text, SHAPES | NOISE),
    "date": (temporal.date_text, st.binary(min_size=3, max_size=3)),
    **{
        f"{kind}({digits})": (
            getattr(temporal, f"{kind}_text")(digits),
            st.binary(min_size=size, max_size=size),
        )
        for kind, whole in (("datetime", 5), ("timestamp", 4), ("time", 3))
        for digits in range(7)
        for size in (whole + temporal.fraction_width(digits),)
    },
    **{
        f"decimal({precision},{scale})": (decimal_text(precision, scale), st.binary(min_size=width, max_size=width))
        for precision, scale in ((1, 0), (9, 9), (10, 2), (65, 30), (65, 0))
        for width in (decimal_width(precision, scale),)
    },
}


@pytest.mark.parametrize("kind", READERS)
@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_value_is_read_or_an_error_that_decoders_name(kind: str, data: st.DataObject) -> None:
    reader, values = READERS[kind]
    try:
        text = reader(data.draw(damaged(values)))
    except VALUE_ERRORS:
        return
    assert isinstance(text, str | bytes)


# --- rows of a SELECT


@pytest.mark.parametrize("options", [FormatOptions(), EVERYTHING])
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.id.table)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_cells_become_json_or_a_named_error(table: Table, options: FormatOptions, data: st.DataObject) -> None:
    encoder = SnapshotEncoder(table, options)
    cell = st.none() | st.binary(max_size=20) | st.integers(-(2**70), 2**70).map(lambda number: b"%d" % number)
    row = data.draw(st.lists(cell, min_size=len(table.columns) - 1, max_size=len(table.columns)))
    try:
        ((key, value),) = encoder.encode([row])
    except (SchemaChanged, UnsupportedType, UnsupportedEvent) as error:
        assert error.message
        return
    assert key[:1] + key[-1:] == value[:1] + value[-1:] == b"{}"


@given(st.binary(max_size=40))
def test_a_writer_says_no_by_an_error_that_decoders_name(raw: bytes) -> None:
    columns = (
        Column("id", "int", "int"),
        Column("v", "vector", "vector(3)"),
        Column("g", "geometry", "geometry"),
    )
    _, vector, geometry = RowWriter(Table(TableId("d", "t"), columns, ("id",)), FormatOptions()).writers
    for write in (vector, geometry):
        assert write is not None
        try:
            json.loads(write(raw))
        except VALUE_ERRORS:
            continue
