"""A report as people and scripts see it."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from scheduler.planner import Estimate, make_plan
from scheduler.preflight import Report, as_json, print_report
from scheduler.preflight.findings import failed, passed, warned
from scheduler.preflight.present import size
from shared.model.schema import Column, Table, TableId
from tests.unit.preflight.facts_lab import GOOD

ID = Column("id", "bigint", "bigint", nullable=False)
TABLES = [Table(TableId("[bold]dw", name), (ID,), ("id",)) for name in ("user", "order")]
TOPICS = {table.id: f"[red]{table.id.table}" for table in TABLES}
PLAN = make_plan(TABLES, TOPICS, {TABLES[0].id: Estimate(1_234_567, 1000)}, 10_000, 4)
GREEN = Report((passed("mysql", "MySQL answers."), warned("patterns", "odd", "look", "source.tables")), PLAN, GOOD)
RED = Report((failed("log_bin", "off", "on with it"),), None, None)


def printed(report: Report, width: int = 120) -> str:
    text = io.StringIO()
    print_report(report, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_findings_have_marks_and_hints() -> None:
    lines = printed(GREEN).splitlines()
    assert lines[:3] == ["✓ mysql: MySQL answers.", "! patterns: source.tables: odd", "    → look"]
    assert printed(RED).splitlines() == ["✗ log bin: off", "    → on with it"]


def test_the_plan_is_a_table_with_the_names_as_they_are() -> None:
    text = printed(GREEN)
    (row,) = [line for line in text.splitlines() if "dw.user" in line]
    assert row.split() == ["[bold]dw.user", "1,234,567", "1.1", "GiB", "124", "[red]user"]
    assert "2 tables, about 1,234,567 rows (1.1 GiB) in 125 chunks." in text
    assert "MySQL will see at most 7 connections: 1 for the binlog, 1 of the leader, 1 of the splitter" in text


def test_a_long_hint_is_not_cut_on_a_narrow_terminal() -> None:
    report = Report((failed("x", "m", "GRANT " * 40 + "end"),), None, None)
    assert "end" in printed(report, width=40).replace("\n", " ")


def test_many_tables_are_counted_instead_of_shown() -> None:
    tables = [Table(TableId("d", f"t{number}"), (ID,), ("id",)) for number in range(100)]
    plan = make_plan(tables, {table.id: table.id.table for table in tables}, {}, 10, 1)
    assert "… and 60 more tables" in printed(Report((), plan, GOOD))


def test_scripts_get_everything_as_json() -> None:
    value = json.loads(json.dumps(as_json(GREEN)))
    assert value["ok"] is True
    assert [finding["severity"] for finding in value["findings"]] == [None, "warning"]
    assert value["plan"]["tables"][0] == {
        "database": "[bold]dw",
        "table": "user",
        "topic": "[red]user",
        "rows_estimate": 1_234_567,
        "bytes_estimate": 1_234_567_000,
        "chunk_rows": 10_000,
        "chunks_estimate": 124,
    }
    assert value["plan"]["connections"]["total_max"] == 7
    assert value["server"]["version"] == "9.7.4"
    assert as_json(RED)["plan"] is None
    assert as_json(RED)["ok"] is False


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (16_384, "16.0 KiB"), (3 * 2**30, "3.0 GiB"), (2**60, "1048576.0 TiB")],
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert size(count) == text
