"""Times a job of many small tables: `python -m tests.bench.small_tables [--tables N] [--rows N] [--partitions N]`.

On a stack of its own. Submit to done, what Kafka alone takes to create as many topics (on another new stack), and how long `scheduler status` takes meanwhile and afterwards.
"""

import argparse
import secrets
import signal
import sys
import time

from tests.bench.headrace import Headrace
from tests.bench.place import Place, own_stack
from tests.bench.procfs import cpu_seconds
from tests.bench.tables import drop_database
from tests.bench.topics import Topics
from tests.plugins.fix_servers import root_connection

_RUN = "small"


def _fill(place: Place, tables: int, rows: int) -> list[str]:
    names = [f"t{number:05}" for number in range(tables)]
    values = ", ".join(f"({number}, 'row {number}')" for number in range(rows))
    with root_connection(place.mysql) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {place.database}")
        cursor.execute(f"USE {place.database}")
        cursor.execute("SET SESSION sql_log_bin = 0")
        for name in names:
            cursor.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR(20))")
            cursor.execute(f"INSERT INTO {name} VALUES {values}")
    return names


def _topics_seconds(count: int, partitions: int | None) -> float:
    """What Kafka takes to create as many topics, until the last one has a partition that answers."""
    with own_stack(f"bench_{secrets.token_hex(3)}") as place:
        topics = Topics(place.kafka.bootstrap)
        began = time.monotonic()
        names = [f"bare.{number:05}" for number in range(count)]
        topics.create(names, partitions or -1)
        topics.wait_for(names)
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.small_tables", description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=10, help="rows of each table")
    parser.add_argument("--partitions", type=int, help="of each topic; the cluster's default otherwise")
    arguments = parser.parse_args()
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(
        f"{arguments.tables} topics alone: {_topics_seconds(arguments.tables, arguments.partitions):.1f} s", flush=True
    )
    with own_stack(f"bench_{secrets.token_hex(3)}") as place:
        names = _fill(place, arguments.tables, arguments.rows)
        reader = Headrace(place, None, partitions=arguments.partitions)
        try:
            reader.up()
            _measure(reader, names)
        finally:
            reader.close()
            drop_database(place.mysql, place.database)


def _measure(reader: Headrace, names: list[str]) -> None:
    cpu = {role: cpu_seconds(pids) for role, pids in reader.roles().items()}
    began = time.monotonic()
    reader.follow_all(_RUN, "t[0-9]+")
    print(f"accepted after {time.monotonic() - began:.1f} s", flush=True)
    looks = []
    first = 0.0
    while True:
        asked = time.monotonic()
        status = reader.status(_RUN)
        looks.append(time.monotonic() - asked)
        if status["chunks_done"] and not first:
            first = time.monotonic() - began
            print(f"first tables done after {first:.1f} s", flush=True)
        if status["snapshot_done"]:
            break
        time.sleep(1)
    seconds = time.monotonic() - began
    spent = {role: cpu_seconds(pids) - cpu[role] for role, pids in reader.roles().items()}
    used = ", ".join(f"{role} {value:.1f} s" for role, value in spent.items())
    print(
        f"{len(names)} tables in {seconds:.1f} s ({len(names) / (seconds - first):.0f} a second after the first); "
        f"CPU: {used}; status took {max(looks):.1f} s at most",
        flush=True,
    )


if __name__ == "__main__":
    main()
