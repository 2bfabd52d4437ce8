"""A small transaction rests behind the one before; a large one does not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.kafka import sink as module
from shared.adapters.kafka.sink import UpsertSink


class FakeProducer:
    """Takes everything, at once."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.begun = 0

    def begin_transaction(self) -> None:
        self.begun += 1

    def produce(self, topic: str, value: bytes | None, key: bytes) -> None: ...

    def poll(self, seconds: float) -> int:
        return 0

    def flush(self, seconds: float) -> int:
        return 0

    def commit_transaction(self) -> None: ...


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times that were slept, on a clock that only sleeping moves."""
    found: list[float] = []
    monkeypatch.setattr(module, "Producer", FakeProducer)
    monkeypatch.setattr(module.enqueue, "plugin", lambda: None)
    monkeypatch.setattr(module.time, "sleep", found.append)
    monkeypatch.setattr(module.clock, "monotonic_seconds", lambda: sum(found))
    return found


def write(sink: UpsertSink, messages: int) -> None:
    sink.write_all("t", [(b"k", b"v")] * messages)
    sink.commit([(b"position", b"{}")])


def test_small_transactions_rest_and_large_ones_do_not(slept: list[float]) -> None:
    sink = UpsertSink({}, "id", "state")
    write(sink, 10)
    assert slept == [0.0], "there was none before"
    write(sink, 5000)
    assert slept[1:] == [module._REST_SECONDS]
    write(sink, 10)
    assert slept[2:] == [0.0], "the one before was large"
    slept.append(1.0)  # somebody was slow
    write(sink, 10)
    assert slept[4:] == [0.0]
