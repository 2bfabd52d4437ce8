"""Makes Redis clients, and turns their errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from shared.errors import InvalidJob, Unavailable


def connect(url: str, *, timeout_seconds: float = 5.0) -> redis.Redis:
    """A client that connects on first use. A dead connection costs `timeout_seconds`, never for ever.

    Raises:
        InvalidJob: the URL is not one that redis-py knows.
    """
    try:
        return redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, health_check_interval=25
        )
    except ValueError as error:
        raise InvalidJob(f"{error}.", "Write redis://host:port/db.", "HEADRACE_REDIS_URL") from None


@contextmanager
def translated(client: redis.Redis, doing: str) -> Iterator[None]:
    """Turns redis-py's errors into ours.

    Raises:
        Unavailable: Redis does not answer or refuses.
    """
    try:
        yield
    except redis.RedisError as error:
        place = address(client)
        raise Unavailable(
            f"Redis at {place} failed {doing}: {str(error).rstrip('.')}.", "Check HEADRACE_REDIS_URL."
        ) from None


def address(client: redis.Redis) -> str:
    """Host and port of a client, without its password."""
    options = client.connection_pool.connection_kwargs
    return f"{options.get('host', '?')}:{options.get('port', '?')}"
