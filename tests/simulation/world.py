"""A seeded world in which the shipped leader, ledger, takeover and attempts run against the memory twins.

One tick moves one actor by one step. Actors crash, sleep through their own funerals and wake as zombies; questions,
answers, hints and heartbeats are lost, doubled and late; commits lose their answers. Nothing else is random, so a seed
replays exactly.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from scheduler.dispatch import Hint
from shared.adapters.memory.kafka import Cluster, MemoryLog, MemorySink
from shared.adapters.memory.mysql import MemoryMysql, MemoryStream, key_bytes, value_bytes
from shared.codec import FormatOptions, key_reader
from shared.errors import Transient, Unavailable
from shared.machines.ledger import HeldRange, Ledger, MemoryHold, TableRecord
from shared.model.binlog import Event, TransactionBegin
from shared.model.change import Change, ChunkKey, EncodedRow
from shared.model.chunk import ChunkId
from shared.model.orders import Answer, AskSplit, Beat, Bounds, Granted, Question, SplitTable, decode, encode
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Column, Table, TableId
from workers.binlog.leader import Leader
from workers.binlog.ports import Policy, Ports
from workers.binlog.takeover import first_records, take_over
from workers.snapshot.attempt import attempt_chunks

STATE = "state"
#: Tables and their rows: two that are split into three chunks, and small ones that are read together.
SIZES = {"a": 9, "b": 9, "c": 2, "e": 2, "f": 1}
TABLES = [Table(TableId("d", name), (Column("id", "bigint", "bigint", nullable=False),), ("id",)) for name in SIZES]
SMALL = 2
SECONDS_PER_TICK = 0.05


@dataclass(frozen=True)
class Faults:
    """Chances per opportunity, and rules that are switched off to see the checkers catch it."""

    crash: float = 0.004
    lose: float = 0.05
    double: float = 0.05
    lose_commit: float = 0.03
    rival: float = 0.002
    no_wait_for_low: bool = False
    no_fence: bool = False
    end_before_fence: bool = False
    no_hold_after_read: bool = False
    rows_apart_from_mark: bool = False
    merged_replay: bool = False


NO_FAULTS = Faults(crash=0, lose=0, double=0, lose_commit=0, rival=0)


@dataclass
class Actor:
    """Something that moves; `asleep_until` makes zombies."""

    name: str
    moves: Iterator[None]
    asleep_until: int = 0


@dataclass
class World:
    seed: int
    faults: Faults
    parallelism: int = 2
    mysql: MemoryMysql = field(default_factory=MemoryMysql)
    kafka: Cluster = field(default_factory=Cluster)
    actors: list[Actor] = field(default_factory=list)
    questions: list[bytes] = field(default_factory=list)
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    tick: int = 0
    writing: bool = True
    serial: int = 0
    leaders: dict[str, Leader] = field(default_factory=dict)
    takeovers: int = 0
    fences: int = 0
    merged: int = 0
    together: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        for table in TABLES:
            self.mysql.rows[table.id] = {}
        self.mysql.commit([(table.id, row, True) for table in TABLES for row in range(0, rows(table), 2)])
        self.settle()

    @property
    def now(self) -> float:
        return self.tick * SECONDS_PER_TICK

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def settle(self) -> None:
        for commit in self.mysql.binlog:
            if not commit.visible:
                self.mysql.show(commit)
            commit.executed = True

    # The clock.

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick += 1
            if self.writing and self.chance(0.15):
                self.write()
            self.advance_commits()
            leaders = [actor for actor in self.actors if actor.name.startswith("leader")]
            if not leaders or self.chance(self.faults.rival):
                self.start_leader()
            awake = [actor for actor in self.actors if actor.asleep_until <= self.tick]
            if awake:
                self.move(self.random.choice(awake))

    def move(self, actor: Actor) -> None:
        if self.chance(self.faults.crash):
            if self.chance(0.5):
                actor.asleep_until = self.tick + self.random.randint(50, 600)
            else:
                self.actors.remove(actor)
            return
        try:
            next(actor.moves)
        except (StopIteration, Transient):
            self.actors.remove(actor)

    # MySQL.

    def write(self) -> None:
        locked = self.mysql.locked()
        free = [(t.id, row) for t in TABLES for row in range(rows(t)) if (t.id, row) not in locked]
        writes: dict[tuple[TableId, int], bool] = {}
        for table, row in self.random.sample(free, min(len(free), self.random.randint(1, 3))):
            exists = row in self.mysql.rows[table]
            kind = self.random.choice(["update", "delete", "move"]) if exists else "insert"
            writes[table, row] = kind in ("insert", "update")
            if kind == "move":
                target = (table, self.random.randrange(SIZES[table.table]))
                if target not in locked and target not in writes and target[1] not in self.mysql.rows[table]:
                    writes[target] = True
        if writes:
            self.mysql.commit([(table, row, alive) for (table, row), alive in writes.items()])

    def advance_commits(self) -> None:
        for commit in self.mysql.binlog[-12:]:
            if not commit.visible and self.chance(0.1):
                self.mysql.show(commit)
            elif commit.visible and not commit.executed and self.chance(0.3):
                commit.executed = True

    # Leaders.

    def start_leader(self) -> None:
        self.serial += 1
        name = f"leader-{self.serial}"
        self.actors.append(Actor(name, self.lead(name)))

    def lead(self, name: str) -> Generator[None, None, None]:
        sink = self.sink("job")
        log = MemoryLog(self.kafka, STATE)
        state = yield from take_over(sink, log, self.fence_all)
        if state.position is None:
            records = [TableRecord(table, table.id.table, rows(table), 3) for table in TABLES]
            state = first_records(self.mysql.executed(), "server", records)
            ledger = Ledger(state, 1, "server", self.parallelism, MemoryHold, fresh=True)
        else:
            self.takeovers += 1
            ledger = Ledger(state, state.position.epoch + 1, "server", self.parallelism, MemoryHold)
        for record in list(ledger.tables.values()):  # as a tenure that opens does it
            if record.rows_estimate <= SMALL and not record.split_done:
                ledger.split(record.table.id, None, [], finished=True)
        stream = SlowStream(MemoryStream(self.mysql, ledger.stream_from, self.appetite), self)
        keys = partial(key_reader, options=FormatOptions())
        ports = Ports(stream, sink, log, Post(self), Source(self), Fencer(self), Hints(self), keys)
        self.leaders[name] = leader = Leader(ledger, ports, Policy(self.parallelism))
        yield
        while True:
            leader.step(self.now)
            yield

    def appetite(self) -> int:
        """How many transactions the decoder puts together, if it has so many and may."""
        return self.random.choice([1, 2, 3, 9])

    def sink(self, transactional_id: str) -> MemorySink:
        def lost() -> str:
            return self.random.choice(["before", "after"]) if self.chance(self.faults.lose_commit) else ""

        return MemorySink(self.kafka, transactional_id, STATE, lost)

    def fence_all(self, attempts: Sequence[str]) -> None:
        for attempt in attempts:
            self.fence(attempt)

    def fence(self, attempt: str) -> int:
        self.fences += 1
        if not self.faults.no_fence:
            self.kafka.init(attempt)
        return self.kafka.end(STATE)

    # Workers.

    def start_worker(self, hint: Hint) -> None:
        self.serial += 1
        name = f"worker-{self.serial}"
        moves = self.split(hint, name) if isinstance(hint, TableId) else self.read(hint, name)
        self.actors.append(Actor(name, moves))

    def read(self, chunks: tuple[ChunkId, ...], name: str) -> Generator[None, None, None]:
        sink = self.sink(f"attempt-{name}")
        sink.open()
        yield
        patience = self.tick + 400
        for _ in attempt_chunks(chunks, name, ApartSink(sink, self), Post(self), Reader(self)):
            if self.tick > patience and not sink.pending:
                return
            yield

    def split(self, table: TableId, name: str) -> Generator[None, None, None]:
        post = Post(self)
        post.ask(AskSplit(table, name, name))
        patience = self.tick + 400
        while (answer := post.answer_for(name)) is None and self.tick < patience:
            yield
        if isinstance(answer, SplitTable):
            after = answer.after
            for bound in [(3,), (6,)]:
                if after is None or bound > after:
                    post.ask(Bounds(table, name, after, (bound,), finished=False))
                    after = bound
                    yield
            post.ask(Bounds(table, name, after, (), finished=True))


def rows(table: Table) -> int:
    return SIZES[table.id.table]


@dataclass
class ApartSink:
    """The attempt's sink; with the rule switched off it commits the rows before the done-mark."""

    sink: MemorySink
    world: World

    @property
    def transactional_id(self) -> str:
        return self.sink.transactional_id

    def write_all(self, topic: str, changes: Sequence[Change]) -> None:
        self.sink.write_all(topic, changes)

    def commit(self, records) -> None:
        if self.world.faults.rows_apart_from_mark:
            mark, records = list(records), []
            sink = self.world.sink(self.sink.transactional_id + "-mark")
            sink.open()
            sink.commit(mark)
        self.sink.commit(records)


