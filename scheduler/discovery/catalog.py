"""The server's tables, columns, keys and sizes, out of information_schema.

Law of this file: it reads information_schema and nothing else, in a number of queries that grows with the batches and
not with the tables. MySQL shows a user only what it has some privilege on: whoever has too few sees no error here but
fewer tables, and with privileges on single columns fewer columns (`scheduler.preflight` looks at the grants).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from scheduler.discovery.labels import parse_labels
from scheduler.planner import Estimate
from shared.adapters.mysql.session import RawRow, Session
from shared.model.schema import Column, Table, TableId

#: Tables in one query: some 100 KiB of SQL with the longest names, far from the smallest max_allowed_packet in use.
_BATCH_TABLES = 500

#: Statistics are asked of the engine itself up to this many tables. It costs 50 microseconds for a table that is open
#: and a few pages of reading for one that is not, so two thousand take a second or two.
_FRESH_TABLES_MAX = 2000

_SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys')"

_TABLES = f"""
SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN {_SYSTEM}
"""
_COLUMNS = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME,
       CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {database} AND TABLE_NAME IN ({tables})
ORDER BY ORDINAL_POSITION
"""
_KEYS = """
SELECT TABLE_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = {database} AND TABLE_NAME IN ({tables}) AND INDEX_NAME = 'PRIMARY'
ORDER BY SEQ_IN_INDEX
"""
_SIZES = """
SELECT TABLE_NAME, TABLE_ROWS, AVG_ROW_LENGTH FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {database} AND TABLE_NAME IN ({tables})
"""


def list_tables(session: Session) -> list[TableId]:
    """All base tables that the user can see, without those of the server itself, by name."""
    return sorted(TableId(_text(database), _text(table)) for database, table in session.query(_TABLES))


def read_table(session: Session, table: TableId) -> Table | None:
    """One table; None when the server does not have it."""
    return read_tables(session, [table]).get(table)


def read_tables(session: Session, tables: Sequence[TableId]) -> dict[TableId, Table]:
    """Those of the tables that exist, in the order asked for; a table without a primary key has an empty one.

    Columns stand in table order, invisible and generated ones included, since the binlog has them, too.
    """
    _show_generated_keys(session)
    columns = {table: tuple(map(_column, rows)) for table, rows in _of_each(session, _COLUMNS, tables)}
    keys = {table: [_text(row[1]) for row in rows] for table, rows in _of_each(session, _KEYS, tables)}
    return {
        table: Table(table, columns[table], _visible(keys.get(table, ()), columns[table]))
        for table in tables
        if table in columns
    }


def prefix_keys(session: Session, tables: Sequence[TableId]) -> dict[TableId, tuple[str, ...]]:
    """Tables whose primary key holds only the beginning of some columns (`PRIMARY KEY (name(10))`), with those.

    Their rows are told apart as well as any, but the index is not in the order of the whole values, so that finding
    bounds sorts the table each time. (A primary key cannot hold an expression.)
    """
    found = (
        (table, tuple(_text(row[1]) for row in rows if row[2] is not None))
        for table, rows in _of_each(session, _KEYS, tables)
    )
    return {table: names for table, names in found if names}


def versioned_tables(session: Session) -> list[TableId]:
    """Tables of a MariaDB that keep the former versions of their rows (WITH SYSTEM VERSIONING)."""
    rows = session.query(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED'"
    )
    return [TableId(_text(row[0]), _text(row[1])) for row in rows]


def cascading_tables(session: Session) -> list[TableId]:
    """Tables that a foreign key changes by itself when its parent's rows change (CASCADE or SET NULL)."""
    rows = session.query(
        "SELECT DISTINCT CONSTRAINT_SCHEMA, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
        " WHERE UPDATE_RULE IN ('CASCADE', 'SET NULL') OR DELETE_RULE IN ('CASCADE', 'SET NULL')"
    )
    return [TableId(_text(row[0]), _text(row[1])) for row in rows]


