"""How the result of a query changes while its topics do, in the words of Flink's print connector.

Three ways, the first that fits:

- A query over one table, row by row: it is asked for the changed rows alone, before and after the change.
- Joins of tables, row by row: the query is asked again, and its old and new rows are compared by the primary keys behind them.
- Anything else (aggregates, DISTINCT, LIMIT, subqueries): asked again; rows that are no longer there, and rows that are new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from scheduler.console.queries import keyed
from scheduler.console.session import Question, Session
from scheduler.console.store import SCHEMA, Stored
from shared.errors import InvalidQuery

#: A batch of changes is what arrives in this time.
_WAIT_SECONDS = 0.2

_BEFORE, _AFTER = f"{SCHEMA}.before", f"{SCHEMA}.after"

#: An op (+I, -U, +U, -D) and the row, as `cells` prints it.
Change = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The query as it is asked: its text, its columns, and those of them that identify a row (none: nothing does)."""

    sql: str
    columns: list[str]
    keys: list[str]

    def rows(self) -> str:
        """The query as a part of another."""
        return f"({self.sql}) AS q({', '.join([*self.columns, *self.keys])})"


class Follow:
    """Follows one query.

    Raises:
        InvalidQuery: the query names no table.

    Raises (every method): what `Session` raises.
    """

    def __init__(self, session: Session, question: Question) -> None:
        self._engine = session.engine
        self._question = question
        self._tables = question.tables
        if not self._tables:
            raise InvalidQuery("The query names no table of a job, so its result never changes.", "Leave out --follow.")
        found = keyed(question.tree, question.matches, session.aggregates)
        if found is None:
            self._asked = _Asked(question.sql, question.columns, [])
        else:
            keys = [f"k{index}" for index in range(len(found[1]))]
            self._asked = _Asked(self._engine.unparse(found[0]), question.columns, keys)
        self._row_by_row = found is not None and len(found[1]) == _key_width(self._tables) and len(self._tables) == 1
        self._effort_seconds = 0.0

    def begin(self) -> Iterator[Change]:
        """The rows as they are now."""
        if self._row_by_row:
            source = self._asked.rows()
        else:
            self._engine.change(f"CREATE TABLE {_BEFORE} AS SELECT * FROM {self._asked.rows()}")
            source = _BEFORE
        shown = self._question.shape.presented(self._question.columns)
        for batch in self._engine.query(f"SELECT {shown} FROM {source}"):
            for row in batch:
                yield "+I", row

    def changes(self) -> Iterator[Change]:
        """What the next messages change, if any arrive in a moment."""
        # Asking again takes its time; meanwhile changes gather, so that we never fall behind for good.
        wait = max(_WAIT_SECONDS, self._effort_seconds) / max(1, len(self._tables))
        changed = [table for table in self._tables if table.poll(wait)]
        if not changed:
            return
        begin = monotonic()
        for table in changed:
            table.stage()
        if self._row_by_row:
            yield from self._of_rows(changed[0])
        else:
            yield from self._of_result(changed)
        self._effort_seconds = 0.0 if self._row_by_row else min(10.0, monotonic() - begin)

    def _of_rows(self, table: Stored) -> Iterator[Change]:
        names = [table.column(name) for name in table.source.table.primary_key]
        keys = ", ".join(f"{name} AS {key}" for name, key in zip(names, self._asked.keys, strict=True))
        changed = f"(SELECT {keys} FROM {table.fresh})"
        asked = f"SELECT * FROM {self._asked.rows()} SEMI JOIN {changed} USING ({', '.join(self._asked.keys)})"
        self._engine.change(f"CREATE TABLE {_BEFORE} AS {asked}")
        table.apply()
        self._engine.change(f"CREATE TABLE {_AFTER} AS {asked}")
        table.forget()
        yield from self._difference()
        self._engine.run(f"DROP TABLE {_BEFORE}")
        self._engine.run(f"DROP TABLE {_AFTER}")

    def _of_result(self, changed: Sequence[Stored]) -> Iterator[Change]:
        for table in changed:
            table.apply()
            table.forget()
        self._engine.change(f"CREATE TABLE {_AFTER} AS SELECT * FROM {self._asked.rows()}")
        yield from self._difference()
        self._engine.run(f"DROP TABLE {_BEFORE}")
        self._engine.run(f"ALTER TABLE {_AFTER} RENAME TO {_BEFORE.removeprefix(f'{SCHEMA}.')}")

    def _difference(self) -> Iterator[Change]:
        return self._by_key() if self._asked.keys else self._by_row()

    def _by_key(self) -> Iterator[Change]:
        columns, shape = self._asked.columns, self._question.shape
        same = " AND ".join(f"o.{key} IS NOT DISTINCT FROM n.{key}" for key in self._asked.keys)
        differ = " OR ".join(f"o.{column} IS DISTINCT FROM n.{column}" for column in columns)
        old = ", ".join(f"o.{column} AS o{column}" for column in columns)
        new = ", ".join(f"n.{column} AS n{column}" for column in columns)
        joined = (
            f"SELECT o.here AS ohere, n.here AS nhere, {old}, {new} FROM (SELECT *, true AS here FROM {_BEFORE}) AS o "
            f"FULL JOIN (SELECT *, true AS here FROM {_AFTER}) AS n ON {same} "
            f"WHERE o.here IS NULL OR n.here IS NULL OR {differ}"
        )
        shown = f"{shape.presented([f'o{column}' for column in columns])}, {shape.presented([f'n{column}' for column in columns])}"
        for batch in self._engine.query(f"SELECT ohere, nhere, {shown} FROM ({joined})"):
            for was, is_now, *cells in batch:
                old_row, new_row = tuple(cells[: len(columns)]), tuple(cells[len(columns) :])
                if was:
                    yield ("-U" if is_now else "-D"), old_row
                if is_now:
                    yield ("+U" if was else "+I"), new_row

    def _by_row(self) -> Iterator[Change]:
        shown = self._question.shape.presented(self._asked.columns)
        for op, left, right in (("-D", _BEFORE, _AFTER), ("+I", _AFTER, _BEFORE)):
            for batch in self._engine.query(
                f"SELECT {shown} FROM (SELECT * FROM {left} EXCEPT ALL SELECT * FROM {right})"
            ):
                for row in batch:
                    yield op, row


def _key_width(tables: Sequence[Stored]) -> int:
    """How many columns the primary keys of the tables have together; a table that is joined with itself counts once."""
    return sum(len(table.source.table.primary_key) for table in tables)
