"""Where a job begins: whether it copies its tables, and from where on it follows the binlog. The user's wish, in Flink CDC's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.model.position import Coordinates, GtidSet


class StartMode(StrEnum):
    """`scan.startup.mode`."""

    INITIAL = "initial"
    SNAPSHOT = "snapshot"
    LATEST = "latest-offset"
    EARLIEST = "earliest-offset"
    SPECIFIC = "specific-offset"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class Startup:
    """The wish. A job of `specific-offset` takes `gtid_set` for processed, or all of the binlog up to an offset of a file; one of
    `timestamp` all that was committed before a moment, in milliseconds since 1970.
    """

    mode: StartMode = StartMode.INITIAL
    gtid_set: GtidSet | None = None
    file: str | None = None
    offset: int | None = None
    timestamp_millis: int | None = None

    @property
    def copies(self) -> bool:
        """True when the tables are copied first; else they are only followed."""
        return self.mode in (StartMode.INITIAL, StartMode.SNAPSHOT)

    @property
    def ends(self) -> bool:
        """True when the job is over as soon as its tables are copied."""
        return self.mode is StartMode.SNAPSHOT

    @property
    def place(self) -> Coordinates | None:
        """The place in the binlog, where it was given."""
        return None if self.file is None or self.offset is None else Coordinates(self.file, self.offset)
