"""Answers of the console as text: table, CSV or JSON, to stdout or to a file, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from scheduler.console.cells import Columns, Shape, csv_line, json_row, printable, texts
from scheduler.console.changes import Change

#: Takes a piece of text.
Write = Callable[[str], object]

#: The forms that this module writes; Parquet is DuckDB's.
FORMS = ("table", "csv", "json")


def write_rows(form: str, shape: Shape, batches: Iterator[list[tuple[Any, ...]]], write: Write) -> int:
    """Writes a whole answer; returns the number of rows."""
    lay_out = {"table": _table, "csv": _csv, "json": _json}[form]
    return lay_out(shape, batches, write)


def write_changes(form: str, shape: Shape, changes: Iterable[Change], write: Write) -> None:
    """Writes changes, one a line."""
    for op, row in changes:
        if form == "json":
            write(_line({"op": op, "row": json_row(shape, row)}))
        elif form == "csv":
            write(csv_line([op, *texts(shape, row)]))
        else:
            write(f"{op}[{', '.join(printable(cell) for cell in texts(shape, row))}]\n")


def head_of_changes(form: str, shape: Shape) -> str:
    """What stands above changes."""
    return csv_line(["op", *shape.names]) if form == "csv" else ""


def _table(shape: Shape, batches: Iterator[list[tuple[Any, ...]]], write: Write) -> int:
    count = 0
    columns: Columns | None = None
    for batch in batches:
        rows = [texts(shape, row) for row in batch]
        if columns is None:
            columns = Columns(shape, rows)
            write(columns.head)
        write("".join(columns.row(row) for row in rows))
        count += len(batch)
    if columns is None:
        write(Columns(shape, []).head)
    write(f"({count:,} {'row' if count == 1 else 'rows'})\n")
    return count


def _csv(shape: Shape, batches: Iterator[list[tuple[Any, ...]]], write: Write) -> int:
    write(csv_line(shape.names))
    count = 0
    for batch in batches:
        write("".join(csv_line(texts(shape, row)) for row in batch))
        count += len(batch)
    return count


def _json(shape: Shape, batches: Iterator[list[tuple[Any, ...]]], write: Write) -> int:
    count = 0
    for batch in batches:
        write("".join(_line(json_row(shape, row)) for row in batch))
        count += len(batch)
    return count


def _line(value: Any) -> str:
    return orjson.dumps(value).decode() + "\n"
