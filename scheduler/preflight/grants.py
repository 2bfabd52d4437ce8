r"""What SHOW GRANTS says, read; and the GRANT statements that are missing.

The lines look like

    GRANT SELECT, REPLICATION SLAVE ON *.* TO `u`@`%`        everywhere
    GRANT SELECT ON `order\_dw`.* TO …                       one database; _ and % match other letters unless escaped
    GRANT SELECT, INSERT (`id`) ON `db`.`t` TO …             one table, or single columns of it
    REVOKE SELECT ON `secret`.* FROM …                       with partial_revokes, taken back from the first line
    GRANT `role`@`%` TO …                                    a role, whose own lines are listed if it is active

A privilege on single columns does not count: MySQL would show, and let us read, a table with columns missing.

Law of this file: pure. It may ask for a grant that is there in a form it cannot read, and never overlooks that one is
missing, with one exception: if several database patterns of one account match, MySQL takes the most specific alone
(without roles), this file takes all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.model.schema import TableId

#: Privileges that reading the binlog, and asking for its end, need on `*.*`.
REPLICATION_PRIVILEGES = ("REPLICATION SLAVE", "REPLICATION CLIENT")

#: MariaDB's names of them.
_SAME = {"BINLOG MONITOR": "REPLICATION CLIENT", "REPLICATION REPLICA": "REPLICATION SLAVE"}

_TOKEN = re.compile(r"\s+|`((?:[^`]|``)*)`|'((?:[^']|'')*)'|([*.,()@])|([^\s`'*.,()@]+)")
_OBJECT_TYPES = frozenset({"TABLE", "FUNCTION", "PROCEDURE", "LIBRARY"})


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    quoted: bool = False


@dataclass(slots=True)
class Grants:
    """Privileges by what they are given on; names as the server spells them."""

    everywhere: set[str] = field(default_factory=set)
    databases: dict[str, set[str]] = field(default_factory=dict)
    revoked: dict[str, set[str]] = field(default_factory=dict)
    tables: dict[TableId, set[str]] = field(default_factory=dict)

    def missing(self, privileges: Iterable[str]) -> list[str]:
        """Those of the privileges that are not given everywhere."""
        return [] if _ALL in self.everywhere else [name for name in privileges if name not in self.everywhere]

    def covers(
        self, table: TableId, *, literal: bool = False, ignore_case: bool = False, privilege: str = "SELECT"
    ) -> bool:
        """True when a privilege is given on the table as a whole.

        Args:
            table: the table.
            privilege: one that is given on databases or tables.
            literal: databases in grants are names and not patterns; partial_revokes is ON.
            ignore_case: names have no case on this server.
        """
        table = _folded(table) if ignore_case else table
        if not self.missing([privilege]):
            taken = (p for database, p in self.revoked.items() if _same(database, table.database, ignore_case))
            if not any(privilege in privileges for privileges in taken):
                return True
        given = [p for pattern, p in self.databases.items() if _matches(pattern, table.database, literal, ignore_case)]
        given += [p for t, p in self.tables.items() if (_folded(t) if ignore_case else t) == table]
        return any({privilege, _ALL} & privileges for privileges in given)


_ALL = "ALL PRIVILEGES"


def parse_grants(lines: Iterable[str]) -> Grants:
    """What the lines of SHOW GRANTS say; lines about roles, routines and proxies say nothing here."""
    grants = Grants()
    for line in lines:
        tokens = _tokens(line)
        verb = tokens[0].text.upper() if tokens else ""
        place = next((i for i, token in enumerate(tokens) if token.text.upper() == "ON" and not token.quoted), None)
        if verb not in ("GRANT", "REVOKE") or place is None:
            continue
        privileges = {_SAME.get(name, name) for name in _privileges(tokens[1:place])}
        target = _target(tokens[place + 1 :])
        if target is None:
            continue
        database, table = target
        if database is None:
            grants.everywhere |= privileges
        elif table is not None:
            grants.tables.setdefault(TableId(database, table), set()).update(privileges)
        else:
            given = grants.revoked if verb == "REVOKE" else grants.databases
            given.setdefault(database, set()).update(privileges)
    return grants


def _tokens(line: str) -> list[_Token]:
    """Backticks or quotes make a name; what is in no such form up to the next blank or mark is a word."""
    tokens = []
    for match in _TOKEN.finditer(line):
        name, text, mark, word = match.groups()
        if name is not None:
            tokens.append(_Token(name.replace("``", "`"), quoted=True))
        elif text is not None:
            tokens.append(_Token(text.replace("''", "'"), quoted=True))
        elif mark or word:
            tokens.append(_Token(mark or word))
    return tokens


def _privileges(tokens: Sequence[_Token]) -> Iterator[str]:
    """The privileges that are not limited to columns."""
    words: list[str] = []
    depth, limited = 0, False
    for token in (*tokens, _Token(",")):
        mark = "" if token.quoted else token.text
        depth += (mark == "(") - (mark == ")")
        limited = limited or mark == "("
        if depth or mark == ")":
            continue
        if mark == ",":
            if words and not limited:
                yield " ".join(words).upper()
            words, limited = [], False
        else:
            words.append(token.text)


def _target(tokens: Sequence[_Token]) -> tuple[str | None, str | None] | None:
    """Database and table, None for `*`; None as a whole when it is something else."""
    if tokens and not tokens[0].quoted and tokens[0].text.upper() in _OBJECT_TYPES and tokens[1:2] != [_Token(".")]:
        if tokens[0].text.upper() != "TABLE":
            return None
        tokens = tokens[1:]
    if len(tokens) < 3 or tokens[1] != _Token("."):
        return None
    database, table = (None if token == _Token("*") else token.text for token in (tokens[0], tokens[2]))
    return database, table


def _matches(pattern: str, database: str, literal: bool, ignore_case: bool) -> bool:
    if literal:
        return _same(pattern, database, ignore_case)
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    expression = "".join(
        {"%": ".*", "_": "."}.get(part) or re.escape(part[1] if len(part) == 2 else part) for part in parts
    )
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch(expression, database, flags) is not None


def _same(one: str, other: str, ignore_case: bool) -> bool:
    return one.lower() == other.lower() if ignore_case else one == other


def _folded(table: TableId) -> TableId:
    return TableId(table.database.lower(), table.table.lower())


def account(user: str) -> str:
    """`user@host`, as CURRENT_USER() tells it, for a GRANT statement."""
    name, _, host = user.rpartition("@")
    return "@".join("'" + part.replace("\\", "\\\\").replace("'", "''") + "'" for part in (name, host))


def grant_everywhere(privileges: Sequence[str], user: str) -> str:
    """The statement that gives privileges on `*.*`."""
    return f"GRANT {', '.join(privileges)} ON *.* TO {account(user)};"


def grant_database(database: str, user: str, *, literal: bool = False, privilege: str = "SELECT") -> str:
    """The statement that lets the user read one database, and no other whose name is alike; or gives it another privilege."""
    name = database if literal else re.sub(r"([\\%_])", r"\\\1", database)
    return f"GRANT {privilege} ON {_quoted(name)}.* TO {account(user)};"


def grant_table(table: TableId, user: str) -> str:
    """The statement that lets the user read one table."""
    return f"GRANT SELECT ON {_quoted(table.database)}.{_quoted(table.table)} TO {account(user)};"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
