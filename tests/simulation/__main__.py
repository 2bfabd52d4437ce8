"""`python -m tests.simulation SEED`: one seed again, with all that happened in it."""

from __future__ import annotations

import sys

from shared.errors import HeadraceError
from tests.simulation.checkers import check
from tests.simulation.faults import Faults
from tests.simulation.runs import run
from tests.simulation.world import World


def main(seed: int) -> int:
    """Prints the trace and what is wrong; exit code 1 for a violation."""
    world = World(seed, Faults())
    wrong: list[str] = []
    try:
        run(world)
        wrong = check(world)
    except HeadraceError as error:
        wrong = [f"{error.name}: {error}"]
    print(*world.trace, sep="\n")
    print(f"seed {seed}: {world.takeovers} takeovers, {world.fences} fences, {len(world.mysql.binlog)} transactions")
    print(*(wrong or ["all is well"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
