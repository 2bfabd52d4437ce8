"""How long a row may be by the declaration of its table, for when the server's statistics do not tell.

InnoDB counts rows at once and pages only every ten seconds or so: of a table that was filled a moment ago it knows
the rows, and still the bytes of an empty table.

Law of this file: a guess, which steers the size of chunks and nothing else.
"""

from __future__ import annotations

from shared.model.schema import Column, Table

#: Columns are declared much longer than they are filled: a name in a VARCHAR(255), a word in a JSON.
_SHORT_BYTES = 64
_LONG_BYTES = 1024
_NUMBER_BYTES = 8

_SHORT = frozenset({"char", "varchar", "binary", "varbinary"})
_LONG = frozenset({"geometry", "json", "vector"})


def declared_row_bytes(table: Table) -> int:
    """Bytes of a row of this table, more or less; never 0."""
    return sum(_column_bytes(column) for column in table.columns) or 1


def _column_bytes(column: Column) -> int:
    if column.data_type in _SHORT:
        return min(column.length or 0, _SHORT_BYTES)
    if column.data_type.endswith(("text", "blob")) or column.data_type in _LONG:
        return min(column.length or _LONG_BYTES, _LONG_BYTES)
    return _NUMBER_BYTES
