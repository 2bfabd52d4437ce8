"""The protocol of DESIGN section 3 under a seeded world of crashes; SIMULATION_SEEDS sets how many seeds run.

A seed that fails is run again as `python -m tests.simulation SEED`, which prints what happened.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import replace

import pytest

from shared.adapters.memory.mysql import key_bytes
from shared.errors import Bug, SchemaChanged, Unavailable
from tests.simulation.broken import BUSY, MUTANTS, without
from tests.simulation.checkers import check, converged
from tests.simulation.faults import LATE, NO_FAULTS, Faults
from tests.simulation.mutants import Rules
from tests.simulation.ports import Reader
from tests.simulation.runs import run, simulate
from tests.simulation.world import TABLES, Actor, World, rows

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
#: A mutant must be caught within so many seeds.
MUTANT_SEEDS = 3000
#: Seeds of one test, so that several processes share them; enough for rare things to be counted in each.
_BLOCK = 100
#: Of each kind of world in which one thing happens all the time.
_BUSY_SEEDS = 50
BLOCKS = [range(start, min(start + _BLOCK, SEEDS)) for start in range(0, SEEDS, _BLOCK)]


def name_of(block: range) -> str:
    return f"{block.start}-{block.stop - 1}"


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_nothing_is_lost_when_everything_crashes(block: range) -> None:
    takeovers = fences = merged = together = rereads = sweeps = joined = again = grown = 0
    for seed in block:
        world = simulate(seed, Faults())
        assert check(world) == [], f"seed {seed}: python -m tests.simulation {seed}"
        takeovers += world.takeovers
        fences += world.fences
        merged += world.merged
        together += world.together
        rereads += world.rereads
        sweeps += world.sweeps
        joined += world.joined
        again += world.again
        grown += world.grown
    # A simulation that never reached the hard paths would prove nothing.
    assert takeovers > len(block) / 2
    assert fences > len(block) / 4
    assert merged > len(block) * 5
    assert together > len(block) / 2
    assert rereads > len(block)
    assert sweeps > len(block)
    assert joined > len(block) / 4
    assert again > len(block) / 4
    assert grown > len(block) / 2


@pytest.mark.parametrize("block", BLOCKS[: max(1, len(BLOCKS) // 10)], ids=name_of)
def test_nothing_is_lost_in_peace(block: range) -> None:
    for seed in block:
        assert check(simulate(seed, NO_FAULTS)) == [], f"seed {seed}"


def test_a_seed_replays_exactly() -> None:
    first, second = (simulate(7, Faults()) for _ in range(2))
    assert list(first.trace) == list(second.trace)
    assert len(first.trace) > 100


def test_chunks_are_read_before_their_table_is_split_to_its_end() -> None:
    # A splitter is fast beside a read, so that about one world in ten shows it.
    assert any(read_before_split(World(seed, NO_FAULTS)) for seed in range(100))


def read_before_split(world: World) -> bool:
    for _ in range(1000):
        world.run(1)
        for leader in world.leaders.values():
            if any(not leader.ledger.tables[chunk.table].split_done for chunk, _ in leader.ledger.claims()):
                return True
    return False


def caught(faults: Faults, ticks: int = 1500) -> bool:
    for seed in range(MUTANT_SEEDS):
        try:
            if check(simulate(seed, faults, ticks)):
                return True
        except (Unavailable, Bug, SchemaChanged):
            return True  # a world that never comes to rest, or a job that stops, is a violation as well
    return False


@pytest.mark.parametrize(
    "broken",
    ["no_wait_for_low", "no_fence", "no_hold_after_read", "rows_apart_from_mark"],
)
def test_a_protocol_without_one_rule_is_caught(broken: str) -> None:
    assert caught(Faults(**{broken: True})), f"{broken}: no violation found in {MUTANT_SEEDS} seeds"


def test_a_state_that_was_read_before_the_fence_is_caught() -> None:
    assert caught(replace(LATE, end_before_fence=True))
    for seed in range(50):
        assert check(simulate(seed, LATE)) == [], f"seed {seed}, as it is shipped"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_protocol_that_is_not_as_it_was_designed_is_caught(name: str) -> None:
    rules, kind = MUTANTS[name]
    assert caught(without(rules, kind), kind.ticks), f"{name}: no violation found in {MUTANT_SEEDS} seeds"


@pytest.mark.parametrize("name", BUSY)
def test_nothing_is_lost_where_one_thing_happens_all_the_time(name: str) -> None:
    kind = BUSY[name]
    for seed in range(_BUSY_SEEDS):
        assert check(simulate(seed, kind.faults, kind.ticks)) == [], f"seed {seed}"


def test_the_shipped_rules_are_the_default() -> None:
    assert Faults().rules == Rules()


def test_transactions_put_together_while_the_binlog_is_read_again_are_caught() -> None:
    # R or a hold may begin in the midst of them. The ledger itself says so before anything is written.
    with pytest.raises(Bug, match="put together"):
        for seed in range(MUTANT_SEEDS):
            simulate(seed, Faults(merged_replay=True))


def test_a_topic_that_somebody_else_wrote_to_is_mended_by_reading_again() -> None:
    for seed in range(20):
        world = simulate(seed, NO_FAULTS)
        foreign = world.sink("foreign")
        foreign.open()
        table, *_ = TABLES
        lost, other = (key_bytes(row) for row in range(2))
        foreign.write_all(table.id.table, [(lost, None), (other, b'{"v":0}'), (key_bytes(8), b'{"v":0}')])
        foreign.commit([])
        assert converged(world), "nothing was wrong"
        everything = Reader(world, frozenset(range(rows(table))))
        ends: list[bool] = []
        while not any(ends):  # who mends may die as well, and is started again
            world.writing, world.faults = True, Faults()
            world.actors.append(
                Actor("reread-all", noted(ends, world.reread_until_done(f"mend-{world.tick}", table, everything)))
            )
            run(world, 300)
        assert converged(world) == [], f"seed {seed}"


def noted(ends: list[bool], moves: Generator[None, None, bool]) -> Iterator[None]:
    ends.append((yield from moves))
