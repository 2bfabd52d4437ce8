"""A campaign is rounds of one job each: submitted while writers write, tortured through its snapshot and beyond, left in
peace until it has caught up, compared, cancelled.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from shared.model.position import PLACE_MARK
from tests.plugins.fix_servers import root_connection
from tests.torture.check import differences
from tests.torture.faults import FAULTS, draw
from tests.torture.place import Place
from tests.torture.writers import Writers, fill

#: A round of this length sees its snapshot under fire and then some of the stream alone.
_ROUND_SECONDS = 75.0

#: Between the end of one fault and the next.
_PAUSE_SECONDS = (0.2, 4.0)

#: A job that has not caught up in peace after this long has lost something: progress.
_PEACE_SECONDS = 240.0

_KILLS = ("leader killed", "leading child killed")

JOB = """
source:
  type: mysql
  hostname: #{hostname}
  port: #{port}
  username: #{username}
  password: #{password}
  tables: torture.t_\\.*
  server-id: 28601-28620
  scan.incremental.snapshot.chunk.size: 700
  connect.timeout: 5s
  throttle.rows-per-second: 2500
sink:
  type: upsert-kafka
  properties.bootstrap.servers: #{bootstrap}
route:
  - source-table: torture.t_\\.*
    sink-table: NAME.<>
    replace-symbol: <>
"""


@dataclass
class Story:
    """What happened, and what was asked for: at least so many minutes and so many faults."""

    seed: int
    minutes: float
    least_faults: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    under_fire: int = 0
    takeovers: int = 0
    resumed_seconds: list[float] = field(default_factory=list)
    lags_seconds: list[float] = field(default_factory=list)
    caught_up_seconds: list[float] = field(default_factory=list)
    rows: int = 0
    writes: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class Watch:
    """Looks at a job's published figures, several times a second, from its submission to its end."""

    def __init__(self, place: Place, job: str, story: Story) -> None:
        self.epoch = 0
        self.epoch_since = time.monotonic()
        self.snapshot_done = False
        self._place, self._job, self._story = place, job, story
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            status = self._place.status(self._job)
            if status is None:
                continue
            self.snapshot_done = bool(status["snapshot_done"])
            self._story.lags_seconds.append(status["lag_seconds"])
            if status["epoch"] > self.epoch:
                self._story.takeovers += self.epoch > 0
                self.epoch, self.epoch_since = status["epoch"], time.monotonic()


def run(place: Place, seed: int, minutes: float, least_faults: int) -> Story:
    """Tortures for so long, and on until so many faults have hit: a fault may last a second or half a minute.

    A difference ends the campaign at once, and stands in the story.
    """
    story, chance = Story(seed, minutes, least_faults), random.Random(seed)
    with root_connection(place.mysql) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {place.database}")
    with root_connection(place.mysql, place.database) as connection, connection.cursor() as cursor:
        fill(cursor, seed, "utf8mb4_unicode_ci" if place.is_mariadb else "utf8mb4_0900_ai_ci")
    writers = Writers(lambda: root_connection_for_writing(place), seed)
    ends = time.monotonic() + minutes * 60
    try:
        while (time.monotonic() < ends or story.faults.total() < least_faults) and not story.differences:
            _round(place, story, writers, chance, ends)
    finally:
        writers.stop()
        story.writes = writers.counts
    return story


def root_connection_for_writing(place: Place) -> Any:
    """A connection that begins its transactions itself."""
    connection = root_connection(place.mysql, place.database)
    connection.autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 3")
    return connection


