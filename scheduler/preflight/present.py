"""A report for people and for scripts.

Law of this file: it shows what the report holds and decides nothing.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scheduler.planner import Plan
from scheduler.preflight.findings import Finding, Report, Severity

#: Rows of the plan that a terminal still shows with profit; `--json` has them all.
_TABLES_SHOWN = 40

_STYLES = {"✓": "green", "!": "yellow", "✗": "red"}


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values."""
    facts = report.facts
    return {
        "ok": report.ok,
        "findings": [_finding_to_json(finding) for finding in report.findings],
        "server": None if facts is None else {"version": facts.version, "uuid": facts.server_uuid, "user": facts.user},
        "plan": None if report.plan is None else plan_to_json(report.plan),
    }


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values."""
    connections = plan.connections
    return {
        "tables": [
            {
                "database": planned.table.id.database,
                "table": planned.table.id.table,
                "topic": planned.topic,
                "rows_estimate": planned.rows_estimate,
                "bytes_estimate": planned.bytes_estimate,
                "chunk_rows": planned.chunk_rows,
                "chunks_estimate": planned.chunks_estimate,
            }
            for planned in plan.tables
        ],
        "rows_estimate": plan.rows_estimate,
        "bytes_estimate": plan.bytes_estimate,
        "chunks_estimate": plan.chunks_estimate,
        "connections": {
            "binlog": connections.binlog,
            "leader": connections.leader,
            "splitter": connections.splitter,
            "readers_max": connections.readers,
            "total_max": connections.total,
        },
    }


def print_report(report: Report, console: Console) -> None:
    """The findings and, when there is one, the plan."""
    for finding in report.findings:
        console.print(_line(finding), soft_wrap=True)
        if finding.hint:
            console.print(Text(f"    → {finding.hint}"), soft_wrap=True)
    if report.plan is not None:
        console.print()
        print_plan(report.plan, console)


def print_plan(plan: Plan, console: Console) -> None:
    """What the job will do, and the connections that MySQL will see."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table", overflow="fold")
    table.add_column("rows (estimate)", justify="right")
    table.add_column("size", justify="right")
    table.add_column("chunks", justify="right")
    table.add_column("topic", overflow="fold")
    for planned in plan.tables[:_TABLES_SHOWN]:
        table.add_row(
            Text(str(planned.table.id)),
            f"{planned.rows_estimate:,}",
            size(planned.bytes_estimate),
            f"{planned.chunks_estimate:,}",
            Text(planned.topic),
        )
    console.print(table)
    hidden = len(plan.tables) - _TABLES_SHOWN
    if hidden > 0:
        console.print(f"… and {hidden:,} more tables")
    console.print()
    console.print(Text(totals(plan)), soft_wrap=True)
    console.print(Text(connections(plan)), soft_wrap=True)


def totals(plan: Plan) -> str:
    """The plan in one line."""
    count = len(plan.tables)
    return (
        f"{count:,} table{'s' * (count != 1)}, about {plan.rows_estimate:,} rows ({size(plan.bytes_estimate)}) "
        f"in {plan.chunks_estimate:,} chunk{'s' * (plan.chunks_estimate != 1)}."
    )


def connections(plan: Plan) -> str:
    """The connections that MySQL will see, in one line."""
    c = plan.connections
    return (
        f"MySQL will see at most {c.total} connections: {c.binlog} for the binlog, {c.leader} of the leader, "
        f"{c.splitter} of the splitter, and while tables are copied up to {c.readers} that read chunks."
    )


def size(count: int) -> str:
    """Bytes for people: `512 B`, `16.0 KiB`, `2.4 GiB`."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "ok": finding.ok,
        "severity": None if finding.ok else finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "path": finding.path,
    }


def _line(finding: Finding) -> Text:
    mark = "✓" if finding.ok else "!" if finding.severity is Severity.WARNING else "✗"
    place = f"{finding.path}: " if finding.path and not finding.ok else ""
    return Text.assemble((mark, _STYLES[mark]), f" {finding.subject.replace('_', ' ')}: {place}{finding.message}")
