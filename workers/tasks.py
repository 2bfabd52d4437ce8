"""The Celery tasks: hints in, one call each. Names and arguments are the wire contract of `shared.model.orders`.

What they return and raise is for people only: Flower shows it (docs/flower.md), and nobody else asks for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from celery import Celery, Task, signals

from scheduler.dispatch.captions import of_tables
from shared.codec import Codec
from shared.errors import HeadraceError, Transient
from shared.model.chunk import ChunkId, named
from shared.model.hints import read_chunk_hint, read_split_hint
from shared.model.orders import CHUNK_TASK, SPLIT_TASK, SWEEP_TASK, VERIFY_TASK
from shared.model.verify import VerifyPart
from shared.runtime import collector, logs, metrics
from shared.settings import Settings
from workers.progress import Progress
from workers.snapshot.attempt import Outcome
from workers.snapshot.office import Office
from workers.verify.office import VerifyOffice

LOG = logs.get("headrace.snapshot")

H = TypeVar("H")

#: What is wrong with a hint is told in so many characters: it may quote the hint, which may be of any length.
_SHOWN_LENGTH_MAX = 200


class UnreadableHint(Transient):
    """A task's arguments are none of ours, or of a newer headrace; nothing was done."""


def register(app: Celery, settings: Settings, codec: Codec) -> None:
    """Adds the tasks to an app. Each process makes its own office on its first task."""
    offices: dict[int, tuple[Office, VerifyOffice]] = {}

    def both() -> tuple[Office, VerifyOffice]:
        pid = os.getpid()
        if pid not in offices:
            offices.clear()  # what a fork brought along is of no use here
            collector.relax()
            name = settings.worker_name or f"{socket.gethostname()}-{pid}"
            reading = Office(settings, codec, name)
            offices[pid] = reading, VerifyOffice(settings, codec, name, reading)
        return offices[pid]

    _register_reading(app, lambda: both()[0])
    _register_comparing(app, lambda: both()[1])
    signals.task_failure.connect(_count_defect, weak=False)


#: Of an error that is expected Celery logs no traceback.
_EXPECTED = (HeadraceError,)


def _register_reading(app: Celery, office: Callable[[], Office]) -> None:
    @app.task(name=CHUNK_TASK, bind=True, shared=False, throws=_EXPECTED)  # type: ignore[untyped-decorator]
    def chunk(self: Task, /, *unnamed: Any, **arguments: Any) -> dict[str, Any] | str:
        hint = _readable(self, unnamed, arguments, read_chunk_hint)
        job, subject = hint.job, hint.chunks
        with logs.bound(job=job, chunk=named(subject), **_table_of(subject)), _failing_by_name(self, job):
            with _progress(app, self, "rows") as progress:
                outcome = office().read_chunks(job, hint.job_id, subject, progress.note)
            if not outcome.read:
                return _refused("chunk_refused", job, outcome.reason)
            result = read_result(outcome, subject)
            LOG.info("chunk_read", **result)
            metrics.ATTEMPTS.labels(job, "read").inc()
            return result

    @app.task(name=SPLIT_TASK, bind=True, shared=False, throws=_EXPECTED)  # type: ignore[untyped-decorator]
    def split(self: Task, /, *unnamed: Any, **arguments: Any) -> dict[str, Any] | str:
        hint = _readable(self, unnamed, arguments, read_split_hint)
        job, subject = hint.job, hint.table
        with logs.bound(job=job, table=str(subject)), _failing_by_name(self, job):
            with _progress(app, self, "bounds") as progress:
                found = office().split(job, hint.job_id, subject, progress.note)
            if found.reason:
                return _refused("split_refused", job, found.reason)
            LOG.info("table_split", bounds=found.bounds)
            metrics.ATTEMPTS.labels(job, "split").inc()
            return {"bounds": found.bounds}


