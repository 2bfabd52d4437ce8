"""The protocol of DESIGN section 3 under a seeded world of crashes; SIMULATION_SEEDS sets how many seeds run."""

from __future__ import annotations

import os

import pytest

from shared.errors import Bug, Unavailable
from tests.simulation.checkers import check
from tests.simulation.world import NO_FAULTS, Faults, World, simulate

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "150"))


def test_nothing_is_lost_when_everything_crashes() -> None:
    takeovers = fences = merged = together = 0
    for seed in range(SEEDS):
        world = simulate(seed, Faults())
        assert check(world) == [], f"seed {seed}"
        takeovers += world.takeovers
        fences += world.fences
        merged += world.merged
        together += world.together
    # A simulation that never reached the hard paths would prove nothing.
    assert takeovers > SEEDS
    assert fences > SEEDS / 2
    assert merged > SEEDS * 10
    assert together > SEEDS


def test_nothing_is_lost_in_peace() -> None:
    for seed in range(SEEDS // 4):
        assert check(simulate(seed, NO_FAULTS)) == [], f"seed {seed}"


def test_chunks_are_read_before_their_table_is_split_to_its_end() -> None:
    early = False
    for seed in range(10):
        world = World(seed, NO_FAULTS)
        for _ in range(1000):
            world.run(1)
            for leader in world.leaders.values():
                reading = {chunk.table for chunk, _ in leader.ledger.claims()}
                early |= any(not leader.ledger.tables[table].split_done for table in reading)
    assert early


@pytest.mark.parametrize(
    "broken",
    ["no_wait_for_low", "no_fence", "no_hold_after_read", "rows_apart_from_mark"],
)
def test_a_protocol_without_one_rule_is_caught(broken: str) -> None:
    faults = Faults(**{broken: True})
    for seed in range(SEEDS * 20):
        try:
            if check(simulate(seed, faults)):
                return
        except Unavailable:
            return  # a world that never comes to rest is a violation as well
    pytest.fail(f"{broken}: no violation found in {SEEDS * 20} seeds")


def test_transactions_put_together_while_the_binlog_is_read_again_are_caught() -> None:
    # R or a hold may begin in the midst of them. The ledger itself says so before anything is written.
    with pytest.raises(Bug, match="put together"):
        for seed in range(SEEDS):
            simulate(seed, Faults(merged_replay=True))
