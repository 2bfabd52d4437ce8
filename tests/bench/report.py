"""The table that a benchmark prints: a line per measurement, and how headrace compares with each."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement of one reader or limit. What was not measured is None; `note` says why."""

    measure: str
    reader: str
    rate: float | None = None
    late_rate: float | None = None  # of the second half
    whole_seconds: float | None = None
    foreign_cores: float | None = None  # busy with other work meanwhile
    cpu: dict[str, float | None] = field(default_factory=dict)  # per 1M rows, by group; `late`, `whole`: the reader's
    peak_mb: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    note: str = ""


# More work of others than this on either side, and a ratio says more about them than about us. The harness itself takes a tenth.
_FOREIGN_CORES_MAX = 0.3
# A reader whose later half is so much faster had not found its pace: a JVM that was still compiling itself.
_STEADY_FACTOR_MAX = 1.25

LEGEND = """\
- rows/s (changes/s in the drain): from the first row visible to a read_committed consumer to the last; what was visible
  at first sight is not counted. "2nd half" is the rate of the later half of the rows.
- "headrace is": headrace's rate against the better of the two; for latency, p99 against p99. "its CPU": the CPU time of
  headrace's processes against the lesser one of the line's.
- A "?" behind a ratio: do not quote it. Either others kept more than 0.3 cores busy in one of the two measurements ("others", in
  cores): run again on a quiet machine. Or the later half was 1.25 times as fast, so the reader had not found its pace:
  measure more rows or changes.
- CPU reader, mysqld, broker: CPU seconds per 1M rows in that span; "reader, whole": from the start on, start-up included.
- peak MB: the largest process of the reader. "whole s": from the start to the last row visible, start-up included."""

_COLUMNS = (
    *("measured", "reader", "rows/s", "2nd half", "headrace is", "its CPU"),
    *(
        "CPU reader",
        "2nd half",
        "mysqld",
        "broker",
        "reader, whole",
        "peak MB",
        "whole s",
        "others",
        "p50 ms",
        "p99 ms",
        "note",
    ),
)


def table(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table."""
    lines = list(lines)
    own = {line.measure: line for line in lines if line.reader == "headrace"}
    cells = [list(_COLUMNS), *([*_cells(line, own.get(line.measure))] for line in lines)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(_COLUMNS))]
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    rows.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(rows)


def _cells(line: Line, own: Line | None) -> Iterable[str]:
    yield line.measure
    yield line.reader
    yield _number(line.rate, ",.0f")
    yield _number(line.late_rate, ",.0f")
    yield _ratio(line, own)
    yield _cpu_ratio(line, own)
    for group in ("reader", "late", "mysqld", "broker", "whole"):
        yield _number(line.cpu.get(group), ".2f")
    yield _number(line.peak_mb, ",.0f")
    yield _number(line.whole_seconds, ".1f")
    yield _number(line.foreign_cores, ".1f")
    yield _number(line.p50_ms, ",.0f")
    yield _number(line.p99_ms, ",.0f")
    yield line.note.replace("|", "/").replace("\n", " ")


def _ratio(line: Line, own: Line | None) -> str:
    """How many times as fast headrace is: its rate against the better one of the other's. For latency by its p99."""
    if own is None or own is line:
        return ""
    if line.p99_ms and own.p99_ms:
        return f"{line.p99_ms / own.p99_ms:.2f} x{_doubt(line, own)}"
    if line.rate and own.rate:
        return f"{own.rate / max(line.rate, line.late_rate or 0):.2f} x{_doubt(line, own)}"
    return ""


def _cpu_ratio(line: Line, own: Line | None) -> str:
    """The CPU time of headrace's processes against that of the other's."""
    if own is None or own is line or not line.cpu.get("reader") or not own.cpu.get("reader"):
        return ""
    other = min(line.cpu["reader"], line.cpu.get("late") or line.cpu["reader"])
    return f"{own.cpu['reader'] / other:.2f} x{_doubt(line, own)}"


def _doubt(*lines: Line) -> str:
    return "?" if any(_disturbed(line) or _unsteady(line) for line in lines) else ""


def _disturbed(line: Line) -> bool:
    return (line.foreign_cores or 0) > _FOREIGN_CORES_MAX


def _unsteady(line: Line) -> bool:
    return bool(line.rate and line.late_rate and line.late_rate > line.rate * _STEADY_FACTOR_MAX)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
