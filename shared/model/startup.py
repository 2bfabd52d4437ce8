"""Where a job begins: whether it copies its tables, and from where on it follows the binlog. The user's wish, in Flink CDC's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.model.position import GtidSet


class StartMode(StrEnum):
    """`scan.startup.mode`."""

    INITIAL = "initial"
    SNAPSHOT = "snapshot"
    LATEST = "latest-offset"
    EARLIEST = "earliest-offset"
    SPECIFIC = "specific-offset"


@dataclass(frozen=True, slots=True)
class Startup:
    """The wish. `gtid_set` is what a job of `specific-offset` takes for processed."""

    mode: StartMode = StartMode.INITIAL
    gtid_set: GtidSet | None = None

    @property
    def copies(self) -> bool:
        """True when the tables are copied first; else they are only followed."""
        return self.mode in (StartMode.INITIAL, StartMode.SNAPSHOT)

    @property
    def ends(self) -> bool:
        """True when the job is over as soon as its tables are copied."""
        return self.mode is StartMode.SNAPSHOT
