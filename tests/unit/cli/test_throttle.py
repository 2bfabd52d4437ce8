"""`scheduler throttle`: limits are shown, changed without a new tenure, and refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.model.job import Desire
from tests.unit.cli.fake_world import FakeWorld, job, published


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.records.put(job())
    return world


def led(world: FakeWorld, limits: dict[str, Any] | None = None, waits: str = "", **changed: str) -> None:
    throttle = {"limits": limits or {}, "changed": {k.replace("_", "-"): v for k, v in changed.items()}, "waits": waits}
    world.lives["orders"] = published(job(), throttle=throttle)


def test_a_job_without_limits_says_so(world: FakeWorld) -> None:
    led(world)
    assert world.run("throttle", "orders").stdout == "Job orders has no limits.\n"


def test_limits_are_shown_with_where_they_come_from_and_what_waits(world: FakeWorld) -> None:
    limits = {"rows-per-second": 20_000, "max-threads-running": 40}
    led(world, limits, "Threads_running is 41, above 40", rows_per_second="20000")
    shown = world.run("throttle", "orders").stdout
    assert [line.split() for line in shown.splitlines() if "-" in line and "─" not in line] == [
        ["rows-per-second", "20,000", "scheduler", "throttle"],
        ["max-threads-running", "40", "job", "file"],
    ]
    assert "The snapshot waits: Threads_running is 41, above 40." in shown


def test_a_change_is_written_beside_earlier_ones_and_waited_for(world: FakeWorld) -> None:
    world.records.put(job(throttle={"max-threads-running": "40"}))
    led(world)

    def act(now: float) -> None:
        if now > 1002:
            led(world, {"rows-per-second": 500}, rows_per_second="500", max_threads_running="40")

    world.on_sleep = act
    done = world.run("throttle", "orders", "--rows-per-second", "500", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["limits"] == {"rows-per-second": 500}
    (written,) = world.records.written
    assert (written.revision, written.throttle) == (1, {"max-threads-running": "40", "rows-per-second": "500"})


def test_reset_forgets_all_changes(world: FakeWorld) -> None:
    world.records.put(job(throttle={"max-threads-running": "40"}))
    led(world)
    assert world.run("throttle", "orders", "--reset").stdout == "Job orders has no limits.\n"
    assert [record.throttle for record in world.records.written] == [{}]


def test_a_change_that_nobody_takes_up_is_told(world: FakeWorld) -> None:
    led(world)
    done = world.run("throttle", "orders", "--rows-per-second", "500")
    assert done.exit_code == 0
    assert "nobody has taken it up after 20 s" in done.stderr


def test_a_paused_job_takes_the_change_later(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED))
    done = world.run("throttle", "orders", "--rows-per-second", "none")
    assert "does not run now" in done.stderr
    assert world.records.written[0].throttle == {"rows-per-second": "none"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rows-per-second", "fast"), "Expected a whole number from 1 to 1000000000, found `fast`."),
        (("--reset", "--rows-per-second", "5"), "--reset stands alone."),
    ],
)
def test_a_mistake_writes_nothing(world: FakeWorld, arguments: tuple[str, ...], message: str) -> None:
    done = world.run("throttle", "orders", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert world.records.written == []


def test_the_status_of_a_job_tells_its_cost_its_end_and_what_it_waits_for(world: FakeWorld) -> None:
    led(world, {"max-threads-running": 40}, "Threads_running is 41, above 40")
    world.lives["orders"] |= {
        "snapshot_seconds_left": 3661,
        "binlog": {"kept_seconds": 172_800, "lost_in_seconds": 7200},
        "lag_seconds": 90_000.0,
        "mysql": {"connections": 4, "queries": 1234, "rows": 5_000_000, "bytes": 1_200_000_000},
    }
    shown = " ".join(world.run("status", "orders").stdout.split())
    assert "ends in about 1:01:01" in shown
    assert "4 connections, 1,234 queries of the leader, 5,000,000 rows read (1.2 GB)" in shown
    assert "max-threads-running 40; waits: Threads_running is 41, above 40" in shown
    assert "behind, and the server keeps binlogs for 2 d. At this pace it loses changes in 2:00:00." in shown
