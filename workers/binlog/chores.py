"""Work that one worker at a time does for the leader without holding anything: splitting tables, sweeping topics.

Losing such a worker costs time only. So nothing of it is stored: who is silent for a while is taken for dead, and the hint
is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from scheduler.dispatch import REPEAT_SECONDS
from shared.machines.ledger import Ledger, TableRecord
from shared.model.chunk_key import are_bounds
from shared.model.orders import Answer, AskSplit, AskSweep, Beat, Bounds, Refused, SplitTable, SweepTable, Swept
from shared.model.schema import TableId

#: What workers say of chores.
ChoreQuestion: TypeAlias = AskSplit | Bounds | AskSweep | Swept


@dataclass(slots=True)
class Chore:
    """Who does it.

    Args:
        silence: seconds after which a worker that gives no sign is taken for dead.

    `waits` is what that worker waits for.
    """

    silence: float
    table: TableId | None = None
    attempt: str = ""
    waits: str = ""
    _heard: float = 0.0
    _hinted: tuple[TableId | None, float] = (None, float("-inf"))

    def busy(self, now: float) -> bool:
        """True while somebody is at work."""
        return self.table is not None and now - self._heard <= self.silence

    def begin(self, table: TableId, attempt: str, now: float) -> None:
        """This attempt does it."""
        self.table, self.attempt, self.waits, self._heard = table, attempt, "", now

    def heard(self, attempt: str, now: float, waits: str = "") -> None:
        """An attempt gave a sign; that of another one is nothing."""
        if self.does(attempt):
            self.waits, self._heard = waits, now

    def does(self, attempt: str) -> bool:
        """True when it is this attempt that does it."""
        return self.table is not None and self.attempt == attempt

    def end(self) -> None:
        """Nobody does it any more."""
        self.table = None

    def due(self, table: TableId, now: float) -> bool:
        """True when a hint for this table must be sent, which counts as sent."""
        hinted, at = self._hinted
        if table == hinted and now - at < REPEAT_SECONDS:
            return False
        self._hinted = (table, now)
        return True


class Chores:
    """Who splits and who sweeps.

    Args:
        ledger: which tables need it.
        answer: sends answers to workers.
        silence: see `Chore`.
    """

    def __init__(self, ledger: Ledger, answer: Callable[[Answer], None], silence: float) -> None:
        self._ledger = ledger
        self._answer = answer
        self._splitter = Chore(silence)
        self._sweeper = Chore(silence)

    def take(self, question: ChoreQuestion, now: float, throttled: str) -> None:
        """Answers a question, or takes a result.

        Args:
            question: what a worker says.
            now: seconds of a clock that never goes back.
            throttled: why nothing may be read now; empty when it may.
        """
        match question:
            case AskSplit(table, attempt, _):
                self._admit_splitter(table, attempt, now, throttled)
            case Bounds():
                self._take_bounds(question, now)
            case AskSweep(table, attempt, _):
                self._admit_sweeper(table, attempt, now)
            case Swept(table, attempt, emptied):
                self._ledger.swept(table, emptied)
                if self._sweeper.does(attempt):
                    self._sweeper.end()

    def heard(self, sign: Beat, now: float) -> None:
        """A sign of life. A splitter gives one where it waits for a replica."""
        for chore in (self._splitter, self._sweeper):
            chore.heard(sign.attempt, now, sign.waits)

    def waits(self, now: float) -> list[str]:
        """What those wait for who are at work."""
        return [chore.waits for chore in (self._splitter, self._sweeper) if chore.busy(now) and chore.waits]

    def does(self, attempt: str) -> bool:
        """True when this attempt has a chore."""
        return self._splitter.does(attempt) or self._sweeper.does(attempt)

    def tables_of(self, attempt: str) -> set[TableId]:
        """The tables of which this attempt has a chore."""
        chores = (self._splitter, self._sweeper)
        return {chore.table for chore in chores if chore.table is not None and chore.does(attempt)}

    def end(self, attempt: str) -> None:
        """This attempt has given its chore up, if it had one."""
        for chore in (self._splitter, self._sweeper):
            if chore.does(attempt):
                chore.end()

    def to_split(self, now: float) -> TableId | None:
        """The table to split next; None when a splitter is at work or nothing is left to split."""
        return None if self._splitter.busy(now) else self._ledger.next_to_split()

    def hint_to_sweep(self, now: float) -> TableId | None:
        """The table for which a hint must be sent now, which counts as sent."""
        record = self._to_sweep(now)
        return record.table.id if record is not None and self._sweeper.due(record.table.id, now) else None

    def _to_sweep(self, now: float) -> TableRecord | None:
        # What a statement did must be stored before anybody acts upon it: a sweep covers what was written until then. And the
        # topic then shows all that was processed, which is what the sweep waits for in MySQL.
        return None if self._sweeper.busy(now) or self._ledger.dirty else self._ledger.next_to_sweep()

    def _admit_splitter(self, table: TableId, attempt: str, now: float, throttled: str) -> None:
        if table != self.to_split(now) or throttled:
            self._answer(Refused(attempt, "not to be split now"))
            return
        record = self._ledger.tables[table]
        self._splitter.begin(table, attempt, now)
        self._answer(SplitTable(attempt, record.table, record.split_at, record.chunk_rows, record.rows_estimate))

    def _take_bounds(self, found: Bounds, now: float) -> None:
        record = self._ledger.tables.get(found.table)
        if record is None or not are_bounds(record.table, found.bounds):
            return  # no splitter of ours said so
        taken = self._ledger.split(found.table, found.after, found.bounds, found.finished)
        self._splitter.heard(found.attempt, now)
        # A result that does not fit means that another splitter was at work: that one goes on.
        if self._splitter.does(found.attempt) and (found.finished or not taken):
            self._splitter.end()

    def _admit_sweeper(self, table: TableId, attempt: str, now: float) -> None:
        record = self._to_sweep(now)
        if record is None or record.table.id != table:
            self._answer(Refused(attempt, "not to be swept now"))
            return
        self._sweeper.begin(table, attempt, now)
        self._answer(
            SweepTable(
                attempt,
                record.table,
                record.topic,
                record.emptied,
                record.low(self._ledger.processed),
                record.shard_key,
            )
        )
