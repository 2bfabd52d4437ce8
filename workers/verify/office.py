"""What one worker process needs to compare parts: the jobs' registry, and how a part's comparison is put together.

Made lazily in the process that uses it: neither librdkafka nor sockets survive a fork.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from shared import clock
from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.snapshot import TopicReader, messages_at
from shared.adapters.mysql.session import Session
from shared.adapters.redis import client as redis_client
from shared.adapters.redis.lease import leader_of
from shared.adapters.redis.verify import VerifyDesk
from shared.adapters.sqlite.folds import FoldStore
from shared.codec import Codec
from shared.errors import HeadraceError, NotFollowing, SchemaChanged, Transient, Unavailable
from shared.job.spec import JobSpec
from shared.job.throttling import in_force
from shared.model.change import ChunkKey
from shared.model.chunk import KeyRange
from shared.model.job import Wanted, state_topic
from shared.model.label import Label
from shared.model.mask import require_salt
from shared.model.orders import AskSweep, Refused, SweepTable, Swept
from shared.model.schema import Table, TableId
from shared.model.throttle import Limits, Pressure
from shared.model.verify import WHOLE, Action, Counts, Difference, Failure, Report, Stage, VerifyPart
from shared.runtime import connections, logs, metrics
from shared.runtime.liveness import WORK_SECONDS, Heart
from shared.settings import Settings
from workers.binlog.gauge import MysqlGauge
from workers.mend.mender import Mender
from workers.snapshot.desk import RedisDesk
from workers.snapshot.office import Office
from workers.verify.compare import Scope, compare, compare_mended
from workers.verify.desk import Desk
from workers.verify.job import FollowedJob
from workers.verify.keys import Keys
from workers.verify.mending import Mending
from workers.verify.ports import Step, Verdict
from workers.verify.reading import Subject, TableRows

LOG = logs.get("headrace.verify")

#: What a task says that stopped because its command did.
NOT_WANTED = "nobody waits for it any more"
#: What a task says of a part that it may not compare.
NOT_OURS = "another worker compares it, or nobody waits for it any more"

#: Where it was not told which of the keys that are gone are meant.
GHOSTS_UNKNOWN = "keys that are gone were not looked for, since the condition speaks of more than key columns"

#: Rows of a piece, where the job's own number is not at hand.
_CHUNK_ROWS = 50_000


class _NotWanted(Exception):
    """Nobody waits for the result any more."""


class Compared(NamedTuple):
    """How a part ended without an error: what was found, in how many ranges the table was divided, or why neither."""

    counts: Counts = Counts()
    ranges: int = 0
    seconds: float = 0.0
    reason: str = ""

    def as_result(self) -> dict[str, Any]:
        """What the task says to people."""
        if self.ranges:
            return {"ranges": self.ranges}
        counts = self.counts
        found = {"missing": counts.missing, "stale": counts.stale, "ghost": counts.ghost}
        written = {"written": counts.written} if counts.written else {}
        return {"rows": counts.rows, **found, **written, "seconds": round(self.seconds, 3)}


class _Opened(NamedTuple):
    """All that one comparison works with."""

    rows: TableRows
    job: FollowedJob
    scope: Scope
    sink: dict[str, str]
    topic: str
    label: Label

    def read_topic(self, *, uncommitted: bool = False) -> TopicReader:
        """The table's messages in the topic, from the beginning."""
        return TopicReader(self.sink, self.topic, uncommitted=uncommitted, label=self.label)


