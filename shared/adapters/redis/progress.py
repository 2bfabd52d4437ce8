"""The leader's latest status, for people to look at. Losing it loses nothing: it is written again every second."""

from __future__ import annotations

from typing import Any

import orjson
import redis

from shared.adapters.redis import keys
from shared.adapters.redis.client import translated

_EXPIRE_SECONDS = 15

#: Longer than the pause before another try, with the time that one may take to connect.
_FAILURE_SECONDS = 90


def publish(client: redis.Redis, job: str, status: dict[str, Any]) -> None:
    """Writes a job's status. Raises Unavailable."""
    with translated(client, "publishing the status"):
        client.set(keys.status(job), orjson.dumps(status), ex=_EXPIRE_SECONDS)


def latest(client: redis.Redis, job: str) -> dict[str, Any] | None:
    """A job's status; None when no leader wrote one lately. Raises Unavailable."""
    return _read(client, keys.status(job))


def publish_failure(client: redis.Redis, job: str, failure: dict[str, Any]) -> None:
    """Writes why a tenure ended that is tried again. Raises Unavailable."""
    with translated(client, "publishing the status"):
        client.set(keys.failure(job), orjson.dumps(failure), ex=_FAILURE_SECONDS)


def latest_failure(client: redis.Redis, job: str) -> dict[str, Any] | None:
    """Why a job's last tenure ended; None when none has failed lately. Raises Unavailable."""
    return _read(client, keys.failure(job))


def _read(client: redis.Redis, key: str) -> dict[str, Any] | None:
    with translated(client, "reading the status"):
        data = client.get(key)
    return orjson.loads(data) if isinstance(data, bytes) else None
