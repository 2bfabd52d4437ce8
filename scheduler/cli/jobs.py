"""The registry as the verbs see it: looking never creates its topic, unknown names are told what there is."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Protocol

from shared.errors import InvalidJob
from shared.model.job import Desire, End, Outcome, Wanted


class Records(Protocol):
    """What `shared.adapters.kafka.registry.Registry` does for us."""

    wanted: dict[str, Wanted]

    def refresh(self, *, to_end: bool = True) -> None:
        """Reads what is new."""

    def outcome(self, wanted: Wanted) -> Outcome | None:
        """How this revision ended."""

    def write(self, record: Wanted | Outcome) -> None:
        """Writes durably."""

    def close(self) -> None:
        """Frees the client."""


class Jobs:
    """All jobs.

    Args:
        exists: tells whether the registry's topic is there.
        connect: opens the registry, which creates its topic.

    Raises (every method): Unavailable, SinkRefused, NeedsOperator when a newer headrace wrote the topic.
    """

    def __init__(self, exists: Callable[[], bool], connect: Callable[[], Records]) -> None:
        self._exists = exists
        self._connect = connect
        self._records: Records | None = None

    def refresh(self, *, to_end: bool = True) -> None:
        """Reads what is new; with `to_end` surely all that was written before the call."""
        if self._records is None and self._exists():
            self._records = self._connect()
            to_end = True
        if self._records is not None:
            self._records.refresh(to_end=to_end)

    def all(self) -> list[Wanted]:
        """Every job, by name."""
        return sorted(self._records.wanted.values(), key=lambda wanted: wanted.name) if self._records else []

    def find(self, name: str) -> Wanted | None:
        """The job of that name."""
        return self._records.wanted.get(name) if self._records else None

    def get(self, name: str) -> Wanted:
        """The job of that name.

        Raises:
            InvalidJob: there is none; the hint lists those that there are.
        """
        wanted = self.find(name)
        if wanted is None:
            raise InvalidJob(f"There is no job `{name}`.", _known(name, [job.name for job in self.all()]))
        return wanted

    def outcome(self, wanted: Wanted) -> Outcome | None:
        """How this revision of the job ended, None while it may run."""
        return self._records.outcome(wanted) if self._records else None

    def is_over(self, wanted: Wanted) -> bool:
        """True when a worker has ended the cancelled job for good."""
        outcome = self.outcome(wanted)
        return wanted.desire is Desire.CANCELLED and outcome is not None and outcome.end is End.CANCELLED

    def write(self, wanted: Wanted) -> None:
        """Writes the user's record, creating the registry with the first one, and reads it back."""
        if self._records is None:
            self._records = self._connect()
        self._records.write(wanted)
        self._records.refresh()

    def close(self) -> None:
        """Frees the client."""
        if self._records is not None:
            self._records.close()


def _known(name: str, names: list[str]) -> str:
    if not names:
        return "No job was submitted yet: scheduler submit job.yaml."
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    meant = f"Did you mean `{near[0]}`? " if near else ""
    return f"{meant}Known jobs: {', '.join(names)}."
