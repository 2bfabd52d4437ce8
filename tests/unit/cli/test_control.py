"""`scheduler pause|resume|cancel`: one record each, and an honest word on whether it took effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.alikafka.maker import AlikafkaTopics
from shared.errors import Unavailable
from shared.model.job import Desire, End, OnGap, Outcome, Wanted
from tests.unit.cli.fake_world import FakeWorld, failure, job, published, stored_state, table_record


@pytest.fixture
def world() -> FakeWorld:
    world = FakeWorld()
    world.records.put(job())
    return world


def written(world: FakeWorld) -> list[tuple[Desire, int, str]]:
    return [(wanted.desire, wanted.revision, wanted.id) for wanted in world.records.written]


def test_pause_waits_until_the_leader_has_left(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())

    def act(now: float) -> None:
        if now > 1002:
            world.lives.clear()

    world.on_sleep = act
    done = world.run("pause", "orders")
    assert (done.exit_code, done.stdout) == (
        0,
        "Job orders is paused; scheduler resume orders goes on from there.\n",
    )
    assert written(world) == [(Desire.PAUSED, 2, "id-orders")]


def test_pausing_a_paused_job_writes_nothing(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED))
    assert world.run("pause", "orders").stdout == "Job orders is paused already.\n"
    assert written(world) == []


def test_a_leader_that_does_not_leave_is_told(world: FakeWorld) -> None:
    world.lives["orders"] = published(job())
    done = world.run("pause", "orders")
    assert done.exit_code == 0
    assert "its leader has not left after 20 s" in done.stdout
    assert 1020 <= world.now < 1021


def test_without_redis_the_wish_is_written_and_its_effect_unknown(world: FakeWorld) -> None:
    world.redis_error = Unavailable("Redis is away.")
    done = world.run("pause", "orders")
    assert done.exit_code == 0
    assert "Whether it has taken effect is unknown. Redis is away." in done.stderr
    assert written(world) == [(Desire.PAUSED, 2, "id-orders")]


def test_resume_waits_for_a_leader_that_publishes_anew(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED, revision=2))
    world.lives["orders"] = published(job(), updated_at=5.0)

    def act(now: float) -> None:
        if now > 1005:
            world.lives["orders"] = published(job(), updated_at=9.0)

    world.on_sleep = act
    assert world.run("resume", "orders").stdout == "Job orders runs again.\n"
    assert written(world) == [(Desire.RUNNING, 3, "id-orders")]
    assert world.now > 1005


def test_resume_clears_a_failure_by_its_revision(world: FakeWorld) -> None:
    world.records.put(failure(job()))
    done = world.run("resume", "orders")
    assert written(world) == [(Desire.RUNNING, 2, "id-orders")]
    assert world.records.outcome(world.records.wanted["orders"]) is None
    assert done.exit_code == 0
    assert "nobody leads it after 20 s" in done.stdout
    assert "start `python -m workers.binlog`" in done.stderr


def test_a_job_that_fails_again_is_exit_code_1(world: FakeWorld) -> None:
    world.records.put(failure(job()))
    world.on_sleep = lambda now: world.records.put(failure(world.records.wanted["orders"]))
    done = world.run("resume", "orders")
    assert (done.exit_code, "failed with BinlogLost" in done.stderr) == (1, True)


def test_resume_says_what_to_do_about_a_gap_until_the_next_one(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED))
    world.run("resume", "orders", "--on-gap", "resync")
    assert world.records.wanted["orders"].on_gap is OnGap.RESYNC
    world.records.put(replace(world.records.wanted["orders"], desire=Desire.PAUSED))
    world.run("resume", "orders")
    assert world.records.wanted["orders"].on_gap is OnGap.STOP
    assert world.run("resume", "orders", "--on-gap", "guess").exit_code == 2


def test_resume_wants_all_tables_anew_once(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.PAUSED, revision=4))
    world.run("resume", "orders", "--resync")
    assert world.records.wanted["orders"].resync == world.records.wanted["orders"].revision == 5
    done = world.run("resume", "orders", "--resync")
    assert (done.exit_code, "pause orders" in done.stderr) == (2, True)
    world.records.put(replace(world.records.wanted["orders"], desire=Desire.PAUSED))
    world.run("resume", "orders")
    assert world.records.wanted["orders"].resync == 5


def test_resuming_a_running_job_writes_nothing(world: FakeWorld) -> None:
    assert world.run("resume", "orders").stdout == "Job orders runs already.\n"
    assert written(world) == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_cancelled_job_cannot_be_paused_or_resumed(world: FakeWorld, verb: str) -> None:
    world.records.put(job(desire=Desire.CANCELLED, revision=2))
    assert "is being cancelled" in world.run(verb, "orders").stderr
    world.records.put(Outcome("orders", 2, End.CANCELLED))
    done = world.run(verb, "orders")
    assert (done.exit_code, "is cancelled" in done.stderr) == (2, True)
    assert written(world) == []


def end(world: FakeWorld) -> None:
    """Lets a binlog worker end the job after a while: its state is gone then."""

    def act(now: float) -> None:
        if now > 1003:
            wanted = world.records.wanted["orders"]
            world.records.put(Outcome("orders", wanted.revision, End.CANCELLED))
            world.states.clear()

    world.on_sleep = act


def test_cancel_waits_for_a_worker_and_keeps_the_topics(world: FakeWorld) -> None:
    world.states["orders"] = stored_state(table_record("user"))
    end(world)
    assert world.run("cancel", "orders").stdout == "Job orders is cancelled.\n"
    assert written(world) == [(Desire.CANCELLED, 2, "id-orders")]
    assert world.deleted == []
    assert world.run("cancel", "orders").stdout == "Job orders is cancelled already.\n"


def test_cancel_deletes_the_topics_that_the_state_names(world: FakeWorld) -> None:
    world.states["orders"] = stored_state(table_record("user"), table_record("order"))
    end(world)
    done = world.run("cancel", "orders", "--delete-topics", "--yes")
    assert done.exit_code == 0
    assert world.deleted == ["order_dw.order", "order_dw.user"]
    assert "Deleted: order_dw.order, order_dw.user." in done.stdout


def test_topics_that_a_service_made_are_deleted_by_it(world: FakeWorld) -> None:
    world.states["orders"] = stored_state(table_record("user"))
    end(world)
    assert world.run("cancel", "orders", "--delete-topics", "--yes").exit_code == 0
    assert isinstance(world.deleted_by, AlikafkaTopics)


def test_without_the_services_key_nothing_is_cancelled(world: FakeWorld) -> None:
    world.states["orders"] = stored_state(table_record("user"))
    world.environment = {name: value for name, value in world.environment.items() if name != "HEADRACE_VAR_SK"}
    done = world.run("cancel", "orders", "--delete-topics", "--yes")
    assert (done.exit_code, "#{sk}" in done.stderr) == (2, True)
    assert (written(world), world.deleted) == ([], [])


def test_no_topic_is_deleted_while_a_worker_may_still_write(world: FakeWorld) -> None:
    world.states["orders"] = stored_state(table_record("user"))
    done = world.run("cancel", "orders", "--delete-topics", "--yes")
    assert (done.exit_code, world.deleted) == (1, [])
    assert "no binlog worker has ended it after 20 s" in done.stdout
    assert "repeat the command: order_dw.user." in done.stderr
    end(world)
    assert world.run("cancel", "orders", "--delete-topics", "--yes").exit_code == 0
    assert world.deleted == ["order_dw.user"]
    assert len(world.records.written) == 1


def test_topics_of_a_job_that_is_gone_are_not_guessed(world: FakeWorld) -> None:
    world.records.put(job(desire=Desire.CANCELLED, revision=2), Outcome("orders", 2, End.CANCELLED))
    done = world.run("cancel", "orders", "--delete-topics", "--yes")
    assert (done.exit_code, "no longer known" in done.stderr, world.deleted) == (1, True, [])


def test_a_cancel_that_failed_is_written_anew(world: FakeWorld) -> None:
    cancelled = job(desire=Desire.CANCELLED, revision=2)
    world.records.put(cancelled, failure(cancelled))
    end(world)
    assert world.run("cancel", "orders").exit_code == 0
    assert written(world) == [(Desire.CANCELLED, 3, "id-orders")]


def test_cancel_asks_on_a_terminal(world: FakeWorld, monkeypatch) -> None:
    asked: list[str] = []

    def confirm(text: str, **options: object) -> None:
        asked.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr("scheduler.cli.control.person_at_stdin", lambda: True)
    monkeypatch.setattr("click.confirm", confirm)
    world.states["orders"] = stored_state(table_record("user"))
    assert world.run("cancel", "orders", "--delete-topics").exit_code == 130
    assert asked == ["End the job orders for good and delete 1 topic with all messages (order_dw.user)?"]
    assert written(world) == []


def test_a_declined_cancel_is_told_and_changes_nothing(world: FakeWorld, monkeypatch) -> None:
    monkeypatch.setattr("scheduler.cli.control.person_at_stdin", lambda: True)
    done = world.run("cancel", "orders", stdin="n\n")
    assert (done.exit_code, written(world)) == (0, [])
    assert "Nothing was changed." in done.stderr


def test_every_wish_keeps_the_rest_of_the_record(world: FakeWorld) -> None:
    world.run("pause", "orders")
    (after,) = world.records.written
    before = job()
    assert isinstance(after, Wanted)
    assert (after.name, after.id, after.text, after.submitted_at) == (
        before.name, before.id, before.text, before.submitted_at,
    )  # fmt: skip
