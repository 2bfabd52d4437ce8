"""How long to wait before trying again: doubling from `first` to `longest` seconds, forgotten after a success."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """One thing that is tried again and again. Times in seconds of a clock that never goes back."""

    first: float = 1.0
    longest: float = 30.0
    _delay: float = 0.0
    _until: float = float("-inf")

    def failed(self, now: float) -> None:
        """The try failed; the next one has to wait."""
        self._delay = min(self.longest, self._delay * 2 or self.first)
        self._until = now + self._delay

    def succeeded(self) -> None:
        """The try went well: the next failure starts from `first` again."""
        self._delay, self._until = 0.0, float("-inf")

    @property
    def until(self) -> float:
        """When it may be tried again."""
        return self._until

    def ready(self, now: float) -> bool:
        """True when it may be tried."""
        return now >= self._until
