"""The preflight's look at tables that share a topic: whether their messages can be told apart, and read as those of one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scheduler.flink.types import flink_type
from scheduler.preflight.findings import Finding, failed, passed
from shared.codec import FormatOptions
from shared.errors import UnsupportedType
from shared.model.schema import Column, Table, TableId

_SUBJECT = "shared_topics"


def check_shared(
    tables: Sequence[Table], topics: Mapping[TableId, str], shard_keys: Mapping[TableId, str], options: FormatOptions
) -> list[Finding]:
    """No column has the name of the shard key; the tables of a topic have the same key, and columns of one name are of one type.

    Args:
        tables: those whose columns are known.
        topics: the topic of each.
        shard_keys: the field that tells it from others there; empty where it has none.
        options: how rows are written.
    """
    marked = [table for table in tables if shard_keys.get(table.id) and table.primary_key]
    if not marked:
        return []
    findings = [finding for table in marked for finding in _taken(table, shard_keys[table.id])]
    by_topic: dict[str, list[Table]] = {}
    for table in marked:
        by_topic.setdefault(topics[table.id], []).append(options.shown(table))
    for topic, sharing in by_topic.items():
        findings += [*_of_one_name(topic, sharing), *_unlike(topic, sharing, options)]
    return findings or [passed(_SUBJECT, "Tables that share a topic can be told apart, and have the same columns.")]


def _taken(table: Table, shard_key: str) -> Iterator[Finding]:
    for column in table.columns:
        if column.name.casefold() == shard_key.casefold():
            message = (
                f"The table {table.id} has a column `{column.name}`, and its messages would have `{shard_key}` as well."
            )
            yield failed(_SUBJECT, message, "Choose another name as `shard-key`.", "route")


def _of_one_name(topic: str, tables: Sequence[Table]) -> Iterator[Finding]:
    """A dot may be a part of a name: `a.b`.`c` and `a`.`b.c` would be one table in the messages."""
    names: dict[str, TableId] = {}
    for table in tables:
        if names.setdefault(str(table.id), table.id) != table.id:
            message = f"Two tables of topic `{topic}` would be called `{table.id}` in its messages, for their names have dots."
            yield failed(_SUBJECT, message, "Route them to different topics.", "route")


def _unlike(topic: str, tables: Sequence[Table], options: FormatOptions) -> Iterator[Finding]:
    """Each table that does not fit to those before it, once."""
    first = tables[0]
    known: dict[str, tuple[TableId, str, str]] = {}
    for table in tables:
        where = f"topic `{topic}` of {first.id} and {table.id}"
        if table.primary_key != first.primary_key:
            keys = " and ".join(f"({', '.join(one.primary_key)})" for one in (first, table))
            message = f"The tables of {where} have different primary keys, {keys}."
            yield failed(_SUBJECT, message, "Route them to different topics, or give them one key.", "route")
            continue
        for column in table.columns:
            described = (table.id, column.name, _type(column, options, table))
            other, name, kind = known.setdefault(column.name.casefold(), described)
            if (name, kind) != described[1:]:
                message = (
                    f"The column `{name}` of {other} is {kind}, and `{column.name}` of {table.id} is {described[2]}, "
                    f"which would be one column of topic `{topic}`."
                )
                hint = "Give both tables the same column (ALTER TABLE), or route them to different topics."
                yield failed(_SUBJECT, message, hint, "route")
                break


def _type(column: Column, options: FormatOptions, table: Table) -> str:
    try:
        return flink_type(column, options, str(table.id))
    except UnsupportedType:
        return column.column_type  # `check_column_types` says so
