"""A server that has one table and nothing else: it answers what a splitter asks, from sorted keys or from a rule that makes them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.model.change import ChunkKey
from shared.model.orders import SplitTable
from shared.model.schema import Column, Table, TableId
from workers.snapshot import splitting

ID = Column("id", "bigint", "bigint", nullable=False)
HASH = Column("h", "binary", "binary(16)", nullable=False)
BODY = Column("b", "varbinary", "varbinary(40)", nullable=False)


def table(*key: Column) -> Table:
    return Table(TableId("d", "t"), key, tuple(column.name for column in key))


class Rule(Sequence[ChunkKey]):
    """Keys that stand nowhere: the n-th is made when it is looked at."""

    def __init__(self, count: int, key: Callable[[int], ChunkKey]) -> None:
        self._count = count
        self._key = key

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        return self._key(at)


@dataclass
class Server:
    """`keys` ascend, and are the parts that bounds are made of: several rows may share one. `queries` counts."""

    table: Table
    keys: Sequence[ChunkKey]
    queries: int = 0
    asked: list[object] = field(default_factory=list)

    def query(self, question: Any) -> list[tuple[Any, ...]]:
        self.queries += 1
        if isinstance(question, str):
            assert question.startswith("SELECT MIN")
            ends = (self.keys[0][0], self.keys[len(self.keys) - 1][0]) if len(self.keys) else (None, None)
            return [ends]
        after, rows = question
        first = 0 if after is None else bisect_left(self.keys, after) if rows else bisect_right(self.keys, after)
        return [self.keys[first + rows]] if first + rows < len(self.keys) else []


def bounds(server: Server, chunk_rows: int, rows_estimate: int, after: ChunkKey | None = None) -> list[ChunkKey]:
    """What a splitter finds, with the words that it sends put together."""
    order = SplitTable("a", server.table, after, chunk_rows, rows_estimate)
    found: list[ChunkKey] = []
    for message in splitting.split_table(server, order):  # type: ignore[arg-type]
        assert message.after == (found[-1] if found else after)
        found += message.bounds
    assert message.finished
    return found


def stand_in(patch: Callable[[str, object], None]) -> None:
    """Has a splitter ask in values what it asks in SQL."""
    patch("select_next_key", lambda _table, _expressions, after, rows: (after, rows))
    patch("parse_chunk_key", lambda _table, cells: tuple(cells))
