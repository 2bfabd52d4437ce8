"""Every metric that headrace has, with its name, type, labels and meaning, in this one place. docs/metrics.md says the same in words.

Law of this file: it counts, and does no I/O; `shared.runtime.exposition` serves what was counted. Whoever counts does so
per batch, chunk, commit or second, never per row. The label of a job is `job_name`, for `job` is Prometheus's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.adapters.mysql.cost import Cost
from shared.errors import HeadraceError
from shared.model.change import Tally
from shared.model.schema import TableId

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

#: Held while figures are taken. A process that is forked meanwhile would inherit locks that nobody opens.
_TAKING = threading.Lock()
os.register_at_fork(before=_TAKING.acquire, after_in_parent=_TAKING.release, after_in_child=_TAKING.release)


class Declared(NamedTuple):
    """What is known of a metric before anything was counted; `type` is counter, gauge or histogram."""

    type: str
    labels: tuple[str, ...]
    help: str


#: All metrics, by the names that PromQL uses.
DECLARED: dict[str, Declared] = {}

#: Seconds: from a commit to one broker on the same machine to one that is about to be given up.
_COMMIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

#: Seconds: from a small table to one that can only be one chunk.
_ATTEMPT_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)


#: The objects that count; all have labels.
_COUNTING: list[MetricWrapperBase] = []


def _counter(name: str, text: str, *labels: str) -> Counter:
    DECLARED[name] = Declared("counter", labels, text)
    made = Counter(name, text, labels, registry=REGISTRY)
    _COUNTING.append(made)
    return made


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    DECLARED[name] = Declared("gauge", labels, text)
    made = Gauge(name, text, labels, registry=REGISTRY)
    _COUNTING.append(made)
    return made


def _histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
    DECLARED[name] = Declared("histogram", labels, text)
    made = Histogram(name, text, labels, registry=REGISTRY, buckets=tuple(buckets))
    _COUNTING.append(made)
    return made


# Of the binlog worker.

BUILD = _gauge("headrace_build_info", "Always 1; the labels tell what runs.", "version", "codec")
JOB_STATE = _gauge(
    "headrace_job_state",
    "1 for the state that the registry says the job is in: running, paused, failed or cancelling.",
    "job_name",
    "state",
)
LEADING = _gauge("headrace_leading", "1 while this worker leads the job.", "job_name")

# Of a job's leader.

UPDATED = _gauge(
    "headrace_updated_timestamp_seconds", "When the leader last took its figures, in seconds since 1970.", "job_name"
)
LAG_SECONDS = _gauge(
    "headrace_lag_seconds",
    "Age of the last transaction that was processed; 0 where the end of the binlog is reached.",
    "job_name",
)
LAG_BYTES = _gauge("headrace_lag_bytes", "Bytes of binlog that were not processed yet.", "job_name")
CHUNKS = _gauge(
    "headrace_chunks", "Chunks that are known: waiting, claimed, read, draining or released.", "job_name", "state"
)
TABLES = _gauge("headrace_tables", "Tables: splitting, snapshot or live.", "job_name", "state")
SNAPSHOT_ROWS = _gauge("headrace_snapshot_rows", "Rows that the snapshot has read.", "job_name")
SNAPSHOT_ESTIMATE = _gauge(
    "headrace_snapshot_rows_estimate", "Rows that the snapshot has to read, as estimated now.", "job_name"
)
HELD = _gauge("headrace_held_events", "Changes that are kept back while their chunks are copied.", "job_name")
THROTTLED = _gauge("headrace_throttled", "1 while the snapshot waits for the limits of its throttle.", "job_name")
BINLOG_LOSS = _gauge(
    "headrace_binlog_loss_seconds",
    "In how many seconds MySQL deletes binlogs that were not read yet, if the lag goes on growing; absent while it does not.",
    "job_name",
)
READERS = _gauge("headrace_readers", "Attempts that read chunks now.", "job_name")
TAKEOVERS = _counter("headrace_takeovers_total", "Tenures that began where another one had ended.", "job_name")
FENCES = _counter("headrace_fences_total", "Attempts that fell silent and were shut out.", "job_name")

# Of leaders and of snapshot workers.

ROWS = _counter(
    "headrace_rows_total",
    "Messages that were committed to Kafka: rows of the snapshot (phase snapshot), changes (phase stream).",
    "job_name",
    "table",
    "phase",
)
BYTES = _counter(
    "headrace_bytes_total", "Bytes of their keys and values, before compression.", "job_name", "table", "phase"
)
COMMIT_SECONDS = _histogram(
    "headrace_commit_seconds", "How long commits of Kafka transactions took.", _COMMIT_BUCKETS, "job_name", "phase"
)
ERRORS = _counter(
    "headrace_errors_total",
    "Errors that ended a tenure, an attempt or a child process, and outages of Redis that binlog workers met; the kind is the "
    "name of the error.",
    "job_name",
    "kind",
)

# Of snapshot workers.

ATTEMPTS = _counter(
    "headrace_attempts_total",
    "Attempts of snapshot workers: read, split, compared, swept, refused or failed.",
    "job_name",
    "outcome",
)
ADMISSION_SECONDS = _histogram(
    "headrace_admission_seconds",
    "How long attempts that read their chunks had waited for the leader's grant.",
    _COMMIT_BUCKETS,
    "job_name",
)
ATTEMPT_SECONDS = _histogram(
    "headrace_attempt_seconds", "How long attempts took that read their chunks.", _ATTEMPT_BUCKETS, "job_name"
)

#: The kind of error of a leader that was killed, or died of a defect.
CHILD_DIED = "ChildDied"

#: The kinds of connections to MySQL.
BINLOG, LEADER, REPLICA, SNAPSHOT, SPLIT, VERIFY = "binlog", "leader", "replica", "snapshot", "split", "verify"

_MYSQL = {
    "headrace_mysql_connections": ("gauge", "Connections to MySQL that are open."),
    "headrace_mysql_connections_opened_total": ("counter", "Connections to MySQL that were opened."),
    "headrace_mysql_queries_total": ("counter", "Queries that were sent to MySQL."),
    "headrace_mysql_locks_total": (
        "counter",
        "Statements that may have waited for the locks of a table; only jobs on servers without GTIDs send them.",
    ),
    "headrace_mysql_rows_total": ("counter", "Rows that MySQL sent as answers to queries."),
    "headrace_mysql_received_bytes_total": ("counter", "Bytes that MySQL sent, those of the binlog included."),
}
DECLARED.update({name: Declared(kind, ("job_name", "kind"), text) for name, (kind, text) in _MYSQL.items()})


class _MysqlCosts(Collector):
    """Shows what the adapter counted; nothing is counted twice."""

    def __init__(self) -> None:
        self.costs: dict[tuple[str, str], Cost] = {}

    def collect(self) -> Iterable[Metric]:
        made = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        families = [made[kind](name, text, labels=("job_name", "kind")) for name, (kind, text) in _MYSQL.items()]
        for labels, cost in list(self.costs.items()):
            figures = (cost.connections, cost.opened, cost.queries, cost.locks, cost.rows, cost.received_bytes)
            for family, figure in zip(families, figures, strict=True):
                family.add_metric(labels, figure)
        return families


_COSTS = _MysqlCosts()
REGISTRY.register(_COSTS)


def mysql_cost(job: str, kind: str) -> Cost:
    """Where this process counts what its connections of one kind cost a job's MySQL."""
    return _COSTS.costs.setdefault((job, kind), Cost())


