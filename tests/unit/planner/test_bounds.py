"""Bounds by arithmetic: every key in one chunk, no chunk too large, no integer too wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.planner import SPREAD_MAX, dense, integer_bounds

BIGINT_LOW, BIGINT_UNSIGNED_HIGH = -(2**63), 2**64 - 1
keys = st.one_of(st.integers(BIGINT_LOW, BIGINT_UNSIGNED_HIGH), st.integers(-50, 50))


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    low = draw(keys)
    span = draw(st.integers(0, 300))
    high = min(low + span, BIGINT_UNSIGNED_HIGH)
    return low, high, draw(st.integers(1, 120))


def all_bounds(low: int, high: int, chunk_rows: int, limit: int) -> list[int]:
    bounds: list[int] = []
    while more := integer_bounds(bounds[-1] if bounds else None, low, high, chunk_rows, limit):
        assert len(more) <= limit
        bounds += more
    return bounds


def chunks_of(bounds: list[int]) -> list[tuple[int | None, int | None]]:
    """Half-open ranges, the first and the last one open-ended, as (lower, upper)."""
    return list(zip([None, *bounds], [*bounds, None], strict=True))


@given(tables(), st.integers(1, 9))
def test_chunks_cover_every_key_once(table: tuple[int, int, int], limit: int) -> None:
    low, high, chunk_rows = table
    chunks = chunks_of(all_bounds(low, high, chunk_rows, limit))
    for key in {low - 1, *range(low, high + 1), high + 1}:
        holders = [(a, b) for a, b in chunks if (a is None or key >= a) and (b is None or key < b)]
        assert len(holders) == 1


@given(tables(), st.integers(1, 9))
def test_no_chunk_holds_more_than_chunk_rows_keys_and_none_is_empty(table: tuple[int, int, int], limit: int) -> None:
    low, high, chunk_rows = table
    for lower, upper in chunks_of(all_bounds(low, high, chunk_rows, limit)):
        first = low if lower is None else max(lower, low)
        last = high if upper is None else upper - 1
        assert 1 <= last - first + 1 <= chunk_rows


@given(tables(), st.integers(1, 9))
def test_bounds_ascend_within_the_keys_of_the_table(table: tuple[int, int, int], limit: int) -> None:
    low, high, chunk_rows = table
    bounds = all_bounds(low, high, chunk_rows, limit)
    assert bounds == sorted(set(bounds))
    assert all(low < bound <= high for bound in bounds)


@given(tables(), st.integers(1, 9), st.integers(1, 9))
def test_the_pace_of_asking_changes_nothing(table: tuple[int, int, int], one: int, other: int) -> None:
    assert all_bounds(*table, one) == all_bounds(*table, other)


@given(tables(), keys)
def test_bounds_come_after_the_last_one_known(table: tuple[int, int, int], after: int) -> None:
    low, high, chunk_rows = table
    assert all(bound > after for bound in integer_bounds(after, low, high, chunk_rows, 5))


def test_the_ends_of_bigint_unsigned_are_no_trouble() -> None:
    high = BIGINT_UNSIGNED_HIGH
    assert integer_bounds(None, high - 10, high, 5, 100) == [high - 5, high]
    assert integer_bounds(high, high - 10, high, 5, 100) == []
    assert integer_bounds(None, BIGINT_LOW, BIGINT_LOW + 7, 3, 100) == [BIGINT_LOW + 3, BIGINT_LOW + 6]


def test_deleted_rows_at_the_low_end_leave_no_empty_chunks() -> None:
    assert integer_bounds(100, 10_000, 10_250, 100, 100) == [10_100, 10_200]


def test_one_row_is_one_chunk() -> None:
    assert integer_bounds(None, 7, 7, 100, 100) == []


def test_a_table_without_gaps_is_dense_up_to_its_documented_spread() -> None:
    assert dense(1, 1000, 1000)
    assert dense(1, 1000 * SPREAD_MAX, 1000)
    assert not dense(1, 1000 * SPREAD_MAX + 1, 1000)


@given(keys, st.integers(0, 2**64))
def test_unknown_or_stale_estimates_are_never_dense(low: int, span: int) -> None:
    assert not dense(low, low + span, 0)
    assert not dense(low, low + span, -1)


def test_random_keys_are_not_dense() -> None:
    assert not dense(BIGINT_LOW, BIGINT_UNSIGNED_HIGH, 10**9)
