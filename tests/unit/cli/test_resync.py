"""`scheduler resync` and `verify --repair` without servers: what is asked of workers, what is refused, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.cli.resync import KEYS_MAX
from shared.model.verify import Action, Counts, Failure, Report, Stage, VerifyPart
from tests.unit.cli.fake_world import stored_state, table_record
from tests.unit.cli.test_verify import EQUAL, FakeRun, Workers, document

WRITTEN = Report(Stage.DONE, "w1", counts=Counts(written=7))


def writing(run: FakeRun, part: VerifyPart) -> None:
    run.reports[part.name] = WRITTEN


def test_a_whole_table_is_written_again_by_one_part() -> None:
    world = Workers(writing)
    done = world.run("resync", "orders", "user")
    assert done.exit_code == 0, done.output
    assert "order_dw.user: 7 rows and tombstones were written" in done.stdout
    (hint,) = world.hints
    assert (hint.table.table, hint.action, hint.where, hint.keys) == ("user", Action.RESYNC, "", ())
    assert world.captions == ["order_dw.user written again"]
    assert world.the_run.ended


def test_a_condition_and_keys_reach_the_worker() -> None:
    world = Workers(writing)
    assert world.run("resync", "orders", "order_dw.user", "--where", "id < 10").exit_code == 0
    assert world.run("resync", "orders", "user", "--key", "id=7", "--key", '{"id":8}', "--key", "id=7").exit_code == 0
    assert [(hint.where, hint.keys) for hint in world.hints] == [("id < 10", ()), ("", ('{"id":7}', '{"id":8}'))]


def test_keys_come_from_a_file_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text('{"id":1}\n\n {"id": 2}\n')
    world = Workers(writing)
    done = world.run("resync", "orders", "user", "--keys", str(file), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["written"] == 7
    assert world.hints[0].keys == ('{"id":1}', '{"id":2}')
    file.write_text("\n")
    assert world.run("resync", "orders", "user", "--keys", str(file)).exit_code == 0
    assert len(world.hints) == 1, "of no keys nothing is written, and not all"
    file.write_text('{"id":1}\n' * (KEYS_MAX + 1))
    done = world.run("resync", "orders", "user", "--keys", str(file))
    assert done.exit_code == 2
    assert "10,000 at most" in done.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("none",), "has no table `none`"),
        (("user", "--where", "id = 1", "--key", "id=1"), "Several ways to say which rows"),
        (("user", "--key", "name=1"), "name"),
        (("user", "--key", "{"), "not a JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], problem: str) -> None:
    world = Workers(writing)
    done = world.run("resync", "orders", *words)
    assert done.exit_code == 2, done.output
    assert problem in done.output
    assert world.hints == []


def test_a_table_that_is_being_copied_is_refused() -> None:
    world = Workers(writing)
    world.states["orders"] = stored_state(replace(table_record("user"), split_done=False))
    done = world.run("resync", "orders", "user")
    assert done.exit_code == 2
    assert "is being copied" in done.output


def test_an_error_of_the_worker_is_told() -> None:
    def fail(run: FakeRun, part: VerifyPart) -> None:
        failure = Failure("InvalidJob", "The condition is none.", "Write another.", transient=False)
        run.reports[part.name] = Report(Stage.FAILED, "w1", error=failure)

    done = Workers(fail).run("resync", "orders", "user", "--where", "nonsense")
    assert done.exit_code == 2
    assert "The condition is none" in done.output


def test_what_could_not_be_looked_for_is_told() -> None:
    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = replace(WRITTEN, waits="keys that are gone were not looked for")

    done = Workers(work).run("resync", "orders", "user", "--where", "name = 'x'", "--json")
    assert json.loads(done.stdout)["notes"] == ["keys that are gone were not looked for"]


def test_a_repair_is_well_when_nothing_is_left() -> None:
    counts = Counts(rows=5, missing=1, ghost=1, written=2)

    def work(run: FakeRun, part: VerifyPart) -> None:
        run.reports[part.name] = replace(EQUAL, counts=counts)

    world = Workers(work)
    told = document(world, "--table", "user", "--repair")
    assert (told["equal"], told["tables"][0]["result"], told["tables"][0]["written"]) == (True, "repaired", 2)
    assert [hint.action for hint in world.hints] == [Action.REPAIR]
    shown = world.run("verify", "orders", "--table", "user", "--repair")
    assert "2 messages were written to repair what differed" in shown.stdout
    counts = replace(counts, left=1)
    told = document(Workers(work), "--table", "user", "--repair", code=1)
    assert told["tables"][0]["result"] == "differs"
