"""Waiting doubles up to a bound and is forgotten after a success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.machines.backoff import Backoff


def waits(backoff: Backoff, failures: int) -> list[float]:
    """How long each of these failures in a row makes the next try wait."""
    now, found = 100.0, []
    for _ in range(failures):
        backoff.failed(now)
        wait = next(seconds for seconds in (x / 4 for x in range(1000)) if backoff.ready(now + seconds))
        found.append(wait)
        now += wait
    return found


def test_the_first_try_need_not_wait() -> None:
    assert Backoff().ready(float("-inf"))


def test_waits_double_up_to_the_longest() -> None:
    assert waits(Backoff(), 7) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_first_and_longest_are_choices() -> None:
    assert waits(Backoff(first=0.5, longest=3.0), 5) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_first_wait_is_never_longer_than_the_longest() -> None:
    assert waits(Backoff(first=10.0, longest=3.0), 2) == [3.0, 3.0]


def test_nothing_is_tried_before_its_time() -> None:
    backoff = Backoff()
    backoff.failed(100.0)
    assert not backoff.ready(100.99)
    assert backoff.ready(101.0)


def test_a_success_is_forgiveness() -> None:
    backoff = Backoff()
    waits(backoff, 5)
    backoff.succeeded()
    assert backoff.ready(0.0)
    assert waits(backoff, 2) == [1.0, 2.0]


@given(st.integers(1, 5000))
def test_no_number_of_failures_waits_for_ever(failures: int) -> None:
    backoff = Backoff()
    for _ in range(failures):
        backoff.failed(0.0)
    assert backoff.ready(30.0)
