"""How fast a figure grows, from looks at it over the last minutes."""

from __future__ import annotations

from collections import deque

#: A look is kept when it is so much younger than the one before.
_STEP_SECONDS = 5.0

#: Nothing is said before the looks span so long: the first seconds of a snapshot say little about its hours.
_SHORTEST_SECONDS = 10.0


class Trend:
    """A sliding window over looks.

    Args:
        window_seconds: how far back the oldest look may lie.
    """

    def __init__(self, window_seconds: float = 300.0) -> None:
        self._window = window_seconds
        self._looks: deque[tuple[float, float]] = deque()
        self._last: tuple[float, float] | None = None

    def note(self, now: float, value: float) -> None:
        """One look, at a time that never goes back."""
        self._last = now, value
        if not self._looks or now - self._looks[-1][0] >= _STEP_SECONDS:
            self._looks.append((now, value))
        while now - self._looks[0][0] > self._window:
            self._looks.popleft()

    def per_second(self) -> float | None:
        """Growth in a second; None when it is too early to tell."""
        if self._last is None:
            return None
        (began, first), (ended, last) = self._looks[0], self._last
        return (last - first) / (ended - began) if ended - began >= _SHORTEST_SECONDS else None


def seconds_until(value: float, limit: float, per_second: float | None) -> float | None:
    """When a growing figure reaches a limit, 0 when it has; None when it does not grow or nobody knows."""
    if value >= limit:
        return 0.0
    return None if per_second is None or per_second <= 0 else (limit - value) / per_second
