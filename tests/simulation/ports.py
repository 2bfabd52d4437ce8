"""The ports of leaders and workers in the world: what they promise is what the real ones promise, at their worst."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scheduler.dispatch import Hint
from shared.adapters.memory.kafka import MemoryLog, MemorySink
from shared.adapters.memory.mysql import MemoryStream, cells, key_bytes, value_bytes
from shared.errors import NotFollowing, SchemaChanged, Unavailable
from shared.machines.ledger import HeldRange, Record
from shared.model.binlog import Event, TransactionBegin
from shared.model.change import Change, ChunkKey
from shared.model.chunk import KeyRange
from shared.model.label import Origin
from shared.model.orders import Answer, Beat, Granted, Question, decode, encode
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Table, TableId
from shared.model.throttle import Limits, Pace, Pressure

if TYPE_CHECKING:
    from tests.simulation.world import World

STATE = "state"


@dataclass
class ApartSink:
    """The attempt's sink; with the rule switched off it commits the rows before the done-mark."""

    sink: MemorySink
    world: World

    @property
    def transactional_id(self) -> str:
        return self.sink.transactional_id

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin) -> None:
        self.sink.write_all(topic, changes, origin)

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

    def beat(self, attempt: str, rows: int, size: int, waits: str = "") -> None:
        self.ask(Beat(attempt, rows, size, waits))

    def tell(self) -> None: ...

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
        lost = world.chance(world.faults.lose)
        world.note(f"{'LOST ' if lost else ''}{data.decode()[:200]}")
        if lost:
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
        if not self.world.chance(self.world.faults.stream):
            return []
        events = self.stream.events(merge or self.world.faults.merged_replay)
        begins = [event for event in events if isinstance(event, TransactionBegin)]
        self.world.merged += sum(GtidSet.parse(begin.gtids or "").count() > 1 for begin in begins)
        return events


class SlowLog(MemoryLog):
    """The state topic as a consumer has it: what was committed arrives some time later."""

    def __init__(self, world: World, topic: str) -> None:
        super().__init__(world.kafka, topic)
        self._world = world

    def poll(self) -> list[Record]:
        return super().poll() if self._world.chance(self._world.faults.log) else []


@dataclass
class Source:
    world: World

    def binlog_end(self) -> Coordinates:
        return (
            Coordinates("binlog.000001", 0) if self.world.faults.no_hold_after_read else self.world.mysql.binlog_end()
        )

    def place(self, table: Table, keys: Sequence[ChunkKey], ranges: Sequence[HeldRange]) -> list[int | None]:
        raise AssertionError("integer keys have a place that Python knows")

    def wait_for(self, position: GtidSet, tables: Collection[TableId]) -> None:
        if not (self.world.faults.rules.looks_early or self.world.mysql.shows_columns(position, tables)):
            raise Unavailable("not shown yet")

    def current(self, table: TableId) -> Table | None:
        return next((known for known in self.world.tables if known.id == table), None)

    def shown(self) -> GtidSet:
        return self.world.mysql.shown()


@dataclass
class Gauge:
    """A server whose load comes and goes; in peace it has room for all."""

    world: World

    def pressure(self, limits: Limits) -> Pressure:
        return Pressure(self.world.random.randint(0, 15) if self.world.writing else 0)


@dataclass
class Fencer:
    world: World
    pending: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)

    def start(self, attempt: str) -> None:
        self.pending.append(attempt)
        self.ends[attempt] = self.world.kafka.end(STATE)

    def fenced(self) -> list[tuple[str, int]]:
        if not self.pending or not self.world.chance(self.world.faults.fence):
            return []
        attempt = self.pending.pop(0)
        end = self.world.fence(attempt)
        return [(attempt, self.ends[attempt] if self.world.faults.end_before_fence else end)]


@dataclass
class Hints:
    world: World
    sent: set[Hint] = field(default_factory=set)

    def send(self, hint: Hint) -> None:
        if self.world.faults.rules.hints_once and hint in self.sent:
            return
        self.sent.add(hint)
        if not self.world.chance(self.world.faults.lose):
            self.world.together += isinstance(hint, tuple) and not isinstance(hint, TableId) and len(hint) > 1
            self.world.start_worker(hint)
            if self.world.chance(self.world.faults.double):
                self.world.start_worker(hint)


@dataclass
class Reader:
    """`again` are keys of a range that is read again; with `only`, nothing else of it is read. `known` is the table as whoever reads
    again knows it; None to read it as the leader does.
    """

    world: World
    again: frozenset[int] = frozenset()
    only: bool = False
    received: int = 0
    gone: list[int] | None = None
    place: str = "MySQL"
    known: Table | None = None

    def executed(self, low: GtidSet, tables: Collection[TableId]) -> bool:
        faults, mysql = self.world.faults, self.world.mysql
        if faults.no_wait_for_low or (faults.rules.waits_for_the_place and mysql.executed().covers(low)):
            return True
        return mysql.shows(low, tables)

    def read(self, granted: Granted) -> Iterator[list[Change]]:
        found = dict(self.world.mysql.select(granted.table.id, granted.range))
        layout = self.world.mysql.layout(granted.table.id)
        table = self.known or granted.table
        if table != granted.table and not self.world.faults.rules.reads_again_as_before:
            raise NotFollowing(f"{table.id} has got other columns since.")
        if not {column.name for column in table.columns} <= set(layout):
            raise SchemaChanged(f"{granted.table.id} has other columns.", "")
        gone = self.gone if self.gone is not None else self.absent(granted.table.id, granted.range)
        for row, version in found.items():
            if row in self.again or not self.only:
                self.received += 1
                yield [(key_bytes(row), value_bytes(table, cells(layout, row, version)))]
        if gone:
            yield [(key_bytes(row), None) for row in gone]

    def absent(self, table: TableId, bounds: KeyRange) -> list[int]:
        """Of the keys that are looked for in the range, those that have no row."""
        rows = self.world.mysql.rows.get(table, {})
        return [row for row in sorted(self.again) if bounds.holds((row,)) and row not in rows]

    def rested(self, rows: int, pace: Pace) -> bool:
        return not pace.rows_per_second or self.world.chance(0.5)
