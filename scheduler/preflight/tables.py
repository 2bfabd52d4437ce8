"""Checks of the job's tables: which there are, whether they can be read, and whether the codec knows them.

Law of this file: pure; the catalog and the facts are arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from scheduler.discovery import ServerFacts
from scheduler.preflight import grants
from scheduler.preflight.findings import (
    NAMED_MAX,
    Finding,
    failed,
    failure_of,
    listed,
    passed,
    warned,
)
from shared.codec import FormatOptions, check_table
from shared.errors import InvalidJob, UnsupportedType
from shared.job.columns import ColumnPatterns
from shared.job.patterns import TablePatterns
from shared.job.spec import JobSpec, SourceSpec
from shared.model.schema import Table, TableId

#: A database's name that a table pattern spells out, at the beginning of each of its elements.
_PLAIN_DATABASE = re.compile(r"(?:^|,)\s*([\w$-]+)\.")


def check_patterns(spec: JobSpec) -> list[Finding]:
    """Patterns that are legal and rarely meant as they stand."""
    hint = "Correct the pattern if it is not meant so."
    found = (warning.partition(": ") for warning in spec.warnings)
    return [warned("patterns", message, hint, path) for path, _, message in found]


def select_tables(spec: JobSpec, visible: Sequence[TableId], facts: ServerFacts) -> tuple[tuple[TableId, ...], Finding]:
    """The job's tables, and whether there are any."""
    try:
        tables = spec.select(visible, ignore_case=facts.ignores_case)
    except InvalidJob as error:
        finding = failure_of("tables", error)
        may_be_hidden = bool(grants.parse_grants(facts.grants).missing(["SELECT"]))
        return (), _with_grants(finding, spec, facts) if may_be_hidden else finding
    message = f"The job has {_count(len(tables), 'table')} of the {len(visible)} that {facts.user} can see."
    return tables, passed("tables", message)


def check_idle_patterns(spec: JobSpec, visible: Sequence[TableId], facts: ServerFacts) -> list[Finding]:
    """Elements of a list of patterns that match nothing, while others do."""
    lists = [spec.source.tables, spec.source.tables_exclude]
    hint = "Check the spelling, and that the MySQL user may see the tables."
    return [
        warned("patterns", f"`{text}` matches no table.", hint, patterns.path)
        for patterns in lists
        if patterns is not None
        for text in _idle(patterns, visible, facts)
    ]


def _idle(patterns: TablePatterns, visible: Sequence[TableId], facts: ServerFacts) -> tuple[str, ...]:
    idle = patterns.unmatched(visible, ignore_case=facts.ignores_case)
    # If not even one matches, `select_tables` says so, with more about it.
    alone = patterns.path == "source.tables" and not any(
        patterns.matches(t, ignore_case=facts.ignores_case) for t in visible
    )
    return () if alone else idle


def _with_grants(finding: Finding, spec: JobSpec, facts: ServerFacts) -> Finding:
    """The same with the GRANTs that would let the user see the databases that the patterns spell out."""
    databases = dict.fromkeys(_PLAIN_DATABASE.findall(spec.source.tables.text))
    literal = facts.partial_revokes == "ON"
    statements = [grants.grant_database(name, facts.user, literal=literal) for name in databases]
    told = f" Run, if they are missing: {' '.join(statements)}" if statements else ""
    hint = f"{finding.hint} MySQL shows a user only the tables on which it has a privilege.{told}"
    return failed(finding.subject, finding.message, hint, finding.path)


def check_replication_privileges(facts: ServerFacts) -> Finding:
    """The user may read the binlog and ask for its end."""
    subject = "replication_privileges"
    missing = grants.parse_grants(facts.grants).missing(grants.REPLICATION_PRIVILEGES)
    if not missing:
        return passed(subject, f"{facts.user} may read the binlog.")
    statement = grants.grant_everywhere(missing, facts.user)
    return failed(subject, f"{facts.user} lacks {' and '.join(missing)}.", f"Run: {statement}")


def check_read_privileges(facts: ServerFacts, tables: Sequence[TableId]) -> tuple[list[TableId], Finding]:
    """The tables that can be read with all of their columns, and whether these are all."""
    subject = "read_privileges"
    given = grants.parse_grants(facts.grants)
    literal = facts.partial_revokes == "ON"
    readable = [t for t in tables if given.covers(t, literal=literal, ignore_case=facts.ignores_case)]
    missing = sorted(set(tables).difference(readable))
    if not missing:
        return readable, passed(subject, f"{facts.user} may read all of them.")
    statements = _read_statements(missing, tables, facts.user, literal=literal)
    message = f"{facts.user} lacks SELECT on {listed([str(t) for t in missing])} (or on some of the columns)."
    return readable, failed(subject, message, f"Run: {' '.join(statements)}")


