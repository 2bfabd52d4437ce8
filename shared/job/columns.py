"""Patterns of columns: `shop.user.phone, shop.\\.*.secret`, in the language of table patterns with a third part.

Names of columns have no case in MySQL, and so the whole pattern has none: to leave out a column too many shows at once, one too few
does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import InvalidJob
from shared.job.patterns import TablePatterns, elements_of
from shared.model.schema import Table, TableId


@dataclass(frozen=True, slots=True)
class ColumnPattern:
    """One element of the list: of which tables, and the columns."""

    text: str
    tables: TablePatterns
    names: TablePatterns

    def matches(self, table: TableId, column: str) -> bool:
        """True for a column that it means."""
        return self.tables.matches(table, ignore_case=True) and self.names.matches(
            TableId("column", column), ignore_case=True
        )


@dataclass(frozen=True, slots=True)
class ColumnPatterns:
    """A parsed list of patterns; build it with `parse`. It is called with a table and the name of a column."""

    patterns: tuple[ColumnPattern, ...]

    @classmethod
    def parse(cls, text: str, path: str = "source.columns.exclude") -> ColumnPatterns:
        """Parses an option's text; `path` is the option, for errors.

        Raises:
            InvalidJob: an element does not name database, table and column, or is no regular expression.
        """
        return cls(tuple(_pattern(element, path) for element in elements_of(text)))

    def __call__(self, table: TableId, column: str) -> bool:
        """True when one of the patterns means the column."""
        return any(pattern.matches(table, column) for pattern in self.patterns)

    def unmatched(self, tables: Iterable[Table]) -> list[str]:
        """The patterns, as written, that mean no column of these tables."""
        known = [(table.id, column.name) for table in tables for column in table.columns]
        return [one.text for one in self.patterns if not any(one.matches(*column) for column in known)]

    def __repr__(self) -> str:
        return "ColumnPatterns()"  # the text may have come from a placeholder


def _pattern(parts: list[str], path: str) -> ColumnPattern:
    text = ".".join(parts)
    if len(parts) != 3 or not all(parts):
        raise InvalidJob(
            f"The pattern `{text}` does not name database, table and column.",
            r"Write database.table.column; `\.` is any character, and `[.]` is a dot.",
            path,
        )
    database, table, column = parts
    return ColumnPattern(
        text, TablePatterns.parse(f"{database}.{table}", path), TablePatterns.parse(f"column.{column}", path)
    )
