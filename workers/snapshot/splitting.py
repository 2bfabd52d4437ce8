"""Looks for the bounds of one table and reports them as it finds them, so that chunks start before it ends.

Dense integer keys are cut by arithmetic, which costs one query; all others by walking the primary key, one query per
bound. Any ascending bounds are correct: rows that come, go or move meanwhile change only how even the chunks are.
"""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.planner.bounds import dense, integer_bounds
from shared.adapters.mysql.ranges import quoted, select_next_key, table_name
from shared.adapters.mysql.session import Session
from shared.codec import key_expressions, parse_chunk_key
from shared.model.change import ChunkKey
from shared.model.chunk_key import chunk_key_columns
from shared.model.orders import Bounds, SplitTable
from shared.model.schema import Table

#: Bounds in one message when they cost nothing to find.
_PER_MESSAGE = 1000

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


def split_table(session: Session, order: SplitTable) -> Iterator[Bounds]:
    """All bounds behind `order.after`, in messages that continue each other; the last one says `finished`."""
    after = order.after
    for bounds in _bounds(session, order):
        yield Bounds(order.table.id, order.attempt, after, tuple(bounds), finished=False)
        after = bounds[-1]
    yield Bounds(order.table.id, order.attempt, after, (), finished=True)


def _bounds(session: Session, order: SplitTable) -> Iterator[list[ChunkKey]]:
    table = order.table
    columns = chunk_key_columns(table)
    if not columns:
        return  # a key that cannot be cut: the whole table is one chunk
    if len(table.primary_key) == 1 and columns[0].data_type in _INTEGERS:
        ends = _ends(session, table)
        if ends is None:
            return
        if dense(*ends, order.rows_estimate):
            yield from _by_arithmetic(order, *ends)
            return
    yield from _by_walking(session, order)


def _ends(session: Session, table: Table) -> tuple[int, int] | None:
    key = quoted(table.primary_key[0])
    low, high = session.query(f"SELECT MIN({key}), MAX({key}) FROM {table_name(table)}")[0]
    return None if low is None or high is None else (int(low), int(high))


def _by_arithmetic(order: SplitTable, low: int, high: int) -> Iterator[list[ChunkKey]]:
    after = order.after[0] if order.after else None
    if after is not None and not isinstance(after, int):
        raise TypeError("the bound of an integer key is not an integer")
    while found := integer_bounds(after, low, high, order.chunk_rows, _PER_MESSAGE):
        yield [(bound,) for bound in found]
        after = found[-1]


def _by_walking(session: Session, order: SplitTable) -> Iterator[list[ChunkKey]]:
    expressions = key_expressions(order.table)
    after = order.after
    step = order.chunk_rows
    while rows := session.query(select_next_key(order.table, expressions, after, step)):
        bound = parse_chunk_key(order.table, [cell for cell in rows[0] if cell is not None])
        if bound == after:
            # The key is cut by a prefix, and this value of it has more rows than a chunk: step over all of them.
            step = 0
            continue
        yield [bound]
        after, step = bound, order.chunk_rows
