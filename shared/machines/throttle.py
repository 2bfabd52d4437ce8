"""When a chunk may be read, and how fast, so that a snapshot leaves MySQL room for others.

Admission is where it bites: while a limit is passed no chunk is granted, and what is being read goes on, for a chunk is
a matter of seconds. Limits per second are kept twice: each attempt gets its share as a pace, and what all have read is
paid for in time before the next chunk is granted. The second makes the average right whatever attempts do.
"""

from __future__ import annotations

from collections.abc import Collection

from shared.model.throttle import Limits, Pace, Pressure

#: The servers are asked for their load this often.
LOOK_SECONDS = 1.0

#: Attempts report once a second: what a report tells was read since the one before, so that much is paid for already.
_CREDIT_SECONDS = 1.0


class Throttle:
    """The throttle of one job. Times are seconds of a clock that never goes back.

    Args:
        limits: those in force; `change` replaces them at any moment.

    `rows_read` and `bytes_read` are what attempts have reported in all.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.rows_read = 0
        self.bytes_read = 0
        self._paid_at = 0.0
        self._seen: dict[str, tuple[int, int]] = {}
        self._pressure: Pressure | None = None
        self._looked_at = float("-inf")

    def change(self, limits: Limits) -> None:
        """Other limits from now on; debts under the old ones are forgotten."""
        if limits != self.limits:
            self.limits = limits
            self._paid_at = 0.0
            self._pressure = None
            self._looked_at = float("-inf")

    def wants_look(self, now: float) -> bool:
        """True when `look` should be called with fresh figures."""
        return self.limits.watch and now - self._looked_at >= LOOK_SECONDS

    def look(self, pressure: Pressure, now: float) -> None:
        """The servers' load as of now."""
        self._pressure = pressure
        self._looked_at = now

    def count(self, attempt: str, rows: int, size: int, now: float) -> None:
        """An attempt reports how many rows and bytes it has read in all."""
        before_rows, before_size = self._seen.get(attempt, (0, 0))
        more_rows, more_bytes = max(0, rows - before_rows), max(0, size - before_size)
        self._seen[attempt] = before_rows + more_rows, before_size + more_bytes
        self.rows_read += more_rows
        self.bytes_read += more_bytes
        if cost := self.pace(1).seconds(more_rows, more_bytes):
            self._paid_at = max(self._paid_at, now - _CREDIT_SECONDS) + cost

    def keep(self, attempts: Collection[str]) -> None:
        """Forgets all attempts but these."""
        if self._seen.keys() - attempts:
            self._seen = {attempt: seen for attempt, seen in self._seen.items() if attempt in attempts}

    def reason(self, now: float) -> str:
        """Why no chunk may be read now; empty when one may."""
        return self._strained() or ("the rate is used up" if self._paid_at > now else "")

    def pace(self, attempts: int) -> Pace:
        """The pace of an attempt when so many share the limits."""
        share = max(1, attempts)
        return Pace((self.limits.rows_per_second or 0) / share, (self.limits.bytes_per_second or 0) / share)

    def _strained(self) -> str:
        if not self.limits.watch:
            return ""
        if self._pressure is None:
            return "the server's load is not known yet"
        most = self.limits.max_threads_running
        if most is not None and self._pressure.threads_running > most:
            return f"Threads_running is {self._pressure.threads_running}, above {most}"
        longest = self.limits.max_replica_lag
        return "" if longest is None else _lagging(self._pressure, longest.total_seconds())


def _lagging(pressure: Pressure, longest: float) -> str:
    if not pressure.lags:
        return "no replica tells its lag"
    for name, lag in pressure.lags:
        if lag is None:
            return f"replica {name} does not tell its lag"
        if lag > longest:
            return f"replica {name} is {lag:g} s behind, more than {longest:g} s"
    return ""