def _register_comparing(app: Celery, office: Callable[[], VerifyOffice]) -> None:
    @app.task(name=VERIFY_TASK, bind=True, shared=False, throws=_EXPECTED)  # type: ignore[untyped-decorator]
    def verify(self: Task, /, *unnamed: Any, **arguments: Any) -> dict[str, Any] | str:
        part = _readable(self, unnamed, arguments, VerifyPart.from_json)
        with logs.bound(job=part.job, table=str(part.table)), _failing_by_name(self, part.job):
            with _progress(app, self, "rows") as progress:
                compared = office().compare(part, progress.note)
            if compared.reason:
                return _refused("part_refused", part.job, compared.reason)
            LOG.info("part_compared", **compared.as_result())
            metrics.ATTEMPTS.labels(part.job, "compared").inc()
            return compared.as_result()

    @app.task(name=SWEEP_TASK, bind=True, shared=False, throws=_EXPECTED)  # type: ignore[untyped-decorator]
    def sweep(self: Task, /, *unnamed: Any, **arguments: Any) -> dict[str, Any] | str:
        hint = _readable(self, unnamed, arguments, read_split_hint)
        job, subject = hint.job, hint.table
        with logs.bound(job=job, table=str(subject)), _failing_by_name(self, job):
            with _progress(app, self, "rows") as progress:
                swept = office().sweep(job, hint.job_id, subject, progress.note)
            if swept.reason:
                return _refused("sweep_refused", job, swept.reason)
            result = {"written": swept.counts.written, "seconds": round(swept.seconds, 3)}
            LOG.info("topic_swept", **result)
            metrics.ATTEMPTS.labels(job, "swept").inc()
            return result


def _readable(
    task: Task, unnamed: tuple[Any, ...], arguments: dict[str, Any], read: Callable[[dict[str, Any]], H]
) -> H:
    """What the hint says. Anybody who reaches Redis can send any arguments."""
    with _failing_by_name(task, ""):
        try:
            if unnamed:
                raise ValueError("arguments without names are not those of this task")
            return read(arguments)
        except ValueError as error:
            raise UnreadableHint(
                f"A hint for {task.name} is not readable: {str(error)[:_SHOWN_LENGTH_MAX]}.",
                "A newer headrace may have sent it: update this snapshot worker. It is sent again.",
            ) from None


def read_result(outcome: Outcome, hinted: tuple[ChunkId, ...]) -> dict[str, Any]:
    """What a task says that has read chunks. Which ones it says where they are not all that its hint names."""
    result: dict[str, Any] = {"rows": outcome.rows, "bytes": outcome.bytes, "seconds": round(outcome.seconds, 3)}
    if len(hinted) > 1:
        result["chunks"] = len(outcome.chunks)
    if len(outcome.chunks) < len(hinted):
        result["read"] = of_tables([chunk.table for chunk in outcome.chunks])
    return result


def _table_of(chunks: Sequence[ChunkId]) -> dict[str, str]:
    """The table, where it is one."""
    tables = {chunk.table for chunk in chunks}
    return {"table": str(tables.pop())} if len(tables) == 1 else {}


def _refused(event: str, job: str, reason: str) -> str:
    """An answer like any other: hints may be stale, doubled or early."""
    LOG.info(event, reason=reason)
    metrics.ATTEMPTS.labels(job, "refused").inc()
    return f"refused: {reason}"


def _progress(app: Celery, task: Task, unit: str) -> Progress:
    return Progress(app, task.request.id, task.request.hostname, unit)


@contextmanager
def _failing_by_name(task: Task, job: str) -> Iterator[None]:
    """The task fails with our error, and without those of libraries that led to it: their texts may hold anything. The
    leader knows already and decides; Celery does not try again.
    """
    try:
        yield
    except HeadraceError as error:
        LOG.warning("attempt_failed", task=task.name, error=error.name, reason=error.message)
        metrics.ATTEMPTS.labels(job, "failed").inc()
        metrics.count_error(job, error)
        raise error from None


def _count_defect(kwargs: dict[str, Any], exception: BaseException, **_: Any) -> None:
    """Whatever is none of our errors, which are counted where they are caught."""
    if not isinstance(exception, HeadraceError):
        metrics.ERRORS.labels(str(kwargs.get("job", "")), type(exception).__name__).inc()
