"""What comes through Redis from anywhere: a leader and a worker take it, leave it, or say by name what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.redis.mail import LeaderMail, WorkerMail
from shared.codec import PYTHON
from shared.errors import NeedsOperator, Unavailable
from shared.machines.ledger import (
    ChunkRecord,
    Ledger,
    MemoryHold,
    PositionRecord,
    Record,
    StoredState,
    TableRecord,
    encode_record,
)
from shared.model.chunk import ChunkId, KeyRange
from shared.model.orders import (
    CHUNK_TASK,
    SPLIT_TASK,
    SWEEP_TASK,
    VERIFY_TASK,
    AskChunks,
    AskReread,
    AskSplit,
    AskSweep,
    Beat,
    Bounds,
    GaveUp,
    Refused,
    Swept,
    encode,
)
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.model.verify import Action, VerifyPart
from shared.settings import Settings
from tests.unit.workers.test_leader import NUMBERS, OTHER, TEXTS, UUID, World
from tests.unit.workers.test_leader import leader as made_leader
from workers import tasks
from workers.binlog.leader import Leader, WorkerFailed
from workers.binlog.takeover import take_over
from workers.snapshot.attempt import Outcome
from workers.snapshot.office import Splitting

unhurried = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("dbx"), inner, max_size=2),
    max_leaves=5,
)
NUMBER, TEXT = (1,), ("a",)
LIVE = replace(NUMBERS, id=TableId("d", "live"))
QUESTIONS = [
    AskChunks((ChunkId(NUMBERS.id, 0), ChunkId(TEXTS.id, 0)), "a1", "w"),
    AskChunks((), "a2", "w"),
    AskSplit(OTHER.id, "s1", "w"),
    AskReread(NUMBERS.id, KeyRange(NUMBER, (2,)), "r1", "w"),
    AskReread(LIVE.id, KeyRange(TEXT, None), "r2", "w"),
    AskReread(LIVE.id, KeyRange(None, (2,)), "r3", "w"),
    AskSweep(LIVE.id, "x1", "w"),
    Swept(LIVE.id, "x1", 1),
    Beat("a1", 5, 50, "a replica"),
    Beat("a0", 2**62, 2**62),
    GaveUp("a1", "E", "m", "h", fatal=False),
    Bounds(OTHER.id, "s1", None, (NUMBER, (2,)), finished=False),
    Bounds(OTHER.id, "s1", (2,), (), finished=True),
    Bounds(OTHER.id, "s1", None, (TEXT,), finished=True),
    Bounds(OTHER.id, "s1", None, ((2,), (1,)), finished=True),
    Bounds(OTHER.id, "s1", None, ((),), finished=True),
]


class Mailbox:
    """A Redis that holds what was put into it."""

    def __init__(self, *messages: bytes) -> None:
        self.messages = list(messages)

    def lpop(self, key: str, count: int) -> list[bytes]:
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def blpop(self, keys: list[str], timeout: float) -> tuple[str, bytes] | None:
        return (keys[0], self.messages.pop(0)) if self.messages else None


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A question, as it is or with something else in one of its places."""
    body = orjson.loads(encode(draw(st.sampled_from(QUESTIONS))))
    if draw(st.booleans()):
        body[draw(st.sampled_from(sorted(body)))] = draw(ANYTHING)
    return json.dumps(body).encode()


def unsplit() -> Leader:
    """A leader with a table to split, two chunks that wait, and one that is read."""
    world = World()
    leader = made_leader(world)
    live = TableRecord(LIVE, "topic.live", 1, 1, 1, None, True, 1, emptied=1)
    tables = leader.ledger.tables | {OTHER.id: TableRecord(OTHER, "topic.other", 100_000, 10), LIVE.id: live}
    chunks = [ChunkRecord(ChunkId(table.id, 0), KeyRange(None, None)) for table in (NUMBERS, TEXTS)]
    state = StoredState(
        PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), tables, {chunk.chunk: chunk for chunk in chunks}
    )
    return Leader(Ledger(state, 2, "server", 4, MemoryHold), leader._ports, leader._policy)


@unhurried
@given(st.lists(messages(), max_size=8))
def test_a_leader_survives_any_mail(found: list[bytes]) -> None:
    leader = unsplit()
    world: Any = leader._ports.mail
    for now, data in enumerate(found):
        world.questions = LeaderMail(Mailbox(data), "j").receive()  # type: ignore[arg-type]
        try:
            leader.step(float(now))
        except WorkerFailed:
            return
        orjson.dumps({str(chunk): rows for chunk, rows in leader.progress().items()})
    for record in leader.ledger.checkpoint():
        assert record
    for answer in world.answers:
        encode(answer)


def test_bounds_that_cannot_be_are_not_made_durable() -> None:
    for wrong in QUESTIONS[-3:]:
        leader = unsplit()
        leader._ports.mail.questions = [wrong]  # type: ignore[attr-defined]
        leader.step(0.0)
        assert leader.ledger.tables[OTHER.id].chunks == 0


