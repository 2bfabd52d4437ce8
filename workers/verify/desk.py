"""A comparison's desk: tells how it goes, and hears whether anybody still wants to know, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType

from shared import clock
from shared.adapters.redis.verify import SIGN_SECONDS, Heard, VerifyDesk
from shared.errors import Unavailable
from shared.model.verify import Difference, Report
from shared.runtime import logs

LOG = logs.get("headrace.verify")

_TELL_SECONDS = 1.0

#: The last word is worth more patience: without it all would be compared again.
_LAST_TRIES = 10


class Desk:
    """A context manager around one try of one part.

    Args:
        wire: the way to whoever asked.
        first: what to tell first.
    """

    def __init__(self, wire: VerifyDesk, first: Report) -> None:
        self._wire = wire
        self._report = first
        self._wanted = True
        self._heard = clock.monotonic_seconds()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=logs.inherited(self._tell_on), name="verify-desk", daemon=True)

    def take(self) -> bool:
        """True when the part is ours; false when another worker compares it, or nobody wants it any more.

        Raises:
            Unavailable: Redis does not answer.
        """
        heard = self._wire.tell(self._report)
        if heard is Heard.OURS:
            self._thread.start()
        return heard is Heard.OURS

    @property
    def wanted(self) -> bool:
        """False once nobody waits for the result."""
        return self._wanted

    def note(self, report: Report) -> None:
        """How it goes; cheap enough for every step."""
        self._report = report

    def wait(self, seconds: float) -> None:
        """Rests so long, or until nobody waits for the result."""
        self._ended.wait(seconds)

    def finish(self, report: Report, differences: Iterable[Difference] = ()) -> None:
        """The last word, and what was found before it."""
        self._stop()
        for left in reversed(range(_LAST_TRIES)):
            try:
                self._wire.put_differences(differences)
                self._wire.tell(report)
                return
            except Unavailable as error:
                LOG.warning("result_not_told", reason=error.message)
                time.sleep(_TELL_SECONDS if left else 0)

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _tell_on(self) -> None:
        while not self._ended.wait(_TELL_SECONDS):
            try:
                heard = self._wire.tell(self._report)
            except Unavailable as error:
                LOG.warning("progress_lost", reason=error.message)
                heard = Heard.UNHEARD
            now = clock.monotonic_seconds()
            if heard is Heard.OURS:
                self._heard = now
            elif heard is not Heard.UNHEARD or now - self._heard > SIGN_SECONDS:
                self._wanted = False
                self._ended.set()
