"""SQL for primary-key ranges. Pure: tables, keys and ranges in, SQL out; literals come from the codec.

A comparison of composite keys is written out as `a > x OR (a = x AND b >= y)`: MySQL reads that as a range of the
index, while it scans the whole table for the row form `(a, b) >= (x, y)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.codec import sql_literal
from shared.model.change import ChunkKey
from shared.model.chunk import KeyRange
from shared.model.chunk_key import chunk_key_columns
from shared.model.schema import Column, Table, TableId

#: A name that no key column has: MySQL allows 64 characters, and nobody would take these.
_NUMBER = "headrace number of the key"


def quoted(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def table_name(table: Table) -> str:
    """The full name, quoted."""
    return full_name(table.id)


def full_name(table: TableId) -> str:
    """The full name, quoted."""
    return f"{quoted(table.database)}.{quoted(table.table)}"


def range_condition(table: Table, bounds: KeyRange) -> str:
    """The WHERE condition of a range; `TRUE` for the whole table."""
    columns = chunk_key_columns(table)
    names = [quoted(column.name) for column in columns]
    parts = []
    if bounds.lower is not None:
        parts.append(_compare(names, columns, bounds.lower, ">", "="))
    if bounds.upper is not None:
        parts.append(_compare(names, columns, bounds.upper, "<", ""))
    return " AND ".join(f"({part})" for part in parts) or "TRUE"


def select_rows(table: Table, expressions: Sequence[str], bounds: KeyRange, condition: str | None = None) -> str:
    """All rows of a range, read along the primary key; or those for which a condition of the user holds."""
    rows = (
        f"SELECT {', '.join(expressions)} FROM {table_name(table)} FORCE INDEX (PRIMARY) "
        f"WHERE {range_condition(table, bounds)}"
    )
    return rows if condition is None else f"{rows} AND ({condition}\n)"


def select_keys(table: Table, expressions: Sequence[str], keys: Sequence[ChunkKey]) -> str:
    """The rows of these keys. Where bounds are made of a part of the primary key only, all rows that share that part."""
    columns = chunk_key_columns(table)
    names = [quoted(column.name) for column in columns]
    literals = [[sql_literal(column, part) for column, part in zip(columns, key, strict=True)] for key in keys]
    if len(columns) == 1:
        condition = f"{names[0]} IN ({', '.join(literal for (literal,) in literals)})"
    else:
        condition = " OR ".join(
            "(" + " AND ".join(f"{name} = {literal}" for name, literal in zip(names, key, strict=True)) + ")"
            for key in literals
        )
    return f"SELECT {', '.join(expressions)} FROM {table_name(table)} FORCE INDEX (PRIMARY) WHERE {condition}"


def select_matching_keys(table: Table, keys: Sequence[ChunkKey], condition: str) -> str:
    """The numbers of those keys for which a condition holds that speaks of key columns only; no table is read.

    The keys are whole ones: their columns are those of the primary key.
    """
    columns = chunk_key_columns(table)
    names = ", ".join(quoted(column.name) for column in columns)
    rows = " UNION ALL ".join(f"SELECT {number}, {_values(columns, key)}" for number, key in enumerate(keys))
    return f"WITH k (`{_NUMBER}`, {names}) AS ({rows}) SELECT `{_NUMBER}` FROM k WHERE ({condition}\n)"


def select_next_key(table: Table, expressions: Sequence[str], after: ChunkKey | None, rows: int) -> str:
    """The key that stands `rows` rows behind `after` (behind the first key for None); no row when there are fewer.

    With no rows to skip it is the first key that is greater than `after`.
    """
    columns = chunk_key_columns(table)
    names = [quoted(column.name) for column in columns]
    order = ", ".join(names)
    condition = "TRUE" if after is None else _compare(names, columns, after, ">", "=" if rows else "")
    return (
        f"SELECT {', '.join(expressions)} FROM {table_name(table)} FORCE INDEX (PRIMARY) "
        f"WHERE {condition} ORDER BY {order} LIMIT 1 OFFSET {rows}"
    )


def select_places(table: Table, keys: Sequence[ChunkKey], ranges: Sequence[KeyRange]) -> str:
    """For each key, in order, the index of the range that it falls into, -1 for none; no table is read.

    The server compares as it sorts its index: each key is turned into a value of the column's own charset and
    collation first.
    """
    columns = chunk_key_columns(table)
    cases = " ".join(f"WHEN {_contains(columns, bounds)} THEN {index}" for index, bounds in enumerate(ranges))
    names = ", ".join(_alias(index) for index in range(len(columns)))
    rows = " UNION ALL ".join(f"SELECT {number}, {_values(columns, key)}" for number, key in enumerate(keys))
    return f"WITH k (n, {names}) AS ({rows}) SELECT CASE {cases} ELSE -1 END FROM k ORDER BY n"


def _alias(index: int) -> str:
    return f"c{index}"


def _values(columns: Sequence[Column], key: ChunkKey) -> str:
    return ", ".join(sql_literal(column, part) for column, part in zip(columns, key, strict=True))


def _contains(columns: Sequence[Column], bounds: KeyRange) -> str:
    names = [_alias(index) for index in range(len(columns))]
    parts = []
    if bounds.lower is not None:
        parts.append(f"({_compare(names, columns, bounds.lower, '>', '=')})")
    if bounds.upper is not None:
        parts.append(f"({_compare(names, columns, bounds.upper, '<', '')})")
    return " AND ".join(parts) or "TRUE"


def _compare(names: Sequence[str], columns: Sequence[Column], key: ChunkKey, sign: str, last: str) -> str:
    """`names` compared with `key`, lexicographically; `last` is added to the sign of the last column."""
    literal = sql_literal(columns[0], key[0])
    if len(key) == 1:
        return f"{names[0]} {sign}{last} {literal}"
    rest = _compare(names[1:], columns[1:], key[1:], sign, last)
    return f"{names[0]} {sign} {literal} OR ({names[0]} = {literal} AND ({rest}))"
