"""What the leader does with the stream: when transactions may be put together, where changes go, what a turn costs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from scheduler.dispatch import Hint, Sweep
from shared.codec import FormatOptions, key_reader
from shared.errors import SchemaChanged, UnsupportedEvent
from shared.machines.ledger import (
    ChunkRecord,
    DoneMark,
    HeldRange,
    Ledger,
    MemoryHold,
    PositionRecord,
    Record,
    StoredState,
    TableRecord,
    encode_record,
)
from shared.machines.throttle import Throttle
from shared.model.binlog import (
    Event,
    Heartbeat,
    Rotate,
    RowChanges,
    Statement,
    TransactionBegin,
    TransactionEnd,
    Unread,
)
from shared.model.change import Change, ChunkKey, Tally
from shared.model.chunk import REREAD, ChunkId, KeyRange
from shared.model.label import Origin, Stamp
from shared.model.orders import (
    Answer,
    AskChunks,
    AskReread,
    AskSplit,
    AskSweep,
    Beat,
    GaveUp,
    Granted,
    Question,
    ReadChunks,
    Refused,
    SweepTable,
    Swept,
)
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Column, Table, TableId
from shared.model.throttle import Limits, Pace, Pressure
from tests.unit.machines.counting import calls
from workers.binlog.chores import Chores
from workers.binlog.figures import worker_error
from workers.binlog.leader import Leader
from workers.binlog.ports import Policy, Ports, WorkerFailed

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
NUMBERS = Table(TableId("d", "numbers"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
TEXTS = Table(
    TableId("d", "texts"),
    (Column("id", "varchar", "varchar(9)", False, "utf8mb4", "utf8mb4_0900_ai_ci", 36),),
    ("id",),
)
OTHER = Table(TableId("d", "other"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
END = Coordinates("binlog.000001", 1000)


@dataclass
class World:
    """Every port at once. The stream gives one of `batches` a call; `written` and `asked` keep what was said."""

    batches: list[list[Event]] = field(default_factory=list)
    merges: list[bool] = field(default_factory=list)
    written: list[tuple[str, Change]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    asked: list[tuple[list[ChunkKey], list[HeldRange]]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    threads_running: int = 0
    looks: int = 0
    commits: int = 0
    pending: bool = False
    position: int = 0
    present: dict[TableId, Table | None] = field(default_factory=dict)
    later: dict[TableId, Table | None] = field(default_factory=dict)
    """What the catalog shows once somebody has waited for it."""
    executed: str = f"{UUID}:1"
    """What looks at the catalog may have shown."""

    def events(self, merge: bool) -> Sequence[Event]:
        self.merges.append(merge)
        return self.batches.pop(0) if self.batches else []

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin) -> None:
        self.pending = True
        self.written.extend((topic, change) for change in changes)
        self.origins.append(origin)

    def commit(self, records: list[Record]) -> None:
        self.pending = False
        self.commits += 1

    def poll(self) -> list[Record]:
        return []

    def receive(self) -> list[Question]:
        taken, self.questions = self.questions, []
        return taken

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    def send(self, hint: Hint) -> None:
        self.hints.append(hint)

    def start(self, attempt: str) -> None: ...

    def fenced(self) -> list[tuple[str, int]]:
        return []

    def binlog_end(self) -> Coordinates:
        return END

    def place(self, table: Table, keys: Sequence[ChunkKey], ranges: Sequence[HeldRange]) -> list[int | None]:
        self.asked.append((list(keys), list(ranges)))
        return [ranges[0].number if key[0] == "inside" else None for key in keys]

    def wait_for(self, position: GtidSet, tables: Collection[TableId]) -> None:
        self.present |= self.later

    def current(self, table: TableId) -> Table | None:
        return self.present[table]

    def shown(self) -> GtidSet:
        return GtidSet.parse(self.executed)

    def pressure(self, limits: Limits) -> Pressure:
        self.looks += 1
        return Pressure(self.threads_running)


def leader(
    world: World,
    *chunks: ChunkRecord,
    processed: int = 5,
    tables: Sequence[Table] = (),
    limits: Limits | None = None,
    joins: Callable[[TableId], bool] = lambda _: False,
    stamped: bool = False,
) -> Leader:
    named = {table.id: table for table in (NUMBERS, TEXTS, OTHER, *tables)}
    records = {name: TableRecord(table, f"topic.{name.table}", 1, 1, 2, None, True) for name, table in named.items()}
    state = StoredState(
        PositionRecord(GtidSet.parse(f"{UUID}:1-{processed}"), 1, "server"),
        records,
        {chunk.chunk: chunk for chunk in chunks},
    )
    ports = Ports(world, world, world, world, world, world, world, world, partial(key_reader, options=FormatOptions()))
    policy = Policy(4, joins=joins, stamped=stamped, commit_messages=100)
    return Leader(Ledger(state, 2, "server", 4, MemoryHold), ports, policy, limits)


def claimed(table: Table, number: int, bounds: KeyRange, since: int = 5) -> ChunkRecord:
    return ChunkRecord(ChunkId(table.id, number), bounds, f"a{number}", GtidSet.parse(f"{UUID}:1-{since}"))


def number(key: int) -> Change:
    return b'{"id":%d}' % key, b"{}"


def text(key: str) -> Change:
    return b'{"id":"%b"}' % key.encode(), b"{}"


def transaction(gtids: str, *rows: RowChanges, end: int = 200) -> list[Event]:
    return [TransactionBegin(f"{UUID}:{gtids}", end, 1, 77), *rows, TransactionEnd(1, end)]


# Transactions that are put together.


def test_transactions_come_one_by_one_until_all_was_read_again() -> None:
    world = World([transaction("6"), transaction("7"), transaction("8"), transaction("9-12")])
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, None)), processed=8)
    made.step(0.0)
    assert world.merges == [False, False, False, True, True]
    assert made.ledger.processed == GtidSet.parse(f"{UUID}:1-12")


def test_a_leader_that_has_nothing_to_read_again_takes_them_together_from_the_start() -> None:
    world = World()
    leader(world).step(0.0)
    assert world.merges == [True]


def test_a_transaction_that_is_read_again_in_pieces_is_read_again_to_its_end() -> None:
    begin, end = transaction("6")
    world = World([[begin], [RowChanges(OTHER.id, [number(1)])], [end]])
    leader(world, claimed(NUMBERS, 0, KeyRange(None, None)), processed=6).step(0.0)
    assert world.merges == [False, False, False, True]
    assert world.written == []


def test_the_place_and_the_time_are_those_of_the_last_one() -> None:
    world = World([[Rotate("binlog.000007", 4), *transaction("6-9", end=900)]])
    made = leader(world)
    made.step(0.0)
    assert (made.reached, made.commit_microseconds) == (Coordinates("binlog.000007", 900), 77)
    world.batches = [[Heartbeat("binlog.000007", 950)]]
    made.step(0.0)
    assert made.reached == Coordinates("binlog.000007", 950)


def test_a_place_inside_of_a_transaction_is_not_reached() -> None:
    world = World([[Rotate("binlog.000007", 4), *transaction("6", RowChanges(OTHER.id, [number(1)], 1, 300))[:-1]]])
    made = leader(world)
    made.step(0.0)
    assert made.reached == Coordinates("binlog.000007", 4)


def test_a_transaction_without_a_gtid_stops() -> None:
    with pytest.raises(UnsupportedEvent, match="without a GTID"):
        leader(World([[TransactionBegin(None)]])).step(0.0)


# Where changes go.


def test_changes_go_to_their_tables_topic_in_their_order() -> None:
    world = World([transaction("6-7", RowChanges(OTHER.id, [number(2), number(1)]), RowChanges(TEXTS.id, [text("a")]))])
    made = leader(world)
    made.step(0.0)
    assert world.written == [
        ("topic.other", number(2)),
        ("topic.other", number(1)),
        ("topic.texts", text("a")),
    ]
    assert made.changes == 3


def test_numbers_are_placed_without_asking_the_server() -> None:
    world = World([transaction("6", RowChanges(NUMBERS.id, [number(key) for key in (-5, 9, 10, 19, 20)]))])
    made = leader(world, claimed(NUMBERS, 1, KeyRange((10,), (20,))))
    made.step(0.0)
    assert world.written == [("topic.numbers", number(key)) for key in (-5, 9, 20)]
    assert (made.ledger.held_events(), world.asked) == (2, [])


def test_the_server_is_asked_for_all_characters_of_an_event_at_once() -> None:
    changes = [text("inside"), text("outside"), text("inside")]
    world = World([transaction("6", RowChanges(TEXTS.id, changes), RowChanges(OTHER.id, [number(1)]))])
    made = leader(world, claimed(TEXTS, 1, KeyRange(("b",), None)))
    made.step(0.0)
    assert world.asked == [([("inside",), ("outside",), ("inside",)], [HeldRange(1, KeyRange(("b",), None))])]
    assert world.written == [("topic.texts", text("outside")), ("topic.other", number(1))]
    assert made.ledger.held_events() == 1


def test_what_was_held_goes_out_in_one_turn() -> None:
    world = World([transaction("6", RowChanges(NUMBERS.id, [number(1), number(2), number(1)]))])
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, None)))
    made.step(0.0)
    assert world.written == []
    world.batches = [[Heartbeat(*END)]]
    made.step(1.0)
    assert world.written == [("topic.numbers", number(1)), ("topic.numbers", number(2))]
    assert (made.changes, world.pending) == (2, False)


def test_a_step_ends_between_transactions_when_a_commit_is_full() -> None:
    rows = RowChanges(OTHER.id, [number(key) for key in range(60)])
    world = World([[*transaction("6", rows), *transaction("7", rows), *transaction("8", rows)]])
    made = leader(world)
    made.step(0.0)
    assert (len(world.written), world.commits) == (120, 1)


def test_what_was_held_still_tells_of_its_own_transaction() -> None:
    rows = RowChanges(NUMBERS.id, [number(1), number(99)])
    world = World(
        [[*transaction("6", rows), *transaction("7", RowChanges(NUMBERS.id, [number(2), (b'{"id":99}', None)]))]]
    )
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, (50,))), stamped=True)
    made.step(0.0)
    sixth, seventh = (Stamp(77, f"{UUID}:{n}", 0) for n in (6, 7))
    assert world.origins == [Origin(NUMBERS.id, stamp=sixth), Origin(NUMBERS.id, stamp=seventh)]
    world.batches = [[Heartbeat(*END)]]
    made.step(1.0)
    assert [change for _, change in world.written] == [number(99), (b'{"id":99}', None), number(1), number(2)]
    assert world.origins[2:] == world.origins[:2]


# What was written is counted.


def test_what_was_written_is_counted_by_table_once_it_is_committed() -> None:
    rows = [RowChanges(OTHER.id, [number(1), number(2)], size=50), RowChanges(TEXTS.id, [text("a")], size=30)]
    world = World([[*transaction("6", *rows), *transaction("7", rows[0])], transaction("8", rows[0])])
    made = leader(world)
    begin, *_ = transaction("9")
    world.batches.append([begin, rows[1]])
    made.step(0.0)
    assert made.take_tallies() == {}, "a transaction is open, whose end has not come"
    world.batches = [[TransactionEnd(1, 300)]]
    made.step(1.0)
    assert made.take_tallies() == {OTHER.id: Tally(6, 150), TEXTS.id: Tally(2, 60)}
    assert made.take_tallies() == {}


def test_what_was_held_is_counted_when_it_goes_out() -> None:
    changes = [number(1), number(99), number(1)]
    world = World([transaction("6", RowChanges(NUMBERS.id, changes, size=1000))])
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, (50,))))
    made.step(0.0)
    assert made.take_tallies() == {NUMBERS.id: Tally(1, len('{"id":99}{}'))}
    world.batches = [[Heartbeat(*END)]]
    made.step(1.0)
    assert made.take_tallies() == {NUMBERS.id: Tally(1, len('{"id":1}{}'))}


# Questions.


def waiting(table: Table, number: int) -> ChunkRecord:
    return ChunkRecord(ChunkId(table.id, number), KeyRange(None, None))


def test_those_chunks_of_a_question_that_wait_are_granted_together() -> None:
    named = [waiting(NUMBERS, 0), waiting(OTHER, 0)]
    world = World(questions=[AskChunks((*(one.chunk for one in named), ChunkId(TEXTS.id, 9)), "a", "w")])
    made = leader(world, *named)
    made.step(0.0)
    assert world.answers == [
        ReadChunks(
            "a",
            GtidSet.parse(f"{UUID}:1-5"),
            (
                Granted(named[0].chunk, NUMBERS, "topic.numbers", named[0].range),
                Granted(named[1].chunk, OTHER, "topic.other", named[1].range),
            ),
        )
    ]
    assert (world.commits, made.ledger.claimed) == (1, 1)


def test_a_question_of_which_nothing_waits_is_refused() -> None:
    world = World(
        questions=[AskChunks((ChunkId(TEXTS.id, 9), ChunkId(TEXTS.id, 8)), "a", "w"), AskChunks((), "b", "w")]
    )
    leader(world).step(0.0)
    assert world.answers == [
        Refused("a", "copied already, or unknown"),
        Refused("b", "nothing was asked for"),
    ]


def test_progress_is_told_of_chunks_that_are_read_alone() -> None:
    named = [waiting(NUMBERS, 0), waiting(OTHER, 0), waiting(TEXTS, 0)]
    world = World(
        questions=[
            AskChunks((named[0].chunk, named[1].chunk), "a", "w"),
            AskChunks((named[2].chunk,), "b", "w"),
            Beat("a", 7),
            Beat("b", 8),
        ]
    )
    made = leader(world, *named)
    made.step(0.0)
    assert made.progress() == {named[2].chunk: 8}


# The throttle.


def test_while_the_server_is_busy_nothing_is_hinted_or_granted() -> None:
    chunk = waiting(NUMBERS, 0)
    world = World(threads_running=11)
    made = leader(world, chunk, limits=Limits(max_threads_running=10))
    made.step(0.0)
    world.questions = [AskChunks((chunk.chunk,), "a", "w"), AskSplit(NUMBERS.id, "s", "w")]
    made.step(0.5)
    assert [answer.attempt for answer in world.answers] == ["a", "s"]
    assert world.answers[0] == Refused("a", "throttled: Threads_running is 11, above 10")
    assert isinstance(world.answers[1], Refused)
    assert (world.hints, world.looks) == ([], 1)

    world.threads_running = 10
    made.step(2.0)
    assert (world.hints, world.looks) == ([(chunk.chunk,)], 2)


def test_a_grant_carries_its_share_of_the_limits() -> None:
    chunks = [ChunkRecord(ChunkId(NUMBERS.id, n), KeyRange((n,), (n + 1,))) for n in range(6)]
    world = World(questions=[AskChunks((chunks[0].chunk,), "a", "w")])
    leader(world, *chunks, limits=Limits(rows_per_second=1000, bytes_per_second=8000)).step(0.0)
    (answer,) = world.answers
    assert isinstance(answer, ReadChunks)
    assert answer.pace == Pace(250.0, 2000.0)


def test_rows_that_were_read_too_fast_are_paid_for_before_the_next_chunk() -> None:
    named = [waiting(NUMBERS, 0), waiting(OTHER, 0)]
    world = World(questions=[AskChunks((named[0].chunk,), "a", "w"), Beat("a", 5000)])
    made = leader(world, *named, limits=Limits(rows_per_second=1000))
    made.step(100.0)
    world.questions = [AskChunks((named[1].chunk,), "b", "w")]
    made.step(103.0)
    assert world.answers[-1] == Refused("b", "throttled: the rate is used up")
    assert world.hints == []
    made.step(104.0)
    assert world.hints == [(named[1].chunk,)]


def test_without_limits_nobody_asks_for_the_load() -> None:
    world = World()
    leader(world, waiting(NUMBERS, 0)).step(0.0)
    assert (world.looks, len(world.hints)) == (0, 1)


# What a turn costs.


class Deaf(World):
    """A sink that takes what comes; its own loop over changes is not the leader's."""

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin) -> None:
        self.pending = True


