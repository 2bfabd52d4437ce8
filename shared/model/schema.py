"""Tables and columns as the server's catalog describes them.

Built by `scheduler.discovery` from information_schema, stored in the job's state topic, read by the codec.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple


class TableId(NamedTuple):
    """A table's full name on its server, exactly as the catalog spells it."""

    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.database}.{self.table}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the words of information_schema.COLUMNS.

    `data_type` is DATA_TYPE in lower case (`bigint`, `varchar`, `enum`, `vector`, …); `column_type` is the full
    COLUMN_TYPE (`bigint unsigned`, `tinyint(1)`, `enum('a','b')`), from which the rest can be told apart.
    `character_set` and `collation` are None for types without characters. `fraction` is DATETIME_PRECISION (0 to 6)
    of temporal types. `length` is CHARACTER_OCTET_LENGTH, `precision` and `scale` are those of numeric types.
    `labels` are the members of an ENUM or SET in declared order.

    `added` is no word of the catalog: the column was added to a table whose rows were not written again. So that those have the
    message that they would get now, messages leave it out where it is NULL.
    """

    name: str
    data_type: str
    column_type: str
    nullable: bool = True
    character_set: str | None = None
    collation: str | None = None
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction: int | None = None
    labels: tuple[str, ...] = ()
    added: bool = False

    @property
    def unsigned(self) -> bool:
        """True for UNSIGNED and for ZEROFILL, which implies it."""
        words = self.column_type.lower().split("(")[-1]
        return "unsigned" in words or "zerofill" in words

    @property
    def compressed(self) -> bool:
        """True for COMPRESSED columns of MariaDB, whose values are packed in the binlog and plain in a result."""
        return self.column_type.endswith(" COMPRESSED*/")


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in table order and the names of its primary-key columns in key order."""

    id: TableId
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.id}: column names repeat")
        missing = [name for name in self.primary_key if name not in names]
        if missing:
            raise ValueError(f"{self.id}: key columns {missing} are not columns of the table")

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: the table has no such column.

        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def as_in_catalog(self) -> Table:
        """The table without what only the job knows of it."""
        return replace(self, columns=tuple(replace(column, added=False) for column in self.columns))

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The primary-key columns in key order."""
        return tuple(self.column(name) for name in self.primary_key)


def table_to_json(table: Table) -> dict[str, Any]:
    """The table as plain JSON values, for the state topic."""
    return {
        "database": table.id.database,
        "table": table.id.table,
        "columns": [_column_to_json(column) for column in table.columns],
        "primary_key": list(table.primary_key),
    }


def _column_to_json(column: Column) -> dict[str, Any]:
    found = asdict(column)
    if not column.added:
        del found["added"]  # so that what was stored before there was such a thing has no other form
    return found


def table_from_json(value: dict[str, Any]) -> Table:
    """The table that `table_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: the value has another shape.

    """
    columns = (Column(**{**column, "labels": tuple(column["labels"])}) for column in value["columns"])
    return Table(TableId(value["database"], value["table"]), tuple(columns), tuple(value["primary_key"]))
