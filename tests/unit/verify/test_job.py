"""Whether the job of a comparison is far enough, and when there is no point in waiting for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from shared.errors import NotFollowing, Unavailable
from shared.machines.ledger import ChunkRecord, PositionRecord, Record, TableRecord, encode_record
from shared.model.chunk import ChunkId, KeyRange
from shared.model.job import Desire, End, Outcome, Wanted
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId
from workers.verify import job as module
from workers.verify.job import FollowedJob

TABLE = TableId("d", "t")
SCHEMA = Table(TABLE, (Column("id", "int", "int"),), ("id",))
LIVE = TableRecord(SCHEMA, "topic", 10, 5, chunks=1, split_done=True, released=1)
WANTED = Wanted("orders", "id1", "", "job.yaml", Desire.RUNNING, 1, "")
SERVER = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def gtids(count: int) -> GtidSet:
    return GtidSet.parse(f"{SERVER}:1-{count}")


def position(count: int) -> Record:
    return encode_record(PositionRecord(gtids(count), 1, "u"))


@dataclass
class Log:
    """The state topic: `told` is committed, `open` is not yet; what comes is handed out one by one."""

    told: list[Record]
    open: list[Record] = field(default_factory=list)
    coming: list[Record] = field(default_factory=list)

    def stable_end(self) -> int:
        return len(self.told)

    def read_to(self, offset: int) -> list[Record]:
        taken, self.told = self.told, []
        return taken

    def uncommitted(self) -> list[Record]:
        return self.open

    def poll(self, wait_seconds: float = 0.0) -> list[Record]:
        taken, self.coming = self.coming[:1], self.coming[1:]
        return taken


@dataclass
class Jobs:
    wanted: dict[str, Wanted]
    ended: Outcome | None = None

    def refresh(self, *, to_end: bool = True) -> None: ...

    def outcome(self, wanted: Wanted) -> Outcome | None:
        return self.ended


class Clock:
    """Goes on by a second with each look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic_seconds(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "clock", made)
    return made


def followed(log: Log, jobs: Jobs | None = None, *, led: bool = True) -> FollowedJob:
    return FollowedJob(WANTED, TABLE, log, jobs or Jobs({"orders": WANTED}), lambda: led)  # type: ignore[arg-type]


def test_a_position_covers_what_it_holds() -> None:
    job = followed(Log([encode_record(LIVE), position(5)], coming=[position(6)]))
    assert job.record == LIVE
    assert job.covers(gtids(5))
    assert job.covers(gtids(6))
    assert not job.covers(gtids(7))


def test_what_is_about_to_be_committed_may_have_been_seen() -> None:
    log = Log([encode_record(LIVE), position(5)], open=[encode_record(LIVE), position(9)])
    job = followed(log)
    assert job.shown() == gtids(9)
    assert not job.covers(gtids(9))


def test_while_a_range_is_held_its_changes_are_not_there() -> None:
    claim = ChunkRecord(ChunkId(TABLE, 0), KeyRange(None, None), "attempt", gtids(1))
    other = ChunkRecord(ChunkId(TableId("d", "t2"), 0), KeyRange(None, None), "attempt", gtids(1))
    log = Log([encode_record(LIVE), encode_record(other), encode_record(claim), position(5)])
    job = followed(log)
    assert not job.covers(gtids(5))
    log.coming = [(encode_record(claim)[0], None)]
    assert job.covers(gtids(5))


def test_a_topic_with_rows_that_a_statement_took_away_is_waited_for() -> None:
    emptied = replace(LIVE, emptied=2, swept=1)
    log = Log([encode_record(emptied), position(5)])
    job = followed(log)
    assert job.record == emptied
    assert not job.covers(gtids(5))
    log.coming = [encode_record(replace(emptied, swept=2))]
    assert job.covers(gtids(5))
    paused = Jobs({"orders": replace(WANTED, desire=Desire.PAUSED)})
    with pytest.raises(NotFollowing, match=r"is paused, and some changes of d\.t are not in its topic yet"):
        followed(Log([encode_record(emptied), position(5)]), paused).covers(gtids(5))


@pytest.mark.parametrize("record", [None, replace(LIVE, released=0), replace(LIVE, split_done=False)])
def test_a_table_that_is_not_copied_is_refused(record: TableRecord | None) -> None:
    job = followed(Log([encode_record(record)] if record else []))
    with pytest.raises(NotFollowing, match="knows no table" if record is None else "is being copied"):
        _ = job.record


FAILED = Outcome("orders", 1, End.FAILED, "BinlogLost", "The binlog is gone.", "")


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (Jobs({"orders": replace(WANTED, desire=Desire.PAUSED)}), "is paused, and MySQL has 2 transactions"),
        (Jobs({"orders": replace(WANTED, desire=Desire.CANCELLED)}), "was cancelled"),
        (Jobs({"orders": replace(WANTED, id="another")}), "was cancelled"),
        (Jobs({}), "was cancelled"),
        (Jobs({"orders": WANTED}, FAILED), "has failed with BinlogLost, and MySQL has 2 transactions"),
    ],
)
def test_a_job_that_stands_still_is_named_and_not_waited_for(jobs: Jobs, said: str) -> None:
    job = followed(Log([encode_record(LIVE), position(5)]), jobs)
    for ask in (job.covers, job.require):
        with pytest.raises(NotFollowing, match=said):
            ask(gtids(7))
    job.require(gtids(5))
    assert job.covers(gtids(5))


def test_a_job_that_runs_is_waited_for_however_far_behind() -> None:
    followed(Log([encode_record(LIVE), position(5)])).require(gtids(7))


def test_a_job_without_a_leader_is_given_a_minute(clock: Clock) -> None:
    job = followed(Log([encode_record(LIVE), position(5)]), led=False)
    began = clock.now
    with pytest.raises(NotFollowing, match="Nobody leads job orders"):
        while not job.covers(gtids(7)):
            pass
    assert 60 < clock.now - began < 120


def test_a_position_that_comes_no_nearer_ends_the_waiting(clock: Clock) -> None:
    log = Log([encode_record(LIVE), position(5)])
    job = followed(log)
    began = clock.now
    with pytest.raises(NotFollowing, match=f"has come no nearer for 600 s: it lacks 1 transaction .{SERVER}:7."):
        while not job.covers(gtids(7)):
            if clock.now - began == 300:
                log.coming = [position(6)]
    assert clock.now - began > 890


def test_a_topic_that_is_put_right_is_given_room(clock: Clock) -> None:
    job = followed(Log([encode_record(replace(LIVE, emptied=1)), position(5)]))
    began = clock.now
    with pytest.raises(Unavailable, match="are being written again"):
        while not job.covers(gtids(5)):
            pass
    assert 60 < clock.now - began < 120


def test_a_position_that_moves_elsewhere_comes_no_nearer(clock: Clock) -> None:
    log = Log([encode_record(LIVE), position(5)])
    job = followed(log)
    other = SERVER.replace("3e11", "4e11")
    with pytest.raises(NotFollowing, match="has come no nearer"):
        for turn in range(1, 1000):
            moved = GtidSet.parse(f"{SERVER}:1-5,{other}:1-{turn}")
            log.coming = [encode_record(PositionRecord(moved, 1, "u"))]
            assert not job.covers(gtids(7))
