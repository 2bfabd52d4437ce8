"""Which Celery hints to send now. Pure: what waits and the time come in, hints go out.

A hint is sent for a few waiting chunks more than may be read at a time, so that a worker that becomes free finds the
next one in the queue. It is sent again after a while and expires at the broker some time later, so lost hints cost a
pause, doubled ones a refused question, and the queue stays short however long no worker runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.model.chunk import ChunkId
from shared.model.schema import TableId

Hint: TypeAlias = ChunkId | TableId

#: A hint is repeated after this many seconds.
REPEAT_SECONDS = 10.0


@dataclass(slots=True)
class Dispatch:
    """Remembers which hints are under way.

    Args:
        parallelism: chunks that may be read at a time.
        ahead: waiting chunks that are hinted beyond that.
    """

    parallelism: int
    ahead: int = 2
    _sent: dict[Hint, float] = field(default_factory=dict)

    def due(self, waiting: Sequence[ChunkId], claimed: int, splitting: TableId | None, now: float) -> list[Hint]:
        """The hints to send now.

        Args:
            waiting: the first waiting chunks, at least `window` of them if there are as many.
            claimed: how many chunks are being read.
            splitting: the table to split next; None when a splitter is at work or nothing is left to split.
            now: seconds of a clock that never goes back.
        """
        wanted: list[Hint] = list(waiting[: max(0, self.window - claimed)])
        if splitting is not None:
            wanted.append(splitting)
        # What is no longer wanted was granted or finished; forgetting it lets a later revoke send it at once.
        self._sent = {hint: at for hint, at in self._sent.items() if hint in wanted and now - at < REPEAT_SECONDS}
        due = [hint for hint in wanted if hint not in self._sent]
        self._sent |= dict.fromkeys(due, now)
        return due

    def refused(self, hint: Hint) -> None:
        """The worker that took this hint was turned away: it may be sent again as soon as it is wanted."""
        self._sent.pop(hint, None)

    @property
    def window(self) -> int:
        """How many chunks are claimed or hinted at a time."""
        return self.parallelism + self.ahead
