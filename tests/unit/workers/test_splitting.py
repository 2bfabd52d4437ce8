"""Bounds of a table by a splitter: every row in one chunk, whatever the keys look like, and few questions to the server."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.change import ChunkKey
from shared.model.chunk import KeyRange
from tests.unit.workers.split_lab import BODY, HASH, ID, Rule, Server, bounds, stand_in, table
from workers.snapshot import splitting

HUNDRED_MILLION = 100_000_000

integers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-30, 30), st.integers(2**63, 2**64 - 1))
#: Any one column of integers; bytes, of which some begin with others; and two columns, the first with few values.
tables = st.one_of(
    st.sets(st.tuples(integers), max_size=60).map(lambda keys: (table(ID), sorted(keys))),
    st.sets(st.tuples(st.binary(max_size=4)), max_size=60).map(lambda keys: (table(BODY), sorted(keys))),
    st.sets(st.tuples(st.integers(-2, 2), st.binary(max_size=3)), max_size=60).map(
        lambda keys: (table(ID, BODY), sorted(keys))
    ),
)


@pytest.fixture(autouse=True, scope="module")
def _server():
    with pytest.MonkeyPatch.context() as patch:
        stand_in(lambda name, value: patch.setattr(splitting, name, value))
        yield


def chunks_of(found: list[ChunkKey]) -> list[KeyRange]:
    return [KeyRange(low, high) for low, high in zip([None, *found], [*found, None], strict=True)]


@given(tables, st.integers(1, 12), st.integers(0, 200))
def test_every_row_is_in_one_chunk_and_no_chunk_has_too_many(made, chunk_rows: int, rows_estimate: int) -> None:
    schema, keys = made
    found = bounds(Server(schema, keys), chunk_rows, rows_estimate)
    assert found == sorted(set(found))
    chunks = chunks_of(found)
    for key in keys:
        assert sum(chunk.holds(key) for chunk in chunks) == 1
    assert all(sum(chunk.holds(key) for key in keys) <= chunk_rows for chunk in chunks)


@given(tables, st.integers(1, 12), st.integers(0, 200), st.integers(0, 60))
def test_a_splitter_that_goes_on_finds_the_rest(made, chunk_rows: int, rows_estimate: int, place: int) -> None:
    schema, keys = made
    found = bounds(Server(schema, keys), chunk_rows, rows_estimate)
    for known in found[: place + 1][-1:]:
        assert bounds(Server(schema, keys), chunk_rows, rows_estimate, known) == found[found.index(known) + 1 :]


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 12))
def test_rows_that_share_what_a_bound_is_made_of_stay_together(values: list[int], chunk_rows: int) -> None:
    """As of a key whose later columns have no order that we can state."""
    keys = sorted((value,) for value in values)
    found = bounds(Server(table(ID, HASH), keys), chunk_rows, 0)
    assert found == sorted(set(found))
    size = Counter(keys)
    for chunk in chunks_of(found):
        inside = [key for key in keys if chunk.holds(key)]
        assert len(inside) <= chunk_rows + max((size[key] for key in inside), default=0)


@pytest.mark.parametrize(
    ("keys", "rows_estimate", "chunks", "queries"),
    [
        ([], 0, 1, 1),
        ([(7,)], 1, 1, 1),
        (Rule(HUNDRED_MILLION, lambda n: (n,)), HUNDRED_MILLION, 500, 1),  # dense: arithmetic
        (Rule(HUNDRED_MILLION, lambda n: (-(2**63) + n,)), HUNDRED_MILLION, 500, 1),  # negative
        (Rule(HUNDRED_MILLION, lambda n: (n * 1000,)), HUNDRED_MILLION, 500, 501),  # sparse: along the index
        (Rule(HUNDRED_MILLION, lambda n: (n if n < 1000 else n**2,)), HUNDRED_MILLION, 500, 501),  # skewed
        (Rule(HUNDRED_MILLION, lambda n: (n,)), 0, 500, 501),  # dense, and the server has no statistics yet
    ],
    ids=["empty", "one", "dense", "negative", "sparse", "skewed", "unknown"],
)
def test_a_large_table_costs_a_question_a_chunk_at_most(keys, rows_estimate: int, chunks: int, queries: int) -> None:
    server = Server(table(ID), keys)
    found = bounds(server, 200_000, rows_estimate)
    assert (len(found) + 1, server.queries) == (chunks, queries)