def test_a_range_that_cannot_be_is_not_claimed() -> None:
    leader = unsplit()
    leader._ports.mail.questions = [QUESTIONS[4]]  # type: ignore[attr-defined]
    leader.step(0.0)
    assert leader.ledger.claimed == 0
    assert leader._ports.mail.answers == [Refused("r2", "no range of a table of the job", final=True)]  # type: ignore[attr-defined]


@unhurried
@given(st.binary(max_size=30) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_an_answer_that_is_none_is_named(data: bytes) -> None:
    with pytest.raises(Unavailable, match="answer is not readable"):
        WorkerMail(Mailbox(data), "j").wait("a1", 0.1)  # type: ignore[arg-type]


# Tasks.


class Office:
    """Stands for a worker's office, which has nothing to do."""

    def __init__(self, *_: Any) -> None: ...

    def read_chunks(self, job: str, job_id: str, chunks: Any, report: Any) -> Outcome:
        return Outcome(chunks, 1, 1, 1.0)

    def split(self, job: str, job_id: str, table: Any, report: Any) -> Splitting:
        return Splitting(1)

    def compare(self, part: Any, report: Any) -> SimpleNamespace:
        return SimpleNamespace(reason="not now")

    def sweep(self, job: str, job_id: str, table: Any, report: Any) -> SimpleNamespace:
        return SimpleNamespace(reason="not now")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tasks.collector, "relax", lambda: None)
    monkeypatch.setattr(tasks, "Office", Office)
    monkeypatch.setattr(tasks, "VerifyOffice", Office)
    made = Celery("test", broker="memory://", set_as_current=False)
    tasks.register(made, Settings(), PYTHON)
    yield made
    made.close()


PART = VerifyPart("j", "1", "r", 0, 0, TableId("d", "t"), KeyRange(None, (5,)), 1.0, 1, Action("compare"), "", ())
RIGHT = {"job": "j", "job_id": "1"}
ARGUMENTS = st.dictionaries(
    st.sampled_from(["job", "job_id", "chunks", "database", "table", "self", "task", "hint", *PART.to_json()]),
    ANYTHING | st.just(float("inf")),
    max_size=4,
)


@unhurried
@given(
    st.sampled_from([CHUNK_TASK, SPLIT_TASK, SWEEP_TASK, VERIFY_TASK]),
    st.sampled_from([{}, RIGHT | {"chunks": [["d", "a", 0]]}, RIGHT | {"database": "d", "table": "t"}, PART.to_json()]),
    ARGUMENTS,
    st.lists(ANYTHING, max_size=2),
)
def test_a_task_takes_its_hint_or_fails_by_name(
    app: Any, name: str, right: dict[str, Any], wrong: dict[str, Any], unnamed: list[Any]
) -> None:
    done = app.tasks[name].apply(args=unnamed, kwargs=right | wrong)
    if done.state != "SUCCESS":
        assert (done.state, type(done.result)) == ("FAILURE", tasks.UnreadableHint)
        assert len(done.result.message) < 400


def test_a_hint_that_says_too_little_or_too_much_is_not_taken(app: Any) -> None:
    for arguments in ({}, RIGHT, RIGHT | {"chunks": []}, RIGHT | {"chunks": [["d", "a", 0]], "more": 1}):
        assert type(app.tasks[CHUNK_TASK].apply(kwargs=arguments).result) is tasks.UnreadableHint
    assert type(app.tasks[CHUNK_TASK].apply(args=["j", "1", []]).result) is tasks.UnreadableHint
    assert app.tasks[CHUNK_TASK].apply(kwargs=RIGHT | {"chunks": [["d", "a", 0]]}).state == "SUCCESS"


# The state topic.


class Log:
    """A state topic of these records."""

    def __init__(self, records: list[Record], hidden: list[Record]) -> None:
        self.position = 0
        self._records, self._hidden = records, hidden

    def stable_end(self) -> int:
        return len(self._records)

    high_watermark = stable_end

    def poll(self) -> list[Record]:
        self.position = len(self._records)
        return self._records

    def uncommitted(self) -> list[Record]:
        return self._hidden


@pytest.mark.parametrize("foreign", [(b"what", b"else"), (b'["position"]', b"{}"), (b'["position"]', b"[]")])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_state_topic_that_others_wrote_stops_the_job_by_name(foreign: Record, hidden: bool) -> None:
    own = encode_record(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"))
    log = Log([own], [foreign]) if hidden else Log([own, foreign], [])

    class Sink:
        def open(self) -> None: ...

    with pytest.raises(NeedsOperator, match="state topic is not readable") as caught:
        for _ in take_over(Sink(), log, lambda attempts: None):  # type: ignore[arg-type]
            pass
    assert "newer headrace" in caught.value.hint
