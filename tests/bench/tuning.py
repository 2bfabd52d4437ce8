"""Times the snapshot of `orders` for chunk sizes and parallelisms: `python -m tests.bench.tuning [--rows N] SIZE:PARALLELISM …`

On a stack of its own, by the rules of `span.py`, every pair twice in random order: differences between pairs mean
something only where they are larger than those between the two runs of a pair.
"""

import argparse
import random
import secrets
import sys
from dataclasses import replace

from tests.bench.headrace import Headrace
from tests.bench.measuring import Measuring, Sizes
from tests.bench.place import own_stack
from tests.bench.report import Line, table
from tests.bench.tables import drop_database, make_database

_RUNS = 2


def _pair(text: str) -> tuple[int, int]:
    size, _, parallelism = text.partition(":")
    return int(size), int(parallelism)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tuning", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    parser.add_argument("pairs", type=_pair, nargs="+", help="rows per chunk, a colon, chunks read at the same time")
    arguments = parser.parse_args()
    runs = arguments.pairs * _RUNS
    random.shuffle(runs)
    lines: list[Line] = []
    with own_stack(f"bench_{secrets.token_hex(3)}") as place:
        make_database(place.mysql, place.database, arguments.rows)
        bench = Measuring(place, Sizes(arguments.rows, 0, 0))
        bench.warm_up()
        try:
            for number, (size, parallelism) in enumerate(runs):
                reader = Headrace(place, size, parallelism)
                reader.name = f"chunks of {size:,}, {parallelism} at a time"
                try:
                    reader.up()
                    lines.append(bench.snapshot(reader, "orders", f"tuning-{number}"))
                    shares = reader.shares(f"tuning-{number}")
                    reader.drop(f"tuning-{number}")
                finally:
                    reader.close()
                lines[-1] = replace(
                    lines[-1], note=f"admission {shares[0]:.1%}, commit {shares[1]:.1%} of the attempts' time"
                )
                print(f"{reader.name}: {lines[-1].rate:,.0f} rows/s, {lines[-1].note}", file=sys.stderr, flush=True)
        finally:
            drop_database(place.mysql, place.database)
    print(table(sorted(lines, key=lambda line: line.reader)))


if __name__ == "__main__":
    main()