def count_error(job: str, error: HeadraceError) -> None:
    """An error that ended something, or would have."""
    ERRORS.labels(job, error.name).inc()


def count_written(job: str, phase: str, tallies: Mapping[TableId, Tally]) -> None:
    """Messages that are committed now, by table."""
    for table, tally in tallies.items():
        ROWS.labels(job, str(table), phase).inc(tally.rows)
        BYTES.labels(job, str(table), phase).inc(tally.size)


def show(gauge: Gauge, figures: Mapping[tuple[str, ...], float]) -> None:
    """The gauge has these figures and no others, in one step for whoever looks."""
    with _TAKING:
        gauge.clear()
        for labels, figure in figures.items():
            gauge.labels(*labels).set(figure)


def begin_anew() -> None:
    """Forgets everything: a process that was forked has counted nothing yet, whatever its parent had."""
    for one in _COUNTING:
        one.clear()
    _COSTS.costs.clear()


# Figures that travel: from child processes to the one that is asked for them.

Labels: TypeAlias = tuple[tuple[str, str], ...]

#: By the sample's name and labels.
Samples: TypeAlias = dict[tuple[str, Labels], float]

_ENDS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}

#: The names of all samples, each with its metric's.
SAMPLES = {name + end: name for name, one in DECLARED.items() for end in _ENDS[one.type]}


def samples() -> Samples:
    """What this process has counted."""
    with _TAKING:
        found = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {(sample.name, tuple(sample.labels.items())): sample.value for sample in found}


def add(total: Samples, more: Samples, *, gauges: bool) -> None:
    """Adds figures to others: counters and histograms, and gauges or not. Those that this version does not know are dropped."""
    for name, figure in more.items():
        metric = SAMPLES.get(name[0])
        if metric is not None and (gauges or DECLARED[metric].type != "gauge"):
            total[name] = total.get(name, 0.0) + figure


def families(total: Samples) -> list[Metric]:
    """Figures in the form that Prometheus's client writes; every metric is there, also those without figures."""
    made = {name: Metric(name.removesuffix("_total"), one.help, one.type) for name, one in DECLARED.items()}
    for (name, labels), figure in total.items():
        made[SAMPLES[name]].add_sample(name, dict(labels), figure)
    return list(made.values())