def check_lock_privileges(facts: ServerFacts, tables: Sequence[TableId]) -> list[Finding]:
    """On a server without GTIDs readers wait for open transactions under a read lock (DESIGN rule 11)."""
    if facts.has_gtids:
        return []
    subject, privilege = "lock_privileges", "LOCK TABLES"
    given = grants.parse_grants(facts.grants)
    literal = facts.partial_revokes == "ON"
    databases = dict.fromkeys(
        table.database
        for table in tables
        if not given.covers(table, literal=literal, ignore_case=facts.ignores_case, privilege=privilege)
    )
    if not databases:
        return [passed(subject, f"{facts.user} may wait for open transactions of the tables.")]
    statements = [grants.grant_database(name, facts.user, literal=literal, privilege=privilege) for name in databases]
    message = f"{facts.user} lacks {privilege} on {listed(list(databases))}, which a server without GTIDs needs."
    return [failed(subject, message, f"Run: {' '.join(statements)}")]


def _read_statements(missing: Sequence[TableId], tables: Sequence[TableId], user: str, *, literal: bool) -> list[str]:
    """One GRANT for a database of which nothing can be read, else one for each table."""
    statements: list[str] = []
    for database, group in groupby(missing, key=lambda table: table.database):
        lacking = list(group)
        if len(lacking) == sum(table.database == database for table in tables):
            statements.append(grants.grant_database(database, user, literal=literal))
        else:
            statements.extend(grants.grant_table(table, user) for table in lacking)
    return statements


def check_primary_keys(tables: Sequence[Table]) -> Finding:
    """Every table has a primary key, which becomes the message's key."""
    without = [str(table.id) for table in tables if not table.primary_key]
    if not without:
        return passed("primary_keys", "Every table has a primary key.")
    verb = "has" if len(without) == 1 else "have"
    message = f"{_count(len(without), 'table')} {verb} no primary key: {listed(without)}."
    hint = "Add one (ALTER TABLE … ADD PRIMARY KEY …), or leave the tables out with source.tables.exclude."
    return failed("primary_keys", message, hint, "source.tables")


def check_key_prefixes(prefixes: Mapping[TableId, Sequence[str]]) -> list[Finding]:
    """Tables whose primary key holds only the beginning of a column."""
    if not prefixes:
        return []
    names = [f"{table} ({', '.join(columns)})" for table, columns in prefixes.items()]
    message = f"The primary key holds only the beginning of columns of {listed(names)}."
    hint = "They are copied all right, but MySQL sorts the table for every chunk: a key of whole columns is faster."
    return [warned("key_prefixes", message, hint)]


def check_cascades(facts: ServerFacts, tables: Sequence[TableId], cascading: Sequence[TableId]) -> list[Finding]:
    """No foreign key changes rows of the job behind the binlog's back.

    Until 9.6 InnoDB cascades by itself and the binlog does not have the rows; later servers cascade with row events
    unless they are told otherwise.
    """
    if facts.innodb_native_foreign_keys == "OFF":
        return []
    hidden = sorted(set(tables).intersection(cascading))
    if not hidden:
        return [passed("cascades", "No foreign key changes rows that the binlog would not have.")]
    message = (
        f"Foreign keys change rows of {listed([str(table) for table in hidden])}, and this server logs none of it."
    )
    hint = (
        "Use MySQL 9.6 or later with innodb_native_foreign_keys=OFF, or foreign keys with RESTRICT,"
        " or leave the tables out with source.tables.exclude."
    )
    return [failed("cascades", message, hint, "source.tables")]


def check_versioned(tables: Sequence[TableId], versioned: Sequence[TableId]) -> list[Finding]:
    """No table keeps former versions of its rows: the binlog has them as rows with the key of the present one."""
    kept = sorted(set(tables).intersection(versioned))
    if not kept:
        return []
    message = f"{listed([str(table) for table in kept])} keep former versions of their rows (WITH SYSTEM VERSIONING)."
    hint = "Their former rows would overwrite the present ones in the topic: leave the tables out with source.tables.exclude."
    return [failed("versioned", message, hint, "source.tables")]


def check_excluded(tables: Sequence[Table], excluded: ColumnPatterns | None, *, all_tables: bool) -> list[Finding]:
    """What is left out is there, and no part of a key."""
    if excluded is None:
        return []
    subject = "columns_exclude"
    wrong = _misplaced(subject, "left out", "source.columns.exclude", excluded, tables, all_tables=all_tables)
    left = sum(excluded(table.id, column.name) for table in tables for column in table.columns)
    return wrong or [passed(subject, f"{_count(left, 'column')} left out.")]


