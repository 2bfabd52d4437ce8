"""Makes attempts at ranges or keys of a live table until each has ended well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import NotFollowing, Transient
from shared.model.chunk import KeyRange
from shared.model.schema import TableId
from workers.mend.readers import KeyedRows, KeysReader
from workers.snapshot.attempt import Outcome, Reader

#: Keys of one attempt. The whole table is held meanwhile, for about as long as so many look-ups in an index take.
KEYS_PER_ATTEMPT = 5000

#: A reader that was turned away, or failed in a way that may pass, asks again after so many seconds.
_PAUSE_SECONDS = 1.0

#: Failures one after the other that may pass, before it gives up.
_FAILURES_MAX = 10

_WHOLE = KeyRange(None, None)


class Attempts(Protocol):
    """Makes attempts: `workers.snapshot.office.Office`."""

    def read_again(
        self, job: str, job_id: str, table: TableId, bounds: KeyRange, reader: Reader, report: Callable[[int], None]
    ) -> Outcome:
        """One attempt; refused ones say why."""


@dataclass(slots=True)
class Mender:
    """For one table of one job.

    Args:
        attempts: makes them.
        job: the job's name.
        job_id: and its id.
        table: the table.
        tell: hears how many rows and tombstones are written, and what is waited for (empty: nothing); raises when nobody
            wants it any more.
    """

    attempts: Attempts
    job: str
    job_id: str
    table: TableId
    tell: Callable[[int, str], None]
    written: int = 0

    def keys(self, rows: KeyedRows, batches: Iterable[Sequence[bytes]], *, gone_is_empty: bool = False) -> None:
        """Writes these keys as MySQL has them: their rows, or tombstones; see `KeysReader`.

        Raises:
            HeadraceError: it could not be done; what was written before is right, and stays.
        """
        for keys in regrouped(batches):
            self.range(_WHOLE, KeysReader(rows, keys, gone_is_empty=gone_is_empty))

    def range(self, bounds: KeyRange, reader: Reader) -> None:
        """Has the reader read a range again, until an attempt has ended well.

        Raises:
            NotFollowing: the job has no such table any more, or with another key.
        """
        failures = 0
        while True:
            self.tell(self.written, "")
            try:
                outcome = self.attempts.read_again(
                    self.job, self.job_id, self.table, bounds, reader, lambda rows: self.tell(self.written + rows, "")
                )
            except Transient as error:
                failures += 1
                if failures >= _FAILURES_MAX:
                    raise
                reason = error.message
            else:
                if outcome.read:
                    self.written += outcome.rows
                    return
                if outcome.final:
                    raise NotFollowing(
                        f"{self.table} has got another key since this began, or is none of job {self.job} any more.",
                        "Try again when scheduler status shows it as live.",
                    )
                reason = outcome.reason
            self.tell(self.written, reason)
            time.sleep(_PAUSE_SECONDS)


def regrouped(batches: Iterable[Sequence[bytes]]) -> Iterator[list[bytes]]:
    """The same keys, as many at a time as one attempt takes."""
    group: list[bytes] = []
    for batch in batches:
        group.extend(batch)
        while len(group) >= KEYS_PER_ATTEMPT:
            yield group[:KEYS_PER_ATTEMPT]
            del group[:KEYS_PER_ATTEMPT]
    if group:
        yield group
