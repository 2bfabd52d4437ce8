"""What one worker process needs to compare parts: the jobs' registry, and how a part's comparison is put together.

Made lazily in the process that uses it: neither librdkafka nor sockets survive a fork.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from shared import clock
from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import Registry
from shared.adapters.kafka.snapshot import TopicReader, messages_at
from shared.adapters.mysql.session import Session
from shared.adapters.redis import client as redis_client
from shared.adapters.redis.lease import leader_of
from shared.adapters.redis.verify import VerifyDesk
from shared.adapters.sqlite.folds import FoldStore
from shared.codec import Codec
from shared.errors import HeadraceError, Transient, Unavailable
from shared.job.spec import JobSpec
from shared.job.throttling import in_force
from shared.model.change import ChunkKey
from shared.model.job import Wanted, state_topic
from shared.model.throttle import Limits, Pressure
from shared.model.verify import Counts, Failure, Report, Stage, VerifyPart
from shared.runtime import connections, logs, metrics
from shared.runtime.liveness import WORK_SECONDS, Heart
from shared.settings import Settings
from workers.binlog.gauge import MysqlGauge
from workers.snapshot.office import UnknownJob
from workers.verify.compare import Scope, compare
from workers.verify.desk import Desk
from workers.verify.job import FollowedJob
from workers.verify.keys import Keys
from workers.verify.ports import Step, Verdict
from workers.verify.reading import Subject, TableRows

LOG = logs.get("headrace.verify")

#: What a task says that stopped because its command did.
NOT_WANTED = "nobody waits for it any more"
#: What a task says of a part that it may not compare.
NOT_OURS = "another worker compares it, or nobody waits for it any more"


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
        return {"rows": counts.rows, **found, "seconds": round(self.seconds, 3)}


class _Opened(NamedTuple):
    """All that one comparison works with."""

    rows: TableRows
    job: FollowedJob
    scope: Scope
    sink: dict[str, str]
    topic: str


@dataclass(slots=True)
class VerifyOffice:
    """One process's belongings.

    Args:
        settings: of this process.
        codec: which encodes rows.
        worker: its name for people.
    """

    settings: Settings
    codec: Codec
    worker: str
    _registry: Registry | None = None
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
                compared = self._compare(part, desk, report)
            except HeadraceError as error:
                failure = Failure(error.name, error.message, error.hint, isinstance(error, Transient))
                desk.finish(Report(Stage.FAILED, self.worker, error=failure))
                raise
        return compared._replace(seconds=clock.monotonic_seconds() - began)

    def _compare(self, part: VerifyPart, desk: Desk, report: Callable[[int], None]) -> Compared:
        with ExitStack() as stack:
            opened = self._open(part, stack)
            if bounds := opened.rows.divided(part.sharing):
                return self._divide(desk, bounds)
            topic = stack.enter_context(closing(TopicReader(opened.sink, opened.topic)))
            store = stack.enter_context(FoldStore())
            fetch = partial(messages_at, opened.sink, opened.topic)
            steps = compare(opened.scope, topic, opened.rows, opened.job, store, fetch)
            stack.callback(steps.close)
            stage: Stage | None = None
            suspects = 0
            while desk.wanted:
                self._heart.beat()
                try:
                    step: Step = next(steps)
                except StopIteration as end:
                    return self._finish(desk, end.value)
                if step.stage is not stage:
                    stage = step.stage
                    suspects = store.open()
                if stage is Stage.READING:
                    report(step.done)
                desk.note(Report(stage, self.worker, step.done, step.total, suspects, step.waits))
                self._rest(desk, step.rest)
        return Compared(reason=NOT_WANTED)

    def _open(self, part: VerifyPart, stack: ExitStack) -> _Opened:
        wanted, spec, registry = self._job(part)
        sink = connections.sink_config(spec)
        count_brokers(sink)  # a login that is refused is told here, not after minutes
        log = stack.enter_context(TopicLog(sink, state_topic(self.settings.registry_topic, part.job_id)))
        job = FollowedJob(wanted, part.table, log, registry, partial(self._led, part.job))
        record = job.record
        options = connections.format_options(spec)
        keys = Keys(record.table, options)
        gauge = _Load(spec, part.job)
        stack.callback(gauge.close)
        rows = TableRows(
            connections.mysql_target(spec),
            metrics.mysql_cost(part.job, metrics.VERIFY),
            self.codec,
            options,
            Subject(record.table, part.range, record.chunk_rows, keys),
            in_force(spec.source.throttle, wanted.throttle),
            part.sharing,
            gauge,
        )
        stack.callback(rows.leave)
        return _Opened(rows, job, Scope(keys.within(part.range), part.sample), sink, record.topic)

    def _divide(self, desk: Desk, bounds: list[ChunkKey]) -> Compared:
        desk.finish(Report(Stage.DIVIDED, self.worker, bounds=tuple(bounds)))
        return Compared(ranges=len(bounds) + 1)

    def _finish(self, desk: Desk, verdict: Verdict) -> Compared:
        counts = verdict.counts
        desk.finish(
            Report(Stage.DONE, self.worker, counts.rows, counts.rows, counts.differ, counts=counts), verdict.shown
        )
        return Compared(counts)

    def _rest(self, desk: Desk, seconds: float) -> None:
        end = clock.monotonic_seconds() + seconds
        while desk.wanted and (left := end - clock.monotonic_seconds()) > 0:
            self._heart.beat()
            desk.wait(min(left, 1.0))

    def _job(self, part: VerifyPart) -> tuple[Wanted, JobSpec, Registry]:
        if self._registry is None:
            self._registry = connections.open_registry(self.settings)
        self._registry.refresh()
        wanted = self._registry.wanted.get(part.job)
        if wanted is None or wanted.id != part.job_id:
            raise UnknownJob(f"Job {part.job} ({part.job_id}) is not in topic {self.settings.registry_topic}.")
        return wanted, connections.resolve(wanted, dict(os.environ)), self._registry

    def _led(self, job: str) -> bool:
        try:
            return leader_of(self._redis(), job) != ""
        except Unavailable:
            return True  # nobody knows

    def _redis(self) -> Any:
        if self._client is None:
            self._client = redis_client.connect(self.settings.redis_url.get_secret_value())
        return self._client


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
