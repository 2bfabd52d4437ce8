"""The tables of a job: those of its beginning, and those that join it later. A tenure looks for the latter when it opens, and ends
when its stream brings a statement that may have made one.

Why a table may join in the midst (DESIGN section 3). Between two looks at its columns, which agree, the server is asked what it has
executed: that is what the table joins behind (`since`). Its topic is empty, and its readers wait until the server has executed both P and
`since`. So its rows show all that came before, and nothing of that is taken from the stream: neither changes nor statements,
which may concern other tables that had the name. All that comes after is new to the readers, or held, or written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce

from scheduler.discovery.catalog import estimates, list_tables, read_tables
from scheduler.planner.plan import make_plan
from scheduler.preflight.filters import check_filters
from scheduler.preflight.sink import wanted_topics
from scheduler.preflight.source import check_tables, read_past
from scheduler.preflight.startup import first_position, require_possible
from scheduler.preflight.tables import check_renames
from shared.adapters.kafka.topics import Topics
from shared.adapters.mysql.session import Session
from shared.adapters.mysql.stream import BinlogStream
from shared.codec import FormatOptions, check_table
from shared.errors import InvalidJob, PreflightFailed, SinkRefused, Unavailable, UnsupportedType
from shared.job.spec import JobSpec
from shared.machines.ledger import Record, StoredState, TableRecord
from shared.model.mask import Constant
from shared.model.position import GtidSet
from shared.model.schema import Table, TableId
from shared.runtime import logs
from workers.binlog.anew import give_up, take_in
from workers.binlog.beginning import Finder
from workers.binlog.context import JobContext
from workers.binlog.shadows import originals
from workers.binlog.source import OPENING_WAIT_SECONDS, MysqlSource
from workers.binlog.streams import Streams
from workers.binlog.takeover import first_records

LOG = logs.get("headrace.binlog")


def first_state(
    context: JobContext,
    source: MysqlSource,
    session: Session,
    server_uuid: str,
    alive: Callable[[], None],
    streams: Streams,
) -> StoredState:
    """The state of a job that nobody has led yet, and its topics. R first, the schemas after: a DDL in between then stands
    in the stream and is seen.

    Raises:
        InvalidJob, PreflightFailed, SinkRefused, Unavailable: it cannot begin like this.
    """
    startup, past = context.spec.source.startup, read_past(session, by_place=source.by_place)
    require_possible(startup, past)
    finder = Finder(session, server_uuid, past, partial(bare_stream, streams, named=not source.by_place), alive)
    begin = first_position(startup, past, finder.find(startup))
    ignore_case = source.ignores_case()
    names = context.spec.select(list_tables(session), ignore_case=ignore_case)
    source.wait_for(past.executed, names, OPENING_WAIT_SECONDS)
    tables = read_tables(session, names)
    missing = [name for name in names if name not in tables]
    if missing:
        raise Unavailable(f"{missing[0]} vanished while the job started.")
    require_filters(context, session, names)
    topics = context.spec.topics(names, ignore_case=ignore_case)
    records = planned(context, session, [tables[name] for name in names], topics, ignore_case=ignore_case)
    if used := _used(context, topics):
        # A job that starts from nothing would leave rows that were deleted meanwhile in a used one.
        raise SinkRefused(
            f"Topic {used} holds records already, but the job's state topic {context.state_topic} is empty.",
            "Cancel the job with --delete-topics and submit it again; the state topic must never be deleted by hand.",
        )
    # What the stream brings from before the look at the columns may be of tables that were others.
    records = described(records, begin, source.shown())
    if not startup.copies:
        records = [replace(record, rows_estimate=0, split_done=True) for record in records]
    _make_topics(context, topics, alive)
    return first_records(begin, server_uuid, records)


def described(records: list[TableRecord], begin: GtidSet, seen: GtidSet) -> list[TableRecord]:
    """The same, of tables whose columns were looked at behind the place that the stream begins at.

    Args:
        records: the tables.
        begin: the place.
        seen: all of which a look at them may have shown something.
    """
    return records if begin.covers(seen) else [replace(record, described=seen) for record in records]


def bare_stream(streams: Streams, start: GtidSet, *, named: bool) -> BinlogStream:
    """A stream without rows, of which transactions keep their GTIDs, or are named by their places."""
    return streams.open(start, lambda _: None, keep_names=named)[0]


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
    copied = [record for record in state.tables.values() if not record.live]  # stale ones among them
    # A statement may stand in the binlog before MySQL shows what it did.
    low = reduce(GtidSet.union, (record.low(processed) for record in copied), processed)
    joins = joining(context, state.tables, ignore_case=source.ignores_case())
    source.wait_for(
        low, [*(record.table.id for record in copied), *filter(joins, list_tables(session))], OPENING_WAIT_SECONDS
    )
    listed = dict.fromkeys(list_tables(session))
    missing = [record for record in copied if record.table.id not in listed]
    new = [table for table in listed if joins(table)]
    again = [record.table.id for record in copied if record.stale and record.table.id in listed]
    if not (missing or new or again):
        return state, []
    # What is the same before and after `since` was so at `since`.
    tables = read_tables(session, [*again, *new])
    since = source.settled()
    gone = [record.table.id for record in missing]
    back = not set(gone).isdisjoint(list_tables(session))  # a view that took the name is no table
    if back or tables.keys() != {*again, *new} or read_tables(session, list(tables)) != tables:
        raise Unavailable("A table changed while it joined the job.")
    for record in missing:
        source.require_in_sight(record.table)
    state, records = give_up(state, gone, since, sweep=context.spec.sink.on_truncate == "tombstones")
    copies = [replace(copy, since=since) for copy in _newcomers(context, session, state, tables, alive)]
    if gone or copies:
        LOG.info("tables_change", new=list(map(str, new)), again=list(map(str, again)), gone=list(map(str, gone)))
    state, more = take_in(state, copies)
    return state, [*records, *more]


def _newcomers(
    context: JobContext,
    session: Session,
    state: StoredState,
    tables: Mapping[TableId, Table],
    alive: Callable[[], None],
) -> list[TableRecord]:
    """Tables that join, or join anew, ready to be copied."""
    if not tables:
        return []
    known = {name: record.table for name, record in state.tables.items() if name not in tables}
    require_hidden(context, state, list(tables.values()))
    require_filters(context, session, list(tables))
    found = check_tables(session, context.spec, list(tables), known)
    if error := next((finding for finding in found.findings if finding.is_error), None):
        hint = f"{error.hint} Or drop the table. Then scheduler resume {context.wanted.name}."
        raise PreflightFailed(f"A table that is new, or has changed, cannot be copied. {error.message}", hint)
    topics = {name: found.topics[name] for name in tables}
    ignore_case = found.facts is not None and found.facts.ignores_case
    records = planned(context, session, list(tables.values()), topics, ignore_case=ignore_case)
    # A topic that the job writes already is one that tables share.
    ours = {record.topic for record in state.tables.values()}
    topics = {name: topic for name, topic in topics.items() if name not in state.tables and topic not in ours}
    if used := _used(context, topics):
        table = next(name for name, topic in topics.items() if topic == used)
        raise SinkRefused(
            f"Topic {used} of the new table {table} holds records already.",
            f"Delete that topic if nobody needs it, or drop the table. Then scheduler resume {context.wanted.name}.",
        )
    _make_topics(context, topics, alive)
    return records


def require_hidden(context: JobContext, state: StoredState, tables: Sequence[Table]) -> None:
    """Checks that what the job leaves out or masks is not shown by another name.

    Raises:
        PreflightFailed: it may be.
    """
    before = {name: record.table for name, record in state.tables.items()}
    if found := check_renames(before, tables, context.spec.source):
        raise PreflightFailed(found[0].message, found[0].hint)


def require_filters(context: JobContext, session: Session, tables: Sequence[TableId]) -> None:
    """Checks that MySQL takes the filters of tables that are to be copied with the columns that they have now: a reader could only fail,
    and to copy the table again would lead to the same.

    Raises:
        PreflightFailed: it does not take one.
        Unavailable: a table went meanwhile.
    """
    found = check_filters(session, context.spec.source.row_filters, tables, all_tables=False)
    if error := next((finding for finding in found if finding.is_error), None):
        if read_tables(session, tables).keys() != set(tables):
            raise Unavailable("A table vanished while it was looked at.")
        name = context.wanted.name
        hint = (
            f"Give the table the columns back that {error.path} names, then scheduler resume {name}; or scheduler cancel {name} "
            "--delete-topics, and submit the job with another filter."
        )
        raise PreflightFailed(f"A table does not fit its filter. {error.message}", hint)


def joining(context: JobContext, known: Collection[TableId], *, ignore_case: bool) -> Callable[[TableId], bool]:
    """Tells whether a table joins the job: it matches its patterns, is not one of `known`, and no tool's shadow of one."""

    def joins(table: TableId) -> bool:
        spec = context.spec
        if not spec.source.joins_new_tables or table in known or not spec.copies(table, ignore_case=ignore_case):
            return False
        return not any(TableId(table.database, name) in known for name in originals(table.table))

    return joins


