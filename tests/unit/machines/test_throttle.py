"""A throttle keeps averages whatever attempts do, and lets nothing begin while a server has no room."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.machines.throttle import Throttle
from shared.machines.trend import Trend, seconds_until
from shared.model.throttle import Limits, Pace, Pressure

BUSY = Limits(max_threads_running=10)
LAGGING = Limits(max_replica_lag=timedelta(seconds=5))


def test_without_limits_nothing_waits() -> None:
    throttle = Throttle(Limits())
    throttle.count("a", 10**9, 10**12, 0.0)
    assert throttle.reason(0.0) == ""
    assert throttle.pace(4) == Pace()
    assert not throttle.wants_look(1e9)


def test_an_unknown_load_is_no_leave() -> None:
    assert Throttle(BUSY).reason(0.0) == "the server's load is not known yet"


def test_the_ceiling_itself_is_allowed() -> None:
    throttle = Throttle(BUSY)
    throttle.look(Pressure(10), 0.0)
    assert throttle.reason(0.0) == ""
    throttle.look(Pressure(11), 1.0)
    assert throttle.reason(1.0) == "Threads_running is 11, above 10"


def test_one_replica_that_lags_or_is_silent_is_enough() -> None:
    throttle = Throttle(LAGGING)
    throttle.look(Pressure(0, (("r1:3306", 5.0), ("r2:3306", 0.0))), 0.0)
    assert throttle.reason(0.0) == ""
    throttle.look(Pressure(0, (("r1:3306", 0.0), ("r2:3306", 6.0))), 1.0)
    assert throttle.reason(1.0) == "replica r2:3306 is 6 s behind, more than 5 s"
    throttle.look(Pressure(0, (("r1:3306", None), ("r2:3306", 0.0))), 2.0)
    assert throttle.reason(2.0) == "replica r1:3306 does not tell its lag"
    throttle.look(Pressure(), 3.0)
    assert throttle.reason(3.0) == "no replica tells its lag"


def test_servers_are_asked_once_a_second() -> None:
    throttle = Throttle(BUSY)
    assert throttle.wants_look(0.0)
    throttle.look(Pressure(0), 0.0)
    assert not throttle.wants_look(0.9)
    assert throttle.wants_look(1.0)


def test_a_change_counts_at_once_and_forgives() -> None:
    throttle = Throttle(Limits(rows_per_second=10))
    throttle.count("a", 1000, 0, 0.0)
    assert throttle.reason(50.0) == "the rate is used up"
    throttle.change(Limits(rows_per_second=20))
    assert throttle.reason(50.0) == ""
    assert throttle.pace(2) == Pace(10.0, 0.0)


def test_what_is_reported_twice_or_late_is_counted_once() -> None:
    throttle = Throttle(Limits(rows_per_second=10))
    for rows in (10, 10, 5, 10):
        throttle.count("a", rows, 100, 0.0)
    assert (throttle.rows_read, throttle.bytes_read) == (10, 100)


def test_an_attempt_that_ended_is_forgotten() -> None:
    throttle = Throttle(Limits())
    throttle.count("a", 5, 5, 0.0)
    throttle.keep({"b"})
    throttle.count("a", 5, 5, 0.0)
    assert throttle.rows_read == 10


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 100_000), st.floats(0.0, 20.0)), min_size=1, max_size=40),
    st.integers(1, 2000),
    st.integers(1024, 50_000),
)
def test_the_average_is_kept_whatever_attempts_do(
    chunks: list[tuple[int, int, float]], rows_per_second: int, bytes_per_second: int
) -> None:
    throttle = Throttle(Limits(rows_per_second=rows_per_second, bytes_per_second=bytes_per_second))
    now, rows, size, last = 0.0, 0, 0, (0, 0)
    for number, (more, more_bytes, seconds) in enumerate(chunks):
        while throttle.reason(now):
            now += 0.25
        # All that began before the last chunk is paid for: only the last one may be ahead, by what it read itself.
        assert rows - last[0] <= rows_per_second * (now + 1) + 1
        assert size - last[1] <= bytes_per_second * (now + 1) + 1
        now += seconds
        throttle.count(f"a{number}", more, more_bytes, now)
        rows, size, last = rows + more, size + more_bytes, (more, more_bytes)


def test_a_pace_is_that_of_the_tighter_limit() -> None:
    assert Pace(10.0, 100.0).seconds(20, 100) == 2.0
    assert Pace(10.0, 100.0).seconds(10, 300) == 3.0
    assert Pace().seconds(10**9, 10**9) == 0.0


def test_a_trend_tells_nothing_at_first_and_then_the_slope_of_the_window() -> None:
    trend = Trend(window_seconds=60)
    trend.note(0.0, 0.0)
    trend.note(9.0, 90.0)
    assert trend.per_second() is None
    for second in range(10, 400):
        trend.note(float(second), 10.0 * second if second < 200 else 2000.0 + 3.0 * (second - 200))
    assert trend.per_second() == 3.0


def test_the_time_until_a_limit() -> None:
    assert seconds_until(50.0, 100.0, 5.0) == 10.0
    assert seconds_until(100.0, 100.0, None) == 0.0
    assert seconds_until(50.0, 100.0, -1.0) is None
    assert seconds_until(50.0, 100.0, None) is None
