"""The one rule by which every reader's snapshot and drain is measured.

A span runs from the moment when the first row is visible to a read_committed consumer to the moment when the last one is.
What was visible at first sight is no part of it, neither in rows nor in seconds nor in CPU time: so start-up (a JVM's, a
CLI's) is left out for everybody. The whole time, start-up included, is kept beside it, and the rate of the second half:
a JVM compiles itself for a good part of a short span, which a table of a hundred million rows would not show.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.bench.procfs import cpu_seconds, machine_seconds, peaks_mb

_LOOK_SECONDS = 0.02
# Nothing more may come for so long before the last growth counts as the end.
_QUIET_SECONDS = 1.0
_STROKE_SECONDS = 0.1
_SETTLED_SHARE = 0.15

Groups = Mapping[str, Callable[[], list[int]]]


class NotMeasured(Exception):
    """A reader did not do what was to be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look: when, how many messages were visible, and the CPU time of each group of processes."""

    at: float
    visible: int
    cpu: dict[str, float]
    machine: float


@dataclass(frozen=True, slots=True)
class Span:
    """A measured snapshot or drain."""

    rows: int
    begin: Reading
    first: Reading
    half: Reading
    last: Reading
    peaks_mb: list[float] = field(default_factory=list)

    @property
    def counted_from(self) -> Reading:
        """The first sight; the begin when that showed everything at once, as it may with few rows."""
        return self.first if self.first.visible - self.begin.visible < self.rows else self.begin

    @property
    def rows_counted(self) -> int:
        return self.rows - (self.counted_from.visible - self.begin.visible)

    @property
    def rate(self) -> float:
        return self.rows_counted / (self.last.at - self.counted_from.at)

    @property
    def late_rate(self) -> float | None:
        """The rate of the second half; None when it came at one stroke."""
        seconds = self.last.at - self.half.at
        return (self.last.visible - self.half.visible) / seconds if seconds > _STROKE_SECONDS else None

    @property
    def whole_seconds(self) -> float:
        return self.last.at - self.begin.at

    @property
    def foreign_cores(self) -> float:
        """How many cores were busy with other work, on average: what disturbed the measurement, and the harness itself."""
        ours = sum(self.last.cpu.values()) - sum(self.counted_from.cpu.values())
        return (self.last.machine - self.counted_from.machine - ours) / (self.last.at - self.counted_from.at)

    def cpu_per_million(self, group: str) -> float:
        return (self.last.cpu[group] - self.counted_from.cpu[group]) / self.rows_counted * 1e6

    def late_cpu(self, group: str) -> float | None:
        """The same of the second half."""
        rows = self.last.visible - self.half.visible
        seconds = self.last.cpu[group] - self.half.cpu[group]
        return seconds / rows * 1e6 if self.late_rate is not None else None

    def cpu_whole(self, group: str) -> float:
        """From the start on, per 1M rows: what the reader's start-up and its first rows cost as well."""
        return (self.last.cpu[group] - self.begin.cpu[group]) / self.rows * 1e6


def watch(
    rows: int,
    visible: Callable[[], int],
    groups: Groups,
    start: Callable[[], None],
    alive: Callable[[], None],
    seconds_max: float,
) -> Span:
    """Starts a reader and looks at its topic until all rows are visible.

    Args:
        alive: raises NotMeasured when the reader has ended.
    """

    def look() -> Reading:
        at, seen = time.monotonic(), visible()
        cpu = {name: cpu_seconds(pids()) for name, pids in groups.items()}
        return Reading(at, seen, cpu, machine_seconds())

    begin = look()
    start()
    first = half = last = begin
    while not (last.visible - begin.visible >= rows and time.monotonic() - last.at > _QUIET_SECONDS):
        time.sleep(_LOOK_SECONDS)
        seen = visible()
        if seen > last.visible:
            last = look()
            first = last if first is begin else first
            half = last if half is begin and last.visible - begin.visible >= rows / 2 else half
        alive()
        if time.monotonic() - begin.at > seconds_max:
            raise NotMeasured(f"{last.visible - begin.visible} of {rows} rows visible after {seconds_max:.0f} s")
    return Span(rows, begin, first, half, last, peaks_mb(groups["reader"]()))


def settle(groups: Groups, seconds_max: float) -> None:
    """Waits until servers have done what earlier measurements left to them: page flushes, deletions of topics."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        before = {name: cpu_seconds(pids()) for name, pids in groups.items()}
        time.sleep(1)
        if all(cpu_seconds(pids()) - before[name] <= _SETTLED_SHARE for name, pids in groups.items()):
            return
