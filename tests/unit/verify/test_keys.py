"""Which rows the keys of a topic can be, whoever wrote them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec import FormatOptions
from shared.model.chunk import KeyRange
from shared.model.schema import Column, Table, TableId
from workers.verify.keys import Keys, Unspelled

ID = Column("id", "bigint", "bigint", nullable=False)
WORD = Column("w", "varchar", "varchar(9)", False, "utf8mb4", "utf8mb4_0900_ai_ci", 36)
DAY = Column("d", "date", "date", nullable=False)
PRICE = Column("p", "decimal", "decimal(9,2)", nullable=False, precision=9, scale=2)
RAW = Column("r", "varbinary", "varbinary(9)", nullable=False, length=9)
MOOD = Column("m", "enum", "enum('a','b')", nullable=False, labels=("a", "b"))


def keys(*columns: Column, options: FormatOptions | None = None) -> Keys:
    table = Table(TableId("d", "t"), columns, tuple(column.name for column in columns))
    return Keys(table, options or FormatOptions())


@pytest.mark.parametrize(
    ("columns", "key", "expected"),
    [
        ((ID,), b'{"id":7}', (7,)),
        ((ID, WORD), '{"id":7,"w":"É"}'.encode(), (7, "É")),
        ((DAY,), b'{"d":"2020-02-29"}', ("2020-02-29",)),
        ((RAW,), b'{"r":"AP8="}', (b"\x00\xff",)),
        ((DAY,), b'{"d":"0000-00-00"}', Unspelled.DOUBTFUL),
        ((DAY,), b'{"d":"2020-02-31"}', Unspelled.DOUBTFUL),
        ((DAY,), b'{"d":"\' OR 1"}', Unspelled.IMPOSSIBLE),
        ((DAY,), b'{"d":5}', Unspelled.IMPOSSIBLE),
        ((DAY,), b'{"d":null}', Unspelled.IMPOSSIBLE),
        ((PRICE,), b'{"p":NaN}', Unspelled.IMPOSSIBLE),
        ((PRICE,), b'{"p":[1]}', Unspelled.IMPOSSIBLE),
        ((RAW,), b'{"r":"A"}', Unspelled.IMPOSSIBLE),
        ((ID,), b"", Unspelled.IMPOSSIBLE),
        ((ID,), b'{"id":"x"}', Unspelled.IMPOSSIBLE),
        ((ID, WORD), b'{"id":7}', Unspelled.IMPOSSIBLE),
        ((ID, WORD), b"[7]", Unspelled.IMPOSSIBLE),
        ((ID, WORD), b"\xff", Unspelled.IMPOSSIBLE),
        ((WORD, ID), b'{"w":"\\ud800","id":7}', Unspelled.IMPOSSIBLE),
        ((ID, WORD), b"[" * 100_000, Unspelled.IMPOSSIBLE),
    ],
)
def test_a_key_is_a_row_of_the_table_or_none(columns: tuple[Column, ...], key: bytes, expected: object) -> None:
    assert keys(*columns).read(key) == expected


@given(st.binary(max_size=30))
def test_no_key_ends_a_comparison(key: bytes) -> None:
    for columns in ((ID,), (ID, WORD), (DAY,), (PRICE,), (RAW,), (ID, MOOD), (MOOD,)):
        keys(*columns).read(key)
        keys(*columns).within(KeyRange((5,), None))(key) if columns == (ID,) else None


@given(st.lists(st.integers(-50, 50), max_size=5, unique=True), st.binary(max_size=12) | st.integers(-60, 60))
def test_every_key_lies_in_exactly_one_range(bounds: list[int], key: bytes | int) -> None:
    told = b'{"id":%d}' % key if isinstance(key, int) else key
    ends = [None, *[(bound,) for bound in sorted(bounds)], None]
    ranges = [KeyRange(lower, upper) for lower, upper in pairwise(ends)]
    held = [bounds for bounds in ranges if keys(ID).within(bounds)(told)]
    assert len(held) == 1
    if isinstance(key, int):
        assert held[0].holds((key,))


def test_tables_are_told_apart_by_what_their_keys_can_do() -> None:
    told = {
        "integer": keys(ID), "composite": keys(ID, WORD), "text": keys(WORD), "cut": keys(ID, MOOD), "whole": keys(MOOD),
        "decimal": keys(PRICE),
    }  # fmt: skip
    assert {name for name, one in told.items() if one.divisible} == {"integer"}
    assert {name for name, one in told.items() if one.whole} == {"whole"}
    assert {name for name, one in told.items() if not one.exact} == {"cut", "whole"}
