"""The options of the message format, as the job file has them.

Law of this file: values only; what they mean stands in docs/types.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from shared.model.schema import Table, TableId

#: Tells whether a column of a table is left out of its messages.
Excluded: TypeAlias = Callable[[TableId, str], bool]


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
    are never selected, and stepped over in the binlog.
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

    def written(self, table: Table) -> Table:
        """The table with the columns that messages hold; those of the key always."""
        excluded = self.excluded
        if excluded is None:
            return table
        kept = (c for c in table.columns if c.name in table.primary_key or not excluded(table.id, c.name))
        return replace(table, columns=tuple(kept))
