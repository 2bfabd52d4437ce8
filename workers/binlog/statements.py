"""What a logged statement (DDL) means for the job's tables. Pure: text in, verdict out.

Nothing is parsed here, and so nothing is missed that a parser does not know. A statement that names none of the job's tables is harmless. One that names some makes the leader
compare those tables with the catalog. The effect of emptying or dropping statements on rows is not in the binlog as row
changes: the topics of these tables must be swept. To name a table too many costs a sweep that finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from shared.model.schema import TableId

#: Quoted text (group 1) stays as it is. Comments go, but what stands in `/*!50003 … */`, or MariaDB's `/*M! … */`, is run and is none.
_COMMENT = re.compile(
    r"(`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\")"
    r"|/\*M?!\d*|\*/|/\*.*?\*/|(?:--(?=\s|\Z)|#)[^\n]*",
    re.DOTALL,
)
#: MariaDB logs what stands before a statement: `SET STATEMENT lock_wait_timeout = 5 FOR ALTER TABLE …`.
_SETTINGS = re.compile(
    r"\A\W*SET\s+STATEMENT\b(?:'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|.)*?\bFOR\b", re.IGNORECASE | re.DOTALL
)
_VERB = re.compile(r"\W*(\w+)")
_NAME = r"(`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|[\w$]+)"
#: A name, or two that a dot joins: `database.table`, or `table.column`.
_NAMES = re.compile(rf"{_NAME}(?:\s*\.\s*{_NAME})?")
_PLACE = rf"{_NAME}(?:\s*\.\s*{_NAME})?".replace("(`", "(?:`")
_EMPTIES = re.compile(
    rf"\s*(?:TRUNCATE(?:\s+TABLE\b)?|DROP\s+TABLES?\b(?:\s+IF\s+EXISTS\b)?)\s*({_PLACE}(?:\s*,\s*{_PLACE})*)"
    r"\s*(?:\b(?:RESTRICT|CASCADE)\b)?[\s;]*",
    re.IGNORECASE,
)
_MAKES = {
    "CREATE": re.compile(
        rf"\A\W*CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(?:\s*\.\s*{_NAME})?",
        re.IGNORECASE,
    ),
    "RENAME": re.compile(rf"\bTO\s+{_NAME}(?:\s*\.\s*{_NAME})?", re.IGNORECASE),
    "ALTER": re.compile(
        rf"\bRENAME\s+(?!(?:COLUMN|INDEX|KEY)\b)(?:(?:TO|AS)\s+|=\s*)?{_NAME}(?:\s*\.\s*{_NAME})?", re.IGNORECASE
    ),
}
_DROPS = re.compile(r"\W*DROP\s+(?:TABLE|TABLES|DATABASE|SCHEMA)\b", re.IGNORECASE)
_TAKES_PARTITIONS = re.compile(r"\b(?:TRUNCATE|DROP)\s+PARTITION\b", re.IGNORECASE)
_SWAPS_ROWS = re.compile(
    r"\b(?:(?:EXCHANGE|DISCARD|IMPORT)\s+(?:PARTITION|TABLESPACE)|CONVERT\s+(?:PARTITION|TABLE))\b", re.IGNORECASE
)
_REPLACES = re.compile(r"\W*CREATE\s+OR\s+REPLACE\s+TABLE\b", re.IGNORECASE)
_ROWS_CHANGE = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "LOAD", "CALL", "DO"})
_NEVER_TABLES = frozenset({"GRANT", "REVOKE", "SET", "ANALYZE", "FLUSH", "OPTIMIZE", "REPAIR"})
_NOT_A_TABLE = re.compile(
    r"\W*(?:CREATE|ALTER|DROP|RENAME)\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:SQL\s+SECURITY\s+\w+\s+)?"
    r"(?:USER|ROLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|EVENT|SERVER|TABLESPACE|RESOURCE|TEMPORARY"
    # The one index that rows are told apart by is PRIMARY.
    r"|(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX(?!\s+[`\"]?PRIMARY\b))\b",
    re.IGNORECASE,
)
_DATABASE = re.compile(r"\W*DROP\s+(?:DATABASE|SCHEMA)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`stop` says why the job must stop. `again` are tables that must be copied again, as rows came or went with the statement, and
    `why` says so; otherwise `recheck` are the tables to compare with the catalog, `emptied` those that may have lost
    rows, `dropped` those of them that may not be there any more, and `void` those that have surely lost all rows. `made` are the names of
    tables that it may have made.
    """

    stop: str = ""
    why: str = ""
    again: tuple[TableId, ...] = ()
    recheck: tuple[TableId, ...] = ()
    emptied: tuple[TableId, ...] = ()
    dropped: tuple[TableId, ...] = ()
    void: tuple[TableId, ...] = ()
    made: tuple[TableId, ...] = ()


