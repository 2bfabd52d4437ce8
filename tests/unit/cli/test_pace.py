"""Speed, time left and shares; who is missing."""

from __future__ import annotations

import pytest

from scheduler.cli.pace import NO_LEADER, NO_READER, Pace, Patience, seconds_left, share
from scheduler.cli.picture import Origin, Picture, complete
from tests.unit.cli.fake_world import job, published


def pace_of(*counts: tuple[float, int]) -> float:
    pace = Pace()
    for now, rows in counts:
        pace.see(now, rows)
    return pace.rows_per_second


def test_speed_is_unknown_until_there_are_two_looks() -> None:
    assert pace_of() == 0.0
    assert pace_of((5.0, 100)) == 0.0
    assert pace_of((5.0, 100), (5.0, 200)) == 0.0


def test_speed_is_that_of_the_last_seconds() -> None:
    steady = [(float(second), second * 100) for second in range(31)]
    assert pace_of(*steady) == 100.0
    slower = [(30.0 + second, 3000 + second * 10) for second in range(1, 11)]
    assert pace_of(*steady, *slower) == 10.0
    assert pace_of(*steady, *slower[:5]) == pytest.approx((3050 - 2500) / 10)


def test_a_stall_brings_the_speed_down_to_nothing() -> None:
    assert pace_of((0.0, 0), (1.0, 500), *((float(second), 500) for second in range(2, 13))) == 0.0


def test_a_chunk_that_is_read_again_begins_a_new_count() -> None:
    assert pace_of((0.0, 1000), (1.0, 2000), (2.0, 1500)) == 0.0
    assert pace_of((0.0, 1000), (1.0, 2000), (2.0, 1500), (3.0, 1800)) == 300.0


def test_the_looks_that_are_kept_are_few() -> None:
    pace = Pace()
    for second in range(10_000):
        pace.see(float(second), second)
    assert len(pace._seen) <= 12


@pytest.mark.parametrize(
    ("rows", "estimate", "rate", "left"),
    [(0, 100, 10.0, 10.0), (100, 100, 10.0, 0.0), (150, 100, 10.0, 0.0), (0, 100, 0.0, None), (0, 0, 0.0, 0.0)],
)
def test_time_left(rows: int, estimate: int, rate: float, left: float | None) -> None:
    assert seconds_left(rows, estimate, rate) == left


def test_an_estimate_never_claims_the_end() -> None:
    assert share(50, 100, done=False) == 0.5
    assert share(100, 100, done=False) == 0.99
    assert share(500, 100, done=False) == 0.99
    assert share(0, 0, done=False) == 0.0
    assert share(0, 0, done=True) == 1.0


def picture(leader: str | None, **figures: object) -> Picture:
    given = published(job(), **figures) if leader else None
    return Picture(job(), None, leader, complete(given), Origin.LIVE if leader else Origin.NONE)


def told(*looks: tuple[float, Picture]) -> list[str]:
    patience = Patience()
    return [sentence for now, seen in looks if (sentence := patience.look(now, seen))]


def test_a_missing_leader_is_told_once_after_ten_seconds() -> None:
    assert told(*((second, picture("")) for second in range(10))) == []
    assert told(*((second, picture("")) for second in range(30))) == [NO_LEADER]


def test_who_leads_is_not_guessed_while_redis_is_away() -> None:
    assert told(*((second, picture(None)) for second in range(30))) == []


def test_missing_readers_are_told_when_nothing_moves() -> None:
    assert told(*((second, picture("b1")) for second in range(30))) == [NO_READER]
    assert told(*((second, picture("b1", rows=second)) for second in range(30))) == []
    assert told(*((second, picture("b1", chunks_done=second)) for second in range(30))) == []
    assert told(*((second, picture("b1", snapshot_done=True)) for second in range(30))) == []


@pytest.mark.parametrize(
    ("figures", "current"),
    [
        ({"snapshot_done": True, "lag_seconds": 0.2, "lag_bytes": 900}, True),
        ({"snapshot_done": True, "lag_seconds": None, "lag_bytes": 0}, True),
        ({"snapshot_done": True, "lag_seconds": None, "lag_bytes": None}, False),
        ({"snapshot_done": True, "lag_seconds": 60.0, "lag_bytes": 900}, False),
        ({"snapshot_done": False, "lag_seconds": 0.0, "lag_bytes": 0}, False),
    ],
)
def test_a_job_is_current_when_its_snapshot_is_complete_and_its_lag_small(figures: dict, current: bool) -> None:
    assert picture("b1", **figures).current is current