@dataclass(slots=True)
class VerifyOffice:
    """One process's belongings.

    Args:
        settings: of this process.
        codec: which encodes rows.
        worker: its name for people.
        attempts: makes attempts at what must be written again.
    """

    settings: Settings
    codec: Codec
    worker: str
    attempts: Office
    _client: Any = None
    _heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        self._heart = Heart(self.settings.liveness_dir, "verify", WORK_SECONDS)

    def compare(self, part: VerifyPart, report: Callable[[int], None]) -> Compared:
        """Compares one part; `report` hears how far it is.

        Raises:
            HeadraceError: it could not; whoever asked was told.
        """
        began = clock.monotonic_seconds()
        wire = VerifyDesk(self._redis(), part.run, part.name, secrets.token_hex(8))
        with self._heart, Desk(wire, Report(Stage.FOLDING, self.worker)) as desk:
            if not desk.take():
                return Compared(reason=NOT_OURS)
            try:
                compared = self._do(part, desk, report)
            except _NotWanted:
                return Compared(reason=NOT_WANTED)
            except HeadraceError as error:
                failure = Failure(error.name, error.message, error.hint, isinstance(error, Transient))
                desk.finish(Report(Stage.FAILED, self.worker, error=failure))
                raise
        return compared._replace(seconds=clock.monotonic_seconds() - began)

    def sweep(self, job: str, job_id: str, table: TableId, report: Callable[[int], None]) -> Compared:
        """Puts the topic of a table right that lost rows without a change of each, if the leader wants it; `report` hears how
        many messages it has written.

        Raises:
            HeadraceError: it could not; the leader was told.
        """
        began = clock.monotonic_seconds()
        attempt = f"sweep.{secrets.token_hex(8)}"
        with self._heart, RedisDesk(self.attempts.mail(job), attempt, report) as desk:
            desk.ask(AskSweep(table, attempt, self.worker))
            while (answer := desk.answer(attempt)) is None:
                pass
            if not isinstance(answer, SweepTable):
                return Compared(reason=answer.reason if isinstance(answer, Refused) else "answered amiss")
            try:
                written = self._sweep(job, job_id, answer, desk)
            except NotFollowing as error:
                return Compared(reason=error.message)  # another sweep is asked for by whoever knows the new columns
            except HeadraceError as error:
                desk.gave_up(error)
                raise
            desk.ask(Swept(table, attempt, answer.emptied))
        return Compared(Counts(written=written), seconds=clock.monotonic_seconds() - began)

    def _sweep(self, job: str, job_id: str, order: SweepTable, desk: RedisDesk) -> int:
        def tell(rows: int, waits: str = "") -> None:
            self._heart.beat()
            desk.beat(order.attempt, rows, 0, waits)

        def rest(seconds: float, why: str) -> None:
            end = clock.monotonic_seconds() + seconds
            tell(mender.written, why)
            while (left := end - clock.monotonic_seconds()) > 0:
                time.sleep(min(left, 1.0))
                tell(mender.written, why)

        tell(0)
        with ExitStack() as stack:
            wanted, spec = self._job(job, job_id)
            rows = self._rows(stack, spec, wanted, order.table, WHOLE, 1)
            mender = Mender(self.attempts, job, job_id, order.table.id, tell)
            label = connections.labels(spec)(order.origin)
            topic = partial(TopicReader, connections.sink_config(spec), order.topic, label=label)
            Mending(rows, mender, topic, rest).swept(order.low)
            return mender.written

    def _do(self, part: VerifyPart, desk: Desk, report: Callable[[int], None]) -> Compared:
        with ExitStack() as stack:
            stack.enter_context(_as_known(part))
            opened = self._open(part, stack)
            mender = Mender(self.attempts, part.job, part.job_id, part.table, partial(self._tell, desk, report))
            if part.action is Action.RESYNC:
                return self._resync(part, opened, desk, mender)
            if bounds := opened.rows.divided(part.sharing):
                return self._divide(desk, bounds)
            topic = stack.enter_context(closing(opened.read_topic()))
            store = stack.enter_context(FoldStore())
            fetch = partial(messages_at, opened.sink, opened.topic, opened.label)
            steps = compare(opened.scope, topic, opened.rows, opened.job, store, fetch)
            verdict: Verdict = self._drive(steps, desk, report, store)
            counts = verdict.counts
            if part.action is Action.REPAIR and counts.differ:
                mender.keys(opened.rows, store.keys())
                left: int = self._drive(
                    compare_mended(opened.scope, topic, opened.rows, opened.job, store), desk, report, store
                )
                counts = replace(counts, written=mender.written, left=left)
            return self._finish(desk, counts, verdict.shown)

    def _resync(self, part: VerifyPart, opened: _Opened, desk: Desk, mender: Mender) -> Compared:
        opened.job.require(opened.rows.now())

        def rest(seconds: float, why: str) -> None:
            self._tell(desk, lambda _: None, mender.written, why)
            self._rest(desk, seconds)

        mending = Mending(opened.rows, mender, opened.read_topic, rest)
        complete = True
        if part.keys:
            mender.keys(opened.rows, [[key.encode() for key in part.keys]])
        elif part.where:
            complete = mending.matching(part.where)
        else:
            mending.whole()
        return self._finish(desk, Counts(written=mender.written), (), waits="" if complete else GHOSTS_UNKNOWN)

    def _drive(
        self, steps: Generator[Step, None, Any], desk: Desk, report: Callable[[int], None], store: FoldStore
    ) -> Any:
        """Runs a comparison to its end; returns what it returns."""
        stage: Stage | None = None
        suspects = 0
        with closing(steps):
            while desk.wanted:
                self._heart.beat()
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                if step.stage is not stage:
                    stage = step.stage
                    suspects = store.open()
                if stage is Stage.READING:
                    report(step.done)
                desk.note(Report(stage, self.worker, step.done, step.total, suspects, step.waits))
                self._rest(desk, step.rest)
        raise _NotWanted

    def _tell(self, desk: Desk, report: Callable[[int], None], rows: int, waits: str) -> None:
        """How far the mending is."""
        self._heart.beat()
        report(rows)
        desk.note(Report(Stage.MENDING, self.worker, rows, 0, 0, waits))
        if not desk.wanted:
            raise _NotWanted

    def _open(self, part: VerifyPart, stack: ExitStack) -> _Opened:
        wanted, spec = self._job(part.job, part.job_id)
        sink = connections.sink_config(spec)
        count_brokers(sink)  # a login that is refused is told here, not after minutes
        log = stack.enter_context(TopicLog(sink, state_topic(self.settings.registry_topic, part.job_id)))
        job = FollowedJob(wanted, part.table, log, self.attempts.registry, partial(self._led, part.job))
        require_salt(job.salt, spec.source.masks.fingerprint(part.job_id), f"Snapshot worker {self.worker}", part.job)
        record = job.record
        rows = self._rows(stack, spec, wanted, record.table, part.range, part.sharing, record.chunk_rows)
        rows.by_place = job.by_place
        keys = Keys(record.table, connections.format_options(spec))
        scope, label = Scope(keys.within(part.range), part.sample), connections.labels(spec)(record.origin)
        return _Opened(rows, job, scope, sink, record.topic, label)

    def _rows(
        self,
        stack: ExitStack,
        spec: JobSpec,
        wanted: Wanted,
        table: Table,
        bounds: KeyRange,
        sharing: int,
        chunk_rows: int = _CHUNK_ROWS,
    ) -> TableRows:
        options = connections.format_options(spec)
        gauge = _Load(spec, wanted.name)

        def limits() -> Limits:
            self.attempts.registry.refresh(to_end=False)
            latest = self.attempts.registry.wanted.get(wanted.name, wanted)
            return in_force(spec.source.throttle, latest.throttle)

        stack.callback(gauge.close)
        rows = TableRows(
            connections.mysql_target(spec),
            metrics.mysql_cost(wanted.name, metrics.VERIFY),
            self.codec,
            options,
            Subject(table, bounds, chunk_rows, Keys(table, options), spec.source.condition(table.id)),
            limits,
            sharing,
            gauge,
        )
        stack.callback(rows.leave)
        return rows

    def _divide(self, desk: Desk, bounds: list[ChunkKey]) -> Compared:
        desk.finish(Report(Stage.DIVIDED, self.worker, bounds=tuple(bounds)))
        return Compared(ranges=len(bounds) + 1)

    def _finish(self, desk: Desk, counts: Counts, shown: Sequence[Difference] = (), waits: str = "") -> Compared:
        report = Report(Stage.DONE, self.worker, counts.rows, counts.rows, counts.differ, waits, counts)
        desk.finish(report, shown)
        return Compared(counts)

    def _rest(self, desk: Desk, seconds: float) -> None:
        end = clock.monotonic_seconds() + seconds
        while desk.wanted and (left := end - clock.monotonic_seconds()) > 0:
            self._heart.beat()
            desk.wait(min(left, 1.0))

    def _job(self, job: str, job_id: str) -> tuple[Wanted, JobSpec]:
        wanted = self.attempts.wanted(job, job_id)
        return wanted, connections.resolve(wanted, dict(os.environ))

    def _led(self, job: str) -> bool:
        try:
            return leader_of(self._redis(), job) != ""
        except Unavailable:
            return True  # nobody knows

    def _redis(self) -> Any:
        if self._client is None:
            self._client = redis_client.connect(self.settings.redis_url.get_secret_value())
        return self._client


@contextmanager
def _as_known(part: VerifyPart) -> Iterator[None]:
    """Columns that MySQL does not have any more are the job's to follow: nobody need mend anything."""
    try:
        yield
    except SchemaChanged as error:
        raise NotFollowing(
            f"{part.table} changed while it was read. {error.message}",
            f"Try again when scheduler status {part.job} shows it as live.",
        ) from None


class _Load:
    """Asks servers for their load, the source on the comparison's own connection."""

    def __init__(self, spec: JobSpec, job: str) -> None:
        self._target = connections.mysql_target(spec)
        self._purpose = f"lag {job}"
        self._cost = metrics.mysql_cost(job, metrics.REPLICA)
        self._session: Session | None = None
        self._gauge: MysqlGauge | None = None

    def __call__(self, session: Session, limits: Limits) -> Pressure:
        """See `Gauge` of `reading`."""
        if self._gauge is None or session is not self._session:
            self.close()
            self._session = session
            self._gauge = MysqlGauge(
                session, lambda replica: Session(self._target.at(replica), self._purpose, self._cost)
            )
        return self._gauge.pressure(limits)

    def close(self) -> None:
        """Ends the connections to replicas."""
        if self._gauge is not None:
            self._gauge.close()
            self._gauge = None