def estimates(session: Session, tables: Sequence[TableId]) -> dict[TableId, Estimate]:
    """The size of each table by the engine's statistics; no row is counted.

    The server keeps the answers of this query for a day and fills that memory by writing to a table of its own. So
    the engine is asked past it (information_schema_stats_expiry=0) as long as that is cheap; of very many tables only
    those are, of which the memory knows no row: a table that was filled a moment ago is remembered as empty.
    """
    if len(tables) <= _FRESH_TABLES_MAX:
        return _fresh_sizes(session, tables)
    sizes = _sizes(session, tables)
    return sizes | _fresh_sizes(session, [table for table in tables if not sizes.get(table, Estimate()).rows])


def _fresh_sizes(session: Session, tables: Sequence[TableId]) -> dict[TableId, Estimate]:
    if session.is_mariadb:  # it keeps no answers
        return _sizes(session, tables)
    session.query("SET SESSION information_schema_stats_expiry = 0")
    try:
        return _sizes(session, tables)
    finally:
        session.query("SET SESSION information_schema_stats_expiry = DEFAULT")


def _sizes(session: Session, tables: Sequence[TableId]) -> dict[TableId, Estimate]:
    return {
        table: Estimate(_whole(rows[0][1]) or 0, _whole(rows[0][2]) or 0)
        for table, rows in _of_each(session, _SIZES, tables)
    }


def _show_generated_keys(session: Session) -> None:
    """A server can hide primary keys that it made itself (sql_generate_invisible_primary_key); the binlog has them."""
    shown = session.query("SHOW VARIABLES LIKE 'show\\_gipk\\_in\\_create\\_table\\_and\\_information\\_schema'")
    if shown and shown[0][1] == b"OFF":
        session.query("SET SESSION show_gipk_in_create_table_and_information_schema = ON")


def _of_each(session: Session, sql: str, tables: Iterable[TableId]) -> Iterator[tuple[TableId, list[RawRow]]]:
    """The rows of a query for many tables, whose first column is the table's name, by table."""
    for database, names in _batches(tables):
        rows = session.query(sql.format(database=_literal(database), tables=", ".join(map(_literal, names))))
        # Grouped here and by the exact name: with lower_case_table_names the server takes `ta` and `tä` for one.
        found: dict[str, list[RawRow]] = {}
        for row in rows:
            found.setdefault(_text(row[0]), []).append(row)
        yield from ((TableId(database, name), found[name]) for name in names if name in found)


def _batches(tables: Iterable[TableId]) -> Iterator[tuple[str, list[str]]]:
    for database, group in groupby(sorted(set(tables)), key=lambda table: table.database):
        names = [table.table for table in group]
        for start in range(0, len(names), _BATCH_TABLES):
            yield database, names[start : start + _BATCH_TABLES]


def _column(row: RawRow) -> Column:
    data_type, column_type = _text(row[2]).lower(), _text(row[3])
    return Column(
        name=_text(row[1]),
        data_type=data_type,
        column_type=column_type,
        nullable=row[4] == b"YES",
        character_set=_text(row[5]) or None,
        collation=_text(row[6]) or None,
        length=_whole(row[7]),
        precision=_whole(row[8]),
        scale=_whole(row[9]),
        fraction=_whole(row[10]),
        labels=parse_labels(column_type) if data_type in ("enum", "set") else (),
    )


def _visible(key: Iterable[str], columns: Sequence[Column]) -> tuple[str, ...]:
    """The key, or none when the user may not see all of its columns."""
    names = tuple(key)
    return names if {column.name for column in columns}.issuperset(names) else ()


def _text(cell: bytes | None) -> str:
    return "" if cell is None else cell.decode()


def _whole(cell: bytes | None) -> int | None:
    return None if cell is None else int(cell)


def _literal(name: str) -> str:
    """A name as an SQL literal; the session reads backslashes as escapes."""
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
