"""A seeded world in which the shipped leader, ledger, takeover and attempts run against the memory twins.

One tick moves one actor by one step. Actors crash, sleep through their own funerals and wake as zombies; questions,
answers, hints and heartbeats are lost, doubled and late; commits lose their answers. Nothing else is random, so a seed
replays exactly.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from scheduler.dispatch import Hint, Sweep
from shared.adapters.memory.kafka import Cluster, MemorySink
from shared.adapters.memory.mysql import Layout, MemoryMysql, MemoryStream, cells, key_bytes, table_of, value_bytes
from shared.codec import FormatOptions, key_reader
from shared.errors import NotFollowing, SchemaChanged, Transient
from shared.machines.ledger import MemoryHold, StoredState, TableRecord
from shared.model.chunk import ChunkId, KeyRange
from shared.model.orders import AskChunks, AskReread, AskSplit, AskSweep, Bounds, GaveUp, SplitTable, SweepTable, Swept
from shared.model.schema import Table, TableId
from shared.model.throttle import Limits
from tests.simulation.faults import Faults
from tests.simulation.ports import STATE, ApartSink, Fencer, Gauge, Hints, Post, Reader, SlowLog, SlowStream, Source
from workers.binlog.anew import take_in
from workers.binlog.leader import Leader
from workers.binlog.ports import Policy, Ports
from workers.binlog.stamps import Stamps
from workers.binlog.takeover import first_records, records_of, take_over
from workers.snapshot.attempt import Outcome, attempt_reading

#: Tables and their rows: two that are split into three chunks, and small ones that are read together.
SIZES = {"a": 9, "b": 9, "c": 2, "e": 2, "f": 1}
TABLES = [table_of(TableId("d", name), ("id", "v", "w")) for name in SIZES]
SMALL = 2
SECONDS_PER_TICK = 0.05


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
    rereads: int = 0
    sweeps: int = 0
    joined: int = 0
    again: int = 0
    grown: int = 0
    held: set[tuple[bytes, bytes | None]] = field(default_factory=set)
    most_held: int = 0
    streams: list[str] = field(default_factory=list)
    trace: deque[str] = field(default_factory=lambda: deque(maxlen=20_000))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.mysql.gtids = self.seed % 4 != 3  # one in four is a server without GTIDs
        self.stamps = Stamps(wanted=self.seed % 5 == 4)  # in one of five changes tell of their transactions
        # A throttle may only make a job slower.
        self.limits = Limits(rows_per_second=100, max_threads_running=10) if self.chance(0.3) else Limits()
        # Half of the worlds make a table later.
        self.late = [self.random.choice(TABLES)] if self.chance(0.5) else []
        for table in TABLES:
            if table not in self.late:
                self.mysql.rows[table.id] = {}
        self.mysql.commit([(table, row, True) for table in self.mysql.rows for row in range(0, SIZES[table.table], 2)])
        self.settle()

    @property
    def tables(self) -> list[Table]:
        """Those that MySQL shows, with the columns that it shows."""
        return [table_of(t.id, self.mysql.layout(t.id)) for t in TABLES if t.id in self.mysql.rows]

    def settled(self) -> bool:
        """True when MySQL says that it has executed all that it shows."""
        return all(commit.executed for commit in self.mysql.binlog if commit.visible and commit.named)

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
            if self.writing and self.chance(self.faults.reread):
                self.start_reread()
            if self.writing and self.chance(self.faults.truncate):
                self.truncate()
            if self.writing and self.chance(self.faults.swap):
                self.swap()
            if self.writing and self.chance(0.002):
                self.make()
            if self.writing and self.chance(self.faults.alter):
                self.alter()
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
                self.note(f"{actor.name} falls asleep until {actor.asleep_until}")
            else:
                self.actors.remove(actor)
                self.note(f"{actor.name} dies")
            return
        try:
            next(actor.moves)
        except StopIteration:
            self.actors.remove(actor)
        except Transient as error:
            self.actors.remove(actor)
            self.note(f"{actor.name} ends: {error.message}")

    def note(self, what: str) -> None:
        """A line of the trace, which a failing seed prints."""
        self.trace.append(f"{self.tick:6} {what}")

    # MySQL.

    def write(self) -> None:
        locked, altering = self.mysql.locked(), self.mysql.altering()
        made = [table for table in self.mysql.rows if table not in altering]
        free = [(t, row) for t in made for row in range(SIZES[t.table]) if (t, row) not in locked]
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
            self.note(f"MySQL writes {', '.join(f'{t.table}/{row}' for t, row in writes)}")
            self.mysql.commit([(table, row, alive) for (table, row), alive in writes.items()])

    def idle_table(self) -> Table | None:
        """One that nothing invisible is done to; perhaps none."""
        table = self.random.choice(self.tables)
        busy = self.mysql.altering() | {name for name, _ in self.mysql.locked()}
        return None if table.id in busy else table

    def alter(self) -> None:
        if (table := self.idle_table()) is None:
            return
        name, layout = table.id.table, tuple(column.name for column in table.columns)
        new = f"c{len(self.mysql.binlog) + 1}"
        moved: Layout = ("id", *reversed(layout[1:]))
        kinds = [
            (f"ALTER TABLE {name} ADD COLUMN {new} BIGINT", (*layout, new)),
            (f"ALTER TABLE {name} ADD COLUMN {new} BIGINT NULL AFTER id", ("id", new, *layout[1:])),
            (f"ALTER TABLE {name} MODIFY v BIGINT AFTER w", moved),
            (f"ALTER TABLE {name} MODIFY v BIGINT AFTER w", moved),
            (f"ALTER TABLE {name} ADD INDEX (v)", layout),
            *(
                (f"ALTER TABLE {name} DROP COLUMN {old}", tuple(c for c in layout if c != old))
                for old in layout
                if old.startswith("c")
            ),
        ]
        sql, after = self.random.choice(kinds)
        self.note(f"MySQL runs {sql}")
        self.mysql.alter(sql, table.id, after)

    def truncate(self) -> None:
        if (table := self.idle_table()) is not None:
            self.note(f"MySQL truncates {table.id}")
            self.mysql.run(f"TRUNCATE TABLE {table.id.table}", table.id, range(rows(table)))

    def swap(self) -> None:
        if (table := self.idle_table()) is not None:
            self.note(f"MySQL renames another table to {table.id}")
            every = range(rows(table))
            self.mysql.run(f"RENAME TABLE x TO {table.id.table}", table.id, every, [self.chance(0.5) for _ in every])

    def make(self) -> None:
        for table in self.late:
            self.note(f"MySQL makes {table.id}")
            self.mysql.run(f"CREATE TABLE {table.id.table} (id BIGINT PRIMARY KEY)", table.id, range(rows(table)))
        self.late = []

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
        self.note(f"{name} starts")
        self.actors.append(Actor(name, self.lead(name)))

    def lead(self, name: str) -> Generator[None, None, None]:
        rules = self.faults.rules
        sink = self.sink("job", rules.leader_sink)
        log = SlowLog(self, STATE)
        state = yield from take_over(sink, log, self.fence_all)
        if state.position is None:
            begin = self.mysql.executed()
            while not self.settled():  # the catalog is looked at some time later
                yield
            new = rules.described(self.newcomers(state), begin, self.mysql.executed())
            state = first_records(begin, "server", new)
            sink.commit(records_of(state))
            ledger = rules.ledger(state, 1, "server", self.parallelism, self.new_hold)
        else:
            self.takeovers += 1
            names = [table.id for table in TABLES]
            while not (rules.looks_early or self.mysql.shows_columns(state.position.processed, names)):
                yield
            if self.newcomers(state):
                while not self.settled():
                    yield
                new = [replace(record, since=self.mysql.executed()) for record in self.newcomers(state)]
                again = sum(record.table.id in state.tables for record in new)
                self.joined, self.again = self.joined + len(new) - again, self.again + again
                state, records = take_in(state, new)
                sink.commit(records)
            ledger = rules.ledger(state, state.position.epoch + 1, "server", self.parallelism, self.new_hold)
        for record in list(ledger.tables.values()):  # as a tenure that opens does it
            if record.rows_estimate <= SMALL and not record.split_done:
                ledger.split(record.table.id, None, [], finished=True)
        self.streams.append(name)
        known = {name: record.table for name, record in ledger.tables.items()}
        self.grown += sum(column.added for table in known.values() for column in table.columns)
        stream = SlowStream(MemoryStream(self.mysql, ledger.stream_from, known, self.appetite), self)
        keys = partial(key_reader, options=FormatOptions())
        ports = Ports(stream, sink, log, Post(self), Source(self), Gauge(self), Fencer(self), Hints(self), keys)
        policy = Policy(self.parallelism, joins=lambda table: table not in known, stamped=self.stamps.wanted)
        self.leaders[name] = leader = rules.leader(ledger, ports, policy, self.limits)
        yield
        while not leader.reopen or ledger.in_transaction:
            leader.step(self.now)
            self.most_held = max(self.most_held, ledger.held_events())
            yield
        leader.finish()

    def newcomers(self, state: StoredState) -> list[TableRecord]:
        """The tables that MySQL shows and the job does not have, or not as they are now."""
        known = {name for name, record in state.tables.items() if not record.stale}
        new = (table for table in self.tables if table.id not in known)
        return [TableRecord(table, table.id.table, rows(table), 3) for table in new]

    def appetite(self) -> int:
        """How many transactions the decoder puts together, if it has so many and may."""
        return self.random.choice([1, 2, 3, 9])

    def new_hold(self) -> MemoryHold:
        """A hold that tells the world what it was given, for the checkers."""
        hold = self.faults.rules.hold()
        put = hold.put

        def noted(key: bytes, value: bytes | None) -> None:
            self.held.update(change for _, some in self.stamps.off([(key, value)]) for change in some)
            put(key, value)

        hold.put = noted  # type: ignore[method-assign]
        return hold

    def sink(self, transactional_id: str, kind: type[MemorySink] = MemorySink) -> MemorySink:
        def lost() -> str:
            return self.random.choice(["before", "after"]) if self.chance(self.faults.lose_commit) else ""

        return kind(self.kafka, transactional_id, STATE, lost)

    def fence_all(self, attempts: Sequence[str]) -> None:
        for attempt in attempts:
            self.fence(attempt)

    def fence(self, attempt: str) -> int:
        self.fences += 1
        self.note(f"{attempt} is fenced")
        if not self.faults.no_fence:
            self.kafka.init(attempt)
        return self.kafka.end(STATE)

    # Workers.

    def start_worker(self, hint: Hint) -> None:
        self.serial += 1
        name = f"worker-{self.serial}"
        self.note(f"{name} takes the hint {hint}")
        if isinstance(hint, Sweep):
            moves = self.sweep(hint.table, name)
        else:
            moves = self.split(hint, name) if isinstance(hint, TableId) else self.read(hint, name)
        self.actors.append(Actor(name, moves))

    def read(self, chunks: tuple[ChunkId, ...], name: str) -> Generator[None, None, None]:
        one_id = self.faults.rules.one_id_per_chunk
        sink = self.sink(f"attempt-{chunks[0]}" if one_id else f"attempt-{name}")
        sink.open()
        yield
        patience = self.tick + 400
        question = AskChunks(chunks, sink.transactional_id, name)
        for _ in reported(
            attempt_reading(question, ApartSink(sink, self), Post(self), Reader(self)), question, Post(self)
        ):
            if self.tick > patience and not sink.pending:
                return
            if self.faults.doze and sink.pending and self.chance(self.faults.doze):
                self.doze(name)
            yield

    def doze(self, name: str) -> None:
        """An attempt that has written is silent for about as long as its leader waits before it has it fenced."""
        until = self.tick + self.random.randint(90, 200)
        for actor in self.actors:
            if actor.name == name:
                actor.asleep_until = until
                self.note(f"{name} dozes until {until}")

    def start_reread(self) -> None:
        self.serial += 1
        name = f"reread-{self.serial}"
        self.actors.append(Actor(name, self.reread(name)))

    def reread(self, name: str) -> Generator[None, None, None]:
        """A range, or some keys of it, of a table that may be live (rule 10). The keys that the topic may have are all."""
        table = self.random.choice(TABLES)
        bounds = KeyRange(*self.random.choice([(None, None), (None, (4,)), ((4,), None), ((2,), (7,))]))
        only = self.chance(0.5)
        keys = range(rows(table))
        again = frozenset(self.random.sample(keys, self.random.randint(1, len(keys))) if only else keys)
        leader = next(reversed(self.leaders.values()), None)
        known = (
            table if leader is None or table.id not in leader.ledger.tables else leader.ledger.tables[table.id].table
        )
        yield from self.attempt_again(name, table, bounds, Reader(self, again, only, known=known))

    def attempt_again(self, name: str, table: Table, bounds: KeyRange, reader: Reader) -> Generator[None, None, bool]:
        """True when the attempt was granted and ended well."""
        if self.faults.rules.absence_read_early:
            reader.gone = reader.absent(table.id, bounds)
        sink = self.sink(f"attempt-{name}")
        sink.open()
        yield
        question = AskReread(table.id, bounds, sink.transactional_id, name)
        patience = self.tick + 400
        attempt = reported(attempt_reading(question, sink, Post(self), reader), question, Post(self))
        while self.tick < patience or sink.pending:
            try:
                next(attempt)
            except StopIteration as end:
                self.rereads += end.value.read
                return bool(end.value.read)
            yield
        return False

    def reread_until_done(self, name: str, table: Table, reader: Reader) -> Generator[None, None, bool]:
        """True when an attempt at the whole table has ended well."""
        patience = self.tick + 2000
        for serial in count():
            try:
                if (yield from self.attempt_again(f"{name}-{serial}", table, KeyRange(None, None), reader)):
                    return True
            except Transient:
                pass
            if self.tick > patience:
                return False
        return False

    def sweep(self, table: TableId, name: str) -> Generator[None, None, None]:
        """Compares the topic with its table, when the leader wants it, and has what differs read again."""
        post = Post(self)
        post.ask(AskSweep(table, name, name))
        patience = self.tick + 400
        while (answer := post.answer_for(name)) is None and self.tick < patience:
            yield
        if not isinstance(answer, SweepTable):
            return
        end = self.kafka.end(answer.topic)
        while self.kafka.stable_end(answer.topic) < end:
            post.beat(name, 0, 0)
            yield
        views = (self.kafka.committed(answer.topic), self.kafka.topics.get(answer.topic, [])[:end])
        folds = [{message.key: message.value for message in view}.items() for view in views]
        while not (self.faults.rules.sweep_compares_early or self.mysql.shows(answer.low, [table])):
            post.beat(name, 0, 0)
            yield
        found: dict[bytes, bytes | None] = {}
        for piece in (KeyRange(None, (3,)), KeyRange((3,), None)):
            layout = self.mysql.layout(answer.table.id)
            if not {column.name for column in answer.table.columns} <= set(layout):
                return
            rows_now = self.mysql.select(answer.table.id, piece)
            found |= {key_bytes(row): value_bytes(answer.table, cells(layout, row, at)) for row, at in rows_now}
            yield
        differ = {key for fold in folds for key, value in fold ^ found.items() if value is not None}
        keys = frozenset(key_reader(answer.table, FormatOptions())(key)[0] for key in differ)
        if keys and not (
            yield from self.reread_until_done(name, answer.table, Reader(self, keys, only=True, known=answer.table))
        ):
            return
        self.sweeps += 1
        post.ask(Swept(table, name, answer.emptied))

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


def reported(
    attempt: Generator[None, None, Outcome], question: AskChunks | AskReread, post: Post
) -> Generator[None, None, Outcome]:
    """The attempt; as the process that runs it, tells its leader when a table is not as it should be."""
    try:
        return (yield from attempt)
    except (SchemaChanged, NotFollowing) as error:
        fatal = isinstance(error, SchemaChanged)
        post.ask(GaveUp(question.attempt, type(error).__name__, error.message, error.hint, fatal=fatal))
        return Outcome(reason=error.message)


def rows(table: Table) -> int:
    return SIZES[table.id.table]
