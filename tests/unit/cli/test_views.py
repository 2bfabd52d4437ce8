"""Tables, bars and lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from scheduler.cli.picture import Origin, Picture, complete
from scheduler.cli.views import (
    BARS_MAX,
    bytes_text,
    count_text,
    duration_text,
    jobs_view,
    progress_view,
    visible,
)
from tests.unit.cli.fake_world import job, published


def table(name: str, state: str = "snapshot", rows: int = 0, chunks_done: int = 0) -> dict[str, Any]:
    entry = {"table": name, "topic": name, "state": state, "rows": rows, "rows_estimate": 1000}
    return entry | {"chunks_done": chunks_done, "chunks_total": 9, "split_done": state != "splitting"}


def drawn(view: RenderableType, width: int = 80) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width, markup=False, highlight=False).print(view)
    return text.getvalue().splitlines()


def picture(tables: list[dict[str, Any]], name: str = "orders", **figures: Any) -> Picture:
    rows = sum(entry["rows"] for entry in tables)
    given = published(job(name), tables=tables, rows=rows, rows_estimate=1000 * len(tables), **figures)
    return Picture(job(name), None, "b1", complete(given), Origin.LIVE)


def test_tables_that_are_read_get_a_bar_before_those_that_wait_or_are_complete() -> None:
    tables = [table(f"done{n}", "live", 1000, 9) for n in range(8)]
    tables += [table(f"waits{n}", "splitting") for n in range(8)] + [table(f"read{n}", rows=5) for n in range(4)]
    names = [entry["table"] for entry in visible(tables)]
    assert len(names) == BARS_MAX
    assert names == [*(f"waits{n}" for n in range(6)), *(f"read{n}" for n in range(4))]


def test_many_tables_fit_into_a_narrow_window_with_all_figures() -> None:
    tables = [table(f"order_dw.a_table_with_a_long_name_{n}", rows=100 * n, chunks_done=n) for n in range(12)]
    lines = drawn(progress_view(picture(tables), {"": 12_345.6, tables[3]["table"]: 70.0}), width=80)
    assert len(lines) == 2 + BARS_MAX + 1
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "orders  snapshot  leader b1  lag 0.4 s / 1.2 kB  changes 9"
    (third,) = [line for line in lines if " 300/1,000 " in line]
    assert third.split()[-5:] == ["30", "300/1,000", "3/9", "70", "0:10"]
    assert lines[-1].startswith("all 12 tables (2")
    assert "12,346" in lines[-1]


def test_a_single_table_has_no_total() -> None:
    assert len(drawn(progress_view(picture([table("t", rows=5)]), {}))) == 3


def test_names_are_no_markup() -> None:
    lines = drawn(jobs_view([picture([table("t")], "[red]x")]), width=120)
    assert any("[red]x" in line for line in lines)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (5_000_000, "5.0 MB"), (7 * 10**12, "7000.0 GB")]
)
def test_bytes(size: int, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (99_999, "99,999"), (100_000, "0.10M"), (12_345_678, "12.35M"), (2 * 10**9, "2.0G")]
)
def test_counts(count: int, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (61, "1:01"), (3600, "1:00:00"), (169_200, "47:00:00"), (172_800, "2 d"), (360_000, "4 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
