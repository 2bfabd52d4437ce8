"""One run of `scheduler verify`: which parts there are, who compares them, what they found.

A task is a hint, as everywhere: it may be lost or doubled. So a part that nobody takes is sent again, and one whose worker
falls silent or meets an error that may pass is tried again under a new number.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

from scheduler.cli.access import Access, Run
from scheduler.cli.output import Output
from scheduler.cli.pace import NO_READER, PATIENCE_SECONDS
from scheduler.dispatch.captions import key_range
from shared.errors import Unavailable
from shared.machines.ledger import TableRecord
from shared.model.chunk import KeyRange
from shared.model.job import Wanted
from shared.model.schema import TableId
from shared.model.verify import WHOLE, Action, Counts, Difference, Failure, Report, Stage, VerifyPart

_LOOK_SECONDS = 0.5

#: A part that nobody has taken is sent again after so long, and a hint is forgotten some time later. A worker whose clock runs
#: ahead must not take every hint for expired.
_REPEAT_SECONDS = 60.0
_HINT_SECONDS = 120

#: A report that is gone for so long is gone with its worker; one that Redis forgot comes again within a second.
_GONE_SECONDS = 5.0

#: Tries of one part, and the pause before the next one.
_TRIES = 3
_PAUSE_SECONDS = 3.0

#: Without a worker that compares anything, and without Redis, the run ends after so long.
_WORKERLESS_SECONDS_MAX = 600.0
_REDISLESS_SECONDS_MAX = 30.0

_CAPTIONS = {
    Action.COMPARE: "compared with its topic",
    Action.REPAIR: "compared with its topic and repaired",
    Action.RESYNC: "written again",
}

#: Differences that are shown of a table.
SHOWN_MAX = 1000


@dataclass(slots=True, eq=False)
class Part:
    """One part and what is known of it."""

    order: VerifyPart
    report: Report | None = None
    sent_at: float | None = None
    gone_since: float | None = None
    not_before: float = 0.0
    over: bool = False
    failure: Failure | None = None
    differences: list[Difference] = field(default_factory=list)

    @property
    def active(self) -> bool:
        """True while a worker has it, or should take it."""
        return self.sent_at is not None and not self.over

    @property
    def running(self) -> bool:
        """True while a worker compares it."""
        return self.active and self.report is not None


@dataclass(slots=True)
class TableRun:
    """A table, or why it is left out."""

    record: TableRecord
    parts: list[Part] = field(default_factory=list)
    skipped: str = ""

    @property
    def over(self) -> bool:
        """True when nothing more will come."""
        return all(part.over for part in self.parts)

    @property
    def counts(self) -> Counts:
        """What was found in all parts that are done."""
        total = Counts()
        for part in self.parts:
            if part.over and part.report is not None:
                total = total.plus(part.report.counts)
        return total

    @property
    def failure(self) -> Failure | None:
        """Why it could not be compared, or not all of it."""
        return next((part.failure for part in self.parts if part.failure is not None), None)

    @property
    def differences(self) -> list[Difference]:
        """The first differences with their values."""
        return [found for part in self.parts for found in part.differences][:SHOWN_MAX]


def task_of(wanted: Wanted, action: Action = Action.COMPARE) -> VerifyPart:
    """What is asked of every table of a job; what belongs to a single part is filled in later."""
    return VerifyPart(wanted.name, wanted.id, "", 0, 0, TableId("", ""), action=action)


#: Takes how it stands, and the seconds since the beginning.
Show = Callable[[Sequence[TableRun], float], None]


class Verification:
    """The run.

    Args:
        access: the world.
        output: where notes go.
        wanted: the job.
        task: what each part is about: sample, action, condition, keys. The rest of it is filled in.
        show: is called about twice a second.
    """

    def __init__(self, access: Access, output: Output, wanted: Wanted, task: VerifyPart, show: Show) -> None:
        self._access = access
        self._output = output
        self._wanted = wanted
        self._task = task
        self._show = show
        self._id = secrets.token_hex(8)
        self._run: Run = access.verify_run(self._id)
        self._window = access.parallelism(wanted)
        self._numbers = count()
        self._tables: list[TableRun] = []
        self._heard = self._redis_at = access.monotonic()
        self._told = False

    def run(self, tables: Sequence[TableRun]) -> None:
        """Compares the tables that are not left out; what was found is in them afterwards.

        Raises:
            Unavailable: Redis does not answer, or no worker compares anything.
        """
        self._tables = list(tables)
        for table in self._tables:
            if not table.skipped:
                table.parts = [self._part(table.record, WHOLE)]
        began = self._access.monotonic()
        try:
            while True:
                self._turn(self._access.monotonic())
                self._show(self._tables, self._access.monotonic() - began)
                if all(table.over for table in self._tables):
                    return
                self._access.sleep(_LOOK_SECONDS)
        finally:
            self._end()

    def _turn(self, now: float) -> None:
        """Redis may be away for a moment: tasks bear that, so we do."""
        try:
            self._run.renew()
            for table, part in list(self._parts()):
                if part.active:
                    self._look(table, part, now)
            self._send(now)
        except Unavailable:
            if now - self._redis_at > _REDISLESS_SECONDS_MAX:
                raise
        else:
            self._redis_at = now
        self._be_patient(now)

    def _look(self, table: TableRun, part: Part, now: float) -> None:
        report = self._run.report(part.order.name)
        if report is None:
            self._miss(table, part, now)
            return
        part.report, part.gone_since = report, None
        self._heard = now
        if report.stage is Stage.DONE:
            part.differences = self._run.take_differences(part.order.name)
            part.over = True
        elif report.stage is Stage.DIVIDED:
            ends = [None, *report.bounds, None]
            ranges = [KeyRange(lower, upper) for lower, upper in pairwise(ends)]
            table.parts = [self._part(table.record, one) for one in ranges]
        elif report.stage is Stage.FAILED and report.error is not None:
            self._fail(part, report.error, now)

    def _miss(self, table: TableRun, part: Part, now: float) -> None:
        """There is no report: the hint waits or is lost, or its worker is."""
        if part.report is None:
            if part.sent_at is not None and now - part.sent_at > _REPEAT_SECONDS:
                self._hint(table, part, now)
            return
        part.gone_since = part.gone_since or now
        if now - part.gone_since > _GONE_SECONDS:
            lost = f"Worker {part.report.worker} fell silent while it compared {part.order.table}."
            self._fail(part, Failure("Unavailable", lost, "Look at the worker's log.", transient=True), now)

    def _fail(self, part: Part, failure: Failure, now: float) -> None:
        if not failure.transient or part.order.attempt + 1 >= _TRIES:
            part.over, part.failure, part.report = True, failure, None
            return
        self._output.note(f"{part.order.table} is compared again. {failure.message}")
        part.order = replace(part.order, attempt=part.order.attempt + 1)
        part.report = part.sent_at = part.gone_since = None
        part.not_before = now + _PAUSE_SECONDS

    def _send(self, now: float) -> None:
        """No more parts at a time than the job may have readers of MySQL."""
        free = self._window - sum(part.active for _, part in self._parts())
        for table, part in self._parts():
            if free <= 0:
                return
            if not part.over and part.sent_at is None and part.not_before <= now:
                self._hint(table, part, now)
                free -= 1

    def _hint(self, table: TableRun, part: Part, now: float) -> None:
        where = key_range(table.record.table, part.order.range)
        self._access.hint_verify(
            part.order,
            f"{part.order.table} {_CAPTIONS[part.order.action]}{', ' if where else ''}{where}",
            _HINT_SECONDS,
        )
        part.sent_at = now

    def _be_patient(self, now: float) -> None:
        if any(part.running for _, part in self._parts()):
            self._heard = now
        waited = now - self._heard
        if waited > PATIENCE_SECONDS and not self._told:
            self._told = True
            self._output.note(NO_READER)
        if waited > _WORKERLESS_SECONDS_MAX:
            raise Unavailable(
                f"No snapshot worker has compared anything for {_WORKERLESS_SECONDS_MAX:.0f} s.",
                "Start `celery -A workers.app worker -Q snapshot -E`, or wait until its workers are free.",
            )

    def _part(self, record: TableRecord, bounds: KeyRange) -> Part:
        number = next(self._numbers)
        order = replace(
            self._task, run=self._id, number=number, table=record.table.id, range=bounds, sharing=self._window
        )
        return Part(order)

    def _parts(self) -> Iterator[tuple[TableRun, Part]]:
        return ((table, part) for table in self._tables for part in table.parts)

    def _end(self) -> None:
        """Whatever still runs has no reader any more."""
        try:
            self._run.end()
        except Unavailable:
            return  # it ends by itself, half a minute after our last sign