def check_masks(tables: Sequence[Table], source: SourceSpec, *, all_tables: bool) -> list[Finding]:
    """What is masked is there, no part of a key, and has one mask."""
    lists = source.masks.patterns
    if not lists:
        return []
    subject = "columns_mask"
    wrong = [
        finding
        for path, patterns in lists.items()
        for finding in _misplaced(subject, "masked", path, patterns, tables, all_tables=all_tables)
    ]
    every = lists if source.excluded is None else lists | {"source.columns.exclude": source.excluded}
    meant = {
        f"{table.id}.{column.name}": [path for path, patterns in every.items() if patterns(table.id, column.name)]
        for table in tables
        for column in table.columns
    }
    if doubled := [f"{column} ({', '.join(paths)})" for column, paths in meant.items() if len(paths) > 1]:
        message = f"These columns are meant by more than one option: {listed(doubled)}."
        wrong.append(failed(subject, message, "Narrow the patterns: a column is left out, or has one mask.", "source"))
    masked = sum(source.masks(table.id, column.name) is not None for table in tables for column in table.columns)
    return wrong or [passed(subject, f"{_count(masked, 'column')} masked.")]


def _misplaced(
    subject: str, done: str, path: str, patterns: ColumnPatterns, tables: Sequence[Table], *, all_tables: bool
) -> list[Finding]:
    """Patterns of columns that mean a key, or nothing. That may be a secret that is spelled wrongly; only all tables of the job
    can tell.
    """
    keys = [f"{table.id}.{name}" for table in tables for name in table.primary_key if patterns(table.id, name)]
    if keys:
        hint = "The key of a message is the row's primary key: name other columns, or leave the table out."
        return [failed(subject, f"Columns of a primary key cannot be {done}: {listed(keys)}.", hint, path)]
    if all_tables and (idle := patterns.unmatched(tables)):
        message = f"No column of the job's tables is meant by: {listed(idle)}."
        return [failed(subject, message, f"Check the spelling: what should be {done} would be copied as it is.", path)]
    return []


def check_renames(before: Mapping[TableId, Table], tables: Sequence[Table], source: SourceSpec) -> list[Finding]:
    """No column that was left out or masked is gone while others came, which no pattern means: it may be one of them, by another
    name, and would be copied as it is.

    Args:
        before: what the job knows of the tables so far.
        tables: as they are now.
        source: the patterns.
    """
    lists = [*source.masks.patterns.values(), *([] if source.excluded is None else [source.excluded])]
    for table in tables:
        had, has = ({column.name.casefold() for column in one.columns} for one in (before.get(table.id, table), table))
        gone = sorted(name for name in had - has if any(means(table.id, name) for means in lists))
        came = sorted(name for name in has - had if not any(means(table.id, name) for means in lists))
        if gone and came:
            message = f"Of {table.id} {listed(gone)} {_is(gone)} gone, which the job hides, and {listed(came)} came, which it would show."
            hint = "If a column got another name, give it the old one back, or submit a job whose patterns mean the new one."
            return [failed("columns_renamed", message, hint, "source")]
    return []


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def check_column_types(tables: Sequence[Table], options: FormatOptions) -> list[Finding]:
    """The codec knows every column's type and character set."""
    unknown: list[UnsupportedType] = []
    for table in tables:
        if not table.primary_key:
            continue  # `check_primary_keys` has it already
        try:
            check_table(table, options)
        except UnsupportedType as error:
            unknown.append(error)
    if not unknown:
        return [passed("column_types", "Every column has a type that can be copied exactly.")]
    findings = [failure_of("column_types", error) for error in unknown[:NAMED_MAX]]
    if len(unknown) > NAMED_MAX:
        message = f"{len(unknown) - NAMED_MAX} more tables have a column of a type that is not known."
        findings.append(failed("column_types", message, "Mend those above first, then check again."))
    return findings


def route_tables(spec: JobSpec, tables: Sequence[TableId], facts: ServerFacts) -> tuple[dict[TableId, str], Finding]:
    """The topic of each table, and whether each has one of its own."""
    try:
        topics = spec.topics(tables, ignore_case=facts.ignores_case)
    except InvalidJob as error:
        return {}, failure_of("routes", error)
    shared = len(topics) - len(set(topics.values()))
    told = f"The {len(topics)} tables go to {_count(len(set(topics.values())), 'topic')}, which some share."
    return topics, passed("routes", told if shared else "Every table has a topic of its own.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
