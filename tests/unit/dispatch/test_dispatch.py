"""Hints are few, repeated when they are lost, and sent again at once when a chunk comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.dispatch import REPEAT_SECONDS, Dispatch, Hint
from shared.model.chunk import ChunkId
from shared.model.schema import TableId

TABLE = TableId("d", "t")


def chunks(*numbers: int) -> list[ChunkId]:
    return [ChunkId(TABLE, number) for number in numbers]


def test_as_many_chunks_are_hinted_as_can_be_read_and_two_more() -> None:
    dispatch = Dispatch(parallelism=3)
    assert dispatch.window == 5
    assert dispatch.due(chunks(0, 1, 2, 3, 4, 5, 6), 0, None, 0.0) == chunks(0, 1, 2, 3, 4)


def test_chunks_that_are_being_read_count() -> None:
    assert Dispatch(3).due(chunks(3, 4, 5, 6), 3, None, 0.0) == chunks(3, 4)
    assert Dispatch(3).due(chunks(3, 4), 9, None, 0.0) == []


def test_a_hint_under_way_is_not_repeated_before_its_time() -> None:
    dispatch = Dispatch(2)
    assert dispatch.due(chunks(0, 1), 0, None, 0.0) == chunks(0, 1)
    assert dispatch.due(chunks(0, 1), 0, None, REPEAT_SECONDS - 0.1) == []
    assert dispatch.due(chunks(0, 1), 0, None, REPEAT_SECONDS) == chunks(0, 1)


def test_only_new_chunks_are_hinted() -> None:
    dispatch = Dispatch(2)
    dispatch.due(chunks(0, 1), 0, None, 0.0)
    assert dispatch.due(chunks(1, 2), 1, None, 1.0) == chunks(2)


def test_a_chunk_that_was_granted_and_comes_back_is_hinted_at_once() -> None:
    dispatch = Dispatch(2)
    dispatch.due(chunks(0), 0, None, 0.0)
    dispatch.due([], 1, None, 1.0)
    assert dispatch.due(chunks(0), 0, None, 2.0) == chunks(0)


def test_a_refused_hint_is_sent_again_when_it_is_wanted() -> None:
    dispatch = Dispatch(2)
    dispatch.due(chunks(0), 0, None, 0.0)
    dispatch.refused(chunks(0)[0])
    assert dispatch.due(chunks(0), 0, None, 0.1) == chunks(0)


def test_refusing_what_was_never_sent_is_harmless() -> None:
    dispatch = Dispatch(2)
    dispatch.refused(chunks(9)[0])
    assert dispatch.due(chunks(9), 0, None, 0.0) == chunks(9)


def test_a_table_to_split_is_hinted_once_in_its_time() -> None:
    dispatch = Dispatch(1)
    assert dispatch.due([], 9, TABLE, 0.0) == [TABLE]
    assert dispatch.due([], 9, TABLE, 5.0) == []
    assert dispatch.due([], 9, None, 6.0) == []
    assert dispatch.due([], 9, TABLE, 7.0) == [TABLE]


@given(
    st.integers(1, 6),
    st.lists(
        st.tuples(st.lists(st.integers(0, 12), max_size=8, unique=True), st.integers(0, 8), st.integers(0, 40)),
        max_size=12,
    ),
)
def test_hints_under_way_never_outgrow_the_window(parallelism: int, rounds: list[tuple[list[int], int, int]]) -> None:
    dispatch = Dispatch(parallelism)
    sent: dict[Hint, float] = {}
    now = 0.0
    for numbers, claimed, tenths in rounds:
        now += tenths / 2
        waiting = chunks(*numbers)
        due = dispatch.due(waiting, claimed, None, now)
        assert set(due) <= set(waiting)
        assert len(due) <= max(0, dispatch.window - claimed)
        # Whatever is wanted has been sent not long ago.
        sent |= dict.fromkeys(due, now)
        for hint in waiting[: max(0, dispatch.window - claimed)]:
            assert now - sent[hint] < REPEAT_SECONDS
