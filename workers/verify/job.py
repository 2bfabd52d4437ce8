"""Where the job of a comparison is: what its topics show, and whether it still follows MySQL."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from shared import clock
from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.registry import Registry
from shared.errors import NotFollowing, Unavailable
from shared.machines.ledger import PositionRecord, StoredState, TableRecord, decode_record
from shared.model.job import Desire, End, Wanted
from shared.model.places import is_place, named
from shared.model.position import GtidSet
from shared.model.schema import TableId

#: The state topic is looked at this often while the job is waited for.
_LOOK_SECONDS = 0.2
_WAIT_SECONDS = 1.0

#: A job without a leader is waited for so long: a takeover lasts some seconds.
_LEADERLESS_SECONDS_MAX = 60.0

#: And one that comes no nearer: a large transaction may take its time, Kafka gives it ten minutes.
_STILL_SECONDS_MAX = 600.0

#: A topic that is being put right is waited for so long. The task that does it may wait for our own place in a worker.
_UNSETTLED_SECONDS_MAX = 60.0

_POSITION, _SALT = orjson.dumps(["position"]), orjson.dumps(["salt"])


class FollowedJob:
    """Implements `workers.verify.ports.Job`, for one table.

    Args:
        wanted: the job, as it was asked for.
        table: the table.
        log: the job's state topic, at its beginning.
        registry: of all jobs.
        led: asks whether anybody leads the job. It may not be known: then true.
    """

    def __init__(
        self, wanted: Wanted, table: TableId, log: TopicLog, registry: Registry, led: Callable[[], bool]
    ) -> None:
        self._wanted = wanted
        self._table = table
        self._log = log
        self._registry = registry
        self._led = led
        self._state = StoredState()
        self._ours = (orjson.dumps(["table", *table]), orjson.dumps(["chunk", *table])[:-1] + b",")
        #: How many transactions are missing, and since when they are no fewer.
        self._missing = (-1, 0.0)
        self._leaderless: float | None = None
        self._take(log.read_to(log.stable_end()))
        known = self._state.tables.get(self._table)
        self._columns = None if known is None else known.table

    @property
    def record(self) -> TableRecord:
        """What the job knows of the table.

        Raises:
            NotFollowing: nothing, or the table is being copied.
        """
        found = self._state.tables.get(self._table)
        if found is None:
            raise NotFollowing(
                f"Job {self._wanted.name} knows no table {self._table}.", "Look at its tables with scheduler status."
            )
        if not found.live:
            raise NotFollowing(
                f"{self._table} is being copied.",
                f"Wait until scheduler status {self._wanted.name} shows it as live, then verify it.",
            )
        return found

    @property
    def by_place(self) -> bool:
        """True when the job counts by places in the binlog, on a server without GTIDs."""
        return is_place(self._processed())

    @property
    def salt(self) -> str:
        """The fingerprint of the salt of the job's hashes; empty where nobody has noted it."""
        return self._state.salt

    def shown(self) -> GtidSet:
        """See `Job`: what is committed, and what is about to be."""
        self._take(self._log.read_to(self._log.stable_end()))
        shown = self._processed()
        for key, value in self._log.uncommitted():
            if key == _POSITION and isinstance(record := decode_record(key, value), PositionRecord):
                shown = shown.union(record.processed)
        return shown

    def covers(self, gtids: GtidSet) -> bool:
        """See `Job`; waits a second at most. While keys of the table are read again, their changes may be kept back."""
        deadline = clock.monotonic_seconds() + _WAIT_SECONDS
        self._take(self._log.poll())
        while not (self._settled() and self._processed().covers(gtids)):
            if clock.monotonic_seconds() >= deadline:
                self._check(gtids)
                return False
            self._take(self._log.poll(_LOOK_SECONDS))
        return True

    def require(self, gtids: GtidSet) -> None:
        """See `Job`."""
        self._take(self._log.read_to(self._log.stable_end()))
        if not self._processed().covers(gtids):
            self._check_wish(gtids)

    def _check(self, gtids: GtidSet) -> None:
        """Raises Unavailable where another try may do better, when there is room for others meanwhile."""
        self._check_wish(gtids)
        now = clock.monotonic_seconds()
        self._leaderless = None if self._led() else self._leaderless or now
        if self._leaderless is not None and now - self._leaderless > _LEADERLESS_SECONDS_MAX:
            raise NotFollowing(
                f"Nobody leads job {self._wanted.name}, and {self._behind(gtids)}.",
                "Start `python -m workers.binlog`, then verify again.",
            )
        missing = gtids.minus(self._processed())
        if missing.count() != self._missing[0]:
            self._missing = missing.count(), now
        if missing and now - self._missing[1] > _STILL_SECONDS_MAX:
            raise NotFollowing(
                f"Job {self._wanted.name} has come no nearer for {_STILL_SECONDS_MAX:.0f} s: it lacks {named(missing)}.",
                "See what it does with scheduler status, then verify again.",
            )
        if not missing and now - self._missing[1] > _UNSETTLED_SECONDS_MAX:
            raise Unavailable(
                f"Some keys of {self._table} are being written again.",
                f"Verify it when scheduler status {self._wanted.name} shows it as live.",
            )

    def _check_wish(self, gtids: GtidSet) -> None:
        name = self._wanted.name
        self._registry.refresh(to_end=False)
        wanted = self._registry.wanted.get(name)
        if wanted is None or wanted.id != self._wanted.id or wanted.desire is Desire.CANCELLED:
            raise NotFollowing(f"Job {name} was cancelled.", "Submit it again to copy its tables anew.")
        outcome = self._registry.outcome(wanted)
        if outcome is not None and outcome.end is End.FAILED:
            raise NotFollowing(
                f"Job {name} has failed with {outcome.error}, and {self._behind(gtids)}.",
                f"Mend that, then scheduler resume {name}, then verify again.",
            )
        if outcome is not None and outcome.end is End.FINISHED:
            raise NotFollowing(
                f"Job {name} is finished, and {self._behind(gtids)}.",
                f"To copy its tables again: scheduler resume {name} --resync.",
            )
        if wanted.desire is Desire.PAUSED:
            raise NotFollowing(
                f"Job {name} is paused, and {self._behind(gtids)}.", f"scheduler resume {name}, then verify again."
            )

    def _behind(self, gtids: GtidSet) -> str:
        count = gtids.minus(self._processed()).count()
        if not count:
            return f"some changes of {self._table} are not in its topic yet"
        what = "byte" if self.by_place else "transaction"
        of = " of the binlog" if self.by_place else ""
        return f"MySQL has {count:,} {what}{'s' * (count != 1)}{of} that its topics do not show"

    def _processed(self) -> GtidSet:
        return self._state.position.processed if self._state.position else GtidSet({})

    def _settled(self) -> bool:
        """True when no change of the table is kept back, and no rows that a statement took away are left in the topic."""
        record = self._state.tables.get(self._table)
        if record is not None and record.table != self._columns:
            raise NotFollowing(f"The columns of {self._table} changed while it was compared.", "Verify it again.")
        held = any(chunk.attempt is not None and not chunk.released for chunk in self._state.chunks.values())
        return record is not None and record.live and record.swept >= record.emptied and not held

    def _take(self, records: list[tuple[bytes, bytes | None]]) -> None:
        """Only what is of the table: a job may have thousands."""
        for key, value in records:
            if key in (_POSITION, _SALT, self._ours[0]) or key.startswith(self._ours[1]):
                self._state.fold(key, value)
