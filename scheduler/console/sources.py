"""A table of a job as it lies in Kafka. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.codec import FormatOptions
from shared.model.label import Label, Origin, label_of
from shared.model.schema import Table, TableId

#: A table's second name: the same rows with `key_` and `value_` before the columns, as Flink's examples have them.
KEY_VALUE_SUFFIX = "_source"
KEY_PREFIX = "key_"
VALUE_PREFIX = "value_"


@dataclass(frozen=True, slots=True)
class Source:
    """A table, its topic, and how its rows are spelled there. `live` is false while it is still being copied; `shard_key` is the
    field that tells its messages from those of others there.
    """

    job: str
    table: Table
    topic: str
    options: FormatOptions
    live: bool = True
    shard_key: str = ""

    @property
    def label(self) -> Label:
        """How its messages are known in the topic."""
        return label_of(Origin(self.table.id, self.shard_key), in_value=self.options.fields_include == "ALL")

    @property
    def id(self) -> TableId:
        """The table's name."""
        return self.table.id

    def names(self, *, key_value: bool) -> list[tuple[str, str]]:
        """The columns of a view on it: MySQL's name and the view's."""
        every = [column.name for column in self.table.columns]
        if not key_value:
            return [(name, name) for name in every]
        key = list(self.table.primary_key)
        kept = every if self.options.fields_include == "ALL" else [name for name in every if name not in key]
        return [(name, KEY_PREFIX + name) for name in key] + [(name, VALUE_PREFIX + name) for name in kept]

    def key_names(self, *, key_value: bool) -> list[str]:
        """What the columns of the primary key are called in a view on it."""
        return [KEY_PREFIX + name if key_value else name for name in self.table.primary_key]
