"""One table in DuckDB: loaded from its topic, folded to the last value of each key, kept current.

Messages arrive in a log table as texts and are folded by SQL, since DuckDB does that beyond memory as well. In a partition the
last offset of a key counts. A key that is in two partitions, because the topic got more of them, is the one that Kafka wrote later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scheduler.console.columns import Form, Forms, forms_of
from scheduler.console.rows import Reader
from scheduler.console.sources import Source
from shared.adapters.duckdb.engine import Engine, Misfit
from shared.adapters.kafka.snapshot import TopicMessage, TopicReader
from shared.errors import NeedsOperator, UnsupportedType

#: The schema of what is stored; no database of MySQL is likely to be called so.
SCHEMA = "__headrace"

#: One statement takes messages of about this many bytes.
_INSERT_BYTES = 4_000_000

#: A table gets rid of its deleted rows when it has more of them than this, and than rows.
_DEAD_ROWS_MAX = 100_000

_PLACES = ("k VARCHAR", "p INTEGER", "o BIGINT", "t BIGINT", "dead BOOLEAN")
_PLACE_TYPES = ("VARCHAR", "INTEGER", "BIGINT", "BIGINT", "BOOLEAN")

#: The place of each key's last message in the log. Offsets compare within a partition, times between partitions.
_LAST = (
    "SELECT last.p AS p, last.o AS o FROM (SELECT max_by({{'p': p, 'o': o}}, t) AS last FROM "
    "(SELECT k, p, max(o) AS o, max_by(t, o) AS t FROM {log} GROUP BY k, p) GROUP BY k)"
)

#: Takes what is done and what there is to do, in offsets.
Report = Callable[[int, int], None]


class Stored:
    """The table.

    Args:
        engine: where it is stored.
        number: tells it from the others there.
        source: what it is.
        topic: its messages; they are handed out here and nowhere else.
        note: takes a sentence on what the user should know.

    Raises (every method): SinkRefused, Unavailable of the topic; NeedsOperator when memory and disk do not suffice;
    UnsupportedType when a message is not one of this table.
    """

    def __init__(
        self, engine: Engine, number: int, source: Source, topic: TopicReader, note: Callable[[str], None]
    ) -> None:
        self.source = source
        self.name = f"{SCHEMA}.t{number}"
        self.fresh = f"{SCHEMA}.fresh{number}"
        self._log = f"{SCHEMA}.log{number}"
        self._engine = engine
        self._topic = topic
        self._note = note
        self._rows = Reader(source.table)
        self._forms: list[Form] = []
        self._dead_rows = 0

    def load(self, report: Report) -> None:
        """Reads the topic to its end of now, and makes the table."""
        self._make_log()
        self._read(report)
        self._forms = [self._form(index, forms) for index, forms in enumerate(self._all_forms())]
        self._fold(self.name, "WHERE NOT dead")
        self._engine.run(f"DROP TABLE {self._log}")

    def catch_up(self, report: Report) -> None:
        """Reads on to the topic's end of now."""
        self._topic.refresh()
        if self._topic.at_end:
            return
        self._make_log()
        self._read(report)
        self.stage()
        self.apply()
        self.forget()

    def poll(self, wait_seconds: float) -> bool:
        """Takes what arrives within this time; true when that is something to `stage` and `apply`."""
        batch = self._topic.poll(wait_seconds)
        if batch:
            self._make_log()
            self._add(batch)
        return bool(batch)

    def stage(self) -> None:
        """Folds what was taken into the table `fresh`; `name` is still as it was."""
        self._fold(self.fresh, "")
        self._engine.run(f"DROP TABLE {self._log}")

    def apply(self) -> None:
        """Brings what was staged into the table."""
        run = self._engine.run
        run(f"DELETE FROM {self.name} WHERE k IN (SELECT k FROM {self.fresh})")
        self._dead_rows += run(f"SELECT count(*) FROM {self.fresh}")[0][0]
        run(f"INSERT INTO {self.name} SELECT * FROM {self.fresh} WHERE NOT dead")
        if self._dead_rows > _DEAD_ROWS_MAX and self._dead_rows > run(f"SELECT count(*) FROM {self.name}")[0][0]:
            self._rebuild()

    def forget(self) -> None:
        """Drops what was staged."""
        self._engine.run(f"DROP TABLE {self.fresh}")

    def column(self, name: str) -> str:
        """What a column of MySQL's is called in the table."""
        return f"c{[column.name for column in self.source.table.columns].index(name)}"

    def close(self) -> None:
        """Frees the reader, and what a reading that failed has left."""
        self._topic.close()
        self._engine.run(f"DROP TABLE IF EXISTS {self._log}")

    def _make_log(self) -> None:
        texts = [f"c{index} VARCHAR" for index in range(len(self.source.table.columns))]
        self._engine.run(f"CREATE TABLE IF NOT EXISTS {self._log} ({', '.join((*_PLACES, *texts))})")

    def _read(self, report: Report) -> None:
        report(self._topic.done, self._topic.total)
        for batch in self._topic.to_end():
            self._add(batch)
            report(self._topic.done, self._topic.total)
        report(self._topic.total, self._topic.total)

    def _add(self, batch: Sequence[TopicMessage]) -> None:
        """Appends to the log; of a key that comes twice in the batch only the last."""
        last = {(message.partition, message.key): message for message in batch}
        part: list[TopicMessage] = []
        size = 0
        for message in last.values():
            part.append(message)
            size += len(message.key) + len(message.value or b"")
            if size >= _INSERT_BYTES:
                self._insert(part)
                part, size = [], 0
        if part:
            self._insert(part)

    def _insert(self, part: Sequence[TopicMessage]) -> None:
        texts = [list(column) for column in zip(*(self._cells(message) for message in part), strict=True)]
        places: list[list[object]] = [
            [message.key.decode() for message in part],
            [message.partition for message in part],
            [message.offset for message in part],
            [message.timestamp for message in part],
            [message.value is None for message in part],
        ]
        types = (*_PLACE_TYPES, *("VARCHAR" for _ in texts))
        self._engine.insert(self._log, types, [*places, *texts])

    def _cells(self, message: TopicMessage) -> list[str | None]:
        try:
            return self._rows.cells(message.key, message.value)
        except ValueError as error:
            where = f"partition {message.partition}, offset {message.offset}"
            raise UnsupportedType(
                f"Topic {self.source.topic} holds a message that is no row of {self.source.id} ({where}): {error}.",
                "Nobody but the job may write to its topics; look at it with `scheduler peek`.",
            ) from None

    def _all_forms(self) -> list[Forms]:
        table, options = self.source.table, self.source.options
        return [
            forms_of(table.id, column, options, in_key=column.name in table.primary_key) for column in table.columns
        ]

    def _form(self, index: int, forms: Forms) -> Form:
        """The usual form, or the wide one when the log has values that do not fit."""
        if forms.wide is None or self._misfits(index, forms.usual) == 0:
            return forms.usual
        column = self.source.table.columns[index]
        self._note(
            f"Column {column.name} of {self.source.id} is {forms.wide.type} here: it holds values that are no {forms.usual.type}."
        )
        return forms.wide

    def _misfits(self, index: int, form: Form) -> int:
        text = f"c{index}"
        condition = f"{text} IS NOT NULL AND TRY({form.of(text)}) IS NULL"
        return int(self._engine.run(f"SELECT count(*) FROM {self._log} WHERE {condition}")[0][0])

    def _fold(self, target: str, condition: str) -> None:
        columns = [f"{form.of(f'c{index}')} AS c{index}" for index, form in enumerate(self._forms)]
        last = _LAST.format(log=self._log)
        try:
            self._engine.run(
                f"CREATE TABLE {target} AS SELECT k, dead, {', '.join(columns)} "
                f"FROM (SELECT * FROM {self._log} SEMI JOIN ({last}) USING (p, o)) {condition}"
            )
        except Misfit:
            raise self._misfit() from None

    def _misfit(self) -> NeedsOperator:
        wrong = [
            f"{column.name} ({form.type})"
            for index, (column, form) in enumerate(zip(self.source.table.columns, self._forms, strict=True))
            if self._misfits(index, form)
        ]
        return UnsupportedType(
            f"Topic {self.source.topic} holds values that do not fit their columns: {', '.join(wrong)}.",
            "Start the command again; if that does not help, somebody else writes to the topic.",
        )

    def _rebuild(self) -> None:
        """DuckDB keeps the room of deleted rows; a table that changes for days would grow."""
        run = self._engine.run
        run(f"CREATE TABLE {self.name}_new AS SELECT * FROM {self.name}")
        run(f"DROP TABLE {self.name}")
        run(f"ALTER TABLE {self.name}_new RENAME TO {self.name.removeprefix(f'{SCHEMA}.')}")
        self._dead_rows = 0
