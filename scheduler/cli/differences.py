"""How a comparison goes and what it found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scheduler.cli.peek import as_json, as_text
from scheduler.cli.verifying import Part, TableRun
from scheduler.cli.views import BARS_MAX, count_text, duration_text
from scheduler.dispatch.captions import key_range
from shared.model.verify import EVERYTHING, Counts, Difference, Kind, Report, Stage

_BAR_WIDTH = 16

#: A log gets one line in this time.
_LINE_SECONDS = 5.0

_DOING: Mapping[Stage, str] = {
    Stage.FOLDING: "reads the topic",
    Stage.READING: "compares",
    Stage.WAITING: "waits",
    Stage.CHECKING: "looks again",
    Stage.MENDING: "writes again",
}

_COLOURS: Mapping[Kind, str] = {Kind.MISSING: "red", Kind.STALE: "yellow", Kind.GHOST: "magenta"}


def result_of(table: TableRun) -> str:
    """What came of a table, in one word."""
    if table.skipped:
        return "skipped"
    if table.counts.written and not table.counts.left and table.over and not table.failure:
        return "repaired" if table.counts.differ else "written"
    if table.counts.differ:
        return "differs"
    return "failed" if table.failure else "equal" if table.over else "stopped"


def document(job: str, sample: float, tables: Sequence[TableRun]) -> dict[str, Any]:
    """All that was found, for `--json`."""
    return {
        "job": job,
        "sample": sample,
        "equal": all(result_of(table) in ("equal", "repaired") for table in tables),
        "tables": [_table_document(table) for table in tables],
    }


def _table_document(table: TableRun) -> dict[str, Any]:
    counts, failure = table.counts, table.failure
    return {
        "table": str(table.record.table.id),
        "topic": table.record.topic,
        "result": result_of(table),
        "rows": counts.rows,
        "missing": counts.missing,
        "stale": counts.stale,
        "ghost": counts.ghost,
        "written": counts.written,
        "left": counts.left,
        "reason": table.skipped,
        "error": {"name": failure.name, "message": failure.message, "hint": failure.hint} if failure else None,
        "differences": [_difference_document(one) for one in table.differences],
    }


def _difference_document(one: Difference) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "key": as_json(one.key),
        "mysql": None if one.mysql is None else as_json(one.mysql),
        "topic": None if one.topic is None else as_json(one.topic),
        "partition": one.partition,
        "offset": one.offset,
        "shortened": one.shortened,
    }


def found_views(tables: Sequence[TableRun], sample: float) -> list[RenderableType]:
    """A line for each table, then the keys that differ, a line each and one for either value."""
    grid = _grid("TABLE", ">ROWS", ">MISSING", ">STALE", ">GHOST", "RESULT")
    for table in tables:
        counts = table.counts
        cells = (counts.missing, counts.stale, counts.ghost)
        grid.add_row(str(table.record.table.id), f"{counts.rows:,}", *(f"{n:,}" for n in cells), _result_text(table))
    parts: list[RenderableType] = [grid]
    for table in tables:
        parts += _differences(table)
        if table.skipped:
            parts.append(Text(f"{table.record.table.id} was left out: {table.skipped}", style="dim"))
        if failure := table.failure:
            hint = f" Hint: {failure.hint}" if failure.hint else ""
            parts.append(Text(f"{table.record.table.id}: {failure.name}: {failure.message}{hint}", style="red"))
    if total := differ_in_all(tables).written:
        parts.append(Text(f"{total:,} messages were written to repair what differed."))
    if sample < EVERYTHING:
        parts.append(Text(f"About {sample:g} % of the keys were compared.", style="dim"))
    return parts


def _result_text(table: TableRun) -> Text:
    word = result_of(table)
    return Text(
        word, style={"equal": "green", "repaired": "green", "differs": "bold red", "failed": "red"}.get(word, "yellow")
    )


def _differences(table: TableRun) -> list[RenderableType]:
    shown = table.differences
    if not shown:
        return []
    lines: list[RenderableType] = [Text(), Text(f"{table.record.table.id}, topic {table.record.topic}:", style="bold")]
    for one in shown:
        place = "" if one.offset is None else f"  (partition {one.partition}, offset {one.offset})"
        lines.append(Text.assemble((f"{one.kind} ", _COLOURS[one.kind]), as_text(one.key), (place, "dim")))
        if one.shortened:
            lines.append(Text("  its values are too large to be shown", style="dim"))
            continue
        lines += [Text(f"  {side}: {_value(data)}") for side, data in (("MySQL", one.mysql), ("topic", one.topic))]
    hidden = table.counts.differ - len(shown)
    return [*lines, Text(f"{hidden:,} more differ", style="dim")] if hidden > 0 else lines


def _value(data: bytes | None) -> str:
    return "nothing" if data is None else as_text(data)


class Bars:
    """Shows what is being compared as bars that move in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, tables: Sequence[TableRun], elapsed: float) -> None:
        """Draws."""
        grid = _grid("TABLE", "", ">%", "DOES", ">DIFFER")
        for table, part, report in _running(tables)[:BARS_MAX]:
            where = key_range(table.record.table, part.order.range)
            grid.add_row(
                f"{table.record.table.id}{' ' if where else ''}{where}",
                ProgressBar(total=1.0, completed=_share(report), width=_BAR_WIDTH),
                f"{100 * _share(report):.0f}",
                _doing(report),
                f"{report.suspects:,}" if report.suspects else "",
            )
        self._live.update(Group(Text(_summary(tables, elapsed)), grid), refresh=True)


class Lines:
    """Shows it as plain lines, one in some seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at = 0.0

    def __call__(self, tables: Sequence[TableRun], elapsed: float) -> None:
        """Prints when it is time."""
        if elapsed - self._at < _LINE_SECONDS:
            return
        self._at = elapsed
        doing = [f"{table.record.table.id} {_doing(report)}" for table, _, report in _running(tables)[:BARS_MAX]]
        self._console.print("; ".join([_summary(tables, elapsed), *doing]), soft_wrap=True)


def nothing(_tables: Sequence[TableRun], _elapsed: float) -> None:
    """Shows nothing."""


def _running(tables: Sequence[TableRun]) -> list[tuple[TableRun, Part, Report]]:
    return [(t, part, part.report) for t in tables for part in t.parts if part.running and part.report is not None]


def _summary(tables: Sequence[TableRun], elapsed: float) -> str:
    compared = [table for table in tables if not table.skipped]
    total = sum((table.counts.rows for table in compared), 0)
    running = sum(report.done for _, _, report in _running(tables) if report.stage is Stage.READING)
    done = sum(table.over for table in compared)
    return f"{duration_text(elapsed)} {done} of {len(compared)} tables, {count_text(total + running)} rows"


def _share(report: Report) -> float:
    return min(1.0, report.done / report.total) if report.total else 0.0


def _doing(report: Report) -> str:
    return f"waits for {report.waits}" if report.waits else _DOING.get(report.stage, report.stage.value)


def differ_in_all(tables: Sequence[TableRun]) -> Counts:
    """What was found in all tables."""
    total = Counts()
    for table in tables:
        total = total.plus(table.counts)
    return total


def _grid(*titles: str) -> Table:
    """A table without frames; `>` before a title puts its column to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    return table
