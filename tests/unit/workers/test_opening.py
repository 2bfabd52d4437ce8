"""While topics are made one by one, a leader keeps its lease, and stops when it has lost it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.errors import Superseded, Unavailable
from workers.binlog.opening import _still_ours

CONTEXT = SimpleNamespace(wanted=SimpleNamespace(name="orders"))


class FakeLeases:
    def __init__(self, answer: bool | Unavailable) -> None:
        self._answer = answer
        self.asked: list[str] = []

    def lead(self, job: str) -> bool:
        self.asked.append(job)
        if isinstance(self._answer, Unavailable):
            raise self._answer
        return self._answer


def test_the_lease_is_renewed() -> None:
    leases = FakeLeases(True)
    _still_ours(CONTEXT, leases)
    assert leases.asked == ["orders"]


def test_whoever_has_lost_it_stops() -> None:
    with pytest.raises(Superseded):
        _still_ours(CONTEXT, FakeLeases(False))


def test_without_redis_it_goes_on_for_nobody_can_take_over() -> None:
    leases = FakeLeases(Unavailable("Redis is away."))
    _still_ours(CONTEXT, leases)
    assert leases.asked == ["orders"]