def _round(place: Place, story: Story, writers: Writers, chance: random.Random, ends: float) -> None:
    story.rounds += 1
    job = f"round-{story.rounds}"
    place.start_workers()
    _submit(place, JOB.replace("NAME", job), job)
    watch = Watch(place, job, story)
    full = time.monotonic() + _ROUND_SECONDS
    try:
        while time.monotonic() < (full if story.faults.total() < story.least_faults else min(ends, full)):
            time.sleep(chance.uniform(*_PAUSE_SECONDS))
            _hit(place, job, story, watch, chance)
        writers.rest()
        _settle(place, job, story)
        if not story.differences:
            _compare(place, job, story)
    finally:
        watch.stop()
    writers.go_on()
    done = place.cluster.cli("cancel", job, "--delete-topics", "--yes")
    if done.returncode != 0:
        story.differences.append(f"{job} could not be cancelled: {done.stderr[-300:]}")


def _submit(place: Place, text: str, job: str) -> None:
    """By a process of its own: a Kafka client that is left in ours may abort it when its broker goes (librdkafka issue 4605)."""
    done = place.cluster.cli("submit", "-", "--name", job, stdin=text)
    if done.returncode != 0:
        raise RuntimeError(f"{job} could not be submitted: {done.stderr}")


def _hit(place: Place, job: str, story: Story, watch: Watch, chance: random.Random) -> None:
    name = draw(chance)
    before = watch.epoch
    led = place.leader(job) is not None
    story.under_fire += not watch.snapshot_done
    _say(f"{job}: {name}")
    began = time.monotonic()
    FAULTS[name][0](place, job, chance)
    story.faults[name] += 1
    if name in _KILLS and led and before:
        _await_takeover(story, watch, before, began)


def _await_takeover(story: Story, watch: Watch, before: int, began: float) -> None:
    """From the kill to the first figures of the next tenure."""
    while time.monotonic() - began < 60:
        if watch.epoch > before:
            story.resumed_seconds.append(watch.epoch_since - began)
            return
        time.sleep(0.05)
    story.differences.append("60 s after a leader was killed nobody leads")


def _settle(place: Place, job: str, story: Story) -> None:
    """In peace, the job must catch up."""
    place.start_workers()
    began = time.monotonic()
    while time.monotonic() - began < _PEACE_SECONDS:
        status = place.status(job)
        if status and status["snapshot_done"] and status["lag_bytes"] == 0 and not status["held_events"]:
            if _is_at_the_end(place, status):
                story.caught_up_seconds.append(time.monotonic() - began)
                return
        elif status is None:
            told = json.loads(place.cluster.cli("status", job, "--json").stdout)
            if told["state"] == "failed":
                story.differences.append(f"{job} failed: {told['error']}")
                return
        time.sleep(0.3)
    story.differences.append(f"{job} did not catch up within {_PEACE_SECONDS:.0f} s of peace: {place.status(job)}")


def _is_at_the_end(place: Place, status: dict[str, Any]) -> bool:
    """True when the leader has processed all that the server has executed."""
    with root_connection(place.mysql) as connection, connection.cursor() as cursor:
        if PLACE_MARK in status["position"]:
            cursor.execute("SHOW BINARY LOG STATUS")
            file, offset = cursor.fetchone()[:2]
            return status["position"].endswith(f"{PLACE_MARK}{file}:{offset}")
        if place.is_mariadb:  # the last number of each server in each domain, here as the end of a run
            cursor.execute("SELECT @@GLOBAL.gtid_binlog_state")
            ((state,),) = cursor.fetchall()
            return sorted(state.split(",")) == sorted(status["position"].replace(":1-", "-").split(","))
        cursor.execute("SELECT GTID_SUBSET(@@GLOBAL.gtid_executed, %s)", (status["position"],))
        ((covered,),) = cursor.fetchall()
    return bool(covered)


def _compare(place: Place, job: str, story: Story) -> None:
    time.sleep(1.0)  # the last transaction may still be on its way into Kafka's last stable offset
    with root_connection(place.mysql) as connection:
        rows, found = differences(connection, place.database, place.cluster.bootstrap, job + ".{}")
    story.rows += rows
    story.differences += found
    _say(f"{job}: {rows:,} rows compared, {len(found)} differences; {story.faults.total()} faults so far")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
