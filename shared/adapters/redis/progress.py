"""The leader's latest status, for people to look at. Losing it loses nothing: it is written again every second."""

from __future__ import annotations

from typing import Any

import orjson
import redis

from shared.adapters.redis import keys
from shared.adapters.redis.client import translated

_EXPIRE_SECONDS = 15


def publish(client: redis.Redis, job: str, status: dict[str, Any]) -> None:
    """Writes a job's status. Raises Unavailable."""
    with translated(client, "publishing the status"):
        client.set(keys.status(job), orjson.dumps(status), ex=_EXPIRE_SECONDS)


def latest(client: redis.Redis, job: str) -> dict[str, Any] | None:
    """A job's status; None when no leader wrote one lately. Raises Unavailable."""
    with translated(client, "reading the status"):
        data = client.get(keys.status(job))
    return orjson.loads(data) if isinstance(data, bytes) else None
