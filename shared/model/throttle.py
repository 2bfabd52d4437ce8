"""How much of MySQL a snapshot may take: the user's limits, what the server tells of its load, and a reader's pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one job, all readers together; None means no limit. They bind the snapshot, never the stream."""

    rows_per_second: int | None = None
    bytes_per_second: int | None = None
    max_threads_running: int | None = None
    max_replica_lag: timedelta | None = None
    replicas: tuple[Address, ...] = ()
    """Whose lag counts; none: that of the source itself, which then is a replica."""

    @property
    def watch(self) -> bool:
        """True when the servers must be asked for their load."""
        return self.max_threads_running is not None or self.max_replica_lag is not None


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the servers said when they were last asked. A lag is in seconds, None when the server cannot tell it."""

    threads_running: int = 0
    lags: tuple[tuple[str, float | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one attempt may read; 0 means as fast as it can."""

    rows_per_second: float = 0.0
    bytes_per_second: float = 0.0

    def seconds(self, rows: int, size: int) -> float:
        """How long so many rows and bytes should take at least."""
        by_rows = rows / self.rows_per_second if self.rows_per_second else 0.0
        by_bytes = size / self.bytes_per_second if self.bytes_per_second else 0.0
        return max(by_rows, by_bytes)


FULL_SPEED = Pace()
