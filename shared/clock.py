"""Time, as processes read it. Pure rooms never do; they are told."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def monotonic_seconds() -> float:
    """Seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()


def unix_seconds() -> float:
    """Seconds since 1970."""
    return time.time()


def utc_text() -> str:
    """The present moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
