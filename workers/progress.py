"""How far a running task is, as an event of Celery that Flower shows as the task's state PROGRESS and its result so far.

Only events reach Flower: a state that is stored in a result backend does not, and headrace has no such backend.
"""

from __future__ import annotations

import threading
from types import TracebackType

from celery import Celery
from kombu.exceptions import OperationalError

from shared.runtime import logs

LOG = logs.get("headrace.snapshot")

#: Between two events of one task; a task that is through sooner sends none.
EVENT_SECONDS = 1.0

#: An event that is on its way at the end is waited for this long: one that came after the result would replace it.
_LAST_EVENT_SECONDS = 2.0

#: Once more over a new connection, for the old one may have been idle for long.
_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Progress:
    """Tells of one task, from a thread of its own: a Redis that hangs then costs neither the read nor its signs of life
    a moment.

    Args:
        app: whose events they are.
        task_id: the task, as Celery calls it.
        worker: the worker's node name.
        unit: what is counted.
        seconds: between two events.
    """

    def __init__(self, app: Celery, task_id: str, worker: str, unit: str, seconds: float = EVENT_SECONDS) -> None:
        self._app = app
        self._task_id = task_id
        self._worker = worker
        self._unit = unit
        self._seconds = seconds
        self._done = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=logs.inherited(self._tell_on), name="progress", daemon=True)

    def note(self, done: int) -> None:
        """Notes how many are done; cheap enough for every batch."""
        self._done = done

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(_LAST_EVENT_SECONDS)

    def _tell_on(self) -> None:
        told = 0
        while not self._ended.wait(self._seconds):
            done = self._done
            if done != told:
                told = done
                self._tell(f"{done} {self._unit} so far")

    def _tell(self, text: str) -> None:
        try:
            with self._app.events.default_dispatcher(hostname=self._worker) as dispatcher:
                dispatcher.send(
                    "task-progress", uuid=self._task_id, result=text, retry=True, retry_policy=_RETRY_POLICY
                )
        except OperationalError as error:
            LOG.warning("progress_lost", reason=str(error))
