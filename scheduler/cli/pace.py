"""Speed, time left, and who is missing, from one picture after the other.

Law of this file: pure; the time is an argument.
"""

from __future__ import annotations

from collections import deque

from scheduler.cli.picture import Picture, State

#: Speed is that of this long: short enough to follow a change, long enough to span several chunks.
WINDOW_SECONDS = 10.0

#: After this long without a sign of life the user is told which process is missing.
PATIENCE_SECONDS = 10.0

NO_LEADER = "No binlog worker leads the job: start `python -m workers.binlog`."
NO_READER = "No snapshot worker takes chunks: start `celery -A workers.app worker -Q snapshot -E`."


class Pace:
    """Rows per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, now: float, rows: int) -> None:
        """Takes a count. One that went down (a chunk is read again) begins anew."""
        if self._seen and rows < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, rows))
        # The last count outside of the window stays: the window would else shrink to what lies between two looks.
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def rows_per_second(self) -> float:
        """The speed, 0 while it is not known."""
        if len(self._seen) < 2:
            return 0.0
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - begin) if end > begin else 0.0


def seconds_left(rows: int, rows_estimate: int, rows_per_second: float) -> float | None:
    """How long the rest will take at this speed; None when nobody can know."""
    left = max(0, rows_estimate - rows)
    if left == 0:
        return 0.0
    return left / rows_per_second if rows_per_second > 0 else None


def share(rows: int, rows_estimate: int, *, done: bool) -> float:
    """How much is done, 0 to 1; never 1 before it is done, since estimates may be too low."""
    if done:
        return 1.0
    return min(0.99, rows / rows_estimate) if rows_estimate > 0 else 0.0


class Patience:
    """Tells once which process is missing, after waiting long enough for a sign of it."""

    def __init__(self) -> None:
        self._key: tuple[str, int, int] | None = None
        self._since = 0.0
        self._told: set[str] = set()

    def look(self, now: float, picture: Picture) -> str:
        """A sentence for the user, mostly the empty text."""
        missing = _missing(picture)
        key = (missing, picture.figures["rows"], picture.figures["chunks_done"])
        if key != self._key:
            self._key, self._since = key, now
        if not missing or now - self._since < PATIENCE_SECONDS or missing in self._told:
            return ""
        self._told.add(missing)
        return missing


def _missing(picture: Picture) -> str:
    """Whose absence would explain the picture, should it stay as it is."""
    if picture.state in (State.SUBMITTED, State.NO_LEADER):
        return NO_LEADER if picture.leader is not None else ""
    return NO_READER if picture.state is State.SNAPSHOT and picture.leader else ""
