"""What can go wrong, by name. Each fault hits, lasts a while where that is its nature, and leaves the world able to go on.

A fault takes the place, the job's name and the chance that rules this run; what it killed is started again.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pymysql
import redis

from shared.adapters.redis import keys
from tests.plugins.fix_headrace import REPOSITORY, Process
from tests.plugins.fix_servers import root_connection
from tests.torture.place import Place
from tests.torture.proxy import Mode
from tests.torture.tables import TABLES

Fault: TypeAlias = Callable[[Place, str, random.Random], None]

#: Longer than a lease lasts and than the leader waits for a silent reader.
_PAST_THE_LEASE_SECONDS = (8.0, 16.0)

#: Files of this size take nothing any more.
_FULL_BYTES = 64 * 1024


def _family(pid: int) -> list[int]:
    """A process and its descendants, the ancestors first."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(one for child in children for one in _family(int(child)))]
    return [pid]


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _kill(place: Place, process: Process | None) -> None:
    if process is not None:
        _signal(_family(process.pid)[::-1], signal.SIGKILL)
        process.popen.wait(10)
    place.start_workers()


def _pause(process: Process | None, chance: random.Random) -> None:
    """A zombie: it holds everything that it held, for longer than anybody waits, and then goes on."""
    if process is None:
        return
    pids = _family(process.pid)
    _signal(pids, signal.SIGSTOP)
    time.sleep(chance.uniform(*_PAST_THE_LEASE_SECONDS))
    _signal(pids, signal.SIGCONT)


def kill_leader(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to the leading binlog worker and its children."""
    _kill(place, place.leader(job))


def kill_leading_child(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to the process that leads; its parent lives."""
    leader = place.leader(job)
    if leader is not None:
        _signal(_family(leader.pid)[1:], signal.SIGKILL)


def pause_leader(place: Place, job: str, chance: random.Random) -> None:
    """SIGSTOP to the leader past its lease, then SIGCONT."""
    _pause(place.leader(job), chance)


def end_leader(place: Place, job: str, chance: random.Random) -> None:
    """SIGTERM to the leading binlog worker: it steps back in order."""
    leader = place.leader(job)
    if leader is not None:
        leader.stop()
    place.start_workers()


def steal_lease(place: Place, job: str, chance: random.Random) -> None:
    """The lease is gone too early, as after a jump of Redis's clock: two leaders at once."""
    with suppress(redis.RedisError):
        place.direct_redis.delete(keys.lease(job))


def kill_snapshot_worker(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to a whole snapshot worker."""
    _kill(place, chance.choice(place.snapshot_workers))


def kill_snapshot_child(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to one reading process; Celery's parent lives."""
    children = _family(chance.choice(place.snapshot_workers).pid)[1:]
    _signal(chance.sample(children, min(1, len(children))), signal.SIGKILL)


def pause_snapshot_worker(place: Place, job: str, chance: random.Random) -> None:
    """SIGSTOP to a snapshot worker past all patience, then SIGCONT: it goes on writing what nobody wants."""
    _pause(chance.choice(place.snapshot_workers), chance)


def flush_redis(place: Place, job: str, chance: random.Random) -> None:
    """FLUSHALL: queue, leases, mail and figures are gone."""
    with suppress(redis.RedisError):
        place.direct_redis.flushall()


def kill_redis(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to Redis; it is back, empty, after some seconds."""
    place.stack.redis.kill()
    time.sleep(chance.uniform(0.5, 4.0))
    place.stack.redis.start()


def restart_redis(place: Place, job: str, chance: random.Random) -> None:
    """Redis restarts in order."""
    place.stack.redis.stop()
    place.stack.redis.start()


def kill_kafka(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to the broker."""
    place.stack.kafka.kill()
    time.sleep(chance.uniform(0.0, 3.0))
    place.stack.kafka.start()


def restart_kafka(place: Place, job: str, chance: random.Random) -> None:
    """The broker restarts in order."""
    place.stack.kafka.stop()
    place.stack.kafka.start()


def fill_kafka(place: Place, job: str, chance: random.Random) -> None:
    """No file of the broker can grow any more, as on a full disk: it gives up by itself. Later there is room again."""
    pid = place.stack.kafka.pid
    if pid is not None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FULL_BYTES, hard))
        time.sleep(chance.uniform(2.0, 8.0))
    place.stack.kafka.kill()
    place.stack.kafka.start()


def kill_mysql(place: Place, job: str, chance: random.Random) -> None:
    """SIGKILL to MySQL; it recovers."""
    place.mysql.kill()
    time.sleep(chance.uniform(0.0, 3.0))
    place.mysql.start()


def restart_mysql(place: Place, job: str, chance: random.Random) -> None:
    """MySQL restarts in order."""
    place.mysql.stop()
    place.mysql.start()


def kill_queries(place: Place, job: str, chance: random.Random) -> None:
    """KILL to every connection of headrace, the dump thread among them."""
    with suppress(pymysql.MySQLError), root_connection(place.mysql) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (place.mysql.user,))
        for (number,) in cursor.fetchall():
            with suppress(pymysql.MySQLError):
                cursor.execute(f"KILL {number}")


