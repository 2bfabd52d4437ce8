"""The arguments of the Celery tasks: what a hint says, and that it says nothing else.

Whoever reaches the queue can send anything, a newer headrace among them. A hint is either one of these records, or it
is not taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.model.chunk import ChunkId
from shared.model.orders import chunks_from_json
from shared.model.schema import TableId
from shared.model.shape import checked


@dataclass(frozen=True, slots=True)
class ChunkHint:
    """Chunks that wait to be read together; at least one."""

    job: str
    job_id: str
    chunks: tuple[ChunkId, ...]


@dataclass(frozen=True, slots=True)
class SplitHint:
    """A table whose bounds are to be looked for."""

    job: str
    job_id: str
    table: TableId


def read_chunk_hint(arguments: Mapping[str, Any]) -> ChunkHint:
    """The arguments of the chunk task.

    Raises:
        ValueError: they are others.
    """
    match arguments:
        case {"job": str(job), "job_id": str(job_id), "chunks": [_, *_] as chunks} if len(arguments) == 3:
            return checked(ChunkHint(job, job_id, chunks_from_json(chunks)))
    raise _unreadable(arguments)


def read_split_hint(arguments: Mapping[str, Any]) -> SplitHint:
    """The arguments of the split task.

    Raises:
        ValueError: they are others.
    """
    match arguments:
        case {"job": str(job), "job_id": str(job_id), "database": str(database), "table": str(table)} if (
            len(arguments) == 4
        ):
            return SplitHint(job, job_id, TableId(database, table))
    raise _unreadable(arguments)


def _unreadable(arguments: Mapping[str, Any]) -> ValueError:
    return ValueError(f"the arguments {', '.join(sorted(map(str, arguments))) or '(none)'} are not those of this task")
