"""The options of the message format, as the job file has them.

Law of this file: values only; what they mean stands in docs/types.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from shared.model.mask import Constant, Mask
from shared.model.schema import Column, Table, TableId

#: Tells whether a column of a table is left out of its messages.
Excluded: TypeAlias = Callable[[TableId, str], bool]

#: Tells what stands in place of a column's values; None for a column that is shown as it is.
Masked: TypeAlias = Callable[[TableId, str], Mask | None]


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How rows become JSON.

    `treat_tinyint1_as_boolean`: TINYINT(1) is true for 1, false for 0 and any other value the
    number that it is; otherwise always a number. `fields_include`: whether the value holds all
    columns or leaves out those of the key. `timestamp_format`: SQL, or ISO-8601 with a `T`.
    `decimal_as_plain_number`: False spells DECIMAL as Java's BigDecimal does. `ignore_null_fields`:
    a value leaves out the columns that are NULL. `binary_encoding`: of BINARY, BLOB and BIT.
    `json_columns`: a JSON column is a string of JSON, or the JSON itself. `set_encoding`: an array
    of labels, or the labels with commas between them. `excluded`: which columns are left out; they
    are never selected, and stepped over in the binlog. `masked`: which columns are shown as something
    else; those with a constant are never read either.
    """

    treat_tinyint1_as_boolean: bool = True
    fields_include: Literal["ALL", "EXCEPT_KEY"] = "ALL"
    timestamp_format: Literal["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"] = "SQL"
    decimal_as_plain_number: bool = True
    ignore_null_fields: bool = False
    binary_encoding: Literal["base64", "hex"] = "base64"
    json_columns: Literal["string", "object"] = "string"
    set_encoding: Literal["array", "string"] = "array"
    excluded: Excluded | None = None
    masked: Masked | None = None

    def written(self, table: Table) -> Table:
        """The table with the columns whose values messages are made of; those of the key always."""
        kept = (c for c in self._kept(table) if not isinstance(self.mask(table, c.name), Constant))
        return replace(table, columns=tuple(kept))

    def shown(self, table: Table) -> Table:
        """The table as messages show it: with the columns that they hold, of which those that are masked are texts."""
        shown = (_as_text(c) if self.mask(table, c.name) else c for c in self._kept(table))
        return replace(table, columns=tuple(shown))

    def mask(self, table: Table, column: str) -> Mask | None:
        """What stands in place of a column's values; None for those that are shown as they are, as are all of the key."""
        return None if self.masked is None or column in table.primary_key else self.masked(table.id, column)

    def _kept(self, table: Table) -> Iterator[Column]:
        excluded, key = self.excluded, table.primary_key
        return (c for c in table.columns if excluded is None or c.name in key or not excluded(table.id, c.name))


def _as_text(column: Column) -> Column:
    """NOT NULL says nothing of a mask: it may be null."""
    return Column(column.name, "text", "text", nullable=True, character_set="utf8mb4", added=column.added)
