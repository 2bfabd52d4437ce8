"""Where a sample of a topic begins, and what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Mode(StrEnum):
    """Where to begin, in Flink's words (`scan.startup.mode`)."""

    EARLIEST_OFFSET = "earliest-offset"
    LATEST_OFFSET = "latest-offset"
    GROUP_OFFSETS = "group-offsets"
    TIMESTAMP = "timestamp"
    SPECIFIC_OFFSETS = "specific-offsets"


@dataclass(frozen=True, slots=True)
class Start:
    """A mode and what it needs: milliseconds since 1970, offsets by partition, or a consumer group."""

    mode: Mode
    timestamp_ms: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)
    group: str = ""


class Sampled(NamedTuple):
    """One message; `timestamp_ms` is 0 where it has none."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    partition: int
    offset: int
