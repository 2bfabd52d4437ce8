"""What an ALTER TABLE does to a table's columns, as far as its text says so for sure: nothing, or that it adds some which are NULL in
every row that is there. Pure: text in, intent out.

The text is parsed by sqlglot. Whatever it does not understand, and whatever is not listed here, is none of our business: then the
catalog is asked, and the table is copied again if it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from shared.model.schema import Column, Table, TableId
from workers.binlog.statements import plain

#: Longer ones are not parsed: the leader waits meanwhile, and statements of people are short.
_LENGTH_MAX = 20_000

#: Types that are not NULL by themselves: an alias, and on servers without explicit_defaults_for_timestamp.
_FILLED = ("SERIAL", "BIGSERIAL", "SMALLSERIAL", "TIMESTAMP")
#: Constraints of a new column that leave it NULL, and say nothing of other columns.
_PLAIN = (exp.CommentColumnConstraint, exp.CollateColumnConstraint, exp.CharacterSetColumnConstraint)
_NOT_COLUMNS = (
    exp.IndexColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.CheckColumnConstraint,
    exp.ForeignKey,
)
_DROPS = frozenset({"INDEX", "KEY", "FOREIGN KEY", "CHECK"})
_OPTIONS = (
    exp.AlgorithmProperty,
    exp.LockProperty,
    exp.EngineProperty,
    exp.SchemaCommentProperty,
    exp.AutoIncrementProperty,
)


@dataclass(frozen=True, slots=True)
class Addition:
    """A new column: the first one, or behind another, or the last one."""

    name: str
    first: bool = False
    after: str = ""


@dataclass(frozen=True, slots=True)
class Alteration:
    """What happens to the columns of one table, the only one whose columns the statement can change."""

    database: str
    table: str
    added: tuple[Addition, ...] = ()

    def concerns(self, table: TableId) -> bool:
        """True for the table; also for one whose name differs in case only, which may be the same to the server."""
        return (self.database.casefold(), self.table.casefold()) == (table.database.casefold(), table.table.casefold())


def read(default_database: str, sql: str) -> Alteration | None:
    """What a statement does; None when its text does not tell.

    Args:
        default_database: the session's database, which unqualified names belong to.
        sql: the statement as it was logged.
    """
    text = plain(sql)
    # With NO_BACKSLASH_ESCAPES a backslash means nothing, and what is text and what is not looks different.
    if len(text) > _LENGTH_MAX or "\\" in text:
        return None
    try:
        found = sqlglot.parse(text, read="mysql")
    except (SqlglotError, RecursionError):
        return None
    alter = found[0] if len(found) == 1 else None
    if not isinstance(alter, exp.Alter) or not _is_of_a_table(alter):
        return None
    new = [action for action in alter.args["actions"] if isinstance(action, exp.ColumnDef)]
    others = [action for action in alter.args["actions"] if not isinstance(action, exp.ColumnDef)]
    added = [addition for action in new if (addition := _addition(action)) is not None]
    if len(added) < len(new) or not all(map(_leaves_columns, others)):
        return None
    return Alteration(alter.this.db or default_database, alter.this.name, tuple(added))


def _is_of_a_table(alter: exp.Alter) -> bool:
    """True for one that names no more than a table, and has no options but those that leave its columns as they are."""
    return (
        _only(alter, "this", "kind", "actions", "options")
        and alter.args.get("kind") == "TABLE"
        and isinstance(alter.this, exp.Table)
        and _only(alter.this, "this", "db")
        and all(isinstance(option, _OPTIONS) for option in alter.args.get("options") or ())
        # An index of this name is the primary key.
        and all(name.name.upper() != "PRIMARY" for name in alter.find_all(exp.Identifier))
    )


def grown(table: Table, added: tuple[Addition, ...], catalog: Table) -> Table | None:
    """The table with these columns, whose types are those that the catalog shows; None when it does not show them, or they hold
    more than NULL.
    """
    columns = list(table.columns)
    for addition in added:
        found = next((column for column in catalog.columns if column.name == addition.name), None)
        place = _place(columns, addition)
        if found is None or place is None or not found.nullable or _at(columns, addition.name) is not None:
            return None
        columns.insert(place, replace(found, added=True))
    return replace(table, columns=tuple(columns))


def _place(columns: list[Column], addition: Addition) -> int | None:
    if addition.first or not addition.after:
        return 0 if addition.first else len(columns)
    before = _at(columns, addition.after)
    return None if before is None else before + 1


def _at(columns: list[Column], name: str) -> int | None:
    """Names of columns that differ in case only are the same to MySQL."""
    return next((at for at, column in enumerate(columns) if column.name.casefold() == name.casefold()), None)


def _addition(action: exp.ColumnDef) -> Addition | None:
    type_ = action.args.get("kind")
    if not _only(action, "this", "kind", "constraints", "position") or not isinstance(type_, exp.DataType):
        return None
    if type_.sql("mysql").upper().startswith(_FILLED) or not all(map(_leaves_null, action.constraints)):
        return None
    position = action.args.get("position")
    if position is None:
        return Addition(action.name)
    if position.args.get("position") == "FIRST":
        return Addition(action.name, first=True)
    return Addition(action.name, after=position.this.name) if position.this else None


def _leaves_null(constraint: exp.ColumnConstraint) -> bool:
    kind = constraint.kind
    if isinstance(kind, exp.NotNullColumnConstraint):
        return bool(kind.args.get("allow_null"))
    if isinstance(kind, exp.DefaultColumnConstraint):
        return isinstance(kind.this, exp.Null)
    return isinstance(kind, _PLAIN)


def _leaves_columns(action: exp.Expression) -> bool:
    """True for what changes neither columns nor primary key."""
    match action:
        case exp.AddConstraint():
            inner = [one.expressions if isinstance(one, exp.Constraint) else [one] for one in action.expressions]
            return all(isinstance(one, _NOT_COLUMNS) for some in inner for one in some)
        case exp.Drop():
            return action.args.get("kind") in _DROPS
        case exp.AlterColumn():
            return _only(action, "this", "default", "drop")
    return isinstance(action, (exp.RenameIndex, exp.ForceProperty))


def _only(node: exp.Expression, *names: str) -> bool:
    """True when the node says nothing beside these."""
    return all(name in names or not value for name, value in node.args.items())
