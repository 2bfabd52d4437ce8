"""A hold is a dict, whether it stays in memory or moves to disk in between."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.sqlite.holds import SpillingHold
from shared.machines.ledger import Hold, MemoryHold
from shared.model.change import Change

#: Spills at once, after a few events, never.
BOUNDS = (0, 700, 10**9)

keys = st.binary(min_size=0, max_size=3)
values = st.none() | st.binary(max_size=200)
#: An event to put, or None for a look at the length, which may happen at any moment.
moves = st.lists(st.none() | st.tuples(keys, values), max_size=60)


def events_of(hold: Hold) -> list[Change]:
    return [event for batch in hold.batches() for event in batch]


@settings(deadline=None)
@given(moves, st.sampled_from(BOUNDS))
def test_a_spilling_hold_equals_a_dict(steps: list[tuple[bytes, bytes | None] | None], bound: int) -> None:
    expected: dict[bytes, bytes | None] = {}
    with closing(SpillingHold(bound)) as hold:
        for step in steps:
            if step is None:
                assert len(hold) == len(expected)
                continue
            hold.put(*step)
            expected[step[0]] = step[1]
        events = events_of(hold)
        assert len(events) == len(expected) == len(hold)
        assert dict(events) == expected


@settings(deadline=None)
@given(moves)
def test_a_hold_in_memory_equals_a_dict(steps: list[tuple[bytes, bytes | None] | None]) -> None:
    hold = MemoryHold()
    expected = dict(step for step in steps if step is not None)
    for step in steps:
        if step is not None:
            hold.put(*step)
    assert dict(events_of(hold)) == expected
    assert len(hold) == len(expected)


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_last_event_of_a_key_counts(bound: int) -> None:
    with closing(SpillingHold(bound)) as hold:
        for value in (b"first", None, b"last"):
            hold.put(b"k", value)
            hold.put(b"other", b"x" * 900)
        assert dict(events_of(hold)) == {b"k": b"last", b"other": b"x" * 900}


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_tombstone_is_held_as_one(bound: int) -> None:
    with closing(SpillingHold(bound)) as hold:
        hold.put(b"k", b"value")
        hold.put(b"k", None)
        assert events_of(hold) == [(b"k", None)]


def test_an_empty_value_is_no_tombstone() -> None:
    with closing(SpillingHold(0)) as hold:
        hold.put(b"k", b"")
        assert events_of(hold) == [(b"k", b"")]


def test_memory_holds_no_more_than_its_bound() -> None:
    with closing(SpillingHold(10_000)) as hold:
        for number in range(2_000):
            hold.put(b"%d" % number, b"x" * 50)
            # What is in memory, by the same measure that the hold uses.
            assert hold._bytes <= 10_000
        assert len(hold) == 2_000


def test_replacing_a_value_frees_the_old_ones_memory() -> None:
    with closing(SpillingHold(2_000)) as hold:
        for _ in range(100):
            hold.put(b"k", b"x" * 1_000)
        assert hold._file is None


@pytest.mark.parametrize("make", [MemoryHold, lambda: SpillingHold(0), lambda: SpillingHold(10**9)])
def test_a_hold_that_is_closed_holds_no_memory(make: type[MemoryHold]) -> None:
    hold: Hold = make()
    hold.put(b"k", b"v")
    hold.close()
    assert not getattr(hold, "_events", None)


@pytest.mark.parametrize("make", [MemoryHold, lambda: SpillingHold(0), lambda: SpillingHold(10**9)])
def test_a_large_hold_is_never_whole_in_one_batch(make: type[MemoryHold]) -> None:
    hold: Hold = make()
    for number in range(25_000):
        hold.put(b"%d" % number, None)
    sizes = [len(batch) for batch in hold.batches()]
    assert sum(sizes) == 25_000
    assert max(sizes) <= 10_000
    hold.close()


@pytest.mark.parametrize("bound", [1, 500, 1_000_000])
def test_a_void_hold_has_tombstones_only(bound: int) -> None:
    hold = SpillingHold(bound)
    for number in range(20):
        hold.put(b"%d" % number, b"x" * 50)
    hold.void()
    hold.put(b"3", b"later")
    events = dict(change for batch in hold.batches() for change in batch)
    assert events == {**dict.fromkeys(b"%d" % number for number in range(20)), b"3": b"later"}
    assert len(hold) == 20
    hold.close()
