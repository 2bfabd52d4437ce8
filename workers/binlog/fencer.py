"""Fences attempts off the leader's path: opening a producer takes a moment, in which the binlog goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

#: Fences that run at a time; each is one short-lived producer.
_AT_A_TIME = 4


class ThreadedFencer:
    """Implements `workers.binlog.ports.Fencer`.

    Args:
        fence: ends an attempt for good before it returns.
        high_watermark: the end of the state topic, asked for after the fence.
        wake: called when a fence is done.
    """

    def __init__(
        self, fence: Callable[[str], None], high_watermark: Callable[[], int], wake: Callable[[], None]
    ) -> None:
        self._fence = fence
        self._high_watermark = high_watermark
        self._wake = wake
        self._pool = ThreadPoolExecutor(_AT_A_TIME, "fence")
        self._running: dict[str, Future[int]] = {}

    def start(self, attempt: str) -> None:
        """Begins to fence an attempt."""
        future = self._pool.submit(self._fence_one, attempt)
        future.add_done_callback(lambda _: self._wake())
        self._running[attempt] = future

    def fenced(self) -> list[tuple[str, int]]:
        """Attempts that are fenced now; a fence that failed ends the tenure, whose successor fences again."""
        done = [attempt for attempt, future in self._running.items() if future.done()]
        return [(attempt, self._running.pop(attempt).result()) for attempt in done]

    def fence_all(self, attempts: list[str]) -> None:
        """Fences all of them before it returns."""
        list(self._pool.map(self._fence, attempts))

    def close(self) -> None:
        """Starts no more fences."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fence_one(self, attempt: str) -> int:
        self._fence(attempt)
        return self._high_watermark()