def rotate_binlog(place: Place, job: str, chance: random.Random) -> None:
    """FLUSH BINARY LOGS: the stream moves on to another file."""
    with suppress(pymysql.MySQLError), root_connection(place.mysql) as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")


def resync(place: Place, job: str, chance: random.Random) -> None:
    """`scheduler resync` of a table, if it is live; whatever is not done in time is left."""
    table = chance.choice(TABLES).name
    command = [sys.executable, "-m", "scheduler", "resync", job, f"{place.database}.{table}", "--json"]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            cwd=REPOSITORY,
            env=place.cluster.environment,
            timeout=chance.uniform(4, 15),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def change_throttle(place: Place, job: str, chance: random.Random) -> None:
    """Other limits while the job runs."""
    place.cluster.cli("throttle", job, "--rows-per-second", str(chance.choice((2_000, 5_000, "none"))))


def pause_job(place: Place, job: str, chance: random.Random) -> None:
    """`scheduler pause`, and `resume`."""
    place.cluster.cli("pause", job)
    place.cluster.cli("resume", job)


def _on_the_wire(server: str, mode: Mode, low: float, high: float) -> Fault:
    def fault(place: Place, job: str, chance: random.Random) -> None:
        place.proxies[server].set(mode)
        time.sleep(chance.uniform(low, high))
        place.proxies[server].set(Mode.OPEN)

    return fault


def _wires() -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    for server in ("mysql", "kafka", "redis"):
        found[f"connections to {server} cut"] = _on_the_wire(server, Mode.CUT, 0.2, 4)
        found[f"connections to {server} half-open"] = _on_the_wire(server, Mode.STALL, 2, 14)
        found[f"connections to {server} slow"] = _on_the_wire(server, Mode.SLOW, 2, 8)
    return found


#: By the words of the report; the number is how often it comes up beside the others.
FAULTS: dict[str, tuple[Fault, int]] = {
    "leader killed": (kill_leader, 4),
    "leading child killed": (kill_leading_child, 2),
    "leader stopped past its lease": (pause_leader, 2),
    "leader ended in order": (end_leader, 1),
    "lease lost too early": (steal_lease, 2),
    "snapshot worker killed": (kill_snapshot_worker, 3),
    "reading process killed": (kill_snapshot_child, 3),
    "snapshot worker stopped past all patience": (pause_snapshot_worker, 2),
    "Redis flushed": (flush_redis, 2),
    "Redis killed": (kill_redis, 1),
    "Redis restarted": (restart_redis, 1),
    "Kafka killed": (kill_kafka, 1),
    "Kafka restarted": (restart_kafka, 1),
    "Kafka's disk full": (fill_kafka, 1),
    "table written again": (resync, 2),
    "MySQL killed": (kill_mysql, 1),
    "MySQL restarted": (restart_mysql, 1),
    "connections killed in MySQL": (kill_queries, 2),
    "binlog rotated": (rotate_binlog, 1),
    "throttle changed": (change_throttle, 1),
    "job paused and resumed": (pause_job, 1),
    **{name: (fault, 1) for name, fault in _wires().items()},
}


def draw(chance: random.Random) -> str:
    """The next fault's name."""
    names = list(FAULTS)
    return chance.choices(names, [FAULTS[name][1] for name in names])[0]
