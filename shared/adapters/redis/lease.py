"""Leases: who tries to lead a job, who uses a server-id. A lease saves work; Kafka's fencing keeps the data right."""

from __future__ import annotations

import redis

from shared.adapters.redis import keys
from shared.adapters.redis.client import translated

# KEYS[1] the lease, ARGV[1] its holder, ARGV[2] milliseconds. Takes a free lease, renews our own, leaves another's.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS[1] the lease, ARGV[1] its holder. Gives back only our own.
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Leases:
    """Leases under one holder's name. Raises Unavailable."""

    def __init__(self, client: redis.Redis, holder: str, seconds: float) -> None:
        self._client = client
        self._holder = holder
        self._milliseconds = int(seconds * 1000)

    def lead(self, job: str) -> bool:
        """Takes or renews the leadership of a job."""
        return self._take(keys.lease(job))

    def resign(self, job: str) -> None:
        """Gives the leadership back, so that a standby need not wait."""
        self._give_back(keys.lease(job))

    def use_server_id(self, server: str, number: int, job: str) -> bool:
        """Takes or renews a server-id on a MySQL server. Each job has its own: a MariaDB ends the connection that came first."""
        return self._take(keys.server_id(server, number), job)

    def free_server_id(self, server: str, number: int, job: str) -> None:
        """Gives a server-id back, so that another job need not wait."""
        self._give_back(keys.server_id(server, number), job)

    def _take(self, key: str, job: str = "") -> bool:
        with translated(self._client, "taking a lease"):
            return bool(self._client.eval(_TAKE, 1, key, self._name(job), str(self._milliseconds)))

    def _give_back(self, key: str, job: str = "") -> None:
        with translated(self._client, "giving a lease back"):
            self._client.eval(_GIVE_BACK, 1, key, self._name(job))

    def _name(self, job: str) -> str:
        return f"{self._holder} {job}".rstrip()


def leader_of(client: redis.Redis, job: str) -> str:
    """Who leads the job now; the empty text when nobody does."""
    with translated(client, "asking for the leader"):
        holder = client.get(keys.lease(job))
    return holder.decode() if isinstance(holder, bytes) else ""
