"""Which rows the snapshot copies: `shop.orders_\\d+:id > 100; shop.user:deleted = 0`, as Flink CDC writes it.

An element is a pattern of tables, a colon, and a condition of SQL. A semicolon divides elements, where it is no part of a quoted text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import InvalidJob
from shared.job.patterns import TablePatterns
from shared.model.schema import TableId

_ELEMENT = re.compile(r"(?:'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|`(?:[^`]|``)*`|[^;'\"`])+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RowFilters:
    """A parsed list; build it with `parse`. It is called with a table, and gives its condition; None for all rows."""

    filters: tuple[tuple[TablePatterns, str], ...]

    @classmethod
    def parse(cls, text: str, path: str = "source.scan.snapshot.filters") -> RowFilters:
        """Parses an option's text; `path` is the option, for errors.

        Raises:
            InvalidJob: an element is no pattern and condition, or a quote is not closed.
        """
        elements = _ELEMENT.findall(text)
        if len("".join(elements)) + text.count(";") < len(text) or not elements:
            raise InvalidJob("A quote is not closed.", "Write pattern:condition, with semicolons between them.", path)
        return cls(tuple(_filter(element.strip(), path) for element in elements if element.strip()))

    def __call__(self, table: TableId) -> str | None:
        """The condition of the first filter that means the table; case counts."""
        return next(iter(self.conditions(table)), None)

    def conditions(self, table: TableId) -> list[str]:
        """Those of all filters that mean the table, of which there should be one at most."""
        return [condition for tables, condition in self.filters if tables.matches(table)]

    def idle(self, tables: Sequence[TableId]) -> int:
        """How many filters mean none of these tables."""
        return sum(not any(map(patterns.matches, tables)) for patterns, _ in self.filters)

    def __repr__(self) -> str:
        return "RowFilters()"  # the text may have come from a placeholder


def _filter(element: str, path: str) -> tuple[TablePatterns, str]:
    pattern, colon, condition = element.partition(":")
    if not colon or not pattern.strip() or not condition.strip():
        raise InvalidJob(
            "A filter is no pattern and condition.", r"Write `shop.orders_\d+:id > 100; shop.user:deleted = 0`.", path
        )
    return TablePatterns.parse(pattern.strip(), path), condition.strip()
