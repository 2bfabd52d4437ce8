"""How long a splitter computes for large tables: `python -m tests.bench.planner [--rows N]`.

Against a server in memory that answers at once, so that what is left is our own work; a real one takes its time for each question
beside that, which is told by their number.
"""

import argparse
import time

from shared.model.change import ChunkKey
from tests.unit.workers.split_lab import ID, Rule, Server, bounds, stand_in, table
from workers.snapshot import splitting

_SIZES = (200_000, 1_000)


def _dense(n: int) -> ChunkKey:
    return (n,)


def _sparse(n: int) -> ChunkKey:
    return (n * 1000,)


def _skewed(n: int) -> ChunkKey:
    return (n if n < 1000 else n**2,)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.planner", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000, help="rows of the table")
    arguments = parser.parse_args()
    stand_in(lambda name, value: setattr(splitting, name, value))
    print("| keys | rows per chunk | chunks | questions | seconds |\n|---|---|---|---|---|")
    for name, key in (("dense", _dense), ("sparse", _sparse), ("skewed", _skewed)):
        for size in _SIZES:
            server = Server(table(ID), Rule(arguments.rows, key))
            began = time.perf_counter()
            found = bounds(server, size, arguments.rows)
            seconds = time.perf_counter() - began
            print(f"| {name} | {size:,} | {len(found) + 1:,} | {server.queries:,} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
