"""A worker's desk: questions and answers through Redis, and a heartbeat that goes on while MySQL or Kafka are slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from shared import clock
from shared.adapters.redis.mail import WorkerMail
from shared.errors import HeadraceError, Unavailable, policy_of
from shared.model.orders import Answer, Beat, GaveUp, Question
from shared.runtime import logs

LOG = logs.get("headrace.snapshot")

_BEAT_SECONDS = 1.0

#: Times that the worker looks for an answer, half a second each, before it takes the leader for absent.
_LOOKS_MAX = 30

#: It asks again after so many looks: the leader that took its question may be gone.
_LOOKS_PER_QUESTION = 5


class RedisDesk:
    """Implements `workers.snapshot.attempt.Desk`; a context manager around one attempt. `asked` is when the first question was sent,
    and `answered` when the leader's answer came, by the clock that never goes back; `report` hears of every batch, and must not wait.
    """

    def __init__(self, mail: WorkerMail, attempt: str, report: Callable[[int], None] = lambda _: None) -> None:
        self.asked = 0.0
        self.answered = 0.0
        self._report = report
        self._mail = mail
        self._attempt = attempt
        self._looks = 0
        self._question: Question | None = None
        self._read = (0, 0, "")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=logs.inherited(self._beat_on), name="heartbeat", daemon=True)

    def ask(self, question: Question) -> None:
        """Sends a question."""
        self.asked = self.asked or clock.monotonic_seconds()
        self._question = question
        self._mail.ask(question)

    def answer(self, attempt: str) -> Answer | None:
        """The leader's answer; waits half a second for it.

        Raises:
            Unavailable: no leader answered for a long while.
        """
        self._looks += 1
        if self._looks > _LOOKS_MAX:
            raise Unavailable("No leader answered.", "Check that a binlog worker runs: python -m workers.binlog.")
        if self._question is not None and self._looks % _LOOKS_PER_QUESTION == 0:
            self._mail.ask(self._question)
        answer = self._mail.wait(attempt, 0.5)
        self.answered = clock.monotonic_seconds()
        return answer

    def beat(self, attempt: str, rows: int, size: int, waits: str = "") -> None:  # noqa: ARG002 - the desk belongs to one attempt
        """Notes how far the attempt is, and what it waits for; the thread tells the leader every second."""
        self._read = rows, size, waits
        self._report(rows)
        if not self._thread.is_alive() and not self._ended.is_set():
            self._thread.start()

    def tell(self) -> None:
        """Tells the leader how far the attempt is."""
        try:
            self._mail.ask(Beat(self._attempt, *self._read))
        except Unavailable as error:
            LOG.warning("heartbeat_lost", reason=error.message)

    def gave_up(self, error: HeadraceError, *, fatal: bool = True) -> None:
        """Tells the leader, which then need not wait for silence.

        Args:
            error: what happened.
            fatal: whether an error that waiting cannot mend stops the job.
        """
        fatal = fatal and not policy_of(type(error)).retried
        try:
            self._mail.ask(GaveUp(self._attempt, error.name, error.message, error.hint, fatal))
        except Unavailable as lost:
            LOG.warning("report_lost", reason=lost.message)

    def __enter__(self) -> RedisDesk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _beat_on(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self.tell()
