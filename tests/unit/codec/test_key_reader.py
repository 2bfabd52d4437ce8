"""A key in Kafka gives the chunk key of its row, whatever the types of the key and the options of the format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec import FormatOptions, key_reader
from shared.codec.reference.json_text import RowWriter
from shared.codec.reference.key_parts import part_reader
from shared.model.chunk_key import chunk_key_columns
from shared.model.schema import Column, Table, TableId

Plain = bytes | str | float


def integers(low: int, high: int) -> st.SearchStrategy[bytes]:
    return st.integers(low, high).map(lambda number: b"%d" % number)


def decimals(digits: int, scale: int) -> st.SearchStrategy[bytes]:
    """MySQL's text of every DECIMAL(digits, scale); there is no negative zero."""

    def text(number: int) -> bytes:
        whole, rest = divmod(abs(number), 10**scale)
        sign = "-" if number < 0 else ""
        return f"{sign}{whole}.{rest:0{scale}}".encode() if scale else f"{sign}{whole}".encode()

    return st.integers(-(10**digits) + 1, 10**digits - 1).map(text) | st.integers(-99, 99).map(text)


def moments(fraction: int) -> st.SearchStrategy[bytes]:
    """MySQL's text of DATETIME and TIMESTAMP, zero dates among it."""

    def text(moment: datetime) -> bytes:
        clock = f"{moment:%H:%M:%S}" + (f".{moment.microsecond:06}"[: 1 + fraction] if fraction else "")
        return f"{moment.date().isoformat()} {clock}".encode()

    zeros = ("0000-00-00 00:00:00" + (".000000"[: 1 + fraction] if fraction else "")).encode()
    return st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(text) | st.just(zeros)


characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
dates = st.dates(date(1, 1, 1), date(9999, 12, 31)).map(lambda day: day.isoformat().encode()) | st.sampled_from(
    [b"0000-00-00", b"2020-00-01", b"0000-01-01"]
)

#: Column types that chunk keys are made of, each with its plain forms.
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "tinyint(1)": integers(-128, 127) | st.sampled_from([b"0", b"1", b"2", b"-1"]),
    "tinyint": integers(-128, 127),
    "smallint unsigned": integers(0, 2**16 - 1),
    "mediumint": integers(-(2**23), 2**23 - 1),
    "int(8) unsigned zerofill": integers(0, 2**32 - 1),
    "bigint": integers(-(2**63), 2**63 - 1),
    "bigint unsigned": integers(0, 2**64 - 1),
    "year": integers(1901, 2155) | st.just(b"0"),
    "decimal(65,30)": decimals(65, 30),
    "decimal(30,30)": decimals(30, 30),
    "decimal(20,3)": decimals(20, 3),
    "decimal(65,0)": decimals(65, 0),
    "binary(4)": st.binary(min_size=4, max_size=4),
    "varbinary(20)": st.binary(max_size=20),
    "date": dates,
    "datetime": moments(0),
    "datetime(3)": moments(3),
    "timestamp": moments(0),
    "timestamp(6)": moments(6),
    "char(9)": characters,
    "varchar(9)": characters,
}

#: Types that end a chunk key, but stand in the key all the same.
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "time(1)": st.sampled_from([b"-838:59:59.0", b"00:00:00.1"]),
    "enum": characters,
    "bit(4)": st.binary(min_size=1, max_size=1),
}

NAMES = ["id", 'a"b', "100%b", "`x`", "\\", "é", "tab\t", "T Z"]

