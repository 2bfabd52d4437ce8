"""Finds what a place in the binlog, or a moment, stands for as a position: before a job begins, its binlog connection reads the
transactions up to there, and none of their rows. One file is read at most, and of others the beginning.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing

from scheduler.preflight.startup import Past
from shared import clock
from shared.adapters.mysql import progress
from shared.adapters.mysql.session import Session
from shared.adapters.mysql.stream import BinlogStream
from shared.errors import InvalidJob
from shared.model.binlog import Heartbeat, Rotate, TransactionBegin, TransactionEnd
from shared.model.domains import filled, is_domains
from shared.model.places import FILE_BEGIN, all_before, is_place
from shared.model.position import Coordinates, GtidSet, file_number
from shared.model.startup import Startup
from shared.runtime import logs

LOG = logs.get("headrace.binlog")

_PAUSE_SECONDS = 0.02

#: Whoever is asked whether it goes on is asked this often.
_ASKED_SECONDS = 2.0


class Finder:
    """One search.

    Args:
        session: to the server.
        server_uuid: its name.
        past: what it tells of its history.
        open_stream: reads its binlog from a place on, without rows; transactions have GTIDs, or are named by their places.
        alive: called now and then; raises when somebody else has taken over.
    """

    def __init__(
        self,
        session: Session,
        server_uuid: str,
        past: Past,
        open_stream: Callable[[GtidSet], BinlogStream],
        alive: Callable[[], None],
    ) -> None:
        self._session = session
        self._server_uuid = server_uuid
        self._past = past
        self._open = open_stream
        self._go_on = seldom(alive)

    def find(self, startup: Startup) -> GtidSet | None:
        """The position that was wished for; None where nothing must be looked for.

        Raises:
            InvalidJob: what followed the moment may be deleted.
        """
        began = clock.monotonic_seconds()
        if startup.place is not None:
            found = self._at(startup.place)
        elif startup.timestamp_millis is not None:
            found = self._before(startup.timestamp_millis * 1000)
        else:
            return None
        found = filled(found) if is_domains(found) else found  # its numbers have gaps, and a position has none
        LOG.info("beginning_found", gtid=str(found), seconds=round(clock.monotonic_seconds() - began, 3))
        return found

    def _at(self, place: Coordinates) -> GtidSet:
        """All that ends at the place or before it."""
        if is_place(self._past.executed):
            return all_before(self._server_uuid, place)
        found = self._before_file(place.file)
        for begin, end in self._transactions(place.file):
            if not place.reaches(end):
                break
            found = found.union(GtidSet.parse(begin.gtids or ""))
        return found

    def _before(self, microseconds: int) -> GtidSet:
        """All before the first transaction that was committed at that moment or later."""
        files = list(self._past.files)
        behind = bisect_left(files, True, key=lambda file: self._first_commit(file) >= microseconds)
        if not behind:
            if file_number(files[0]) > 1 if is_place(self._past.executed) else self._past.purged:
                raise InvalidJob(
                    f"The server's binlogs begin with {files[0]}, after the moment {microseconds // 1000}; what was before is deleted.",
                    "Give a later moment, or let the job copy its tables: scan.startup.mode: initial.",
                    "source.scan.startup.timestamp-millis",
                )
            return self._before_file(files[0])
        found = self._before_file(files[behind - 1])
        for begin, _ in self._transactions(files[behind - 1]):
            if _at_latest(begin) >= microseconds:
                break
            found = found.union(GtidSet.parse(begin.gtids or ""))
        return found

    def _first_commit(self, file: str) -> float:
        """When the first transaction of the file, or behind it, was committed, in microseconds since 1970."""
        return next((float(_at_latest(begin)) for begin, _ in self._transactions(file)), float("inf"))

    def _before_file(self, file: str) -> GtidSet:
        if is_place(self._past.executed):
            return all_before(self._server_uuid, Coordinates(file, FILE_BEGIN))
        return progress.before_file(self._session, file)

    def _transactions(self, file: str) -> Iterator[tuple[TransactionBegin, Coordinates]]:
        """The transactions from the file's beginning to the present end of the binlog, each with its end."""
        last, _ = progress.binlog_end(self._session)
        at = Coordinates(file, FILE_BEGIN)
        with closing(self._open(all_before(self._server_uuid, at))) as stream:
            yield from transactions(stream, at, last, self._go_on)


def transactions(
    stream: BinlogStream, at: Coordinates, last: Coordinates, go_on: Callable[[], None]
) -> Iterator[tuple[TransactionBegin, Coordinates]]:
    """The transactions of a stream by place, each with its end.

    Args:
        stream: at the place `at`.
        at: where it begins.
        last: where to stop.
        go_on: called now and then; raises when nobody wants it any more.
    """
    begin = TransactionBegin(None)
    while not at.reaches(last):
        events = stream.events(merge=False)
        if not events:
            time.sleep(_PAUSE_SECONDS)
        go_on()
        for event in events:
            if isinstance(event, Rotate | Heartbeat):
                at = Coordinates(event.file, event.position)
                if at.reaches(last):
                    return  # what has come with it is behind
            elif isinstance(event, TransactionBegin):
                begin = event
            elif isinstance(event, TransactionEnd) and event.end_position:
                at = Coordinates(at.file, event.end_position)
                yield begin, at


def seldom(alive: Callable[[], None]) -> Callable[[], None]:
    """The same, for one who asks again and again."""
    asked = clock.monotonic_seconds()

    def go_on() -> None:
        nonlocal asked
        if clock.monotonic_seconds() - asked > _ASKED_SECONDS:
            asked = clock.monotonic_seconds()
            alive()

    return go_on


def _at_latest(begin: TransactionBegin) -> int:
    """When it was committed at the latest, in microseconds since 1970: old servers, and MariaDB, tell seconds."""
    return begin.commit_microseconds or (begin.timestamp + 1) * 1_000_000 - 1