def adding(spec: JobSpec, options: FormatOptions) -> Callable[[Table], bool]:
    """Tells whether a table can go on with its new columns: they have types that are known, and none is masked by a text, which all
    rows would have to show.
    """

    def adds(table: Table) -> bool:
        masks = [spec.source.masks(table.id, column.name) for column in table.columns if column.added]
        if any(isinstance(mask, Constant) and mask.text is not None for mask in masks):
            return False
        try:
            check_table(table, options)
        except UnsupportedType:
            return False
        return True

    return adds


def planned(
    context: JobContext, session: Session, tables: list[Table], topics: Mapping[TableId, str], *, ignore_case: bool
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
    keys = {name: context.spec.shard_key(name, ignore_case=ignore_case) for name in names}
    return [
        TableRecord(p.table, p.topic, p.rows_estimate, p.chunk_rows, shard_key=keys[p.table.id]) for p in plan.tables
    ]


def _used(context: JobContext, topics: Mapping[TableId, str]) -> str:
    """The first of the topics that holds records; empty when none does."""
    states = Topics(context.sink_config, context.topic_maker).describe(topics.values()).values()
    return min((state.name for state in states if state.records), default="")


def _make_topics(context: JobContext, topics: Mapping[TableId, str], alive: Callable[[], None]) -> None:
    cluster = Topics(context.sink_config, context.topic_maker)
    cluster.ensure(wanted_topics(context.spec, topics.values()), alive)