def test_no_change_is_looked_at_when_nothing_of_its_table_is_held() -> None:
    costs = []
    for changes in (1, 1, 99):
        world = Deaf([transaction("6", RowChanges(OTHER.id, [number(1)] * changes))])
        made = leader(world, claimed(NUMBERS, 0, KeyRange(None, None)))
        costs.append(calls(partial(made.step, 0.0)))
    assert costs[1] == costs[2]  # the first one finds caches empty


def test_a_turn_costs_the_same_with_many_tables_and_chunks() -> None:
    costs = set()
    for tables, chunks in ((10, 100), (5_000, 20_000)):
        waiting = [ChunkRecord(ChunkId(OTHER.id, n), KeyRange((n,), (n + 1,))) for n in range(chunks)]
        more = [Table(TableId("d", f"t{n}"), OTHER.columns, OTHER.primary_key) for n in range(tables)]
        world = World()
        made = leader(world, *waiting, tables=more)
        made.step(0.0)
        world.questions = [AskChunks((ChunkId(OTHER.id, chunks // 2),), "a", "w")]
        world.batches = [transaction("6", RowChanges(OTHER.id, [number(chunks // 2), number(-1)]))]
        costs.add(calls(partial(made.step, 1.0)))
        assert made.ledger.claimed == 1
    assert len(costs) == 1


# Rows that vanish without a change of each.

LIVE = Table(TableId("d", "live"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))


def statement(gtid: str, sql: str) -> list[Event]:
    begin, end = transaction(gtid)
    return [begin, Statement("d", sql), end]


def live_leader(
    world: World, described: GtidSet | None = None, state: StoredState | None = None, **policy: Any
) -> Leader:
    """A leader of one table that is live."""
    record = TableRecord(LIVE, "topic.live", 1, 1, 1, None, split_done=True, released=1, described=described)
    state = state or StoredState(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {LIVE.id: record})
    ports = Ports(world, world, world, world, world, world, world, world, partial(key_reader, options=FormatOptions()))
    return Leader(Ledger(state, 2, "server", 4, MemoryHold), ports, Policy(4, **policy))


@pytest.mark.parametrize("sql", ["TRUNCATE live", "DROP TABLE live"])
def test_a_table_that_lost_its_rows_is_swept(sql: str) -> None:
    world = World([statement("6", sql)])
    made = live_leader(world)
    made.step(0.0)
    assert world.hints == [], "it is not stored yet"
    assert world.commits == 1
    made.step(0.1)
    assert world.hints == [Sweep(LIVE.id)]
    world.questions = [AskSweep(LIVE.id, "s", "w"), AskSweep(LIVE.id, "t", "w")]
    made.step(0.2)
    assert world.answers == [
        SweepTable("s", LIVE, "topic.live", 1, made.ledger.processed),
        Refused("t", "not to be swept now"),
    ]
    made.step(60.0)
    assert world.hints == [Sweep(LIVE.id)] * 2, "the sweeper is dead"
    world.questions = [AskSweep(LIVE.id, "u", "w"), Beat("u", 0)]
    made.step(60.1)
    world.questions = [Swept(LIVE.id, "u", 1)]
    made.step(80.0)
    made.step(200.0)
    assert len(world.hints) == 2
    assert made.ledger.next_to_sweep() is None


def test_a_splitter_that_gives_signs_is_not_taken_for_dead_and_tells_what_it_waits_for() -> None:
    position = PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server")
    unsplit = StoredState(position, {NUMBERS.id: TableRecord(NUMBERS, "topic.numbers", 5000, 100)})
    chores = Chores(Ledger(unsplit, 2, "server", 4, MemoryHold), lambda _: None, silence=30.0)
    chores.take(AskSplit(NUMBERS.id, "s", "w"), 0.0, "")
    chores.heard(Beat("s", 0, 0, "a replica"), 25.0)
    assert chores.to_split(50.0) is None, "a second one would wait as well, and take another worker"
    assert chores.waits(50.0) == ["a replica"]
    assert (chores.to_split(56.0), chores.waits(56.0)) == (NUMBERS.id, []), "it is dead"
    chores.heard(Beat("s", 0), 57.0)
    assert (chores.to_split(57.0), chores.waits(57.0)) == (None, [])


def test_a_sweeper_that_gives_up_makes_room_for_another_and_does_not_stop_the_job() -> None:
    world = World([statement("6", "TRUNCATE live")])
    made = live_leader(world)
    made.step(0.0)
    world.questions = [AskSweep(LIVE.id, "s", "w"), GaveUp("s", "Unavailable", "away", "", fatal=False)]
    made.step(0.1)
    world.questions = [AskSweep(LIVE.id, "t", "w")]
    made.step(0.2)
    assert [answer.attempt for answer in world.answers] == ["s", "t"]
    assert isinstance(world.answers[1], SweepTable)


@pytest.mark.parametrize("attempt", ["a0", "none", "late"])
def test_what_a_worker_fails_with_is_known_until_one_has_read_a_chunk(attempt: str) -> None:
    """Whether it was to read something, could not even ask, or is heard late."""
    away = GaveUp(attempt, "Unavailable", "MySQL is away.", "", fatal=False)
    world = World()
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, None)))
    made.step(0.0)
    world.questions = [away]
    made.step(0.1)
    assert made.worker_error == away
    world.poll = lambda: [encode_record(DoneMark(ChunkId(NUMBERS.id, 0), "a0", 1))]  # type: ignore[method-assign]
    made.step(0.2)
    assert made.worker_error is None


@pytest.mark.parametrize(
    ("fatal", "state", "told"), [(False, "live", False), (False, "sweeping", True), (True, "live", True)]
)
def test_what_may_pass_is_told_while_there_is_work(fatal: bool, state: str, told: bool) -> None:
    failed = GaveUp("a0", "Unavailable", "MySQL is away.", "Wait.", fatal)
    shown = {"name": "Unavailable", "message": "MySQL is away.", "hint": "Wait."} if told else None
    assert worker_error(failed, [{"state": "live"}, {"state": state}]) == shown


def test_a_table_that_may_have_been_made_and_joins_ends_the_tenure() -> None:
    made = live_leader(World([statement("6", "CREATE TABLE other (id INT)")]), joins=lambda table: table.table == "new")
    made.step(0.0)
    assert not made.reopen
    new = TableId("d", "new")
    for present, reason in ((LIVE, "d.new may join the job"), (None, "")):  # none: it has gone again
        world = World([statement("6", "CREATE TABLE new (id INT)")], present={new: None}, later={new: present})
        made = live_leader(world, joins=lambda table: table.table == "new")
        made.step(0.0)
        assert made.reopen == reason


def test_a_statement_is_judged_by_what_it_did_not_by_what_the_catalog_shows_before() -> None:
    renamed = replace(LIVE, columns=(replace(LIVE.columns[0], name="key"),), primary_key=("key",))
    world = World([statement("6", "ALTER TABLE live RENAME COLUMN id TO `key`")])
    world.present, world.later = {LIVE.id: LIVE}, {LIVE.id: renamed}
    made = live_leader(world)
    made.step(0.0)
    assert made.reopen.startswith("The columns or keys of d.live changed")


@pytest.mark.parametrize(("gtid", "older"), [("7", True), ("8", False)])
def test_what_is_older_than_the_look_at_a_followed_tables_columns_has_it_copied(gtid: str, older: bool) -> None:
    described = GtidSet.parse(f"{UUID}:1-7")
    before = [] if older else transaction("6-7")
    altered = World([[*before, *statement(gtid, "ALTER TABLE live MODIFY id BIGINT")]], present={LIVE.id: LIVE})
    made = live_leader(altered, described)
    made.step(0.0)
    assert bool(made.reopen) is older
    assert made.ledger.tables[LIVE.id].stale is older
    if older:
        altered = World([statement(gtid, "ALTER TABLE live MODIFY id BIGINT")], present={LIVE.id: LIVE})
        with pytest.raises(SchemaChanged):
            live_leader(altered, described, follow=False).step(0.0)
    begin, end = transaction(gtid)
    world = World([[*before, begin, unread(LIVE), end]], present={LIVE.id: LIVE})
    made = live_leader(world, described)
    if older:
        made.step(0.0)
        assert made.reopen == "d.live has other columns."
    else:
        with pytest.raises(SchemaChanged, match="other columns"):
            made.step(0.0)


def test_who_wants_to_keep_rows_sweeps_nothing() -> None:
    world = World([statement("6", "TRUNCATE live")])
    made = live_leader(world, sweep=False)
    made.step(0.0)
    made.step(60.0)
    assert world.hints == []
    assert made.ledger.processed == GtidSet.parse(f"{UUID}:1-6")


def test_a_table_that_goes_while_it_is_copied_ends_the_tenure() -> None:
    world = World([statement("6", "DROP TABLE numbers")])
    made = leader(world, waiting(NUMBERS, 0))
    made.step(0.0)
    assert made.reopen == "d.numbers was dropped while it was copied"
    assert made.ledger.tables[NUMBERS.id].emptied == 1


def test_statements_that_a_table_joined_behind_say_nothing_of_it() -> None:
    sqls = ["RENAME TABLE x TO new", "TRUNCATE new", "ALTER TABLE new ADD COLUMN x INT", "DROP TABLE new"]
    joined = Table(TableId("d", "new"), LIVE.columns, LIVE.primary_key)
    record = TableRecord(joined, "topic.new", 1, 1, since=GtidSet.parse(f"{UUID}:1-9"))
    state = StoredState(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {joined.id: record})
    world = World([statement(str(number), sql) for number, sql in enumerate(sqls, 6)])
    ports = Ports(world, world, world, world, world, world, world, world, partial(key_reader, options=FormatOptions()))
    made = Leader(Ledger(state, 2, "server", 4, MemoryHold), ports, Policy(4))
    world.batches[1] = [transaction("7")[0], unread(joined), transaction("7")[1]]
    made.step(0.0)
    assert made.ledger.processed == GtidSet.parse(f"{UUID}:1-9")
    assert (made.reopen, made.ledger.tables[joined.id].emptied, made.ledger.tables[joined.id].stale) == ("", 0, False)
    world.batches.append(statement("10", sqls[0]))
    made.step(0.1)
    assert made.reopen == "RENAME reached d.new", "the one behind counts"
    assert made.ledger.tables[joined.id].stale


def unread(table: Table) -> Unread:
    return Unread(table.id, SchemaChanged, f"{table.id} has other columns.", "Look.")


def test_a_table_that_is_not_as_it_was_is_copied_again_and_nothing_of_it_is_taken() -> None:
    begin, end = transaction("6")
    later = [*transaction("7")[:1], RowChanges(LIVE.id, [(b'{"id":2}', b"{}")]), transaction("7")[1]]
    world = World([[begin, unread(LIVE), RowChanges(LIVE.id, [(b'{"id":1}', b"{}")]), end, *later]])
    world.present = {LIVE.id: replace(LIVE, columns=(*LIVE.columns, replace(LIVE.columns[0], name="more")))}
    made = live_leader(world)
    made.step(0.0)
    assert made.reopen == "d.live has other columns."
    assert made.ledger.processed == GtidSet.parse(f"{UUID}:1-6"), "nothing is taken behind that transaction"
    assert world.written == []
    record = made.ledger.tables[LIVE.id]
    assert (record.stale, record.live) == (True, False)
    for follow, present in ((False, {}), (True, {LIVE.id: LIVE})):
        world = World([[begin, unread(LIVE), end]], present=present or world.present)
        with pytest.raises(SchemaChanged, match="other columns"):
            live_leader(world, follow=follow).step(0.0)


def test_a_reader_that_meets_other_columns_has_the_table_copied_again() -> None:
    world = World(questions=[AskChunks((ChunkId(NUMBERS.id, 0),), "a", "w")])
    made = leader(world, waiting(NUMBERS, 0))
    made.step(0.0)
    message = GaveUp("a", "SchemaChanged", "d.numbers has other columns.", "", fatal=True)
    world.questions, world.present = (
        [message],
        {NUMBERS.id: replace(NUMBERS, columns=(*NUMBERS.columns, replace(NUMBERS.columns[0], name="more")))},
    )
    made.step(0.1)
    assert made.reopen == "d.numbers has other columns."
    assert made.ledger.tables[NUMBERS.id].stale
    assert not made.ledger.tables[OTHER.id].stale


def test_a_reader_that_says_so_of_a_table_that_has_not_changed_is_an_error() -> None:
    world = World(questions=[AskChunks((ChunkId(NUMBERS.id, 0),), "a", "w")])
    made = leader(world, waiting(NUMBERS, 0))
    made.step(0.0)
    message = GaveUp("a", "SchemaChanged", "d.numbers has other columns.", "", fatal=True)
    world.questions, world.present = [message], {NUMBERS.id: NUMBERS}
    with pytest.raises(WorkerFailed):
        made.step(0.1)


def test_a_statement_that_is_read_again_does_not_end_the_tenure_again() -> None:
    world = World([statement("5", "DROP TABLE numbers"), statement("6", "CREATE TABLE new (id INT)")])
    held = ChunkRecord(ChunkId(NUMBERS.id, 0), KeyRange(None, None), "a", GtidSet.parse(f"{UUID}:1-4"))
    made = leader(world, held, processed=6, joins=lambda _: True)
    made.step(0.0)
    made.step(0.1)
    assert world.batches == []
    assert not made.reopen


def test_a_reader_whose_table_is_gone_ends_the_tenure_and_not_the_job() -> None:
    world = World(questions=[AskChunks((ChunkId(NUMBERS.id, 0),), "a", "w")])
    made = leader(world, waiting(NUMBERS, 0))
    made.step(0.0)
    world.questions = [GaveUp("a", "TableGone", "d.numbers does not exist.", "", fatal=True)]
    world.present = {NUMBERS.id: None}
    made.step(0.1)
    assert made.reopen == "d.numbers does not exist."
    assert not made.ledger.tables[NUMBERS.id].stale


def test_a_reader_may_miss_a_table_that_is_there_again_but_not_for_ever() -> None:
    world = World(questions=[AskChunks((ChunkId(NUMBERS.id, 0),), "a", "w")], present={NUMBERS.id: NUMBERS})
    made = leader(world, waiting(NUMBERS, 0))
    made.step(0.0)
    tries = 0
    with pytest.raises(WorkerFailed, match="TableGone"):
        while tries < 20:
            world.questions = [GaveUp("a", "TableGone", "d.numbers does not exist.", "", fatal=True)]
            made.step(0.1)
            tries += 1
    assert tries == 10
    assert not made.reopen


def test_a_range_of_a_live_table_is_granted_once() -> None:
    world = World(questions=[AskReread(LIVE.id, KeyRange(None, (7,)), "a", "w")] * 2)
    made = live_leader(world)
    made.step(0.0)
    granted = Granted(ChunkId(LIVE.id, REREAD), LIVE, "topic.live", KeyRange(None, (7,)))
    assert world.answers == [ReadChunks("a", GtidSet.parse(f"{UUID}:1-5"), (granted,))]
    assert made.progress() == {}
    world.questions = [AskReread(LIVE.id, KeyRange(None, None), "b", "w")]
    made.step(0.1)
    assert world.answers[1:] == [Refused("b", "others are reading")]


def test_a_range_is_not_granted_while_the_server_is_busy() -> None:
    world = World(questions=[AskReread(LIVE.id, KeyRange(None, None), "a", "w")], threads_running=11)
    made = live_leader(world)
    made.throttle = Throttle(Limits(max_threads_running=10))
    made.step(0.0)
    assert isinstance(world.answers[0], Refused)
    assert "throttled" in world.answers[0].reason