def plain(sql: str) -> str:
    """The statement that is run: without comments, and without settings that stand before it."""
    return _SETTINGS.sub("", _COMMENT.sub(lambda found: found[1] or " ", sql))


def judge(default_database: str, sql: str, tables: Collection[TableId]) -> Verdict:
    """The verdict on one statement.

    Args:
        default_database: the session's database, which unqualified names belong to.
        sql: the statement as it was logged.
        tables: the job's tables.
    """
    text = plain(sql)
    found = _VERB.match(text)
    verb = found[1].upper() if found else ""
    if verb in _NEVER_TABLES or _NOT_A_TABLE.match(text):
        return Verdict()
    names = {(_bare(first), _bare(second)) for first, second in _NAMES.findall(text)}
    leading = {first for first, _ in names}
    if _DATABASE.match(text):
        named = tuple(t for t in tables if t.database.lower() in leading)
    else:
        named = tuple(t for t in tables if _is_named(t, default_database, names, leading))
    made = _made(text, verb, default_database)
    if not named:
        return Verdict(made=made)
    if verb == "TRUNCATE":
        return Verdict(emptied=named, void=_surely(text, default_database, named))
    if _DROPS.match(text):
        return Verdict(emptied=named, dropped=named, void=_surely(text, default_database, named))
    if verb in ("DROP", "RENAME"):
        return Verdict(why=f"{verb} reached {named[0]}", again=named, made=made)
    if _REPLACES.match(text):  # MariaDB's
        return Verdict(why=f"CREATE OR REPLACE reached {named[0]}", again=named, made=made)
    if verb in _ROWS_CHANGE:
        return Verdict(stop=f"{verb} on {named[0]} was logged as a statement, not as rows")
    return _judge_alter(text, named, made) if verb == "ALTER" else Verdict(recheck=named, made=made)


def _judge_alter(text: str, named: tuple[TableId, ...], made: tuple[TableId, ...]) -> Verdict:
    if _SWAPS_ROWS.search(text):
        return Verdict(why=f"ALTER TABLE … PARTITION or TABLESPACE reached {named[0]}", again=named)
    if re.search(r"\bRENAME\s++(?!(?:COLUMN|INDEX|KEY)\b)", text, re.IGNORECASE):
        return Verdict(why=f"ALTER TABLE … RENAME reached {named[0]}", again=named, made=made)
    return Verdict(recheck=named, emptied=named if _TAKES_PARTITIONS.search(text) else ())


def _made(text: str, verb: str, default_database: str) -> tuple[TableId, ...]:
    """The names of tables that it creates, or that tables get by it."""
    found = _MAKES[verb].findall(text) if verb in _MAKES else []
    names = ((_unquoted(first), _unquoted(second)) for first, second in found)
    return tuple(TableId(first, second) if second else TableId(default_database, first) for first, second in names)


def _surely(text: str, default_database: str, named: tuple[TableId, ...]) -> tuple[TableId, ...]:
    """Those of the tables that the statement names letter by letter, where it is one that this function reads to its end."""
    found = _EMPTIES.fullmatch(text)
    if not found:
        return ()
    names = [(_unquoted(first), _unquoted(second)) for first, second in _NAMES.findall(found[1])]
    exact = {TableId(first, second) if second else TableId(default_database, first) for first, second in names}
    return tuple(table for table in named if table in exact)


def _unquoted(name: str) -> str:
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in ("`", '"') else name


def _bare(name: str) -> str:
    return _unquoted(name).lower()


def _is_named(
    table: TableId, default_database: str, names: Collection[tuple[str, str]], leading: Collection[str]
) -> bool:
    """By its full name, or by its own alone where the session's database is its database."""
    database, name = table.database.lower(), table.table.lower()
    return (database, name) in names or (database == default_database.lower() and name in leading)
