"""While topics are made one by one, a leader keeps its lease, and stops when it has lost it; and it has the salt of its job."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.errors import SaltDiffers, Superseded, Unavailable
from shared.machines.ledger import Record, SaltRecord, StoredState, encode_record
from shared.settings import Settings
from workers.binlog.opening import _salt, _still_ours

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


def salted(known: str, own: str, resync: int = 0) -> list[Record]:
    wanted = SimpleNamespace(name="orders", resync=resync)
    context = SimpleNamespace(wanted=wanted, salt=own, settings=Settings(worker_name="heron"))
    return _salt(context, StoredState(salt=known, resynced=3))


def test_the_salt_is_noted_once_and_another_one_is_refused() -> None:
    assert salted("", "aa") == [encode_record(SaltRecord("aa"))]  # also of a job from before anybody noted it
    assert salted("aa", "aa") == salted("", "") == []
    with pytest.raises(SaltDiffers, match=r"Binlog worker heron has another .* than job orders"):
        salted("aa", "bb")
    assert salted("aa", "bb", resync=4) == [], "the copy of all tables brings the new one"
    with pytest.raises(SaltDiffers):
        salted("aa", "bb", resync=3)
