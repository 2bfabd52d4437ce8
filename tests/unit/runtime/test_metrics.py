"""Figures of processes add up to those of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from shared.errors import SchemaChanged
from shared.model.change import Tally
from shared.model.schema import TableId
from shared.runtime import metrics

JOB = (("job_name", "j"),)
ROWS = (*JOB, ("table", "d.t"), ("phase", "stream"))


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    metrics.begin_anew()
    yield
    metrics.begin_anew()


def test_what_is_counted_is_found_under_its_name_and_labels() -> None:
    metrics.count_written("j", "stream", {TableId("d", "t"): Tally(3, 40)})
    metrics.count_written("j", "stream", {TableId("d", "t"): Tally(2, 10)})
    metrics.count_error("j", SchemaChanged("What."))
    metrics.LAG_SECONDS.labels("j").set(1.5)
    cost = metrics.mysql_cost("j", metrics.BINLOG)
    cost.connections, cost.opened, cost.queries, cost.locks = 1, 2, 3, 6
    cost.rows, cost.received_bytes = 4, 5
    found = metrics.samples()
    assert found[("headrace_rows_total", ROWS)] == 5
    assert found[("headrace_bytes_total", ROWS)] == 50
    assert found[("headrace_errors_total", (*JOB, ("kind", "SchemaChanged")))] == 1
    assert found[("headrace_lag_seconds", JOB)] == 1.5
    of_mysql = {name: value for (name, labels), value in found.items() if labels == (*JOB, ("kind", "binlog"))}
    assert of_mysql == {
        "headrace_mysql_connections": 1,
        "headrace_mysql_connections_opened_total": 2,
        "headrace_mysql_queries_total": 3,
        "headrace_mysql_locks_total": 6,
        "headrace_mysql_rows_total": 4,
        "headrace_mysql_received_bytes_total": 5,
    }
    assert {name for name, _ in found} <= set(metrics.SAMPLES)


def test_counters_and_histograms_add_up_and_gauges_of_those_that_ended_go() -> None:
    metrics.TAKEOVERS.labels("j").inc(2)
    metrics.COMMIT_SECONDS.labels("j", "stream").observe(0.02)
    metrics.LAG_BYTES.labels("j").set(7)
    found = metrics.samples()
    total: metrics.Samples = {}
    metrics.add(total, found, gauges=False)
    metrics.add(total, found, gauges=True)
    assert total[("headrace_takeovers_total", JOB)] == 4
    assert total[("headrace_lag_bytes", JOB)] == 7
    commits = {
        labels[-1][1]: value for (name, labels), value in total.items() if name == "headrace_commit_seconds_bucket"
    }
    assert (commits["0.01"], commits["0.025"], commits["+Inf"]) == (0, 2, 2)
    assert total[("headrace_commit_seconds_count", (*JOB, ("phase", "stream")))] == 2


def test_what_another_version_counts_is_left_out() -> None:
    total: metrics.Samples = {}
    metrics.add(total, {("headrace_of_tomorrow_total", JOB): 1.0}, gauges=True)
    assert total == {}


def test_a_gauge_that_is_shown_anew_has_nothing_of_before() -> None:
    metrics.show(metrics.JOB_STATE, {("a", "running"): 1.0, ("b", "paused"): 1.0})
    metrics.show(metrics.JOB_STATE, {("b", "running"): 1.0})
    assert metrics.samples() == {("headrace_job_state", (("job_name", "b"), ("state", "running"))): 1.0}


def test_the_text_for_prometheus_explains_every_metric() -> None:
    metrics.FENCES.labels("j").inc()
    metrics.ATTEMPT_SECONDS.labels("j").observe(0.7)

    class All(Collector):
        def collect(self) -> list[metrics.Metric]:
            return metrics.families(metrics.samples())

    registry = CollectorRegistry()
    registry.register(All())
    text = generate_latest(registry).decode()
    for name, one in metrics.DECLARED.items():
        assert f"# HELP {name} {one.help}\n# TYPE {name} {one.type}\n" in text
    assert 'headrace_fences_total{job_name="j"} 1.0\n' in text
    assert 'headrace_attempt_seconds_bucket{job_name="j",le="1.0"} 1.0\n' in text
