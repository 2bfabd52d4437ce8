"""Queries over topics: a table is read when a query names it for the first time, and read on at every later one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scheduler.console.cells import Shape
from scheduler.console.names import Match, resolve
from scheduler.console.queries import Tree, references
from scheduler.console.sources import Source
from scheduler.console.store import SCHEMA, Report, Stored
from shared.adapters.duckdb.engine import Engine, place
from shared.adapters.kafka.snapshot import TopicReader


@dataclass(frozen=True, slots=True)
class Question:
    """A query whose tables are at hand. `sql` is the query in DuckDB's own spelling, to be put into other statements."""

    text: str
    tree: Tree
    matches: Sequence[Match]
    tables: Sequence[Stored]
    sql: str
    shape: Shape

    @property
    def columns(self) -> list[str]:
        """What we call the columns of its result, whose own names may be anything and may repeat."""
        return [f"c{index}" for index in range(len(self.shape.names))]


class Session:
    """One engine and the tables of some jobs.

    Args:
        engine: DuckDB, of no other use.
        sources: the tables that a query can name.
        open_topic: opens the topic of one of them.
        note: takes a sentence on what the user should know.
        report: shows the reading of a topic: it gets the source and gives what takes the figures.

    Raises (every method): InvalidQuery; what `Stored` raises.
    """

    def __init__(
        self,
        engine: Engine,
        sources: Sequence[Source],
        open_topic: Callable[[Source], TopicReader],
        note: Callable[[str], None],
        report: Callable[[Source], Report],
    ) -> None:
        self.engine = engine
        self.sources = sources
        self._open_topic = open_topic
        self._note = note
        self._report = report
        self._stored: dict[tuple[str, str, str], Stored] = {}
        self._numbers = 0
        engine.run(f"CREATE SCHEMA {SCHEMA}")

    def prepare(self, text: str) -> Question:
        """Reads what the query needs, up to now."""
        tree = self.engine.parse(text)
        matches = resolve(references(tree, lambda offset: place(text, offset)), self.sources)
        sources = {_identity(match.source): match.source for match in matches}
        tables = [self._current(source) for source in sources.values()]
        for match in matches:
            self._make_view(match)
        names, types = self.engine.describe(text)
        return Question(text, tree, matches, tables, self.engine.unparse(tree), Shape(tuple(names), tuple(types)))

    def rows(self, question: Question) -> Iterator[list[tuple[Any, ...]]]:
        """The answer in batches, as `cells` prints it."""
        columns = question.columns
        return self.engine.query(
            f"SELECT {question.shape.presented(columns)} FROM ({question.sql}) AS q({', '.join(columns)})"
        )

    def save_parquet(self, question: Question, file: Path) -> int:
        """Writes the answer with DuckDB's types; returns the number of rows."""
        return self.engine.save_parquet(question.sql, file)

    @cached_property
    def aggregates(self) -> frozenset[str]:
        """The names of DuckDB's aggregate functions."""
        found = self.engine.run("SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'")
        return frozenset(name for (name,) in found)

    def close(self) -> None:
        """Frees the topics; the engine is the caller's."""
        for stored in self._stored.values():
            stored.close()

    def _current(self, source: Source) -> Stored:
        known = self._stored.get(_identity(source))
        if known is not None:
            known.catch_up(self._report(source))
            return known
        if not source.live:
            self._note(f"Table {source.id} is still being copied: its topic does not hold all rows yet.")
        self._numbers += 1
        stored = Stored(self.engine, self._numbers, source, self._open_topic(source), self._note)
        loaded = False
        try:
            stored.load(self._report(source))
            loaded = True
        finally:
            if not loaded:
                stored.close()
        self._stored[_identity(source)] = stored
        return stored

    def _make_view(self, match: Match) -> None:
        source, reference = match.source, match.reference
        stored = self._stored[_identity(source)]
        names = source.names(key_value=match.key_value)
        columns = ", ".join(f"{stored.column(name)} AS {quoted(shown)}" for name, shown in names)
        schema = quoted(reference.schema or "main")
        self.engine.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.engine.run(
            f"CREATE OR REPLACE VIEW {schema}.{quoted(reference.name)} AS SELECT {columns} FROM {stored.name}"
        )


def quoted(name: str) -> str:
    """A name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _identity(source: Source) -> tuple[str, str, str]:
    return (source.job, source.id.database, source.id.table)
