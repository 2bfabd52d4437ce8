"""The protocol with one rule switched off, each as the smallest change of the shipped code. The simulation must notice.

In which worlds that shows stands in `broken`. What a world switches off itself (waiting for P, fencing, …) stands in `faults.Faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import orjson

from shared.adapters.memory.kafka import MemorySink
from shared.machines.ledger import HeldRanges, Ledger, MemoryHold, TableRecord
from shared.machines.ledger.chunks import ChunkState, Grant, Refusal
from shared.machines.ledger.records import ChunkRecord
from shared.model.binlog import Statement
from shared.model.change import Change
from shared.model.chunk import ChunkId
from shared.model.label import Origin
from shared.model.orders import ReadChunks
from shared.model.position import GtidSet
from shared.model.schema import TableId
from workers.binlog.leader import Leader
from workers.binlog.tables import described


@dataclass(frozen=True)
class Rules:
    """What a world is made of; as shipped, unless a rule is switched off."""

    ledger: type[Ledger] = Ledger
    leader: type[Leader] = Leader
    hold: Callable[[], MemoryHold] = MemoryHold
    leader_sink: type[MemorySink] = MemorySink
    one_id_per_chunk: bool = False
    absence_read_early: bool = False
    sweep_compares_early: bool = False
    reads_again_as_before: bool = False
    looks_early: bool = False
    hints_once: bool = False
    waits_for_the_place: bool = False
    described: Callable[[list[TableRecord], GtidSet, GtidSet], list[TableRecord]] = described


AS_SHIPPED = Rules()


class AnswersBeforeTheClaimIsDurable(Leader):
    """Rule 2: `go` is said at once, and the claim is committed a second later."""

    _late = 0.0

    def _take_questions(self, now: float) -> bool:
        worked = super()._take_questions(now)
        for attempt, found in groupby(self.ledger.committed(), lambda grant: grant.attempt):
            grants = list(found)
            self._ports.mail.answer(ReadChunks(attempt, grants[0].low, tuple(map(self._granted, grants))))
            self._late = now + 1.0
        return worked

    def _commit_if_due(self, now: float, *, idle: bool) -> bool:
        return now >= self._late and super()._commit_if_due(now, idle=idle)


class GrantsTwice(Ledger):
    """Rule 2: whoever asks for a chunk gets it, also while another attempt reads it."""

    def ask(self, chunk_id: ChunkId, attempt: str) -> Refusal | None:
        held = self._held.get(chunk_id)
        if held is not None and held.state is ChunkState.CLAIMED:
            held.attempt = attempt
            self._journal.put(ChunkRecord(chunk_id, held.range, attempt, held.since))
            self._grants.append(Grant(chunk_id, attempt, held.range, self.processed))
            return None
        return super().ask(chunk_id, attempt)


class NeverHolds(Ledger):
    """Rule 3: events of claimed ranges go out as they come."""

    def held_ranges(self, table: TableId) -> HeldRanges | None:
        return None

    def absorb(
        self, table: TableId, changes: Sequence[Change], places: Sequence[int | None] | None = None
    ) -> Sequence[Change]:
        return () if self._replayed else changes


class KeepsEveryEvent(MemoryHold):
    """Rule 5: all held events of a key go out, not the last one only."""

    def __init__(self) -> None:
        super().__init__()
        self._every: list[Change] = []

    def put(self, key: bytes, value: bytes | None) -> None:
        super().put(key, value)
        self._every.append((key, value))

    def batches(self) -> Iterator[list[Change]]:
        return iter([self._every] if self._every else [])


class SkipsWhatNobodyHasRead(Ledger):
    """Rule 6: changes of chunks that still wait are left out, for they will be read anyway."""

    def absorb(
        self, table: TableId, changes: Sequence[Change], places: Sequence[int | None] | None = None
    ) -> Sequence[Change]:
        waiting = [bounds for chunk, bounds in self._waiting.items() if chunk.table == table]
        now = super().absorb(table, changes, places)
        return [change for change in now if not any(bounds.holds((_row(change),)) for bounds in waiting)]


class PlacesMovedRowsByTheirOldKey(Leader):
    """Rule 9: the upsert of a changed primary key goes where its tombstone goes."""

    def _places(self, table: TableId, changes: Sequence[Change], held: HeldRanges) -> Sequence[int | None]:
        places = list(super()._places(table, changes, held))
        for at, ((_, before), (_, after)) in enumerate(pairwise(changes), 1):
            if before is None and after is not None:
                places[at] = places[at - 1]
        return places


class ResumesFromROnly(Ledger):
    """Rule 8: a new leader reads on from R, as if holds had no beginning of their own."""

    def _resume_position(self) -> GtidSet:
        return self.processed


class ForgetsWhatRCovers(Ledger):
    """Rule 8: what is read again is written again."""

    def begin(self, gtids: GtidSet) -> None:
        super().begin(gtids)
        self._replayed = False

    def end(self) -> None:
        self._to_replay = self._to_replay.minus(self.present())
        super().end()


class CommitsInHalves(MemorySink):
    """Rule 12: one MySQL transaction may be divided between two Kafka transactions."""

    def write_all(self, topic: str, changes: Sequence[Change], origin: Origin | None = None) -> None:
        for change in changes:
            if self.pending and topic != self._state_topic:
                super().commit([])
            super().write_all(topic, [change])


class IgnoresRenames(Leader):
    """Rule 13: a table that another took the place of is not copied again."""

    def _statement(self, event: Statement) -> None:
        if not event.sql.startswith("RENAME"):
            super()._statement(event)


class TrustsTheCatalog(Ledger):
    """Rule 13: what a look at the catalog shows holds for all statements that the look is behind."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.columns.looked = lambda table, seen: None  # type: ignore[method-assign]


class GrowsWhatIsRead(Ledger):
    """Rule 13: columns are added to a table that others read by those that it had."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.columns.at_rest = lambda table: True  # type: ignore[method-assign]


class GrowsOn(Leader):
    """Rule 13: rows behind a statement that adds columns are decoded as those before it."""

    def _statement(self, event: Statement) -> None:
        super()._statement(event)
        if "ADD COLUMN" in event.sql:
            self.reopen = ""


class ForgetsWhatTablesJoinedBehind(Ledger):
    """Rule 8: a takeover whose R is past what a table joined behind takes what it reads again for news of that table."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._tables.reached(self.processed)


class NeverSweeps(Ledger):
    """Rule 10: rows that a statement took away stay in the topic."""

    def next_to_sweep(self) -> TableRecord | None:
        return None


class SweepsForLaterToo(Ledger):
    """Rule 10: a sweep counts for statements that came after it had begun."""

    def swept(self, table: TableId, emptied: int) -> None:
        super().swept(table, max(emptied, self.tables[table].emptied))


def _row(change: Change) -> int:
    return int(orjson.loads(change[0])["id"])
