"""What a drain costs one process per change, thread by thread: `python -m tests.bench.drain [--changes N]`.

On a stack of its own, without a leader: one binlog connection, the native codec, one transaction per 200,000 changes of
`orders`. Everything is done twice in turn: enqueued by native code, and by one call of `produce` per message, which is
left where that code was not built. CPU microseconds per change, so that other work on the machine disturbs little.
"""

import argparse
import secrets
import threading
import time

from scheduler.discovery.catalog import read_table
from shared.adapters.kafka.sink import UpsertSink
from shared.adapters.mysql.session import MysqlTarget, Session
from shared.adapters.mysql.stream import BinlogStream
from shared.codec import NATIVE, FormatOptions
from shared.model.binlog import RowChanges
from shared.model.position import GtidSet
from shared.model.schema import TableId
from tests.bench.changes import write_backlog
from tests.bench.codec import Clock
from tests.bench.place import Place, own_stack
from tests.bench.procfs import thread_seconds
from tests.bench.tables import drop_database, make_database
from tests.bench.topics import Topics

_CHANGES_PER_TRANSACTION = 200_000
_RUNS = 3
_ROWS = 200_000
_SERVER_ID = 77_001
_IDLE_SECONDS = 0.02
_PARTS = ("decode", "produce", "commit")


def measure(place: Place, start: GtidSet, changes: int, topic: str, *, one_by_one: bool) -> tuple[float, list[float]]:
    """Changes per second; CPU seconds of the main thread's parts, of the connection's thread, and of librdkafka's."""
    target = MysqlTarget(place.mysql.host, place.mysql.port, place.mysql.root_user, place.mysql.root_password)
    assert NATIVE is not None
    with Session(target, "bench") as session:
        table = read_table(session, TableId(place.database, "orders"))
    assert table is not None
    decoders = {table.id: NATIVE.table_decoder(table, FormatOptions())}
    clock, woken, done, pending = Clock(time.thread_time), threading.Event(), 0, 0
    before = thread_seconds()
    with UpsertSink({"bootstrap.servers": place.kafka.bootstrap}, topic, f"{topic}.state") as sink:
        assert sink._queue is not None, "the native enqueueing was not built"
        if one_by_one:
            sink._queue = None
        sink.open()
        began = time.perf_counter()
        stream = BinlogStream(
            target, start, _SERVER_ID, f"bench-{topic}", NATIVE.event_decoder(decoders.get), woken.set
        )
        while done < changes:
            events = clock.timed("decode", stream.events, True)
            for event in events:
                if isinstance(event, RowChanges):
                    clock.timed("produce", sink.write_all, topic, event.changes)
                    done += len(event.changes)
                    pending += len(event.changes)
            del events
            if pending >= _CHANGES_PER_TRANSACTION or done >= changes:
                clock.timed("commit", sink.commit, [])
                pending = 0
            elif not stream._pieces:
                woken.wait(_IDLE_SECONDS)
                woken.clear()
        seconds = time.perf_counter() - began
        spent = {name: used - before.get(name, 0.0) for name, used in thread_seconds().items()}
        stream.close()
    own = spent.pop("")
    client = sum(used for name, used in spent.items() if name.startswith("rdk:"))
    parts = [clock.spent[name] for name in _PARTS]
    return changes / seconds, [*parts, own - sum(parts), sum(spent.values()) - client, client]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drain", description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=1_000_000, help="row changes that are drained")
    arguments = parser.parse_args()
    print("| enqueued | decode | produce | commit | other | connection | librdkafka | CPU us per change | changes/s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    with own_stack(f"bench_{secrets.token_hex(3)}") as place:
        make_database(place.mysql, place.database, _ROWS)
        with Session(MysqlTarget(place.mysql.host, place.mysql.port, "root", ""), "bench") as session:
            start = GtidSet.parse(session.scalar("SELECT @@GLOBAL.gtid_executed").replace("\n", ""))
        changes = write_backlog(place.mysql, place.database, arguments.changes, _ROWS)
        topics = Topics(place.kafka.bootstrap)
        for run in range(_RUNS + 1):
            for one_by_one in (False, True):
                topic = f"drain-{run}-{one_by_one:d}"
                topics.create([topic])
                topics.wait_for([topic])
                if not run:  # servers that have just started
                    measure(place, start, changes // 5, topic, one_by_one=one_by_one)
                    continue
                rate, parts = measure(place, start, changes, topic, one_by_one=one_by_one)
                cells = " | ".join(f"{part / changes * 1e6:.2f}" for part in [*parts, sum(parts)])
                print(f"| {'one by one' if one_by_one else 'natively'} | {cells} | {rate:,.0f} |", flush=True)
        drop_database(place.mysql, place.database)


if __name__ == "__main__":
    main()
