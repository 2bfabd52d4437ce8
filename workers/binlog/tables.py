"""The tables of a job: those of its beginning, and those that join it later. A tenure looks for the latter when it opens, and ends
when its stream brings a statement that may have made one.

Why a table may join in the midst (DESIGN section 3). Between the looks at which tables there are and at their columns, the server is asked
what it has executed: that is what the table joins behind (`since`). Its topic is empty, and its readers wait until the server has executed both P and
`since`. So its rows show all that came before, and nothing of that is taken from the stream: neither changes nor statements,
which may concern other tables that had the name. All that comes after is new to the readers, or held, or written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import reduce

from scheduler.discovery.catalog import estimates, list_tables, read_tables
from scheduler.planner.plan import make_plan
from scheduler.preflight.sink import wanted_topics
from scheduler.preflight.source import check_tables
from shared.adapters.kafka.topics import Topics
from shared.adapters.mysql.session import Session
from shared.errors import InvalidJob, PreflightFailed, SinkRefused, Unavailable
from shared.machines.ledger import Record, StoredState, TableRecord, encode_record
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId
from shared.runtime import logs
from workers.binlog.anew import give_up
from workers.binlog.context import JobContext
from workers.binlog.source import MysqlSource
from workers.binlog.takeover import first_records

LOG = logs.get("headrace.binlog")

#: The tables that gh-ost and pt-online-schema-change make beside the one that they alter, and leave after it.
_SHADOW = re.compile(r"_(.+)_(?:gho|ghc|del|new|old)")


def first_state(
    context: JobContext, source: MysqlSource, session: Session, server_uuid: str, alive: Callable[[], None]
) -> StoredState:
    """The state of a job that nobody has led yet, and its topics. R first, the schemas after: a DDL in between then stands
    in the stream and is seen.

    Raises:
        InvalidJob, SinkRefused, Unavailable: it cannot begin like this.
    """
    executed = source.executed()
    names = context.spec.select(list_tables(session), ignore_case=source.ignores_case())
    tables = read_tables(session, names)
    missing = [name for name in names if name not in tables]
    if missing:
        raise Unavailable(f"{missing[0]} vanished while the job started.")
    topics = context.spec.topics(names, ignore_case=source.ignores_case())
    records = planned(context, session, [tables[name] for name in names], topics)
    if used := _used(context, topics):
        # A job that starts from nothing would leave rows that were deleted meanwhile in a used one.
        raise SinkRefused(
            f"Topic {used} holds records already, but the job's state topic {context.state_topic} is empty.",
            "Cancel the job with --delete-topics and submit it again; the state topic must never be deleted by hand.",
        )
    _make_topics(context, topics, alive)
    return first_records(executed, server_uuid, records)


def as_in_catalog(
    context: JobContext, source: MysqlSource, session: Session, state: StoredState, alive: Callable[[], None]
) -> tuple[StoredState, list[Record]]:
    """The state of a job whose tables have come and gone: with those that match its patterns by now, and their topics; without
    the chunks of those that went while they were copied. And the records that make it of the old one.

    Raises:
        PreflightFailed, SinkRefused: a new one cannot be copied; the job must not go on as if it had it.
        Unavailable: MySQL does not show yet what the job has processed, or tables come and go.
    """
    if state.position is None:
        return state, []
    processed = state.position.processed
    copied = [record for record in state.tables.values() if not record.live]
    # A statement may stand in the binlog before MySQL shows what it did.
    source.wait_for(reduce(GtidSet.union, (record.low(processed) for record in copied), processed))
    listed = list_tables(session)
    missing = [record for record in copied if record.table.id not in listed]
    gone = [record.table.id for record in missing if not source.exists(record.table)]
    state, records = give_up(state, gone, sweep=context.spec.sink.on_truncate == "tombstones")
    joins = joining(context, state.tables, ignore_case=source.ignores_case())
    new = _newcomers(context, source, session, state, [table for table in listed if joins(table)], alive)
    if gone or new:
        LOG.info("tables_change", joined=[str(record.table.id) for record in new], gone=[str(table) for table in gone])
    tables = {**state.tables, **{record.table.id: record for record in new}}
    return replace(state, tables=tables), [*records, *map(encode_record, new)]


def _newcomers(
    context: JobContext,
    source: MysqlSource,
    session: Session,
    state: StoredState,
    names: list[TableId],
    alive: Callable[[], None],
) -> list[TableRecord]:
    """Tables that join, ready to be copied."""
    if not names:
        return []
    since = source.settled()
    found = check_tables(session, context.spec, names, list(state.tables))
    if error := next((finding for finding in found.findings if finding.is_error), None):
        if not set(names) <= set(list_tables(session)):
            raise Unavailable("A new table vanished while it joined the job.")
        hint = f"{error.hint} Or drop the new table. Then scheduler resume {context.wanted.name}."
        raise PreflightFailed(f"A new table that matches the job's patterns cannot join it. {error.message}", hint)
    topics = {name: found.topics[name] for name in names}
    records = [replace(record, since=since) for record in planned(context, session, found.tables, topics)]
    if used := _used(context, topics):
        table = next(name for name, topic in topics.items() if topic == used)
        raise SinkRefused(
            f"Topic {used} of the new table {table} holds records already.",
            f"Delete that topic if nobody needs it, or drop the table. Then scheduler resume {context.wanted.name}.",
        )
    _make_topics(context, topics, alive)
    return records


def joining(context: JobContext, known: Collection[TableId], *, ignore_case: bool) -> Callable[[TableId], bool]:
    """Tells whether a table joins the job: it matches its patterns, is not one of `known`, and no tool's shadow of one."""

    def joins(table: TableId) -> bool:
        spec = context.spec
        if not spec.source.joins_new_tables or table in known or not spec.copies(table, ignore_case=ignore_case):
            return False
        shadow = _SHADOW.fullmatch(table.table)
        return shadow is None or TableId(table.database, shadow[1]) not in known

    return joins


def planned(
    context: JobContext, session: Session, tables: list[Table], topics: Mapping[TableId, str]
) -> list[TableRecord]:
    """The tables as nobody has read them yet.

    Raises:
        InvalidJob: one has no primary key.
    """
    names = [table.id for table in tables]
    chunk_rows, parallelism = context.spec.source.chunk_rows, context.spec.pipeline.parallelism
    plan = make_plan(tables, topics, estimates(session, names), chunk_rows, parallelism)
    for one in plan.tables:
        if not one.table.primary_key:
            raise InvalidJob(f"{one.table.id} has no primary key.", "Add one, or leave the table out.", "source.tables")
    return [TableRecord(p.table, p.topic, p.rows_estimate, p.chunk_rows) for p in plan.tables]


def _used(context: JobContext, topics: Mapping[TableId, str]) -> str:
    """The first of the topics that holds records; empty when none does."""
    states = Topics(context.sink_config, context.topic_maker).describe(topics.values()).values()
    return min((state.name for state in states if state.records), default="")


def _make_topics(context: JobContext, topics: Mapping[TableId, str], alive: Callable[[], None]) -> None:
    cluster = Topics(context.sink_config, context.topic_maker)
    cluster.ensure(wanted_topics(context.spec, topics.values()), alive)
