"""What one process costs per row, part by part and codec by codec: `python -m tests.bench.codec [--rows N]`.

On a stack of its own, without workers and leader: rows of `orders` are read, encoded and produced in one transaction
per 200,000 rows. CPU time, so that other work on the machine disturbs little, but for rows per second and the shares of the time. Of
the broker, CPU seconds per 1M rows: it begins cold, and so the later lines tell what it costs. What
the native codec makes is also written the way that is left where the native enqueueing was not built: by one call of
`produce` per message.
"""

import argparse
import secrets
import time
from collections.abc import Callable
from typing import Any

from scheduler.discovery.catalog import read_table
from shared.adapters.kafka.sink import UpsertSink
from shared.adapters.mysql.result import ask, piece
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.codec import NATIVE, PYTHON, Codec, FormatOptions
from shared.model.schema import TableId
from tests.bench.place import Place, own_stack
from tests.bench.procfs import cpu_seconds
from tests.bench.tables import drop_database, make_database
from tests.bench.topics import Topics

_ROWS_PER_TRANSACTION = 200_000
_RUNS = 3
#: Codec, and whether each message is produced by a call of its own; the Python codec's always are.
_WAYS = ((NATIVE, False), (NATIVE, True), (PYTHON, True))


class Clock:
    """CPU seconds by part; of this process unless told otherwise."""

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self.spent: dict[str, float] = {}
        self._now = now

    def timed(self, part: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = self._now()
        try:
            return work(*arguments)
        finally:
            self.spent[part] = self.spent.get(part, 0.0) + self._now() - began


def measure(
    place: Place, codec: Codec, topic: str, *, one_by_one: bool
) -> tuple[int, float, dict[str, float], dict[str, float]]:
    """Rows, wall seconds, and by part CPU seconds and, of the end of a transaction, wall seconds; librdkafka's threads work in all
    of them. At its end the last rows go out (`rest`), then it is committed, which takes no longer for more rows.
    """
    server = place.mysql
    clock, wall = Clock(), Clock(time.perf_counter)
    with (
        Session(MysqlTarget(server.host, server.port, server.root_user, server.root_password), "bench") as session,
        UpsertSink({"bootstrap.servers": place.kafka.bootstrap}, topic, f"{topic}.state") as sink,
    ):
        table = read_table(session, TableId(place.database, "orders"))
        assert table is not None
        encoder = codec.snapshot_encoder(table, FormatOptions())
        if one_by_one:
            sink._queue = None
        elif codec is NATIVE:
            assert sink._queue is not None, "the native enqueueing was not built"
        sink.open()
        began = time.perf_counter()
        names = ", ".join(encoder.select_expressions)
        encoder.check(ask(session._connection, f"SELECT {names} FROM {place.database}.orders", encoder.protocol).types)
        rows = pending = 0
        while not encoder.ended:
            data = clock.timed("read", piece, session._connection)
            batch = clock.timed("encode", encoder.feed, data)
            clock.timed("produce", sink.write_all, topic, batch)
            rows += len(batch)
            pending += len(batch)
            if pending >= _ROWS_PER_TRANSACTION:
                end(sink, clock, wall)
                pending = 0
        end(sink, clock, wall)
        return rows, time.perf_counter() - began, clock.spent, wall.spent


def end(sink: UpsertSink, clock: Clock, wall: Clock) -> None:
    """Ends a transaction."""
    wall.timed("rest", clock.timed, "commit", sink._producer.flush)
    wall.timed("commit", clock.timed, "commit", sink.commit, [])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.codec", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table")
    arguments = parser.parse_args()
    print(
        "| codec | read | encode | produce | commit | CPU us per row | rows per second | rest, commit of the time | broker |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    with own_stack(f"bench_{secrets.token_hex(3)}") as place:
        make_database(place.mysql, place.database, arguments.rows)
        topics = Topics(place.kafka.bootstrap)
        try:
            for run in range(_RUNS):
                for number, (codec, one_by_one) in enumerate(_WAYS):
                    if codec is None:
                        continue
                    topic = f"codec-{number}-{run}"
                    topics.create([topic])
                    before = cpu_seconds([place.servers()["broker"]])
                    rows, seconds, spent, waits = measure(place, codec, topic, one_by_one=one_by_one)
                    broker = (cpu_seconds([place.servers()["broker"]]) - before) / rows * 1e6
                    parts = [spent[name] / rows * 1e6 for name in ("read", "encode", "produce", "commit")]
                    cells = " | ".join(f"{part:.2f}" for part in parts)
                    name = f"{codec.name}, one by one" if one_by_one and codec is NATIVE else codec.name
                    ends = ", ".join(f"{waits[part] / seconds:.1%}" for part in ("rest", "commit"))
                    print(
                        f"| {name} | {cells} | {sum(parts):.2f} | {rows / seconds:,.0f} | {ends} | {broker:.2f} |",
                        flush=True,
                    )
        finally:
            drop_database(place.mysql, place.database)


if __name__ == "__main__":
    main()