every_option = st.builds(
    FormatOptions,
    treat_tinyint1_as_boolean=st.booleans(),
    fields_include=st.sampled_from(["ALL", "EXCEPT_KEY"]),
    timestamp_format=st.sampled_from(["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]),
    decimal_as_plain_number=st.booleans(),
    ignore_null_fields=st.booleans(),
    binary_encoding=st.sampled_from(["base64", "hex"]),
)


def column(name: str, column_type: str) -> Column:
    kind = column_type.partition("(")[0].partition(" ")[0]
    charset = "utf8mb4" if kind in ("char", "varchar", "enum") else None
    labels = ("x",) if kind == "enum" else ()
    return Column(name, kind, column_type, False, charset, charset and f"{charset}_bin", labels=labels)


def key_of(table: Table, options: FormatOptions, plains: list[Plain]) -> bytes:
    """The key as both paths write it, from the plain forms of the key columns in key order."""
    writer = RowWriter(table, options)
    steps: list[Callable[[Any], bytes]] = [writer.writers[place] or bytes for place in writer.key_places]
    return writer.key([step(plain) for step, plain in zip(steps, plains, strict=True)])


def assert_equal_parts(table: Table, options: FormatOptions, plains: list[Plain]) -> None:
    columns = chunk_key_columns(table)
    expected = tuple(part_reader(column)(plain) for column, plain in zip(columns, plains, strict=False))
    read = key_reader(table, options)(key_of(table, options, plains))
    assert read == expected
    # Equal is not enough: bounds are written to the state topic, and sent to MySQL, by type and digits.
    assert repr(read) == repr(expected)


@pytest.mark.parametrize("column_type", PARTS)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_key_of_one_column(column_type: str, data: st.DataObject) -> None:
    made = column(data.draw(st.sampled_from(NAMES)), column_type)
    table = Table(TableId("d", "t"), (made,), (made.name,))
    assert_equal_parts(table, data.draw(every_option), [data.draw(PARTS[column_type])])


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_key_of_several_columns(data: st.DataObject) -> None:
    every = PARTS | OTHERS
    kinds = data.draw(st.lists(st.sampled_from(sorted(every)), min_size=2, max_size=4))
    names = data.draw(st.permutations(NAMES))[: len(kinds)]
    columns = tuple(column(name, kind) for name, kind in zip(names, kinds, strict=True))
    # In the table they stand in another order than in the key.
    table = Table(TableId("d", "t"), columns[::-1], tuple(names))
    assert_equal_parts(table, data.draw(every_option), [data.draw(every[kind]) for kind in kinds])


@pytest.mark.parametrize("kind", OTHERS)
def test_a_key_that_starts_with_a_type_without_order_has_no_parts(kind: str) -> None:
    made = column("id", kind)
    assert key_reader(Table(TableId("d", "t"), (made,), ("id",)), FormatOptions())(b'{"id":whatever}') == ()


def test_true_and_false_are_one_and_zero() -> None:
    table = Table(TableId("d", "t"), (column("b", "tinyint(1)"),), ("b",))
    for text, option in product(("true", "1"), (True, False)):
        if (text == "true") == option:
            read = key_reader(table, FormatOptions(treat_tinyint1_as_boolean=option))
            assert repr(read(b'{"b":%b}' % text.encode())) == "(1,)"


@pytest.mark.parametrize("text", ["1E-10", "1e-10", "0.0000000001", '"1E-10"', '"0.0000000001"'])
def test_a_decimal_may_be_spelled_in_many_ways(text: str) -> None:
    table = Table(TableId("d", "t"), (column("d", "decimal(30,10)"),), ("d",))
    plain = key_reader(table, FormatOptions())(b'{"d":0.0000000001}')
    assert repr(key_reader(table, FormatOptions())(b'{"d":%b}' % text.encode())) == repr(plain)


@pytest.mark.parametrize("text", ["2020-01-02 03:04:05.6", "2020-01-02T03:04:05.6Z"])
def test_a_moment_may_follow_any_standard(text: str) -> None:
    table = Table(TableId("d", "t"), (column("t", "timestamp(1)"),), ("t",))
    assert key_reader(table, FormatOptions())(b'{"t":"%b"}' % text.encode()) == ("2020-01-02 03:04:05.6",)
