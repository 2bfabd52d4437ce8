"""What one worker process keeps between tasks: the jobs it knows, its Redis client, and a producer opened ahead.

Made lazily in the process that uses it: neither librdkafka nor sockets survive a fork.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from shared import clock
from shared.adapters.kafka.placing import TopicWatch
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import Registry
from shared.adapters.kafka.sink import UpsertSink
from shared.adapters.mysql import progress
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.adapters.redis import client as redis_client
from shared.adapters.redis.mail import WorkerMail
from shared.codec import Codec
from shared.errors import HeadraceError, Transient
from shared.job.spec import JobSpec
from shared.model.chunk import ChunkId, KeyRange, named
from shared.model.job import Wanted, state_topic
from shared.model.mask import require_salt
from shared.model.orders import AskChunks, AskReread, AskSplit, Refused, SplitTable
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.runtime import connections, logs, metrics
from shared.runtime.liveness import WORK_SECONDS, Heart
from shared.settings import Settings
from workers.snapshot.attempt import Outcome, Reader, attempt_reading
from workers.snapshot.desk import RedisDesk
from workers.snapshot.reading import ChunkReader, PlacedReader
from workers.snapshot.splitting import split_table

LOG = logs.get("headrace.snapshot")


#: The attempt that an error belongs to when a worker failed before it had one.
_NO_ATTEMPT = "none"


class UnknownJob(Transient):
    """The hint names a job that the registry does not have (any more)."""


class Splitting(NamedTuple):
    """How a search for bounds ended without an error: how many it reported, or why it looked for none."""

    bounds: int = 0
    reason: str = ""


@dataclass(slots=True)
class Office:
    """One process's belongings.

    Args:
        settings: of this process.
        codec: which reads rows.
        worker: its name in questions and logs.
    """

    settings: Settings
    codec: Codec
    worker: str
    _specs: dict[str, JobSpec] = field(default_factory=dict)
    _watches: dict[str, TopicWatch] = field(default_factory=dict)
    _registry: Registry | None = None
    _spares: dict[str, Future[UpsertSink]] = field(default_factory=dict)
    _opener: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "open-sink"))
    _heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        self._heart = Heart(self.settings.liveness_dir, "attempt", WORK_SECONDS)

    def read_chunks(self, job: str, job_id: str, chunks: tuple[ChunkId, ...], report: Callable[[int], None]) -> Outcome:
        """Makes one attempt at some chunks; `report` hears how many rows it has read.

        Raises:
            HeadraceError: the attempt failed; the leader was told.
        """
        with self._heart:
            with self._reported(job):
                spec = self._spec(job, job_id)
                sink = self._take_sink(spec, job, job_id)
            with sink, RedisDesk(self.mail(job), sink.transactional_id, report) as desk:
                return self._attempt(spec, job, job_id, chunks, sink, desk)

    def read_again(
        self, job: str, job_id: str, table: TableId, bounds: KeyRange, reader: Reader, report: Callable[[int], None]
    ) -> Outcome:
        """Makes one attempt at a range of a live table (DESIGN rule 10); the reader stays the caller's, also for another try.

        Raises:
            HeadraceError: the attempt failed. The leader was told, and the job goes on.
        """
        with self._heart:
            spec = self._spec(job, job_id)
            sink = self._take_sink(spec, job, job_id)
            with sink, RedisDesk(self.mail(job), sink.transactional_id, report) as desk:
                question = AskReread(table, bounds, sink.transactional_id, self.worker)
                try:
                    return self._run(question, sink, desk, reader, (spec, job, job_id))
                except HeadraceError as error:
                    desk.gave_up(error, fatal=False)
                    raise

    def split(self, job: str, job_id: str, table: TableId, report: Callable[[int], None]) -> Splitting:
        """Looks for a table's bounds if the leader wants them; `report` hears how many it has found.

        Raises:
            HeadraceError: the splitter failed; the leader was told.
        """
        with self._heart, self._reported(job):
            spec = self._spec(job, job_id)
        attempt = f"split.{_fresh()}"
        with self._heart, RedisDesk(self.mail(job), attempt) as desk:
            try:
                desk.ask(AskSplit(table, attempt, self.worker))
                while (answer := desk.answer(attempt)) is None:
                    pass
                if isinstance(answer, SplitTable):
                    return Splitting(self._split(spec, job, desk, answer, report))
                return Splitting(reason=answer.reason if isinstance(answer, Refused) else "answered amiss")
            except HeadraceError as error:
                desk.gave_up(error)
                raise

    def _split(self, spec: JobSpec, job: str, desk: RedisDesk, order: SplitTable, report: Callable[[int], None]) -> int:
        found = 0
        cost = metrics.mysql_cost(job, metrics.SPLIT)
        target, place = _target(spec)
        with Session(target, f"split {order.table.id}", cost) as session:
            if spec.source.snapshot_hosts:
                with Session(connections.mysql_target(spec), f"split {order.table.id}", cost) as source:
                    executed = progress.executed(source, by_place=False)
                self._wait_for_replica(session, executed, order, desk, place)
            for bounds in split_table(session, order):
                self._heart.beat()
                desk.ask(bounds)
                found += len(bounds.bounds)
                report(found)
        return found

    def _wait_for_replica(
        self, replica: Session, executed: GtidSet, order: SplitTable, desk: RedisDesk, place: str
    ) -> None:
        """A replica that lags may not even have the table. Readers wait for P there, of which a splitter knows nothing."""
        gate = progress.Gate()
        while not gate.shows(replica, executed, [order.table.id]):
            self._heart.beat()
            desk.beat(order.attempt, 0, 0, f"{place} to execute what its source has")
        desk.beat(order.attempt, 0, 0)

    def _attempt(
        self, spec: JobSpec, job: str, job_id: str, chunks: tuple[ChunkId, ...], sink: UpsertSink, desk: RedisDesk
    ) -> Outcome:
        target, place = _target(spec)
        cost = metrics.mysql_cost(job, metrics.SNAPSHOT)
        options, purpose = connections.format_options(spec), f"chunk {named(chunks)}"
        reader = ChunkReader(target, self.codec, options, purpose, cost, spec.source.condition, place)
        try:
            question = AskChunks(chunks, sink.transactional_id, self.worker)
            outcome = self._run(question, sink, desk, reader, (spec, job, job_id))
            outcome = outcome._replace(bytes=reader.received, seconds=clock.monotonic_seconds() - desk.answered)
        except HeadraceError as error:
            desk.gave_up(error)
            raise
        finally:
            reader.close()
        if outcome.read:
            metrics.count_written(job, "snapshot", reader.tallies)
            metrics.ADMISSION_SECONDS.labels(job).observe(desk.answered - desk.asked)
            metrics.ATTEMPT_SECONDS.labels(job).observe(outcome.seconds)
        return outcome

    def _run(
        self,
        question: AskChunks | AskReread,
        sink: UpsertSink,
        desk: RedisDesk,
        reader: Reader,
        spare: tuple[JobSpec, str, str],
    ) -> Outcome:
        spec, job, job_id = spare
        placed, watch = PlacedReader(reader), self._watches[job_id]
        sink.guard = lambda _: watch.require(placed.topics)
        salt, who = spec.source.masks.fingerprint(job_id), f"Snapshot worker {self.worker}"
        steps = attempt_reading(question, sink, desk, placed, partial(require_salt, own=salt, who=who, job=job))
        while True:
            self._heart.beat()
            try:
                next(steps)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            self._open_ahead(*spare)

    @contextmanager
    def _reported(self, job: str) -> Iterator[None]:
        """Tells the leader of an error that stops this worker before it can ask for anything; others may do better."""
        try:
            yield
        except UnknownJob:
            raise  # the hint is old, and nothing is wrong
        except HeadraceError as error:
            RedisDesk(self.mail(job), _NO_ATTEMPT).gave_up(error)
            raise

    def mail(self, job: str) -> WorkerMail:
        """The way to a job's leader."""
        return WorkerMail(redis_client.connect(self.settings.redis_url.get_secret_value()), job)

    @property
    def registry(self) -> Registry:
        """The registry of all jobs, opened when it is first used."""
        if self._registry is None:
            self._registry = connections.open_registry(self.settings)
        return self._registry

    def wanted(self, job: str, job_id: str) -> Wanted:
        """The job of that id, as it is wanted now.

        Raises:
            UnknownJob: the registry does not have it (any more).
        """
        self.registry.refresh()
        wanted = self.registry.wanted.get(job)
        if wanted is None or wanted.id != job_id:
            raise UnknownJob(f"Job {job} ({job_id}) is not in topic {self.settings.registry_topic}.")
        return wanted

    def _spec(self, job: str, job_id: str) -> JobSpec:
        """The job of that id. An id's text never changes, so what is known stays known."""
        if job_id not in self._specs:
            spec = connections.resolve(self.wanted(job, job_id), dict(os.environ))
            config = connections.sink_config(spec)
            count_brokers(config)  # a login that is refused is told here, not after minutes
            self._watches[job_id] = TopicWatch(config)
            self._specs[job_id] = spec
        return self._specs[job_id]

    def _take_sink(self, spec: JobSpec, job: str, job_id: str) -> UpsertSink:
        """A producer with a fresh id, initialised: the spare one, or a new one."""
        spare = self._spares.pop(job_id, None)
        return spare.result() if spare is not None else self._new_sink(spec, job, job_id)

    def _open_ahead(self, spec: JobSpec, job: str, job_id: str) -> None:
        """Opens the next attempt's producer while this one's rows are read; opening takes a tenth of a second."""
        if job_id not in self._spares:
            self._spares[job_id] = self._opener.submit(self._new_sink, spec, job, job_id)

    def _new_sink(self, spec: JobSpec, job: str, job_id: str) -> UpsertSink:
        sink = UpsertSink(
            connections.sink_config(spec),
            f"headrace.{job_id}.{_fresh()}",
            state_topic(self.settings.registry_topic, job_id),
            buffer_kbytes=self.settings.sink_buffer_mb * 1024,
            committed=metrics.COMMIT_SECONDS.labels(job, "snapshot").observe,
            label=connections.labels(spec),
        )
        sink.open()
        return sink


def _target(spec: JobSpec) -> tuple[MysqlTarget, str]:
    """A server to copy from, and what people call it."""
    target = connections.snapshot_target(spec)
    return target, f"{'replica' if spec.source.snapshot_hosts else 'MySQL at'} {target}"


def _fresh() -> str:
    return secrets.token_hex(8)
