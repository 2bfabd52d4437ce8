"""What the supervisor tells Prometheus of jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shared.model.job import Desire, End, Outcome, Wanted
from shared.runtime import metrics
from shared.settings import Settings
from workers.binlog.supervisor import Supervisor


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    metrics.begin_anew()
    yield
    metrics.begin_anew()


class FakeRegistry:
    def __init__(self) -> None:
        self.wanted: dict[str, Wanted] = {}
        self.ended: dict[str, Outcome] = {}

    def outcome(self, job: Wanted) -> Outcome | None:
        return self.ended.get(job.name)


def shown(name: str) -> dict[tuple[str, ...], float]:
    found = metrics.samples()
    return {tuple(value for _, value in labels): figure for (sample, labels), figure in found.items() if sample == name}


def test_every_job_has_one_state_until_it_is_cancelled_for_good() -> None:
    registry = FakeRegistry()
    for name, desire in (("a", Desire.RUNNING), ("b", Desire.PAUSED), ("c", Desire.CANCELLED), ("d", Desire.RUNNING)):
        registry.wanted[name] = SimpleNamespace(name=name, desire=desire)  # type: ignore[assignment]
    registry.ended["d"] = Outcome("d", 1, End.FAILED, "SchemaChanged", "What.", "How.")
    made = Supervisor(Settings(), "w", threading.Event())
    made._show(registry)  # type: ignore[arg-type]
    states = {("a", "running"): 1.0, ("b", "paused"): 1.0, ("c", "cancelling"): 1.0, ("d", "failed"): 1.0}
    assert shown("headrace_job_state") == states
    assert shown("headrace_takeovers_total") == {(name,): 0.0 for name in "abcd"}
    registry.ended["c"] = Outcome("c", 1, End.CANCELLED)
    del registry.ended["d"]
    made._show(registry)  # type: ignore[arg-type]
    assert shown("headrace_job_state") == {("a", "running"): 1.0, ("b", "paused"): 1.0, ("d", "running"): 1.0}
