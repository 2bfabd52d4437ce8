"""`make bench`: headrace, the limits of the servers, and peers, measured in one run on a stack of its own.

    python -m tests.bench [--rows N] [--changes N] [--latency-seconds S] [--peers debezium,flink,maxwell]
                          [--server 9.7|8.0] [--out FILE]

Rules and words: `span.py` says what is counted, `measuring.py` what is measured, `peers/` how the others are tuned.
"""

import argparse
import os
import platform
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import confluent_kafka

from tests.bench.headrace import Headrace
from tests.bench.measuring import BESIDE, TABLES, Measuring, Sizes
from tests.bench.peers import PEERS
from tests.bench.place import SERVERS, Place, own_stack
from tests.bench.reader import Reader
from tests.bench.report import LEGEND, Line, table
from tests.bench.span import NotMeasured
from tests.bench.tables import drop_database, make_database
from tests.plugins.fix_servers import root_connection

_BEGAN = time.monotonic()


def _say(text: str) -> None:
    print(f"bench, {time.monotonic() - _BEGAN:.0f} s: {text}", file=sys.stderr, flush=True)


def _attempted(measure: str, reader: Reader, work: Callable[[], Line]) -> Line:
    """A reader that cannot do it is told of in the table, never left out."""
    _say(f"{reader.name}: {measure}")
    try:
        line = work()
    except NotMeasured as error:
        line = _failed(measure, reader, error)
    _say(f"{reader.name}: {measure}: {line.rate or line.p99_ms or line.note}")
    return line


def _snapshots(bench: Measuring, reader: Reader) -> Iterator[Line]:
    """Both tables; the run of `orders` is left standing, for the drain."""
    for name in reversed(TABLES):
        run = f"{reader.name}-{name}"
        yield _attempted(f"snapshot {name}", reader, lambda name=name, run=run: bench.snapshot(reader, name, run))
        if name != "orders":
            _dropped(reader, run)


def _held(reader: Reader) -> Iterator[Line]:
    """Nothing, or the line that says why the reader's drain cannot be measured."""
    try:
        reader.hold(f"{reader.name}-orders")
    except NotMeasured as error:
        yield _failed("drain", reader, error)


def _latencies(bench: Measuring, reader: Reader) -> Iterator[Line]:
    for measure, work in (("latency", bench.latency_alone), (BESIDE, bench.latency_beside_snapshot)):
        run = f"{reader.name}-{measure.replace(' ', '-')}"
        yield _attempted(measure, reader, lambda work=work, run=run: work(reader, run))
        if measure == "latency":  # after the last one all is ended anyway
            _dropped(reader, run)


def _dropped(reader: Reader, run: str) -> None:
    try:
        reader.drop(run)
        _say(f"{reader.name}: {run} dropped")
    except NotMeasured as error:  # it failed before, which the table tells
        _say(f"{reader.name}: {error}")


def _failed(measure: str, reader: Reader, error: NotMeasured) -> Line:
    return Line(measure, reader.name, note=f"not measured: {error}"[:300])


def _readers(bench: Measuring, readers: list[Reader], changes: int) -> Iterator[Line]:
    """All readers, one after the other; the same backlog for all."""
    fit: list[Reader] = []
    held: list[Reader] = []
    for reader in readers:
        try:
            reader.up()
        except NotMeasured as error:
            yield _failed("all", reader, error)
            continue
        fit.append(reader)
        yield from _snapshots(bench, reader)
        refusals = list(_held(reader))
        yield from refusals
        held += [] if refusals else [reader]
    _say(f"writing {changes:,} changes")
    start, written = bench.backlog()
    yield bench.dump_limit(start, written)
    for reader in held:
        name = f"{reader.name}-orders"
        yield _attempted("drain", reader, lambda reader=reader, name=name: bench.drain(reader, name, written))
    for reader in fit:
        _dropped(reader, f"{reader.name}-orders")
        yield from _latencies(bench, reader)


def run(place: Place, sizes: Sizes, readers: list[Reader]) -> list[Line]:
    """Measures all readers on the servers; the database is made and dropped here."""
    _say(f"filling tables with {sizes.rows:,} rows")
    make_database(place.mysql, place.database, sizes.rows)
    bench = Measuring(place, sizes)
    lines: list[Line] = []
    try:
        bench.warm_up()
        for table_name in TABLES:
            _say(f"limits of {table_name}")
            lines += bench.select_limits(table_name)
        lines += _readers(bench, readers, sizes.changes)
    finally:
        for reader in readers:
            reader.close()
        drop_database(place.mysql, place.database)
    return sorted(lines, key=_order)


def _order(line: Line) -> int:
    """By what was measured; within it as it came: limits, headrace, peers."""
    order = [*(f"snapshot {name}" for name in TABLES), "drain", "latency", BESIDE]
    return order.index(line.measure) if line.measure in order else len(order)


def facts(place: Place) -> str:
    """The machine and what runs on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with root_connection(place.mysql) as connection:
        mysql = connection.get_server_info()
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, load {load:.1f} before; Linux {platform.release()}, "
        f"Python {platform.python_version()}, MySQL {mysql}, librdkafka {confluent_kafka.libversion()[0]}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each table")
    parser.add_argument("--changes", type=int, default=500_000, help="row changes that are drained")
    parser.add_argument("--latency-seconds", type=float, default=15)
    parser.add_argument("--chunk-size", type=int, help="rows per chunk of headrace; its default otherwise")
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}, separated by commas")
    parser.add_argument("--server", choices=tuple(SERVERS), default="9.7", help="the MySQL that all readers read from")
    parser.add_argument("--out", type=Path, help="also writes the table into this file")
    arguments = parser.parse_args()
    arguments.peers = [name.strip() for name in arguments.peers.split(",") if name.strip()]
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}")
    return arguments


def main() -> None:
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _arguments()
    sizes = Sizes(arguments.rows, arguments.changes, arguments.latency_seconds)
    with own_stack(f"bench_{secrets.token_hex(3)}", arguments.server) as place:
        about = facts(place)
        peers = [one for name in arguments.peers for one in PEERS[name](place)]
        lines = run(place, sizes, [Headrace(place, arguments.chunk_size), *peers])
    text = f"{about}\n\n{table(lines)}\n\n{LEGEND}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
