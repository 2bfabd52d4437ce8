"""`scheduler status` and `watch`: what people and scripts see, and from where it comes."""

from __future__ import annotations

import json

import pytest

from shared.errors import MissingSecret, Unavailable
from shared.model.job import Desire, End, Outcome
from tests.unit.cli.fake_world import FakeWorld, failure, job, one_json, published, stored_state, table_record

FIELDS = {
    "job", "desire", "state", "error", "leader", "epoch", "position", "coordinates", "lag_seconds", "lag_bytes", "rows",
    "rows_estimate", "chunks_done", "chunks_total", "snapshot_done", "changes", "held_events", "updated_at", "mysql",
    "codec", "tables", "figures", "id", "revision", "submitted_at", "file", "notes",
    "throttle", "readers_wait", "snapshot_seconds_left", "binlog",
}  # fmt: skip
TABLE_FIELDS = {
    "table", "topic", "state", "rows", "rows_estimate", "chunks_done", "chunks_total", "split_done",
    "schema_version",
}  # fmt: skip


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.records.put(job())
    return world


def status(world: FakeWorld, *words: str) -> dict:
    return one_json(world.run("status", "orders", "--json", *words).stdout)


def test_a_job_that_nobody_leads_has_every_field(world: FakeWorld) -> None:
    found = status(world)
    assert set(found) == FIELDS
    assert (found["state"], found["leader"], found["figures"]) == ("submitted", "", "none")
    assert (found["error"], found["lag_seconds"], found["tables"]) == (None, None, [])


def test_live_figures_come_from_the_leader(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())
    found = status(world)
    assert set(found) >= FIELDS
    assert set(found["tables"][0]) == TABLE_FIELDS
    assert (found["state"], found["leader"], found["epoch"], found["figures"]) == ("snapshot", "b1", 7, "live")
    assert (found["lag_seconds"], found["lag_bytes"], found["rows"]) == (0.4, 1200, 40)
    world.lives["orders"] = published(job(), snapshot_done=True)
    assert status(world)["state"] == "streaming"


def test_without_a_leader_the_figures_are_those_stored_in_kafka(world: FakeWorld) -> None:
    done = table_record("user", chunks=2, released=2, split_done=True, rows=90, version=3)
    world.states["orders"] = stored_state(done, table_record("order"))
    found = status(world)
    assert (found["state"], found["leader"], found["lag_seconds"], found["figures"]) == (
        "no-leader",
        "",
        None,
        "stored",
    )
    assert (found["epoch"], found["rows"], found["chunks_done"]) == (3, 90, 2)
    assert [table["state"] for table in found["tables"]] == ["live", "splitting"]
    text = world.run("status").stdout
    assert "90 of ~190*" in text
    assert "* as last stored in Kafka" in text
    assert [table["schema_version"] for table in found["tables"]] == [3, 1]
    assert "live, schema 3" in world.run("status", "orders").stdout


def test_a_job_that_has_just_finished_shows_what_it_stored_not_what_its_leader_told_last(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())
    done = table_record("user", chunks=2, released=2, split_done=True, rows=90)
    world.states["orders"] = stored_state(done)
    world.records.put(Outcome("orders", 1, End.FINISHED))
    found = status(world)
    assert (found["state"], found["leader"], found["figures"]) == ("finished", "b1", "stored")
    assert (found["rows"], found["chunks_done"], found["chunks_total"]) == (90, 2, 2)


def test_redis_down_does_not_break_status(world: FakeWorld) -> None:
    world.records.put(job("second"))
    world.redis_error = Unavailable("Redis at r:1 failed asking.", "Check HEADRACE_REDIS_URL.")
    world.states["orders"] = stored_state(table_record("user", chunks=1, released=1, split_done=True, rows=90))
    done = world.run("status", "--json")
    assert done.exit_code == 0
    orders, second = json.loads(done.stdout)
    assert (orders["state"], orders["figures"], orders["rows"]) == ("streaming", "stored", 90)
    assert (second["state"], second["leader"]) == ("submitted", "")
    assert "Redis at r:1 failed asking." in orders["notes"][0]
    assert "unknown" in world.run("status").stdout


def test_a_job_that_is_tried_again_and_again_says_why(world: FakeWorld) -> None:
    told = {"name": "Unavailable", "message": "MySQL at m:1 is two servers.", "hint": "Give it one.", "at": 5.0}
    world.failures["orders"] = told
    note = "It is tried again after Unavailable: MySQL at m:1 is two servers. Hint: Give it one."
    assert status(world)["notes"] == [note]
    assert "It is tried again after Unavailable" in world.run("status").stdout
    world.lives["orders"] = published(job(), updated_at=4.0)
    assert status(world)["notes"] == [note], "the figures are those of the tenure that failed"
    world.lives["orders"] = published(job(), updated_at=6.0)
    assert status(world)["notes"] == []
    del world.lives["orders"]
    world.records.put(failure(job()))
    assert status(world)["notes"] == [], "the job has ended with another error"


