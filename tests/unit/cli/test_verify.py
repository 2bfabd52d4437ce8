"""`scheduler verify` without servers: which parts it asks for, what it makes of their reports, and how it ends."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from rich.console import Console

from scheduler.cli.differences import Bars
from scheduler.cli.pace import NO_READER
from scheduler.cli.verifying import Part, TableRun
from shared.errors import Unavailable
from shared.model.chunk import KeyRange
from shared.model.verify import Counts, Difference, Failure, Kind, Report, Stage, VerifyPart
from tests.unit.cli.fake_world import FakeWorld, job, one_json, stored_state, table_record

EQUAL = Report(Stage.DONE, "w1", 5, 5, counts=Counts(rows=5))
STALE = Difference(Kind.STALE, b'{"id":1}', b'{"id":1,"n":1.10}', b"\xff", 2, 17)


@dataclass
class FakeRun:
    """What Redis would hold: reports of tries by name, and whether anybody waits."""

    reports: dict[str, Report] = field(default_factory=dict)
    found: dict[str, list[Difference]] = field(default_factory=dict)
    renewed: int = 0
    ended: bool = False
    away: bool = False

    def renew(self) -> None:
        if self.away:
            raise Unavailable("Redis is away.")
        self.renewed += 1

    def end(self) -> None:
        self.ended = True

    def report(self, part: str) -> Report | None:
        return self.reports.get(part)

    def take_differences(self, part: str) -> list[Difference]:
        return self.found.pop(part, [])


class Workers(FakeWorld):
    """A world whose workers do with each hint what the test says."""

    def __init__(self, work: Callable[[FakeRun, VerifyPart], None] | None = None) -> None:
        super().__init__()
        self.the_run = FakeRun()
        self.hints: list[VerifyPart] = []
        self.captions: list[str] = []
        self.work = work or (lambda run, part: run.reports.__setitem__(part.name, EQUAL))
        self.records.put(job())
        records = [replace(table_record(name), split_done=True, chunks=1, released=1) for name in ("order", "user")]
        self.states["orders"] = stored_state(*records)

    def verify_run(self, run: str) -> FakeRun:
        return self.the_run

    def hint_verify(self, part: VerifyPart, caption: str, expires_seconds: int) -> None:
        self.hints.append(part)
        self.captions.append(caption)
        self.work(self.the_run, part)


def document(world: Workers, *words: str, code: int = 0) -> dict[str, Any]:
    done = world.run("verify", "orders", "--json", *words)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_equal_tables_are_exit_code_0_and_one_part_each() -> None:
    world = Workers()
    told = document(world)
    assert (told["job"], told["equal"], told["sample"]) == ("orders", True, 100.0)
    assert [(t["table"], t["result"], t["rows"]) for t in told["tables"]] == [
        ("order_dw.order", "equal", 5),
        ("order_dw.user", "equal", 5),
    ]
    assert [(h.job, h.job_id, h.sample, h.sharing, h.range) for h in world.hints] == [
        ("orders", "id-orders", 100.0, 4, KeyRange(None, None))
    ] * 2
    assert world.captions[0] == "order_dw.order compared with its topic"
    assert world.the_run.ended


def test_differences_are_exit_code_1_with_values_as_they_are() -> None:
    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = replace(EQUAL, counts=Counts(rows=5, missing=1, stale=1, ghost=1))
        run.found[part.name] = [STALE, Difference(Kind.GHOST, b"\xfe", None, b"{}", 0, 3, shortened=True)]

    world = Workers(work)
    done = world.run("verify", "orders", "--json", "--table", "user")
    assert done.exit_code == 1
    assert '"mysql":{"id":1,"n":1.10}' in done.stdout  # every digit
    (table,) = json.loads(done.stdout)["tables"]
    assert (table["result"], table["missing"], table["stale"], table["ghost"]) == ("differs", 1, 1, 1)
    assert table["differences"][0] == {
        "kind": "stale", "key": {"id": 1}, "mysql": {"id": 1, "n": 1.1}, "topic": "\\xff", "partition": 2, "offset": 17,
        "shortened": False,
    }  # fmt: skip
    shown = Workers(work).run("verify", "orders", "--table", "order_dw.us\\.*")
    assert shown.exit_code == 1
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert "order_dw.user 5 1 1 1 differs" in lines
    assert 'stale {"id":1} (partition 2, offset 17)' in lines
    assert 'MySQL: {"id":1,"n":1.10}' in lines
    assert "topic: \\xff" in lines
    assert "ghost \\xfe (partition 0, offset 3)" in lines
    assert "its values are too large to be shown" in lines
    assert "1 more differ" in lines


def test_a_large_table_is_divided_and_counted_as_one() -> None:
    def work(run: FakeRun, part: VerifyPart) -> None:
        whole = part.range == KeyRange(None, None)
        run.reports[part.name] = Report(Stage.DIVIDED, bounds=((10,), (20,))) if whole else EQUAL

    world = Workers(work)
    (table,) = document(world, "--table", "user")["tables"]
    assert table["rows"] == 15
    assert [hint.range for hint in world.hints[1:]] == [
        KeyRange(None, (10,)), KeyRange((10,), (20,)), KeyRange((20,), None),
    ]  # fmt: skip
    assert len({hint.name for hint in world.hints}) == 4
    assert world.captions[2] == "order_dw.user compared with its topic, id 10..20"


def test_no_more_parts_are_compared_at_a_time_than_the_job_has_readers() -> None:
    bounds = tuple((n,) for n in range(1, 10))
    running = Report(Stage.READING, "w1", 1, 9)

    def work(run: FakeRun, part: VerifyPart) -> None:
        whole = part.range == KeyRange(None, None)
        run.reports[part.name] = Report(Stage.DIVIDED, bounds=bounds) if whole else running

    world = Workers(work)

    def act(now: float) -> None:
        at_work = [name for name, report in world.the_run.reports.items() if report == running]
        assert len(at_work) <= 4
        if now > 1010 and at_work:
            world.the_run.reports[at_work[0]] = EQUAL

    world.on_sleep = act
    (table,) = document(world, "--table", "user")["tables"]
    assert table["rows"] == 50
    assert len(world.hints) == 11


def test_a_table_that_is_being_copied_is_left_out_and_told() -> None:
    world = Workers()
    state = world.states["orders"]
    state.tables[table_record("user").table.id] = table_record("user", split_done=True, chunks=3)
    done = world.run("verify", "orders", "--json")
    assert done.exit_code == 2
    assert "order_dw.user is left out: it is being copied" in done.stderr
    told = json.loads(done.stdout)
    assert [table["result"] for table in told["tables"]] == ["equal", "skipped"]
    assert told["equal"] is False
    assert [hint.table.table for hint in world.hints] == ["order"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure("NotFollowing", "Job orders is paused.", "Resume it.", False), 2),
        (Failure("SchemaChanged", "Another column.", "Cancel it.", False), 1),
        (Failure("OfANewerRelease", "Something.", "", False), 1),
        (Failure("InvalidJob", "A value.", "", False), 2),
    ],
)
def test_an_error_of_a_worker_is_told_and_is_the_exit_code(failure: Failure, code: int) -> None:
    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = Report(Stage.FAILED, error=failure)

    world = Workers(work)
    (table,) = document(world, "--table", "user", code=code)["tables"]
    assert table["result"] == "failed"
    assert table["error"] == {"name": failure.name, "message": failure.message, "hint": failure.hint}
    assert len(world.hints) == 1
    shown = Workers(work).run("verify", "orders", "--table", "user")
    assert f"order_dw.user: {failure.name}: {failure.message}" in shown.stdout


def test_what_may_pass_is_tried_three_times_under_new_names() -> None:
    lost = Failure("Unavailable", "MySQL is away.", "", True)

    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = Report(Stage.FAILED, error=lost)

    world = Workers(work)
    document(world, "--table", "user", code=3)
    assert [hint.attempt for hint in world.hints] == [0, 1, 2]
    world = Workers(lambda run, part: work(run, part) if not part.attempt else run.reports.update({part.name: EQUAL}))
    document(world, "--table", "user")


def test_a_worker_that_falls_silent_is_replaced() -> None:
    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = EQUAL if part.attempt else Report(Stage.READING, "w1", 1, 5)

    world = Workers(work)
    world.on_sleep = lambda now: world.the_run.reports.pop(world.hints[0].name, None) if now > 1020 else None
    done = world.run("verify", "orders", "--table", "user")
    assert done.exit_code == 0
    assert "Worker w1 fell silent while it compared order_dw.user." in done.stderr
    assert [hint.attempt for hint in world.hints] == [0, 1]


def test_a_hint_that_nobody_takes_is_sent_again_and_in_the_end_named() -> None:
    world = Workers(lambda run, part: None)
    done = world.run("verify", "orders", "--table", "user", "--json")
    assert done.exit_code == 3
    assert NO_READER in done.stderr
    assert "No snapshot worker has compared anything for 600 s." in done.stderr
    assert 8 < len(world.hints) < 12
    assert len({hint.name for hint in world.hints}) == 1  # doubled hints refuse each other
    assert world.the_run.ended


def test_redis_may_be_away_for_a_moment_and_not_for_long() -> None:
    running = Report(Stage.READING, "w1", 1, 5)
    world = Workers(lambda run, part: run.reports.update({part.name: running}))

    def act(now: float) -> None:
        world.the_run.away = 1010 < now < 1025
        if now > 1030:
            world.the_run.reports = dict.fromkeys(world.the_run.reports, EQUAL)

    world.on_sleep = act
    assert world.run("verify", "orders").exit_code == 0
    world = Workers(lambda run, part: run.reports.update({part.name: running}))
    world.on_sleep = lambda now: setattr(world.the_run, "away", now > 1010)
    assert world.run("verify", "orders").exit_code == 3


def test_ctrl_c_ends_what_runs() -> None:
    world = Workers(lambda run, part: run.reports.update({part.name: Report(Stage.READING, "w1", 1, 5)}))

    def act(now: float) -> None:
        if now > 1005:
            raise KeyboardInterrupt

    world.on_sleep = act
    assert world.run("verify", "orders").exit_code == 130
    assert world.the_run.ended


def test_progress_is_a_line_in_some_seconds_where_nobody_looks() -> None:
    waiting = Report(Stage.WAITING, "w1", 7, 7, suspects=2, waits="the job to publish what MySQL had")
    world = Workers(lambda run, part: run.reports.update({part.name: waiting}))

    def act(now: float) -> None:
        if now > 1012:
            world.the_run.reports = dict.fromkeys(world.the_run.reports, EQUAL)

    world.on_sleep = act
    lines = world.run("verify", "orders", "--table", "user").stderr.splitlines()
    assert len([line for line in lines if "0 of 1 tables" in line]) == 2
    assert "order_dw.user waits for the job to publish what MySQL had" in lines[0]


def test_a_person_sees_a_bar_for_each_part() -> None:
    class Screen:
        def update(self, view: Any, refresh: bool) -> None:
            console = Console(file=io.StringIO(), width=100)
            console.print(view)
            self.text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]

    table = TableRun(table_record("user"))
    for number, report in enumerate((Report(Stage.READING, "w1", 25, 100, 3), Report(Stage.FOLDING, "w1"), EQUAL)):
        order = VerifyPart("orders", "id", "run", number, 0, table.record.table.id, KeyRange((number,), None))
        table.parts.append(Part(order, report, sent_at=1.0, over=report is EQUAL))
    screen = Screen()
    Bars(screen)([table, TableRun(table_record("order"), skipped="it is being copied.")], 61)  # type: ignore[arg-type]
    assert screen.text.startswith("1:01 0 of 1 tables, 30 rows")
    assert "order_dw.user id 0.." in screen.text
    assert "25 compares 3" in screen.text
    assert "0 reads the topic" in screen.text
    assert "id 2.." not in screen.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--table", "nothing"], "No table of job `orders` matches `nothing`."),
        (["--table", "order_dw.("], "--table"),
        (["--sample", "0"], "--sample"),
        (["--sample", "101"], "--sample"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    done = Workers().run("verify", "orders", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_sample_is_asked_for_and_told() -> None:
    world = Workers()
    assert "About 2.5 % of the keys were compared." in world.run("verify", "orders", "--sample", "2.5").stdout
    assert {hint.sample for hint in world.hints} == {2.5}


def test_unknown_jobs_and_jobs_without_tables_are_named() -> None:
    world = Workers()
    world.states["orders"] = None
    assert (
        "Nothing is known of the tables" in one_json(world.run("verify", "orders", "--json").stderr)["error"]["message"]
    )
    assert "There is no job `x`" in one_json(world.run("verify", "x", "--json").stderr)["error"]["message"]
