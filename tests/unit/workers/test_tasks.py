"""What a task says to people: progress while it runs, what it did or why it did not, and the error that ended it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from shared.codec import PYTHON
from shared.errors import Unavailable
from shared.model.chunk import ChunkId
from shared.model.orders import CHUNK_TASK, SPLIT_TASK, VERIFY_TASK
from shared.model.schema import TableId
from shared.model.verify import Counts, VerifyPart
from shared.settings import Settings
from workers import tasks
from workers.progress import Progress
from workers.snapshot.attempt import Outcome
from workers.snapshot.office import Splitting
from workers.verify.office import Compared

CHUNKS = tuple(ChunkId(TableId("d", name), 0) for name in "abc")
PART = VerifyPart("j", "1", "run", 0, 0, TableId("d", "a")).to_json()


@dataclass
class Events:
    """Stands for a Celery app and its events; `told` keeps what was sent."""

    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    away: bool = False

    @property
    def events(self) -> Events:
        return self

    @contextmanager
    def default_dispatcher(self, hostname: str) -> Iterator[Events]:
        self.arrived.release()
        if self.away:
            raise OperationalError("Redis is away")
        self.hostname = hostname
        yield self

    def send(self, kind: str, uuid: str, result: str, **options: Any) -> None:
        self.told.append((kind, self.hostname, {"uuid": uuid, "result": result}))


def progress(events: Events, seconds: float = 0.001) -> Progress:
    return Progress(events, "task-1", "celery@host", "rows", seconds)  # type: ignore[arg-type]


def test_progress_is_told_when_it_moves() -> None:
    events = Events()
    with progress(events) as running:
        for rows in (7, 9):
            running.note(rows)
            assert events.arrived.acquire(timeout=60)
    assert events.told == [
        ("task-progress", "celery@host", {"uuid": "task-1", "result": f"{rows} rows so far"}) for rows in (7, 9)
    ]


def test_a_task_that_is_through_at_once_tells_no_progress() -> None:
    events = Events()
    with progress(events, seconds=3600) as running:
        running.note(7)
    assert events.told == []


def test_nothing_is_told_after_the_end() -> None:
    events = Events()
    with progress(events) as running:
        running.note(1)
        assert events.arrived.acquire(timeout=60)
    running.note(2)
    assert not any(thread.name == "progress" for thread in threading.enumerate())
    assert len(events.told) == 1


def test_a_redis_that_is_away_does_not_end_what_is_being_told_of() -> None:
    events = Events(away=True)
    with progress(events) as running:
        for rows in (1, 2):
            running.note(rows)
            assert events.arrived.acquire(timeout=60)
    assert events.told == []


@dataclass
class Office:
    """Stands for a worker's office: it answers or raises what it is told."""

    answer: Any

    def read_chunks(self, *_: Any) -> Any:
        return self._answer()

    def split(self, *_: Any) -> Any:
        return self._answer()

    def compare(self, *_: Any) -> Any:
        return self._answer()

    def _answer(self) -> Any:
        if isinstance(self.answer, Exception):
            try:
                raise KeyError("what a library knows")
            except KeyError as error:
                raise self.answer from error
        return self.answer


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a task in this process, with an office that answers so."""
    monkeypatch.setattr(tasks.collector, "relax", lambda: None)
    app = Celery("test", broker="memory://", set_as_current=False)
    tasks.register(app, Settings(), PYTHON)

    def ran(name: str, answer: Any, **arguments: Any) -> Any:
        monkeypatch.setattr(tasks, "Office", lambda *_: Office(answer))
        monkeypatch.setattr(tasks, "VerifyOffice", lambda *_: Office(answer))
        return app.tasks[name].apply(kwargs={"job": "j", "job_id": "1"} | arguments)

    yield ran
    app.close()


def test_a_chunk_says_what_was_read(run: Any) -> None:
    done = run(CHUNK_TASK, Outcome(CHUNKS[:1], 10, 1234, 0.12345), chunks=[["d", "a", 0]])
    assert done.result == {"rows": 10, "bytes": 1234, "seconds": 0.123}


def test_a_group_of_which_only_some_were_read_says_which() -> None:
    result = tasks.read_result(Outcome(CHUNKS[1:], 10, 1234, 1), CHUNKS)
    assert (result["chunks"], result["read"]) == (2, "2 small tables: d.b, d.c")


@pytest.mark.parametrize(
    ("name", "answer", "arguments"),
    [
        (CHUNK_TASK, Outcome(reason="another attempt reads it"), {"chunks": [["d", "a", 0]]}),
        (SPLIT_TASK, Splitting(reason="another attempt reads it"), {"database": "d", "table": "a"}),
        (VERIFY_TASK, Compared(reason="another attempt reads it"), PART),
    ],
)
def test_a_refused_hint_is_no_error(run: Any, name: str, answer: Any, arguments: dict[str, Any]) -> None:
    done = run(name, answer, **arguments)
    assert (done.state, done.result) == ("SUCCESS", "refused: another attempt reads it")


def test_a_split_says_how_many_bounds_it_found(run: Any) -> None:
    assert run(SPLIT_TASK, Splitting(7), database="d", table="a").result == {"bounds": 7}


def test_a_comparison_says_how_many_keys_differ_and_not_which(run: Any) -> None:
    done = run(VERIFY_TASK, Compared(Counts(9, missing=1, stale=2, ghost=3), seconds=0.12345), **PART)
    assert done.result == {"rows": 9, "missing": 1, "stale": 2, "ghost": 3, "seconds": 0.123}


def test_a_table_that_is_divided_says_into_how_many_ranges(run: Any) -> None:
    assert run(VERIFY_TASK, Compared(ranges=4), **PART).result == {"ranges": 4}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (CHUNK_TASK, {"chunks": [["d", "a", 0]]}),
        (SPLIT_TASK, {"database": "d", "table": "a"}),
        (VERIFY_TASK, PART),
    ],
)
def test_a_task_fails_with_our_error_and_not_with_that_of_a_library(
    run: Any, name: str, arguments: dict[str, Any]
) -> None:
    done = run(name, Unavailable("MySQL is away.", "Start it."), **arguments)
    assert (done.state, repr(done.result)) == ("FAILURE", "Unavailable('MySQL is away.', 'Start it.')")
    assert "Unavailable: MySQL is away." in done.traceback
    assert "what a library knows" not in done.traceback