def test_a_state_topic_that_cannot_be_read_here_is_a_note(world: FakeWorld) -> None:
    world.states["orders"] = MissingSecret("The placeholder #{bootstrap} has no value.")
    done = world.run("status")
    assert done.exit_code == 0
    assert "orders: The state topic is not readable here. The placeholder #{bootstrap} has no value." in done.stdout


def test_waiting_in_a_log_tells_once_what_could_not_be_looked_at(world: FakeWorld) -> None:
    world.redis_error = Unavailable("Redis at r:1 failed asking.")

    def act(now: float) -> None:
        if now > 1020:
            raise KeyboardInterrupt

    world.on_sleep = act
    assert world.run("watch", "orders").stdout.count("Redis at r:1 failed asking.") == 1


def test_a_failed_job_shows_error_and_hint_and_is_exit_code_1(world: FakeWorld) -> None:
    world.records.put(failure(job()))
    done = world.run("status", "orders", "--json")
    assert done.exit_code == 1
    assert one_json(done.stdout)["state"] == "failed"
    error = {"name": "BinlogLost", "message": "The binlog is gone.", "hint": "Submit it again."}
    assert one_json(done.stdout)["error"] == error
    people = world.run("status")
    assert people.exit_code == 0
    assert "orders failed: BinlogLost: The binlog is gone." in people.stdout
    assert "Hint: Submit it again." in people.stdout
    assert "scheduler resume orders" in people.stdout


@pytest.mark.parametrize(
    ("desire", "led", "ended", "state"),
    [
        (Desire.PAUSED, False, None, "paused"),
        (Desire.PAUSED, True, None, "pausing"),
        (Desire.CANCELLED, False, None, "cancelling"),
        (Desire.CANCELLED, False, End.CANCELLED, "cancelled"),
        (Desire.RUNNING, True, None, "snapshot"),
    ],
)
def test_states(world: FakeWorld, desire: Desire, led: bool, ended: End | None, state: str) -> None:
    wanted = job(desire=desire, revision=2)
    world.records.put(wanted, *([Outcome("orders", 2, ended)] if ended else []))
    if led:
        world.lives["orders"] = published(wanted)
    assert status(world)["state"] == state


def test_an_old_failure_does_not_count_for_a_newer_revision(world: FakeWorld) -> None:
    world.records.put(failure(job()), job(revision=2))
    assert (status(world)["state"], status(world)["error"]) == ("submitted", None)


def test_no_registry_is_no_error_and_creates_none() -> None:
    world = FakeWorld()
    world.registry_exists = False
    done = world.run("status")
    assert (done.exit_code, done.stdout) == (0, "No job was submitted yet: scheduler submit job.yaml.\n")
    assert one_json(world.run("status", "--json").stdout) == []


def test_an_unknown_job_is_told_which_there_are(world: FakeWorld) -> None:
    world.records.put(job("users"))
    for verb in ("status", "watch", "pause", "resume", "cancel"):
        done = world.run(verb, "ordres")
        assert done.exit_code == 2
        assert done.stderr == (
            "Error: There is no job `ordres`.\nHint: Did you mean `orders`? Known jobs: orders, users.\n"
        )


def test_the_view_of_one_job_lists_its_tables(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())
    lines = [line.split() for line in world.run("status", "orders").stdout.splitlines()]
    assert ["order_dw.user", "order_dw.user", "snapshot", "40", "of", "~100", "1/3"] in lines
    assert ["leader", "b1,", "epoch", "7"] in lines


def test_watch_prints_a_line_of_json_each_second_until_the_job_fails(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())

    def act(now: float) -> None:
        if now >= 1003:
            world.records.put(failure(job()))

    world.on_sleep = act
    done = world.run("watch", "orders", "--json")
    assert done.exit_code == 1
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert states == ["snapshot", "snapshot", "snapshot", "failed"]
    assert "failed with BinlogLost" in one_json(done.stderr)["note"]


def test_watch_ends_well_with_a_cancelled_job(world: FakeWorld) -> None:
    def act(now: float) -> None:
        world.records.put(job(desire=Desire.CANCELLED, revision=2), Outcome("orders", 2, End.CANCELLED))

    world.on_sleep = act
    done = world.run("watch", "orders")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["0:00 orders submitted, no leader", "0:01 orders cancelled"]


def test_ctrl_c_ends_watching_and_nothing_else(world: FakeWorld) -> None:
    def act(now: float) -> None:
        raise KeyboardInterrupt

    world.on_sleep = act
    done = world.run("watch", "orders")
    assert done.exit_code == 130
    assert "job orders goes on as before" in done.stderr
    assert not world.records.written


def test_watch_outlives_a_kafka_that_is_away_for_a_while(world: FakeWorld, monkeypatch) -> None:
    def refresh(*, to_end: bool = True) -> None:
        if 1001 <= world.now <= 1003:
            raise Unavailable("Kafka is away.")
        if world.now > 1005:
            raise KeyboardInterrupt

    monkeypatch.setattr(world.records, "refresh", refresh)
    done = world.run("watch", "orders")
    assert (done.exit_code, done.stderr.count("Kafka is away.")) == (130, 1)