@dataclass
class Post:
    """Mail both ways, through the wire format; loses and doubles."""

    world: World

    def ask(self, question: Question) -> None:
        self.deliver(self.world.questions, encode(question))

    def beat(self, attempt: str, rows: int) -> None:
        self.ask(Beat(attempt, rows))

    def answer(self, answer: Answer | str) -> Answer | None:
        if isinstance(answer, str):  # the worker's side of the desk
            return self.answer_for(answer)
        self.deliver(self.world.answers.setdefault(answer.attempt, []), encode(answer))
        return None

    def answer_for(self, attempt: str) -> Answer | None:
        box = self.world.answers.get(attempt)
        return decode(box.pop(0)) if box else None  # type: ignore[return-value]

    def receive(self) -> list[Question]:
        taken, self.world.questions[:] = self.world.questions[:4], self.world.questions[4:]
        return [decode(data) for data in taken]  # type: ignore[misc]

    def deliver(self, box: list[bytes], data: bytes) -> None:
        world = self.world
        if world.chance(world.faults.lose):
            return
        copies = 2 if world.chance(world.faults.double) else 1
        for _ in range(copies):
            box.insert(len(box) if not world.faults.double else world.random.randint(0, len(box)), data)


@dataclass
class SlowStream:
    """The binlog, often late: a leader that lags is where regress would show."""

    stream: MemoryStream
    world: World

    def events(self, merge: bool) -> Sequence[Event]:
        if not self.world.chance(0.4):
            return []
        events = self.stream.events(merge or self.world.faults.merged_replay)
        begins = [event for event in events if isinstance(event, TransactionBegin)]
        self.world.merged += sum(GtidSet.parse(begin.gtids or "").count() > 1 for begin in begins)
        return events


