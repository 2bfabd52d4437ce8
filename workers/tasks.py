"""The Celery tasks: hints in, one call each. Names and arguments are the wire contract of `shared.model.orders`."""

from __future__ import annotations

import os
import socket
from typing import Any

from celery import Celery, Task

from shared.codec import Codec
from shared.errors import HeadraceError
from shared.model.chunk import named
from shared.model.orders import CHUNK_TASK, SPLIT_TASK, chunks_from_json
from shared.model.schema import TableId
from shared.runtime import collector, logs
from shared.settings import Settings
from workers.snapshot.office import Office

LOG = logs.get("headrace.snapshot")


def register(app: Celery, settings: Settings, codec: Codec) -> None:
    """Adds the tasks to an app. Each process makes its own office on its first task."""
    offices: dict[int, Office] = {}

    def office() -> Office:
        pid = os.getpid()
        if pid not in offices:
            offices.clear()  # what a fork brought along is of no use here
            collector.relax()
            offices[pid] = Office(settings, codec, settings.worker_name or f"{socket.gethostname()}-{pid}")
        return offices[pid]

    @app.task(name=CHUNK_TASK, bind=True, shared=False)  # type: ignore[untyped-decorator]
    def chunk(self: Task, *, job: str, job_id: str, chunks: list[list[Any]]) -> dict[str, Any]:
        subject = chunks_from_json(chunks)
        try:
            outcome = office().read_chunks(job, job_id, subject)
        except HeadraceError as error:
            return _failed(self, named(subject), error)
        LOG.info("chunk_read" if outcome.read else "chunk_refused", job=job, chunk=named(subject), **outcome._asdict())
        return outcome._asdict()

    @app.task(name=SPLIT_TASK, bind=True, shared=False)  # type: ignore[untyped-decorator]
    def split(self: Task, *, job: str, job_id: str, database: str, table: str) -> dict[str, Any]:
        subject = TableId(database, table)
        try:
            bounds = office().split(job, job_id, subject)
        except HeadraceError as error:
            return _failed(self, str(subject), error)
        LOG.info("table_split", job=job, table=str(subject), bounds=bounds)
        return {"bounds": bounds}


def _failed(task: Task, subject: str, error: HeadraceError) -> dict[str, Any]:
    """The leader knows already and decides; Celery must not try again."""
    LOG.warning("attempt_failed", task=task.name, subject=subject, error=error.name, reason=error.message)
    return {"error": error.name, "message": error.message}
