"""Opens a tenure: connections, topics, takeover, ledger, stream. What it opened it closes, whatever happens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from scheduler.discovery.catalog import read_tables
from shared.adapters.kafka.log import TopicLog
from shared.adapters.kafka.placing import TopicWatch
from shared.adapters.kafka.reach import count_brokers
from shared.adapters.kafka.registry import STATE_RIGHTS, log_topic
from shared.adapters.kafka.rights import require_rights
from shared.adapters.kafka.sink import UpsertSink, fence
from shared.adapters.kafka.topics import DATA_RIGHTS, Topics
from shared.adapters.mysql.session import Session
from shared.adapters.mysql.stream import BinlogStream
from shared.adapters.redis.lease import Leases
from shared.adapters.sqlite.holds import SpillingHold
from shared.codec import TableDecoder
from shared.errors import BinlogLost, HeadraceError, Superseded, Unavailable
from shared.machines.ledger import (
    SMALL_TABLE_ROWS,
    Ledger,
    Record,
    SaltRecord,
    StoredState,
    TopicRecord,
    encode_record,
)
from shared.model.job import OnGap, leader_transactional_id
from shared.model.mask import require_salt
from shared.model.places import is_place
from shared.model.position import GtidSet
from shared.model.schema import TableId
from shared.model.topic import Placing
from shared.runtime import connections, logs, metrics
from workers.binlog.anew import begin_anew
from workers.binlog.context import JobContext
from workers.binlog.continuity import require
from workers.binlog.fencer import ThreadedFencer
from workers.binlog.gauge import MysqlGauge
from workers.binlog.source import MysqlSource
from workers.binlog.streams import Streams
from workers.binlog.tables import (
    as_in_catalog,
    bare_stream,
    described,
    first_state,
    joining,
    planned,
    require_filters,
    require_hidden,
)
from workers.binlog.takeover import records_of, take_over
from workers.binlog.unnamed import require_named

LOG = logs.get("headrace.binlog")


@dataclass(slots=True)
class Opened:
    """An opened tenure. `stack` closes all of it."""

    stack: ExitStack
    sink: UpsertSink
    log: TopicLog
    source: MysqlSource
    gauge: MysqlGauge
    fencer: ThreadedFencer
    ledger: Ledger
    stream: BinlogStream
    server_id: int
    binlog_kept_seconds: int | None
    topics: Mapping[str, Placing]
    joins: Callable[[TableId], bool]


def open_tenure(context: JobContext, leases: Leases, wake: threading.Event) -> Opened:
    """Takes the job over.

    Raises:
        HeadraceError: something is wrong; everything is closed again.
    """
    with ExitStack() as stack:
        target = connections.mysql_target(context.spec)
        name = context.wanted.name
        session = stack.enter_context(Session(target, f"leader {name}", metrics.mysql_cost(name, metrics.LEADER)))
        source = MysqlSource(session)
        replicas = metrics.mysql_cost(name, metrics.REPLICA)
        gauge = MysqlGauge(session, lambda replica: Session(target.at(replica), f"lag {name}", replicas))
        stack.callback(gauge.close)
        sink, log, fencer, state = _take_over(context, stack, wake.set)
        salt = _salt(context, state)
        server_uuid = source.server_uuid()
        alive = partial(_still_ours, context, leases)
        fresh = state.position is None
        source.by_place = is_place(state.position.processed) if state.position else not source.has_gtids()
        streams = Streams(context, target, server_uuid, leases, wake.set)
        if fresh:
            state = first_state(context, source, session, server_uuid, alive, streams)
        topics = _watch_topics(context, sink, state, [*(records_of(state) if fresh else []), *salt])
        epoch = 1 if state.position is None else state.position.epoch + 1
        memory = context.settings.hold_memory_mb * 1024 * 1024
        parallelism = context.spec.pipeline.parallelism
        make_ledger = partial(
            Ledger, epoch=epoch, server_uuid=server_uuid, parallelism=parallelism, new_hold=lambda: SpillingHold(memory)
        )
        ledger = make_ledger(state)
        unsent = partial(bare_stream, streams, named=True)
        gaps = partial(require_named, session, server_uuid, state.file, open_stream=unsent, alive=alive)
        if reason := _why_anew(context, state, ledger, source, str(target), gaps):
            LOG.warning("job_begins_anew", reason=reason)
            state = _anew(context, source, session, server_uuid, sink, state)
            ledger = make_ledger(state)
        state, changed = (state, []) if fresh else as_in_catalog(context, source, session, state, alive)
        if changed:
            topics = _watch_topics(context, sink, state, changed)
            ledger = make_ledger(state)
        _keep_small_tables_whole(ledger, source)
        stream, server_id = streams.open(ledger.stream_from, _decoders(context, ledger).get)
        stack.callback(stream.close)
        kept = source.binlog_kept_seconds()
        joins = joining(context, ledger.tables.keys(), ignore_case=source.ignores_case())
        return Opened(stack.pop_all(), sink, log, source, gauge, fencer, ledger, stream, server_id, kept, topics, joins)


def require_past(opened: Opened, at: str) -> None:
    """Checks that the server still knows what the job has processed: one that is reset says nothing to a stream that waits
    for more, and the job would look as if it had caught up.

    Raises:
        BinlogLost: it does not.
    """
    processed = opened.ledger.processed
    if not opened.source.told.covers(processed):
        history = opened.source.history()
        require(processed, processed, history.server_uuid, history, at)


def why_lost(opened: Opened, error: BinlogLost, at: str) -> BinlogLost:
    """The same error, or one that names what is missing: in the middle of a stream the server only says that it cannot
    go on.
    """
    processed = opened.ledger.processed
    try:
        history = opened.source.history()
        require(processed, processed, history.server_uuid, history, at)
    except BinlogLost as found:
        return found
    except HeadraceError:
        return error  # the server does not answer any more
    return error


def _keep_small_tables_whole(ledger: Ledger, source: MysqlSource) -> None:
    """A table of few rows is one chunk. Found out here, in a fraction of a millisecond, it needs no splitter's task: with
    thousands of such tables the tasks would take longer than the rows.
    """
    for record in list(ledger.tables.values()):
        limit = min(record.chunk_rows, SMALL_TABLE_ROWS)
        untouched = not record.split_done and record.split_at is None
        # The estimate spares large tables the question; the answer, not the estimate, decides.
        if untouched and record.rows_estimate <= limit and source.has_at_most(record.table, limit):
            ledger.split(record.table.id, None, [], finished=True)


def close_job(context: JobContext) -> None:
    """Ends a cancelled job: fences its leader and its readers, so that no zombie writes later, and drops its state."""
    topics = Topics(context.sink_config, context.topic_maker)
    if context.state_topic in topics.describe([context.state_topic]):
        with ExitStack() as stack:
            _take_over(context, stack, lambda: None)
        # Nobody will use this name again, and a person waits for the end of the job.
        topics.delete([context.state_topic], wait=False)


def _take_over(
    context: JobContext, stack: ExitStack, wake: Callable[[], None]
) -> tuple[UpsertSink, TopicLog, ThreadedFencer, StoredState]:
    config, topic = context.sink_config, context.state_topic
    count_brokers(config)  # a login that is refused is told here; all later calls would only wait
    Topics(config, context.topic_maker).ensure([log_topic(topic)])
    require_rights(config, {topic: STATE_RIGHTS})
    sink = stack.enter_context(
        UpsertSink(
            config,
            leader_transactional_id(context.wanted.id),
            topic,
            buffer_kbytes=context.settings.sink_buffer_mb * 1024,
            committed=metrics.COMMIT_SECONDS.labels(context.wanted.name, "stream").observe,
            label=connections.labels(context.spec),
        )
    )
    log = stack.enter_context(TopicLog(config, topic))
    fencer = ThreadedFencer(lambda attempt: fence(config, attempt), log.high_watermark, wake)
    stack.callback(fencer.close)
    opening = take_over(sink, _WaitingLog(log), fencer.fence_all)
    while True:
        try:
            next(opening)
        except StopIteration as end:
            return sink, log, fencer, end.value


class _WaitingLog:
    """The state topic for a takeover, which has nothing else to do than to wait for it."""

    def __init__(self, log: TopicLog) -> None:
        self._log = log
        self.stable_end = log.stable_end
        self.high_watermark = log.high_watermark
        self.uncommitted = log.uncommitted

    @property
    def position(self) -> int:
        return self._log.position

    def poll(self) -> list[tuple[bytes, bytes | None]]:
        return self._log.poll(0.1)


def _why_anew(
    context: JobContext,
    state: StoredState,
    ledger: Ledger,
    source: MysqlSource,
    at: str,
    require_names: Callable[[GtidSet], None],
) -> str:
    """Why all tables must be copied again; empty to go on from where the job stands.

    Args:
        require_names: see `require_named`; for a job that counts by GTIDs.

    Raises:
        BinlogLost: it cannot go on, and nobody said that it may begin anew.
    """
    if state.position is None:
        return ""
    if _wants_anew(context, state):
        return "scheduler resume --resync"
    try:
        require(ledger.processed, ledger.stream_from, state.position.server_uuid, source.history(), at)
        if not source.by_place:
            require_names(ledger.stream_from)
    except BinlogLost as gap:
        if context.wanted.on_gap is not OnGap.RESYNC:
            raise
        return gap.message
    return ""


def _wants_anew(context: JobContext, state: StoredState) -> bool:
    return context.wanted.resync > state.resynced


def _salt(context: JobContext, state: StoredState) -> list[Record]:
    """What must be noted of the salt of the job's hashes: where nobody has, that of this process. A new one may come with the wish
    to copy every table again.

    Raises:
        SaltDiffers: the job has another one.
    """
    own, worker = context.salt, context.settings.worker_name or socket.gethostname()
    if not _wants_anew(context, state):
        require_salt(state.salt, own, f"Binlog worker {worker}", context.wanted.name)
    return [encode_record(SaltRecord(own))] if own and not state.salt else []


def _anew(
    context: JobContext,
    source: MysqlSource,
    session: Session,
    server_uuid: str,
    sink: UpsertSink,
    state: StoredState,
) -> StoredState:
    """Has every table copied again, into the topics that it has, with the salt that this process has; R first, the schemas after."""
    source.by_place = not source.has_gtids()
    executed = source.executed()
    tables = read_tables(session, list(state.tables))
    topics = {name: record.topic for name, record in state.tables.items()}
    require_hidden(context, state, list(tables.values()))
    require_filters(context, session, list(tables))
    found = planned(context, session, list(tables.values()), topics, ignore_case=source.ignores_case())
    found = described(found, executed, source.shown())
    anew, records = begin_anew(
        state, executed, server_uuid, {record.table.id: record for record in found}, context.wanted.resync
    )
    sink.commit([*records, encode_record(SaltRecord(context.salt))] if context.salt else records)
    return anew


def _watch_topics(
    context: JobContext, sink: UpsertSink, state: StoredState, first: list[Record]
) -> Mapping[str, Placing]:
    """What the job's topics were when it began to fill them. From now on nothing is committed to others.

    Args:
        first: what else must be stored before rows are.

    Raises:
        TopicChanged: one of them is another by now.
    """
    # Kafka would say so only when a transaction is committed, and not of which topic.
    require_rights(context.sink_config, {record.topic: DATA_RIGHTS for record in state.tables.values()})
    watch = TopicWatch(context.sink_config)
    names = {record.topic for record in state.tables.values()}
    new = watch.first(names - state.topics.keys())
    known = {topic: placing for topic, placing in state.topics.items() if topic in names} | new
    watch.require(known)
    sink.commit([*(encode_record(TopicRecord(topic, placing)) for topic, placing in new.items()), *first])
    sink.guard = lambda topics: watch.require({topic: known[topic] for topic in topics})
    return known


def _decoders(context: JobContext, ledger: Ledger) -> Mapping[TableId, TableDecoder]:
    options = connections.format_options(context.spec)
    return {table: context.codec.table_decoder(record.table, options) for table, record in ledger.tables.items()}


def _still_ours(context: JobContext, leases: Leases) -> None:
    """Renews the lease while topics are made: a service that makes one a second needs longer than a lease lasts."""
    try:
        still = leases.lead(context.wanted.name)
    except Unavailable:
        return  # Kafka's fencing keeps the data right meanwhile
    if not still:
        raise Superseded("Another binlog worker took the lease of the job.")
