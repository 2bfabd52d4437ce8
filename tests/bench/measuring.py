"""The measurements, the same for every reader, each one line of the table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.changes import Ticker, write_backlog
from tests.bench.latency import Arrivals, Timed, latencies, percentile
from tests.bench.limits import measure
from tests.bench.place import Place
from tests.bench.procfs import cpu_seconds, machine_seconds, peaks_mb
from tests.bench.reader import Reader
from tests.bench.report import Line
from tests.bench.span import Groups, Span, settle, watch
from tests.bench.tables import HOT_ROWS
from tests.bench.topics import Topics, Visible
from tests.plugins.fix_servers import root_connection

TABLES = ("orders", "sbtest")
BESIDE = "latency beside a snapshot"
_SECONDS_MAX = 900


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rows: int
    changes: int
    latency_seconds: float
    changes_a_second: int = 1000
    warm_rows: int = 500_000
    settle_seconds_max: float = 40
    #: Changes flow so long before they are timed: a JVM that has just started would be timed compiling itself.
    pace_seconds: float = 20


class Measuring:
    """Measures readers on one place, one after the other."""

    def __init__(self, place: Place, sizes: Sizes) -> None:
        self.place, self.sizes = place, sizes
        self.topics = Topics(place.kafka.bootstrap)
        self._servers = {name: lambda pid=pid: [pid] for name, pid in place.servers().items()}

    def groups(self, reader: Reader) -> Groups:
        return {"reader": reader.pids, **self._servers}

    def snapshot(self, reader: Reader, table: str, run: str) -> Line:
        """Copies one table."""
        settle(self._servers, self.sizes.settle_seconds_max)
        visible = Visible(self.topics, reader.topic(run, table))
        span = watch(
            self.sizes.rows,
            visible.offsets,
            self.groups(reader),
            lambda: reader.copy(run, [table]),
            reader.alive,
            _SECONDS_MAX,
        )
        size = self.topics.sample_bytes(reader.topic(run, table))
        return self._line(f"snapshot {table}", reader, span, f"{size:.0f} bytes a message; {reader.facts(run)}")

    def backlog(self) -> tuple[str, int]:
        """Writes the changes that readers drain; returns the GTIDs before them and their number."""
        with root_connection(self.place.mysql) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.gtid_executed")
            before = str(cursor.fetchone()[0]).replace("\n", "")
        return before, write_backlog(self.place.mysql, self.place.database, self.sizes.changes, self.sizes.rows)

    def drain(self, reader: Reader, run: str, changes: int) -> Line:
        """Lets a held run go on behind the backlog."""
        settle(self._servers, self.sizes.settle_seconds_max)
        visible = Visible(self.topics, reader.topic(run, "orders"))
        span = watch(
            changes, visible.offsets, self.groups(reader), lambda: reader.go_on(run), reader.alive, _SECONDS_MAX
        )
        return self._line("drain", reader, span, "")

    def latency_alone(self, reader: Reader, run: str) -> Line:
        """Follows one table and does nothing else."""
        settle(self._servers, self.sizes.settle_seconds_max)
        reader.follow(run, "hot")
        with self._ticking(reader.topic(run, "hot")) as (arrivals, ticker):
            time.sleep(self.sizes.pace_seconds)
            begin, before = time.monotonic(), self._foreign_seconds(reader)
            time.sleep(self.sizes.latency_seconds)
            end, after = time.monotonic(), self._foreign_seconds(reader)
        timed = latencies(arrivals, ticker, begin, end)
        return self._latency("latency", reader, timed, ticker, (after - before) / (end - begin))

    def latency_beside_snapshot(self, reader: Reader, run: str) -> Line:
        """Follows one table while the same job copies another; counts what was sent while rows of that one came."""
        if not reader.streams_while_snapshotting:
            return Line(BESIDE, reader.name, note="not measured: streams only after its snapshot")
        topics = [reader.topic(run, table) for table in ("hot", "sbtest")]
        self.topics.create(topics)
        settle(self._servers, self.sizes.settle_seconds_max)
        visible = Visible(self.topics, topics[1])
        with self._ticking(topics[0]) as (arrivals, ticker):
            span = watch(
                self.sizes.rows,
                visible.offsets,
                self.groups(reader),
                lambda: reader.copy(run, ["hot", "sbtest"]),
                reader.alive,
                _SECONDS_MAX,
            )
        timed = latencies(arrivals, ticker, span.counted_from.at, span.last.at)
        note = f"{span.rate:,.0f} rows/s copied meanwhile"
        return self._latency(BESIDE, reader, timed, ticker, span.foreign_cores, note)

    def _foreign_seconds(self, reader: Reader) -> float:
        """CPU time of all that is not measured, the writer and the consumer of this process included."""
        return machine_seconds() - sum(cpu_seconds(pids()) for pids in self.groups(reader).values())

    @contextmanager
    def _ticking(self, topic: str) -> Iterator[tuple[Arrivals, Ticker]]:
        """Changes at a steady rate, and a consumer that notes their arrival; afterwards the last one has arrived."""
        arrivals = Arrivals(self.place.kafka.bootstrap, self.topics, topic)
        ticker = Ticker(self.place.mysql, self.place.database, self.sizes.changes_a_second, HOT_ROWS)
        arrivals.start()
        ticker.start()
        try:
            yield arrivals, ticker
        finally:
            ticker.end()
            arrivals.end(max(ticker.sent, default=0))

    def _latency(
        self,
        measure: str,
        reader: Reader,
        timed: Timed,
        ticker: Ticker,
        foreign: float,
        note: str = "",
    ) -> Line:
        notes = [
            f"{len(timed.seconds):,} of {timed.sent:,} changes",
            f"{timed.again:,} of them twice" if timed.again else "",
            note,
            f"the writer was {ticker.late:.1f} s late" if ticker.late > 1 else "",
        ]
        return Line(
            measure,
            reader.name,
            foreign_cores=foreign,
            p50_ms=percentile(timed.seconds, 0.5) * 1000,
            p99_ms=percentile(timed.seconds, 0.99) * 1000,
            peak_mb=peaks_mb(reader.pids())[0],
            note="; ".join(filter(None, notes)),
        )

    def _line(self, measure: str, reader: Reader, span: Span, note: str) -> Line:
        roles = {role: peaks_mb(pids) for role, pids in reader.roles().items()}
        memory = ", ".join(f"{role} {peaks[0]:,.0f} MB" for role, peaks in roles.items() if peaks and len(roles) > 1)
        cpu = {group: span.cpu_per_million(group) for group in span.last.cpu}
        return Line(
            measure,
            reader.name,
            rate=span.rate,
            late_rate=span.late_rate,
            foreign_cores=span.foreign_cores,
            whole_seconds=span.whole_seconds,
            cpu=cpu | {"whole": span.cpu_whole("reader"), "late": span.late_cpu("reader")},
            peak_mb=span.peaks_mb[0],
            note="; ".join(filter(None, (note, memory))),
        )

    def warm_up(self) -> None:
        """Lets the broker's compiler and the servers' caches do their first work before anybody is measured."""
        topic = f"{self.place.database}.warm"
        self.topics.create([topic])
        for table in TABLES:
            self._limit("", "", "select_text", table=table)
        order = {
            "table": "sbtest",
            "rows": self.sizes.warm_rows,
            "topic": topic,
            "bootstrap": self.place.kafka.bootstrap,
        }
        self._limit("", "", "produce", **order)
        self.topics.delete([topic])

    def select_limits(self, table: str) -> Iterator[Line]:
        """Bare SELECTs and the bare producer for one table."""
        settle(self._servers, self.sizes.settle_seconds_max)
        for what, name in (("select_text", "bare SELECT, text"), ("select_binary", "bare SELECT, binary")):
            yield self._limit(f"snapshot {table}", name, what, table=table)
        topic = f"{self.place.database}.bare-{table}"
        self.topics.create([topic])
        order = {"table": table, "rows": self.sizes.rows, "topic": topic, "bootstrap": self.place.kafka.bootstrap}
        yield self._limit(f"snapshot {table}", "bare produce", "produce", **order)
        self.topics.delete([topic])

    def dump_limit(self, start: str, changes: int) -> Line:
        """The bare binlog from a GTID set on."""
        settle(self._servers, self.sizes.settle_seconds_max)
        return self._limit("drain", "bare binlog dump", "dump_binlog", changes, start=start)

    def _limit(self, measure_name: str, name: str, what: str, known: int | None = None, **order: object) -> Line:
        place = self.place
        where = {"host": place.mysql.host, "port": place.mysql.port, "database": place.database}
        got = measure(what, **where, servers=place.servers(), **order)
        count = known or got["count"]
        return Line(
            measure_name,
            name,
            rate=count / got["seconds"],
            foreign_cores=got["foreign_cores"],
            whole_seconds=got["seconds"],
            cpu={group: seconds / count * 1e6 for group, seconds in got["cpu"].items()},
            peak_mb=got["peak_mb"],
            note=f"{got['bytes'] / got['count']:.0f} bytes a packet"
            if what != "produce"
            else f"{got['bytes']} bytes a message",
        )
