"""How values leave DuckDB and how they are printed: exactly, and as the topics spell them where they can. Pure.

DuckDB gives numbers as texts, so that none is rounded on its way through Python; bytes as base64; lists of such as lists. The
rest is what its cast to VARCHAR says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.cells import cell_len

_NUMBER = re.compile(r"(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BIGNUM|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$")
_LIST = re.compile(r"(.*)\[\d*\]$")
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\b|.*\]$")
_NOT_FINITE = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Shortest and longest width of a column of a printed table, in terminal cells; longer values push the rest to the right.
_WIDTH_MAX = 60


@dataclass(frozen=True, slots=True)
class Shape:
    """A result's columns: names, DuckDB's types."""

    names: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def unique_names(self) -> list[str]:
        """The names for forms that want each once: a join of two tables with an `id` has `id` and `id_1`."""
        found: list[str] = []
        for name in self.names:
            others = (f"{name}_{number}" for number in range(1, len(self.names)))
            found.append(name if name not in found else next(other for other in others if other not in self.names))
        return found

    def presented(self, columns: Sequence[str]) -> str:
        """The SQL that makes of these columns what this module prints."""
        pairs = zip(columns, self.types, strict=True)
        return ", ".join(f"{presented(column, kind)} AS {column}" for column, kind in pairs)


def presented(column: str, kind: str) -> str:
    """The SQL that makes of a column what this module prints."""
    if kind == "BOOLEAN":
        return column
    if kind == "BLOB":
        return f"to_base64({column})"
    if (items := _LIST.match(kind)) and (items[1] == "VARCHAR" or _NUMBER.match(items[1])):
        return f"CAST({column} AS VARCHAR[])"
    if _NESTED.match(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def json_value(cell: Any, kind: str) -> Any:
    """The value for orjson: numbers exactly as they are spelled."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, list):
        items = _LIST.match(kind)
        return [json_value(each, items[1] if items else "VARCHAR") for each in cell]
    if _NUMBER.match(kind):
        return _NOT_FINITE[cell] if cell in _NOT_FINITE else orjson.Fragment(_number(cell))
    if kind == "JSON" or _NESTED.match(kind):
        return orjson.Fragment(cell)
    return cell


def json_row(shape: Shape, row: Sequence[Any]) -> dict[str, Any]:
    """A row as an object for orjson."""
    columns = zip(shape.unique_names, row, shape.types, strict=True)
    return {name: json_value(cell, kind) for name, cell, kind in columns}


def text(cell: Any, kind: str) -> str | None:
    """A cell as one text; None for NULL."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return orjson.dumps(json_value(cell, kind)).decode()
    return _number(cell) if _NUMBER.match(kind) else str(cell)


def _number(text: str) -> str:
    """DuckDB leaves out the zero of a DECIMAL that has no digits before its point; JSON wants it."""
    return text.replace(".", "0.", 1) if text.startswith((".", "-.")) else text


def texts(shape: Shape, row: Sequence[Any]) -> list[str | None]:
    """A row as texts."""
    return [text(cell, kind) for cell, kind in zip(row, shape.types, strict=True)]


def csv_line(cells: Iterable[str | None]) -> str:
    """A line as RFC 4180 has it; NULL is nothing, the empty text is `\"\"`."""
    return ",".join("" if cell is None else _quoted(cell) for cell in cells) + "\n"


def _quoted(cell: str) -> str:
    if cell and not any(character in cell for character in ',"\r\n') and cell.strip() == cell:
        return cell
    return '"' + cell.replace('"', '""') + '"'


def printable(cell: str | None) -> str:
    """A text in one line of a terminal: no control character gets through."""
    if cell is None:
        return "NULL"
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], cell)


class Columns:
    """Lays rows out below each other. Widths come from the first rows, so that no more than those are kept."""

    def __init__(self, shape: Shape, first: Sequence[Sequence[str | None]]) -> None:
        self._right = [bool(_NUMBER.match(kind)) for kind in shape.types]
        names = [printable(name) for name in shape.names]
        columns = list(zip(names, *([printable(cell) for cell in row] for row in first), strict=True))
        self._widths = [min(_WIDTH_MAX, max(cell_len(cell) for cell in column)) for column in columns]
        self.head = self._line(names) + self._line(["-" * width for width in self._widths])

    def row(self, cells: Sequence[str | None]) -> str:
        """One line."""
        return self._line([printable(cell) for cell in cells])

    def _line(self, cells: Sequence[str]) -> str:
        padded = []
        for cell, width, right in zip(cells, self._widths, self._right, strict=True):
            blanks = " " * max(0, width - cell_len(cell))
            padded.append(blanks + cell if right else cell + blanks)
        return "  ".join(padded).rstrip() + "\n"
