"""The preflight's look at MySQL: one session, the checks in order, and what a plan needs.

Law of this file: it ends with findings, whatever the server does; only an error of our own program gets out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scheduler.discovery import (
    ServerFacts,
    cascading_tables,
    estimates,
    list_tables,
    prefix_keys,
    read_facts,
    read_tables,
    versioned_tables,
)
from scheduler.planner import Estimate
from scheduler.preflight import replicas
from scheduler.preflight import tables as checks
from scheduler.preflight.filters import check_filters
from scheduler.preflight.findings import Finding, failed, failure_of, passed
from scheduler.preflight.mariadb import check_mariadb
from scheduler.preflight.server import check_server
from scheduler.preflight.sharing import check_shared
from scheduler.preflight.startup import Past, check_startup
from shared.adapters.mysql import progress
from shared.adapters.mysql.session import Session
from shared.errors import NeedsOperator, Transient
from shared.job.spec import JobSpec
from shared.model.schema import Table, TableId
from shared.runtime.connections import format_options, mysql_target

_UNREACHABLE = "Check source.hostname and source.port, and that a MySQL server answers there."


@dataclass(slots=True)
class Source:
    """What was found so far; all of it when no finding is an error."""

    findings: list[Finding] = field(default_factory=list)
    facts: ServerFacts | None = None
    tables: list[Table] = field(default_factory=list)
    topics: dict[TableId, str] = field(default_factory=dict)
    estimates: Mapping[TableId, Estimate] = field(default_factory=dict)


def check_source(spec: JobSpec) -> Source:
    """All checks that need MySQL."""
    target = mysql_target(spec)
    source = Source()
    try:
        with Session(target, "preflight") as session:
            source.findings.append(passed("mysql", f"MySQL at {target} answers."))
            _inspect(session, spec, source)
    except (Transient, NeedsOperator) as error:
        source.findings.append(failure_of("mysql", error, _UNREACHABLE))
    source.findings += checks.check_patterns(spec)
    return source


def check_tables(session: Session, spec: JobSpec, tables: Sequence[TableId], known: Mapping[TableId, Table]) -> Source:
    """The checks of tables that join a job, which knows others already; some of these may be gone by now."""
    facts = read_facts(session)
    source = Source(facts=facts)
    source.topics, routes = checks.route_tables(spec, [*known, *tables], facts)
    source.findings.append(routes)
    _inspect_tables(session, spec, source, tables, facts, all_tables=False)
    there = known.keys() & set(list_tables(session)) if any(rule.shard_key for rule in spec.route) else set()
    source.findings += _check_shared(spec, source, [known[name] for name in sorted(there)], facts)
    return source


def _inspect(session: Session, spec: JobSpec, source: Source) -> None:
    source.facts = facts = read_facts(session)
    check = check_mariadb if facts.is_mariadb else check_server
    source.findings += check(facts, spec.source.server_ids, spec.source.throttle)
    source.findings += _check_startup(session, spec, facts)
    source.findings.append(checks.check_replication_privileges(facts))
    visible = list_tables(session)
    selected, tables = checks.select_tables(spec, visible, facts)
    source.findings += [tables, *checks.check_idle_patterns(spec, visible, facts)]
    if not selected:
        return
    source.topics, routes = checks.route_tables(spec, selected, facts)
    source.findings.append(routes)
    _inspect_tables(session, spec, source, selected, facts, all_tables=True)
    source.findings += _check_shared(spec, source, [], facts)
    source.findings += _check_replicas(session, spec, facts, selected)


def _check_shared(spec: JobSpec, source: Source, known: Sequence[Table], facts: ServerFacts) -> list[Finding]:
    keys = {name: spec.shard_key(name, ignore_case=facts.ignores_case) for name in source.topics}
    return check_shared([*known, *source.tables], source.topics, keys, format_options(spec))


def _check_replicas(session: Session, spec: JobSpec, facts: ServerFacts, tables: Sequence[TableId]) -> list[Finding]:
    """Whether chunks can be read from the servers that the job names for it."""
    if not spec.source.snapshot_hosts:
        return []
    if facts.is_mariadb or not facts.has_gtids:
        return [replicas.needs_gtids(facts)]
    executed = progress.executed(session, by_place=False)
    target = mysql_target(spec)
    return [replicas.check_replica(target.at(host), host, executed, tables) for host in spec.source.snapshot_hosts]


def _check_startup(session: Session, spec: JobSpec, facts: ServerFacts) -> list[Finding]:
    if spec.source.startup.copies:
        return []
    try:
        past = read_past(session, by_place=not facts.has_gtids)
    except NeedsOperator as error:
        return [failure_of("startup", error)]
    return check_startup(spec.source.startup, past)


def read_past(session: Session, *, by_place: bool) -> Past:
    """What the server tells of its history to a job that begins.

    Raises:
        NeedsOperator: it has no binlog, or does not let us ask.
    """
    executed, purged = (told(session, by_place=by_place) for told in (progress.executed, progress.purged))
    return Past(executed, purged, progress.files(session), progress.now_millis(session))


def _inspect_tables(
    session: Session,
    spec: JobSpec,
    source: Source,
    tables: Sequence[TableId],
    facts: ServerFacts,
    *,
    all_tables: bool,
) -> None:
    """Whether they can be read, and checks of those whose columns we can see."""
    readable, privileges = checks.check_read_privileges(facts, tables)
    source.findings += [privileges, *checks.check_lock_privileges(facts, tables)]
    found = read_tables(session, readable)
    gone = [str(table) for table in readable if table not in found]
    if gone:
        message = f"{', '.join(gone[:3])} vanished during the check."
        source.findings.append(failed("tables", message, "Check again."))
    source.tables = list(found.values())
    source.findings.append(checks.check_primary_keys(source.tables))
    source.findings += checks.check_key_prefixes(prefix_keys(session, readable))
    source.findings += checks.check_versioned(readable, versioned_tables(session) if facts.is_mariadb else [])
    source.findings += checks.check_cascades(facts, readable, cascading_tables(session))
    source.findings += checks.check_excluded(source.tables, spec.source.excluded, all_tables=all_tables)
    source.findings += check_filters(session, spec.source.row_filters, readable, all_tables=all_tables)
    source.findings += checks.check_masks(source.tables, spec.source, all_tables=all_tables)
    source.findings += checks.check_column_types(source.tables, format_options(spec))
    source.estimates = estimates(session, readable)
