"""A topic as Flink sees it: the fields of its keys and of its values, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scheduler.flink.types import flink_type
from shared.codec import FormatOptions
from shared.errors import InvalidJob
from shared.model.schema import Column, Table, TableId

JSON, RAW = "json", "raw"


class Field(NamedTuple):
    """One column. `path` leads to it in the message; more than one name for a member of a nested object."""

    path: tuple[str, ...]
    type: str
    note: str = ""

    @property
    def name(self) -> str:
        """The column's name without prefix, as VVR's catalog spells a nested one: `outer.inner`."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic holds. `formats` are options of the JSON format, without the `key.` or `value.` in front."""

    name: str
    keys: tuple[Field, ...]
    values: tuple[Field, ...]
    key_format: str = JSON
    value_format: str = JSON
    formats: Mapping[str, str] = field(default_factory=dict)

    @property
    def upsertable(self) -> bool:
        """True when its keys can be a primary key."""
        return bool(self.keys) and self.key_format == JSON


def topic_of(table: Table, topic: str, options: FormatOptions) -> Topic:
    """The topic of a job's table.

    Raises:
        UnsupportedType: a column has no Flink type.
    """
    where, table = str(table.id), options.shown(table)

    def fields(columns: Iterable[Column]) -> tuple[Field, ...]:
        return tuple(
            Field((column.name,), flink_type(column, options, where), _note(column, options)) for column in columns
        )

    key = set(table.primary_key) if options.fields_include == "EXCEPT_KEY" else set()
    standard = options.timestamp_format
    return Topic(
        topic,
        fields(table.key_columns),
        fields(column for column in table.columns if column.name not in key),
        formats={} if standard == "SQL" else {"timestamp-format.standard": standard},
    )


def shared_table(tables: Sequence[Table], shard_key: str, topic: str) -> Table:
    """The messages of tables that share a topic, as if they were of one table with the shard key as the first part of its key.

    Args:
        tables: at least one, as messages show them.
        shard_key: the field that tells them apart.
        topic: the topic, whose name the table gets.
    """
    first = tables[0]
    columns = {column.name: column for table in reversed(tables) for column in table.columns}
    names = dict.fromkeys(column.name for table in tables for column in table.columns)
    own = Column(shard_key, "varchar", "varchar(129)", nullable=False)
    return Table(
        TableId(first.id.database, topic), (own, *(columns[name] for name in names)), (shard_key, *first.primary_key)
    )


def _note(column: Column, options: FormatOptions) -> str:
    """What a reader of the statement has to know about a column."""
    kind = column.data_type
    if kind == "json" and options.json_columns == "object":
        return "any JSON value, which Flink reads as its text"
    if kind == "decimal" and (column.precision or 0) > 38:
        return f"{column.column_type}: more digits than Flink's DECIMAL"
    if column.column_type.lower() == "tinyint(1)" and options.treat_tinyint1_as_boolean:
        return "tinyint(1): Flink reads numbers other than 0 and 1 as FALSE"
    return ""


def table_names(tables: Sequence[TableId], suffix: str) -> dict[TableId, str]:
    """A name for each table: its own and the suffix; with its database in front where the job has several of that name.

    Raises:
        InvalidJob: two tables still have one name.
    """
    often = Counter(table.table for table in tables)
    names = {t: f"{t.table}{suffix}" if often[t.table] == 1 else f"{t.database}.{t.table}{suffix}" for t in tables}
    doubled = [name for name, count in Counter(names.values()).items() if count > 1]
    if doubled:
        raise InvalidJob(
            f"Two tables would be called `{doubled[0]}`.", "Use --style catalog, which keeps databases apart."
        )
    return names
