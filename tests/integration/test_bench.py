"""The benchmark's harness works: every line is there, with numbers. What the numbers are is for `make bench` to say."""

from __future__ import annotations

import secrets

import pytest

from tests.bench.__main__ import facts, run
from tests.bench.headrace import Headrace
from tests.bench.measuring import BESIDE, Sizes
from tests.bench.place import Place
from tests.bench.report import Line, table

LIMITS = ("bare SELECT, text", "bare SELECT, binary", "bare produce")
SPANS = [(f"snapshot {name}", reader) for name in ("orders", "sbtest") for reader in (*LIMITS, "headrace")]
SPANS += [("drain", "bare binlog dump"), ("drain", "headrace")]
LATENCIES = [("latency", "headrace"), (BESIDE, "headrace")]


def test_every_line_is_measured(mysql_server, kafka_server, redis_server) -> None:
    place = Place(mysql_server, kafka_server, redis_server, f"bench_{secrets.token_hex(3)}")
    sizes = Sizes(rows=20_000, changes=2_000, latency_seconds=2, warm_rows=1_000, settle_seconds_max=0, pace_seconds=1)
    # So many chunks become visible one after the other: from the first to the last there is something to measure.
    lines = run(place, sizes, [Headrace(place, chunk_size=1_000)])
    print(f"{facts(place)}\n\n{table(lines)}")
    by_name = {(line.measure, line.reader): line for line in lines}
    assert list(by_name) == [*SPANS, *LATENCIES]
    for name in SPANS:
        assert positive(by_name[name]), by_name[name]
    for name in LATENCIES:
        line = by_name[name]
        assert line.p50_ms and line.p99_ms and 0 < line.p50_ms <= line.p99_ms, line


def positive(line: Line) -> bool:
    """CPU times of servers may be zero: they are counted in hundredths of a second."""
    return bool(line.rate and line.rate > 0 and line.whole_seconds and line.peak_mb and line.cpu["reader"] > 0)


@pytest.mark.parametrize(
    ("peer", "doubted"),
    [
        (Line("drain", "peer", rate=5.0, late_rate=5.0, foreign_cores=0.1), False),
        (Line("drain", "peer", rate=5.0, late_rate=5.0, foreign_cores=0.5), True),
        (Line("drain", "peer", rate=3.0, late_rate=5.0, foreign_cores=0.1), True),
    ],
    ids=["quiet and steady", "disturbed", "still warming up"],
)
def test_a_ratio_that_proves_nothing_is_marked_and_takes_the_better_rate(peer: Line, doubted: bool) -> None:
    text = table([Line("drain", "headrace", rate=10.0, late_rate=10.0), peer])
    assert "2.00 x" in text
    assert ("2.00 x?" in text) is doubted


@pytest.mark.parametrize("reader", ["debezium-1", "flink", "maxwell"])
def test_a_peer_that_was_not_measured_is_told_of(reader: str) -> None:
    text = table([Line("drain", "headrace", rate=10.0), Line("drain", reader, note="not measured: no javac")])
    assert f"| {reader}" in text
    assert "not measured: no javac" in text
