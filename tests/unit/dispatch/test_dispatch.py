"""Hints are few, repeated when they are lost, sent again at once when a chunk comes back, and name small tables together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.dispatch import GROUP_CHUNKS_MAX, GROUP_ROWS_MAX, REPEAT_SECONDS, Dispatch, Hint
from shared.model.chunk import ChunkId
from shared.model.schema import TableId

TABLE = TableId("d", "t")


def chunks(*numbers: int) -> list[ChunkId]:
    return [ChunkId(TABLE, number) for number in numbers]


def alone(*numbers: int) -> list[Hint]:
    """A hint for each of the chunks."""
    return [(chunk,) for chunk in chunks(*numbers)]


def due(
    dispatch: Dispatch,
    waiting: list[ChunkId],
    reading: int = 0,
    splitting: TableId | None = None,
    now: float = 0.0,
    sizes: dict[ChunkId, int] | None = None,
) -> list[Hint]:
    return dispatch.due(waiting, (sizes or {}).get, reading, splitting, now)


def test_as_many_chunks_are_hinted_as_can_be_read_and_two_more() -> None:
    dispatch = Dispatch(parallelism=3)
    assert dispatch.window == 5
    assert due(dispatch, chunks(0, 1, 2, 3, 4, 5, 6)) == alone(0, 1, 2, 3, 4)


def test_chunks_that_are_being_read_count() -> None:
    assert due(Dispatch(3), chunks(3, 4, 5, 6), 3) == alone(3, 4)
    assert due(Dispatch(3), chunks(3, 4), 9) == []


def test_a_hint_under_way_is_not_repeated_before_its_time() -> None:
    dispatch = Dispatch(2)
    assert due(dispatch, chunks(0, 1)) == alone(0, 1)
    assert due(dispatch, chunks(0, 1), now=REPEAT_SECONDS - 0.1) == []
    assert due(dispatch, chunks(0, 1), now=REPEAT_SECONDS) == alone(0, 1)


def test_a_lost_hint_is_repeated_only_when_it_could_be_taken() -> None:
    dispatch = Dispatch(1, ahead=1)
    assert due(dispatch, chunks(1), 1) == alone(1)
    assert due(dispatch, chunks(1), 1, now=5 * REPEAT_SECONDS) == []
    assert due(dispatch, chunks(1), 0, now=5 * REPEAT_SECONDS) == alone(1)


def test_only_new_chunks_are_hinted() -> None:
    dispatch = Dispatch(2)
    due(dispatch, chunks(0, 1))
    assert due(dispatch, chunks(1, 2), 1, now=1.0) == alone(2)


def test_a_chunk_that_was_granted_and_comes_back_is_hinted_at_once() -> None:
    dispatch = Dispatch(2)
    due(dispatch, chunks(0))
    due(dispatch, [], 1, now=1.0)
    assert due(dispatch, chunks(0), now=2.0) == alone(0)


def test_a_refused_hint_is_sent_again_when_another_attempt_may_read() -> None:
    dispatch = Dispatch(2)
    due(dispatch, chunks(2), 2)
    dispatch.refused(*alone(2))
    assert due(dispatch, chunks(2), 2, now=0.1) == []  # its worker would be turned away once more
    assert due(dispatch, chunks(2), 1, now=0.2) == alone(2)
    assert due(dispatch, chunks(2), 1, now=0.3) == []


def test_refusing_what_was_never_sent_is_harmless() -> None:
    dispatch = Dispatch(2)
    dispatch.refused(*alone(9))
    assert due(dispatch, chunks(9)) == alone(9)


def test_a_table_to_split_is_hinted_once_in_its_time() -> None:
    dispatch = Dispatch(1)
    assert due(dispatch, [], 9, TABLE) == [TABLE]
    assert due(dispatch, [], 9, TABLE, 5.0) == []
    assert due(dispatch, [], 9, None, 6.0) == []
    assert due(dispatch, [], 9, TABLE, 7.0) == [TABLE]


# Small tables.


def test_small_tables_are_read_together_and_others_alone() -> None:
    sizes = dict.fromkeys(chunks(0, 1, 3, 4, 5), 10)
    assert due(Dispatch(9), chunks(0, 1, 2, 3, 4, 5, 6), sizes=sizes) == [
        tuple(chunks(0, 1)),
        *alone(2),
        tuple(chunks(3, 4, 5)),
        *alone(6),
    ]


def test_a_group_is_bounded_in_tables_and_in_rows() -> None:
    many = chunks(*range(200))
    first, second = due(Dispatch(1, ahead=1), many, sizes=dict.fromkeys(many, 1))
    assert (first, second) == (tuple(many[:GROUP_CHUNKS_MAX]), tuple(many[GROUP_CHUNKS_MAX : 2 * GROUP_CHUNKS_MAX]))
    first, *_ = due(Dispatch(1), many, sizes=dict.fromkeys(many, GROUP_ROWS_MAX // 2))
    assert first == tuple(many[:2])


def test_what_is_left_of_a_group_is_under_way_with_it() -> None:
    dispatch = Dispatch(1, ahead=0)
    sizes = dict.fromkeys(chunks(0, 1, 2), 1)
    assert due(dispatch, chunks(0, 1, 2), sizes=sizes) == [tuple(chunks(0, 1, 2))]
    assert due(dispatch, chunks(1), sizes=sizes, now=1.0) == []
    assert due(dispatch, chunks(1), sizes=sizes, now=REPEAT_SECONDS) == alone(1)


def test_only_the_front_of_what_waits_is_looked_at() -> None:
    looked = []

    def small(chunk: ChunkId) -> int | None:
        looked.append(chunk)
        return 1

    Dispatch(2).due(chunks(*range(10_000)), small, 0, None, 0.0)
    assert len(looked) <= 4 * GROUP_CHUNKS_MAX + 1


@given(
    st.integers(1, 6),
    st.dictionaries(st.integers(0, 12), st.integers(0, GROUP_ROWS_MAX)),
    st.lists(
        st.tuples(st.lists(st.integers(0, 12), max_size=8, unique=True), st.integers(0, 8), st.integers(0, 40)),
        max_size=12,
    ),
)
def test_hints_under_way_never_outgrow_the_window(
    parallelism: int, sizes: dict[int, int], rounds: list[tuple[list[int], int, int]]
) -> None:
    dispatch = Dispatch(parallelism)
    sent: dict[ChunkId, float] = {}
    now = 0.0
    for numbers, reading, tenths in rounds:
        now += tenths / 2
        waiting = chunks(*numbers)
        hints = due(dispatch, waiting, reading, None, now, {ChunkId(TABLE, n): rows for n, rows in sizes.items()})
        named = [chunk for hint in hints for chunk in hint]
        assert set(named) <= set(waiting)
        assert len(named) == len(set(named))
        assert len(hints) <= max(0, dispatch.window - reading)
        # Whatever may be read has been hinted not long ago: the first of those that wait, if any hint is wanted.
        sent |= dict.fromkeys(named, now)
        if waiting and not hints and reading < dispatch.window:
            assert reading >= parallelism or any(
                now - sent[chunk] < REPEAT_SECONDS for chunk in waiting if chunk in sent
            )
