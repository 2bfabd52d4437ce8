"""The SQL of key ranges: it means the order of tuples, and is written in the form that MySQL reads as an index range."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.mysql.ranges import (
    quoted,
    range_condition,
    select_keys,
    select_next_key,
    select_places,
    select_rows,
    table_name,
)
from shared.codec import sql_literal
from shared.errors import Bug
from shared.model.chunk import KeyRange
from shared.model.schema import Column, Table, TableId

ID = Column("id", "bigint", "bigint", nullable=False)
DAY = Column("day", "date", "date", nullable=False)
RAW = Column("raw", "varbinary", "varbinary(9)", nullable=False)
WORD = Column("word", "varchar", "varchar(9)", False, "utf8mb4", "utf8mb4_0900_ai_ci")
OLD = Column("old", "char", "char(9)", False, "latin1", "latin1_swedish_ci")
PRICE = Column("price", "decimal", "decimal(9,2)", nullable=False)
KIND = Column("kind", "enum", "enum('a','b')", False, labels=("a", "b"))


def table(*key: Column, name: str = "t") -> Table:
    return Table(TableId("d", name), (*key, Column("note", "text", "text")), tuple(column.name for column in key))


def test_identifiers_are_quoted() -> None:
    assert quoted("a`b") == "`a``b`"
    assert table_name(table(ID, name="or`der")) == "`d`.`or``der`"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (KeyRange(None, None), "TRUE"),
        (KeyRange((5,), None), "(`id` >= 5)"),
        (KeyRange(None, (9,)), "(`id` < 9)"),
        (KeyRange((-5,), (9,)), "(`id` >= -5) AND (`id` < 9)"),
    ],
)
def test_a_key_of_one_column(bounds: KeyRange, expected: str) -> None:
    assert range_condition(table(ID), bounds) == expected


def test_a_composite_key_is_written_out_and_not_as_rows() -> None:
    bounds = KeyRange((5, "2026-01-31", b"\x01"), (7, "2026-02-01", b""))
    assert range_condition(table(ID, DAY, RAW), bounds) == (
        "(`id` > 5 OR (`id` = 5 AND (`day` > '2026-01-31' OR (`day` = '2026-01-31' AND (`raw` >= _binary X'01')))))"
        " AND "
        "(`id` < 7 OR (`id` = 7 AND (`day` < '2026-02-01' OR (`day` = '2026-02-01' AND (`raw` < _binary X'')))))"
    )


def test_a_key_is_cut_by_the_columns_whose_order_is_known() -> None:
    assert range_condition(table(ID, KIND), KeyRange((5,), None)) == "(`id` >= 5)"
    assert range_condition(table(KIND, ID), KeyRange(None, None)) == "TRUE"


def test_rows_are_read_along_the_primary_key() -> None:
    assert select_rows(table(ID), ["`id`", "`note`"], KeyRange((5,), (9,))) == (
        "SELECT `id`, `note` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE (`id` >= 5) AND (`id` < 9)"
    )


def test_the_next_key_is_so_many_rows_on() -> None:
    head = "SELECT `id`, `day` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE "
    key = table(ID, DAY)
    columns = ["`id`", "`day`"]
    assert select_next_key(key, columns, None, 100) == head + "TRUE ORDER BY `id`, `day` LIMIT 1 OFFSET 100"
    after = (5, "2026-01-31")
    assert select_next_key(key, columns, after, 100) == (
        head + "`id` > 5 OR (`id` = 5 AND (`day` >= '2026-01-31')) ORDER BY `id`, `day` LIMIT 1 OFFSET 100"
    )


def test_without_rows_to_skip_the_next_key_is_a_greater_one() -> None:
    assert " WHERE `id` > 5 ORDER BY " in select_next_key(table(ID), ["`id`"], (5,), 0)


def test_places_are_asked_for_without_reading_a_table() -> None:
    word = "_utf8mb4 X'{}' COLLATE utf8mb4_0900_ai_ci"
    a, b, c = word.format("61"), word.format("C3A9"), word.format("7A")
    assert select_places(table(WORD), [("a",), ("é",)], [KeyRange(None, ("a",)), KeyRange(("a",), ("z",))]) == (
        f"WITH k (n, c0) AS (SELECT 0, {a} UNION ALL SELECT 1, {b}) "
        f"SELECT CASE WHEN (c0 < {a}) THEN 0 WHEN (c0 >= {a}) AND (c0 < {c}) THEN 1 ELSE -1 END FROM k ORDER BY n"
    )


@pytest.mark.parametrize(
    ("column", "part", "expected"),
    [
        (ID, -(2**63), "-9223372036854775808"),
        (PRICE, Decimal("-0.50"), "-0.50"),
        (PRICE, Decimal("1E+3"), "1000"),
        (RAW, b"\x00'\xff", "_binary X'0027FF'"),
        (RAW, b"", "_binary X''"),
        (DAY, "0000-00-00", "'0000-00-00'"),
        (WORD, "o'b\\", "_utf8mb4 X'6F27625C' COLLATE utf8mb4_0900_ai_ci"),
        (OLD, "é", "CONVERT(_utf8mb4 X'C3A9' USING latin1) COLLATE latin1_swedish_ci"),
    ],
)
def test_literals(column: Column, part: object, expected: str) -> None:
    assert sql_literal(column, part) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "part"), [(ID, "5"), (DAY, b"2026"), (DAY, "2026' OR '1"), (WORD, 5), (RAW, "x"), (KIND, "a")]
)
def test_a_part_of_another_type_never_reaches_mysql(column: Column, part: object) -> None:
    with pytest.raises(Bug):
        sql_literal(column, part)  # type: ignore[arg-type]


numbers = st.integers(-3, 3)
keys = st.tuples(numbers, numbers, numbers)
NUMBERS = table(ID, Column("b", "int", "int", nullable=False), Column("c", "int", "int", nullable=False))


@settings(deadline=None)
@given(st.sets(keys, max_size=20), st.none() | keys, st.none() | keys)
def test_a_condition_selects_what_the_range_holds(
    rows: set[tuple[int, int, int]], lower: object, upper: object
) -> None:
    """Another SQL engine reads the comparison, with plain numbers, as Python compares tuples."""
    bounds = KeyRange(lower, upper)  # type: ignore[arg-type]
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id, b, c)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    found = set(connection.execute(f"SELECT id, b, c FROM t WHERE {range_condition(NUMBERS, bounds)}"))
    connection.close()
    assert found == {row for row in rows if bounds.holds(row)}


@settings(deadline=None)
@given(st.lists(keys, min_size=1, max_size=10), st.lists(keys, max_size=4, unique=True))
def test_places_are_those_of_the_ranges(asked: list[tuple[int, int, int]], cuts: list[tuple[int, int, int]]) -> None:
    edges = [None, *sorted(cuts), None]
    ranges = [KeyRange(a, b) for a, b in pairwise(edges)][::2]
    connection = sqlite3.connect(":memory:")
    found = [row[0] for row in connection.execute(select_places(NUMBERS, asked, ranges))]
    connection.close()
    expected = [next((n for n, bounds in enumerate(ranges) if bounds.holds(key)), -1) for key in asked]
    assert found == expected


@pytest.mark.parametrize(
    ("key", "keys", "condition"),
    [
        ((ID,), [(5,), (-7,)], "`id` IN (5, -7)"),
        ((ID, DAY), [(5, "2026-01-31")], "(`id` = 5 AND `day` = '2026-01-31')"),
        (
            (ID, RAW),
            [(5, b"\x01"), (6, b"")],
            "(`id` = 5 AND `raw` = _binary X'01') OR (`id` = 6 AND `raw` = _binary X'')",
        ),
        ((ID, KIND), [(5,)], "`id` IN (5)"),  # all rows that share what can be compared
    ],
)
def test_single_rows_are_read_along_the_key(key: tuple[Column, ...], keys: list[tuple], condition: str) -> None:
    assert select_keys(table(*key), ["`note`", "`id`"], keys) == (
        f"SELECT `note`, `id` FROM `d`.`t` FORCE INDEX (PRIMARY) WHERE {condition}"
    )
