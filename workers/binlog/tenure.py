"""One tenure of one job, from taking over to stepping back. Runs in a child process of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from scheduler.dispatch import Hint
from shared import clock
from shared.adapters.redis import client as redis_client
from shared.adapters.redis import progress
from shared.adapters.redis.lease import Leases
from shared.adapters.redis.mail import LeaderMail
from shared.codec import key_reader
from shared.errors import InvalidJob, Superseded, Unavailable
from shared.machines.ledger import summary
from shared.model.orders import CHUNK_TASK, SNAPSHOT_QUEUE, SPLIT_TASK, Answer, GaveUp, Question, chunks_to_json
from shared.model.schema import TableId
from shared.runtime import connections, logs
from shared.runtime.celery_app import make_app
from shared.runtime.liveness import WORK_SECONDS, Heart
from workers.binlog.leader import Leader
from workers.binlog.opening import JobContext, Opened, open_tenure
from workers.binlog.ports import Policy, Ports

LOG = logs.get("headrace.binlog")

#: An idle loop looks at Kafka's state topic this often; MySQL and questions wake it at once.
_IDLE_SECONDS = 0.02

_STATUS_SECONDS = 1.0

#: Hints are forgotten after this long. It is several times the time after which they are sent again, because a worker
#: whose clock runs ahead must not take every hint for expired.
_HINT_SECONDS = 120


class RedisMail:
    """Questions through a thread that waits for them, so that they wake the leader; tolerates a Redis that is away."""

    def __init__(self, url: str, job: str, wake: threading.Event) -> None:
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
    """Hints as Celery tasks; they expire when the leader would send them again."""

    def __init__(self, app: Celery, job: str, job_id: str) -> None:
        self._app = app
        self._job = job
        self._job_id = job_id

    def send(self, hint: Hint) -> None:
        """See `Hints`; a hint that Redis does not take is sent again later."""
        arguments: dict[str, Any] = {"job": self._job, "job_id": self._job_id}
        if isinstance(hint, TableId):
            task = SPLIT_TASK
            arguments |= {"database": hint.database, "table": hint.table}
        else:
            task = CHUNK_TASK
            arguments |= {"chunks": chunks_to_json(hint)}
        try:
            self._app.send_task(task, kwargs=arguments, queue=SNAPSHOT_QUEUE, expires=_HINT_SECONDS)
        except OperationalError as error:
            LOG.warning("hint_lost", reason=str(error))


class Tenure:
    """Runs a leader until it is told to stop, loses the lease or meets an error.

    Args:
        context: the job.
        holder: this binlog worker's name in leases.
        stopped: tells whether to step back.
    """

    def __init__(self, context: JobContext, holder: str, stopped: Callable[[], bool]) -> None:
        self._context = context
        self._holder = holder
        self._codec = context.codec.name
        self._stopped = stopped
        self._url = context.settings.redis_url.get_secret_value()
        self._redis = redis_client.connect(self._url)
        self._leases = Leases(self._redis, holder, context.settings.lease_seconds)
        self._wake = threading.Event()
        self._heart = Heart(context.settings.liveness_dir, f"tenure-{context.wanted.id}", WORK_SECONDS)
        self._target = f"{context.spec.source.hostname}:{context.spec.source.port}"
        self._renewed = 0.0
        self._published = 0.0

    def run(self) -> None:
        """Leads.

        Raises:
            HeadraceError: the tenure ended in an error.
        """
        self._beat()
        opened = open_tenure(self._context, self._leases, self._wake)
        name = self._context.wanted.name
        LOG.info("tenure_begins", job=name, epoch=opened.ledger.epoch, server_id=opened.server_id, codec=self._codec)
        mail = RedisMail(self._url, name, self._wake)
        hints = CeleryHints(make_app(self._context.settings), name, self._context.wanted.id)
        keys = partial(key_reader, options=connections.format_options(self._context.spec))
        ports = Ports(opened.stream, opened.sink, opened.log, mail, opened.source, opened.fencer, hints, keys)
        policy = Policy(opened.ledger.parallelism, silence=self._context.settings.silence_seconds)
        leader = Leader(opened.ledger, ports, policy)
        try:
            self._lead(leader, opened)
            leader.finish()
        finally:
            mail.close()
            opened.stack.close()
            LOG.info("tenure_ends", job=name, epoch=opened.ledger.epoch)

    def _lead(self, leader: Leader, opened: Opened) -> None:
        while not self._stopped():
            now = clock.monotonic_seconds()
            self._beat()
            worked = leader.step(now)
            self._renew(now, opened.server_id)
            self._publish(now, leader, opened)
            if not worked:
                self._wake.wait(_IDLE_SECONDS)
                self._wake.clear()

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
            self._leases.use_server_id(self._target, server_id)
        except Unavailable as error:
            LOG.warning("lease_not_renewed", reason=error.message)  # Kafka's fencing keeps the data right meanwhile
            return
        if not still:
            raise Superseded("Another binlog worker took the lease of the job.")

    def _publish(self, now: float, leader: Leader, opened: Opened) -> None:
        if now - self._published < _STATUS_SECONDS:
            return
        self._published = now
        status = self._status(leader, opened)
        try:
            progress.publish(self._redis, self._context.wanted.name, status)
        except Unavailable as error:
            LOG.warning("status_not_published", reason=error.message)

    def _status(self, leader: Leader, opened: Opened) -> dict[str, Any]:
        ledger = leader.ledger
        end = opened.source.binlog_end()
        behind = opened.source.bytes_behind(leader.reached, end)
        running: dict[TableId, int] = {}
        for chunk, rows in leader.progress().items():
            running[chunk.table] = running.get(chunk.table, 0) + rows
        committed = leader.commit_microseconds / 1e6
        lag = max(0.0, clock.unix_seconds() - committed) if behind and committed else 0.0
        return summary(ledger.tables.values(), ledger.processed, ledger.epoch, running) | {
            "job_id": self._context.wanted.id,
            "leader": self._holder,
            "codec": self._codec,
            "server_id": opened.server_id,
            "coordinates": str(leader.reached),
            "lag_bytes": behind,
            "lag_seconds": round(lag, 3),
            "changes": leader.changes,
            "held_events": ledger.held_events(),
            "readers": ledger.claimed,
            "worker_error": _error(leader.worker_error),
            "mysql": {"connections": 2, "queries": opened.source.queries},
            "updated_at": clock.unix_seconds(),
        }


def _error(message: GaveUp | None) -> dict[str, str] | None:
    if message is None:
        return None
    return {"name": message.error, "message": message.message, "hint": message.hint}
