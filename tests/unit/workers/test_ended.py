"""How a tenure's error ends the job, or only this process."""

from __future__ import annotations

import pytest

from shared.errors import HeadraceError, SinkRefused, Unavailable
from shared.model.job import Desire, End, Outcome, Wanted
from shared.settings import load
from workers.binlog import __main__ as program
from workers.binlog.supervisor import EXIT_AGAIN, EXIT_DONE

WANTED = Wanted("orders", "id1", "", "job.yaml", Desire.RUNNING, 1, "")
REFUSED = SinkRefused("Topic t holds records already.", "Delete it.")


class Registry:
    def __init__(self) -> None:
        self.written: list[Outcome] = []

    def write(self, outcome: Outcome) -> None:
        self.written.append(outcome)


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch):
    """Ends a tenure in an error; `leads` is what the lease says, or the error of asking."""

    def ended(error: HeadraceError, leads: bool | Unavailable) -> tuple[int, list[Outcome]]:
        class Leases:
            def __init__(self, _client: object, holder: str, _seconds: float) -> None:
                assert holder == "me"

            def lead(self, job: str) -> bool:
                assert job == WANTED.name
                if isinstance(leads, Unavailable):
                    raise leads
                return leads

        registry = Registry()
        monkeypatch.setattr(program, "Leases", Leases)
        monkeypatch.setattr(program.redis_client, "connect", lambda _url: None)
        monkeypatch.setattr(program.progress, "publish_failure", lambda *_: None)
        code = program._ended(load({}), registry, WANTED, "me", error)  # type: ignore[arg-type]
        return code, registry.written

    return ended


@pytest.mark.parametrize("leads", [True, Unavailable("Redis is away.")])
def test_who_leads_ends_the_job(end, leads: bool | Unavailable) -> None:
    code, written = end(REFUSED, leads)
    assert code == EXIT_DONE
    assert [(one.end, one.error) for one in written] == [(End.FAILED, "SinkRefused")]


def test_who_was_taken_for_dead_ends_no_job(end) -> None:
    """It may have looked at the state before its successor began, and at the topics afterwards."""
    assert end(REFUSED, False) == (EXIT_AGAIN, [])


def test_what_may_pass_ends_no_job(end) -> None:
    assert end(Unavailable("MySQL is away."), True) == (EXIT_AGAIN, [])
