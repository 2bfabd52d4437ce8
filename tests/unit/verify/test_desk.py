"""A comparison's desk: it hears when nobody waits any more, and its last word is told in spite of a Redis that is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.adapters.redis.verify import Heard
from shared.errors import Unavailable
from shared.model.verify import Difference, Kind, Report, Stage
from workers.verify import desk as module
from workers.verify.desk import Desk

FIRST = Report(Stage.FOLDING, "w1")
FOUND = (Difference(Kind.GHOST, b"k", None, b"v", 0, 1),)


@dataclass
class Wire:
    answers: Callable[[int], Heard]
    told: list[Report] = field(default_factory=list)
    found: list[Difference] = field(default_factory=list)
    away: int = 0

    def tell(self, report: Report) -> Heard:
        if self.away and len(self.told):
            self.away -= 1
            raise Unavailable("Redis is away.")
        self.told.append(report)
        return self.answers(len(self.told))

    def put_differences(self, differences) -> None:
        self.found = list(differences)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TELL_SECONDS", 0.001)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("heard", [Heard.ANOTHER, Heard.ENDED, Heard.UNHEARD])
def test_a_part_that_is_not_ours_is_not_taken(heard: Heard) -> None:
    with Desk(Wire(lambda _: heard), FIRST) as desk:  # type: ignore[arg-type]
        assert not desk.take()


def test_progress_is_told_until_the_end_and_the_result_last() -> None:
    wire = Wire(lambda _: Heard.OURS)
    with Desk(wire, FIRST) as desk:  # type: ignore[arg-type]
        assert desk.take()
        desk.note(Report(Stage.READING, "w1", 5, 9))
        until(lambda: wire.told[-1].stage is Stage.READING)
        desk.finish(Report(Stage.DONE, "w1"), FOUND)
    assert desk.wanted
    assert [report.stage for report in wire.told].index(Stage.DONE) == len(wire.told) - 1
    assert wire.found == list(FOUND)


@pytest.mark.parametrize("heard", [Heard.ENDED, Heard.ANOTHER])
def test_whoever_is_gone_ends_it_at_once(heard: Heard) -> None:
    with Desk(Wire(lambda count: Heard.OURS if count == 1 else heard), FIRST) as desk:  # type: ignore[arg-type]
        assert desk.take()
        until(lambda: not desk.wanted)
        desk.wait(3600)  # does not rest any more


@pytest.mark.parametrize("away", [False, True])
def test_silence_ends_it_only_after_a_while(away: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(lambda count: Heard.OURS if count == 1 else Heard.UNHEARD, away=10**9 if away else 0)
    with Desk(wire, FIRST) as desk:  # type: ignore[arg-type]
        assert desk.take()
        time.sleep(0.05)
        assert desk.wanted
        monkeypatch.setattr(module, "SIGN_SECONDS", 0)
        until(lambda: not desk.wanted)


def test_the_last_word_is_said_again_when_redis_is_away() -> None:
    wire = Wire(lambda _: Heard.OURS)
    with Desk(wire, FIRST) as desk:  # type: ignore[arg-type]
        assert desk.take()
        desk._stop()
        wire.away = 3
        desk.finish(Report(Stage.DONE, "w1"), FOUND)
    assert wire.told[-1].stage is Stage.DONE
    assert wire.away == 0
