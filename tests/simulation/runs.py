"""Runs worlds until they are at rest."""

from __future__ import annotations

from dataclasses import replace

from shared.errors import Unavailable
from shared.machines.ledger import Ledger
from tests.simulation.faults import Faults
from tests.simulation.world import World


def simulate(seed: int, faults: Faults, ticks: int = 1500) -> World:
    """Runs a world: first with writes and faults, then in peace until everything has arrived."""
    world = World(seed, faults)
    run(world, ticks)
    return world


def run(world: World, ticks: int = 1500) -> None:
    """The same for a world that is there already.

    Raises:
        Unavailable: it never comes to rest.
    """
    world.run(ticks)
    world.writing = False
    world.faults = replace(
        world.faults, crash=0, lose=0, double=0, lose_commit=0, rival=0, fence=0.3, log=0.4, stream=0.4, doze=0
    )
    for _ in range(200):
        world.run(150)
        world.settle()
        if arrived(world):
            return
    raise Unavailable(f"seed {world.seed}: the world did not come to rest")


def arrived(world: World) -> bool:
    # A superseded leader that has nothing to write does not notice; in the real world its lease ends it.
    leaders = [world.leaders.get(actor.name) for actor in world.actors]
    if world.kafka.open or any(not actor.name.startswith("leader") for actor in world.actors):
        return False
    end = world.mysql.binlog_end()
    made = world.mysql.rows.keys()
    return any(x and x.reached == end and at_rest(x.ledger) and x.ledger.tables.keys() == made for x in leaders)


def at_rest(ledger: Ledger) -> bool:
    """All is copied, nothing waits for a commit, nothing is held, and no topic must be swept."""
    return (
        ledger.snapshot_done and not ledger.moved and not any(ledger.held_chunks()) and ledger.next_to_sweep() is None
    )
