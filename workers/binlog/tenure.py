"""One tenure of one job, from taking over to stepping back. Runs in a child process of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from scheduler.dispatch import Hint, Sweep
from scheduler.dispatch.captions import caption
from shared import clock
from shared.adapters.redis import client as redis_client
from shared.adapters.redis import progress
from shared.adapters.redis.lease import Leases
from shared.adapters.redis.mail import LeaderMail
from shared.codec import key_reader
from shared.errors import BinlogLost, InvalidJob, Superseded, Unavailable
from shared.job.throttling import as_json
from shared.machines.ledger import Ledger
from shared.model.orders import (
    CHUNK_TASK,
    SNAPSHOT_QUEUE,
    SPLIT_TASK,
    SWEEP_TASK,
    Answer,
    Question,
    ReadChunks,
    chunks_to_json,
)
from shared.model.schema import TableId
from shared.model.topic import Placing
from shared.runtime import connections, logs, metrics
from shared.runtime.celery_app import make_app
from shared.runtime.liveness import WORK_SECONDS, Heart
from workers.binlog.context import JobContext
from workers.binlog.figures import Figures
from workers.binlog.leader import Leader
from workers.binlog.opening import Opened, open_tenure, require_past, why_lost
from workers.binlog.ports import Policy, Ports
from workers.binlog.tables import adding

LOG = logs.get("headrace.binlog")

#: An idle loop looks at Kafka's state topic this often; MySQL and questions wake it at once.
_IDLE_SECONDS = 0.02

_STATUS_SECONDS = 1.0

#: Well below the time after which Redis forgets them (shared/adapters/redis/progress.py).
_STATUS_SECONDS_MAX = 5.0

#: Tables whose figures are published in a second; more of them make it rarer.
_TABLES_PER_SECOND = 1000

#: Hints are forgotten after this long. It is several times the time after which they are sent again, because a worker
#: whose clock runs ahead must not take every hint for expired.
_HINT_SECONDS = 120


class RedisMail:
    """Questions through a thread that waits for them, so that they wake the leader; tolerates a Redis that is away.
    What an attempt must know of `topics` and of the `salt` is added to its answer.
    """

    def __init__(self, url: str, job: str, wake: threading.Event, topics: Mapping[str, Placing], salt: str) -> None:
        self._topics = topics
        self._salt = salt
        self._mail = LeaderMail(redis_client.connect(url), job)
        self._waiting = LeaderMail(redis_client.connect(url, timeout_seconds=10), job)
        self._wake = wake
        self._questions: deque[Question] = deque()
        self._stopped = threading.Event()
        threading.Thread(target=self._listen, name="mail", daemon=True).start()

    def receive(self) -> list[Question]:
        """See `Mail`."""
        questions = []
        while self._questions:
            questions.append(self._questions.popleft())
        return questions

    def answer(self, answer: Answer) -> None:
        """See `Mail`; an answer that Redis does not take is lost, and its asker gives up."""
        if isinstance(answer, ReadChunks):
            granted = tuple(replace(one, placing=self._topics.get(one.topic)) for one in answer.granted)
            answer = replace(answer, granted=granted, salt=self._salt)
        try:
            self._mail.answer(answer)
        except Unavailable as error:
            LOG.warning("answer_lost", reason=error.message)

    def close(self) -> None:
        """Ends the thread within seconds."""
        self._stopped.set()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                question = self._waiting.wait(seconds=2)
                batch = [question, *self._mail.receive()] if question else []
            except Unavailable as error:
                LOG.warning("mail_unavailable", reason=error.message)
                self._stopped.wait(1)
                continue
            self._questions.extend(batch)
            if batch:
                self._wake.set()


class CeleryHints:
    """Hints as Celery tasks; they expire when the leader would send them again. Each has a caption for people, made from
    what the ledger knows of it.
    """

    def __init__(self, app: Celery, job: str, job_id: str, ledger: Ledger) -> None:
        self._app = app
        self._job = job
        self._job_id = job_id
        self._ledger = ledger

    def send(self, hint: Hint) -> None:
        """See `Hints`; a hint that Redis does not take is sent again later."""
        arguments: dict[str, Any] = {"job": self._job, "job_id": self._job_id}
        if isinstance(hint, TableId | Sweep):
            task, table = (SPLIT_TASK, hint) if isinstance(hint, TableId) else (SWEEP_TASK, hint.table)
            arguments |= {"database": table.database, "table": table.table}
        else:
            task = CHUNK_TASK
            arguments |= {"chunks": chunks_to_json(hint)}
        try:
            self._app.send_task(
                task,
                kwargs=arguments,
                queue=SNAPSHOT_QUEUE,
                expires=_HINT_SECONDS,
                argsrepr=caption(hint, self._ledger.tables, self._ledger.waiting),
            )
        except OperationalError as error:
            LOG.warning("hint_lost", reason=str(error))


class Tenure:
    """Runs a leader until it is told to stop, loses the lease or meets an error.

    Args:
        context: the job.
        holder: this binlog worker's name in leases.
        stopped: tells whether to step back.
        changes: new wishes for the throttle, as they arrive.
    """

    def __init__(
        self,
        context: JobContext,
        holder: str,
        stopped: Callable[[], bool],
        changes: SimpleQueue[Mapping[str, str]],
    ) -> None:
        self._context = context
        self._holder = holder
        self._codec = context.codec.name
        self._stopped = stopped
        self._changes = changes
        self._changed: Mapping[str, str] = context.wanted.throttle
        self._url = context.settings.redis_url.get_secret_value()
        self._redis = redis_client.connect(self._url)
        self._leases = Leases(self._redis, holder, context.settings.lease_seconds)
        self._wake = threading.Event()
        self._heart = Heart(context.settings.liveness_dir, f"tenure-{context.wanted.id}", WORK_SECONDS)
        self._target = str(connections.mysql_target(context.spec))
        self._renewed = 0.0
        self._published = 0.0

    def run(self) -> bool:
        """Leads. True when the job is over, because all that it should do was to copy its tables.

        Raises:
            HeadraceError: the tenure ended in an error.
        """
        self._beat()
        limits = self._context.limits(self._changed)
        opened = open_tenure(self._context, self._leases, self._wake)
        name = self._context.wanted.name
        ledger = opened.ledger
        LOG.info(
            "tenure_begins",
            epoch=ledger.epoch,
            server_id=opened.server_id,
            codec=self._codec,
            gtid=str(ledger.processed),
        )
        if ledger.epoch > 1:
            metrics.TAKEOVERS.labels(name).inc()
        mail = RedisMail(self._url, name, self._wake, opened.topics, self._context.salt)
        hints = CeleryHints(make_app(self._context.settings), name, self._context.wanted.id, opened.ledger)
        options = connections.format_options(self._context.spec)
        keys = partial(key_reader, options=options)
        ports = Ports(
            opened.stream, opened.sink, opened.log, mail, opened.source, opened.gauge, opened.fencer, hints, keys
        )
        policy = Policy(
            ledger.parallelism,
            silence=self._context.settings.silence_seconds,
            sweep=self._context.spec.sink.on_truncate == "tombstones",
            follow=self._context.spec.pipeline.follows_schema,
            adds=adding(self._context.spec, options),
            joins=opened.joins,
            stamped=bool(self._context.spec.sink.metadata_headers),
        )
        leader = Leader(ledger, ports, policy, limits)
        figures = Figures(name, leader, opened)
        try:
            over = self._lead(leader, opened, figures)
            leader.finish()
            return over
        except BinlogLost as error:
            raise why_lost(opened, error, self._target) from None
        finally:
            mail.close()
            opened.stack.close()
            with suppress(Unavailable):  # it expires by itself
                self._leases.free_server_id(self._target, opened.server_id, name)
            figures.count()
            LOG.info("tenure_ends", epoch=ledger.epoch, gtid=str(ledger.processed))

    def _lead(self, leader: Leader, opened: Opened, figures: Figures) -> bool:
        ends = self._context.spec.source.startup.ends
        while not self._stopped():
            if leader.reopen and not leader.ledger.in_transaction:
                LOG.info("tenure_reopens", reason=leader.reopen)  # the next one begins at once
                return False
            now = clock.monotonic_seconds()
            self._beat()
            self._change_limits(leader)
            worked = leader.step(now)
            if ends and _is_copied(leader.ledger):
                return True  # before anybody is told that it streams
            self._renew(now, opened.server_id)
            if self._publish(now, leader, figures):
                require_past(opened, self._target)
            if not worked:
                self._wake.wait(_IDLE_SECONDS)
                self._wake.clear()
        return False

    def _change_limits(self, leader: Leader) -> None:
        if self._changes.empty():
            return
        self._changed = self._changes.get()
        limits = self._context.limits(self._changed)
        LOG.info("limits_changed", limits=as_json(limits))
        leader.throttle.change(limits)

    def _beat(self) -> None:
        """A folder that cannot be written is this machine's fault and no reason to end the job for good."""
        try:
            self._heart.beat()
        except InvalidJob as error:
            raise Unavailable(error.message, error.hint) from None

    def _renew(self, now: float, server_id: int) -> None:
        """Progress renews the lease: a leader that hangs loses it."""
        if now - self._renewed < self._context.settings.lease_seconds / 4:
            return
        self._renewed = now
        try:
            still = self._leases.lead(self._context.wanted.name)
            self._leases.use_server_id(self._target, server_id, self._context.wanted.name)
        except Unavailable as error:
            LOG.warning("lease_not_renewed", reason=error.message)  # Kafka's fencing keeps the data right meanwhile
            metrics.count_error(self._context.wanted.name, error)
            return
        if not still:
            raise Superseded("Another binlog worker took the lease of the job.")

    def _publish(self, now: float, leader: Leader, figures: Figures) -> bool:
        """Publishes the figures from time to time; True when it was time."""
        # Thousands of tables make a megabyte of figures: they are then published less often.
        pause = max(_STATUS_SECONDS, min(len(leader.ledger.tables) / _TABLES_PER_SECOND, _STATUS_SECONDS_MAX))
        if now - self._published < pause:
            return False
        self._published = now
        taken = figures.take(now, self._changed)
        figures.show(taken)
        whose = {"job_id": self._context.wanted.id, "leader": self._holder, "codec": self._codec}
        try:
            progress.publish(self._redis, self._context.wanted.name, taken | whose)
        except Unavailable as error:
            LOG.warning("status_not_published", reason=error.message)
        return True


def _is_copied(ledger: Ledger) -> bool:
    """True when every topic is its table as of R, and nobody is at work."""
    if ledger.in_transaction or not ledger.snapshot_done or any(ledger.held_chunks()):
        return False
    return all(record.swept >= record.emptied for record in ledger.tables.values())