@dataclass
class Source:
    world: World

    def binlog_end(self) -> Coordinates:
        return (
            Coordinates("binlog.000001", 0) if self.world.faults.no_hold_after_read else self.world.mysql.binlog_end()
        )

    def place(self, table: Table, keys: Sequence[ChunkKey], ranges: Sequence[HeldRange]) -> list[int | None]:
        raise AssertionError("integer keys have a place that Python knows")

    def current(self, table: TableId) -> Table | None:
        raise AssertionError("no DDL here")


@dataclass
class Fencer:
    world: World
    pending: list[str] = field(default_factory=list)

    ends: dict[str, int] = field(default_factory=dict)

    def start(self, attempt: str) -> None:
        self.pending.append(attempt)
        self.ends[attempt] = self.world.kafka.end(STATE)

    def fenced(self) -> list[tuple[str, int]]:
        if not self.pending or not self.world.chance(0.3):
            return []
        attempt = self.pending.pop(0)
        end = self.world.fence(attempt)
        return [(attempt, self.ends[attempt] if self.world.faults.end_before_fence else end)]


@dataclass
class Hints:
    world: World

    def send(self, hint: Hint) -> None:
        if not self.world.chance(self.world.faults.lose):
            self.world.together += not isinstance(hint, TableId) and len(hint) > 1
            self.world.start_worker(hint)
            if self.world.chance(self.world.faults.double):
                self.world.start_worker(hint)


@dataclass
class Reader:
    world: World

    def executed(self, low: GtidSet) -> bool:
        return self.world.faults.no_wait_for_low or self.world.mysql.executed().covers(low)

    def read(self, granted: Granted) -> Iterator[list[EncodedRow]]:
        for row, version in self.world.mysql.select(granted.table.id, granted.range):
            yield [(key_bytes(row), value_bytes(version) or b"")]


def simulate(seed: int, faults: Faults, ticks: int = 1500) -> World:
    """Runs a world: first with writes and faults, then in peace until everything has arrived."""
    world = World(seed, faults)
    world.run(ticks)
    world.writing = False
    peace = Faults(**{**faults.__dict__, "crash": 0, "lose": 0, "double": 0, "lose_commit": 0, "rival": 0})
    world.faults = peace
    for _ in range(200):
        world.run(150)
        world.settle()
        if arrived(world):
            return world
    raise Unavailable(f"seed {seed}: the world did not come to rest")


def arrived(world: World) -> bool:
    # A superseded leader that has nothing to write does not notice; in the real world its lease ends it.
    leaders = [world.leaders.get(actor.name) for actor in world.actors]
    if world.kafka.open or any(not actor.name.startswith("leader") for actor in world.actors):
        return False
    end = world.mysql.binlog_end()
    return any(x and x.ledger.snapshot_done and x.reached == end and not x.ledger.moved for x in leaders)
