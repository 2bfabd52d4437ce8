"""A decision costs the same in a ledger of any size. Work is counted, in calls, rather than timed, where that can be."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from itertools import islice

import pytest

from shared.machines.ledger import (
    ChunkRecord,
    Ledger,
    MemoryHold,
    PositionRecord,
    StoredState,
    TableRecord,
)
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Column, Table, TableId
from tests.unit.machines.counting import calls

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
END = Coordinates("binlog.000001", 500)
PARALLELISM = 4
#: Chunks, tables without chunks.
SMALL, LARGE = (1_000, 10), (1_000_000, 5_000)


def table(name: str) -> Table:
    return Table(TableId("d", name), (Column("id", "bigint", "bigint", nullable=False),), ("id",))


BIG = table("big").id


def ledger_of(chunks: int, tables: int) -> Ledger:
    """One table of many chunks that wait, and many tables that are still to be split."""
    records = [TableRecord(table("big"), "big", chunks, 1, chunks=chunks, split_done=True)]
    records += [TableRecord(table(f"t{number}"), "t", 100, 1) for number in range(tables)]
    state = StoredState(
        PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {record.table.id: record for record in records}
    )
    for number in range(chunks):
        bounds = KeyRange((number,) if number else None, (number + 1,) if number + 1 < chunks else None)
        chunk = ChunkRecord(ChunkId(BIG, number), bounds)
        state.chunks[chunk.chunk] = chunk
    return Ledger(state, 2, "server", PARALLELISM, MemoryHold)


def every_decision(ledger: Ledger, number: int) -> None:
    """The life of a chunk, a revoked attempt, a piece of splitting, transactions."""
    chunk, other = ChunkId(BIG, number), ChunkId(BIG, number + 1)
    assert ledger.ask(chunk, "a") is None
    assert ledger.ask(other, "b") is None
    assert ledger.ask(chunk, "c") is not None
    ledger.checkpoint()
    assert len(ledger.committed()) == 2
    list(ledger.fenced(other, "b"))
    for gtid in (6 + 2 * number, 7 + 2 * number):
        ledger.begin(GtidSet.parse(f"{UUID}:{gtid}"))
        held = ledger.held_ranges(BIG)
        assert held is not None
        ledger.absorb(BIG, [(b"key", b"value")] * 3, held.places([(number,), (number + 1,), (-1,)]))
        ledger.end()
    ledger.done(chunk, "a", 1)
    assert ledger.wants_binlog_end
    ledger.binlog_end(END)
    list(ledger.ripe(END))
    splitting = ledger.next_to_split()
    assert splitting is not None
    assert ledger.split(splitting, None, [(1,)], finished=True)
    first(ledger)
    ledger.checkpoint()


def test_decisions_look_at_what_they_concern_only() -> None:
    costs = []
    for size in (SMALL, LARGE):
        ledger = ledger_of(*size)
        every_decision(ledger, 0)
        # Somewhere in the middle, so that nothing depends on the place.
        costs.append(calls(lambda ledger=ledger, number=size[0] // 2: every_decision(ledger, number)))
    # Finding a key among the held ranges may take a step more, and lists of chunks may grow; no loop may.
    assert costs[0] == costs[1]


def test_many_held_ranges_cost_a_change_nothing() -> None:
    """The number of calls per change is that of one look-up."""
    costs = []
    for claimed in (1, PARALLELISM):
        ledger = ledger_of(*SMALL)
        for number in range(claimed):
            assert ledger.ask(ChunkId(BIG, number), str(number)) is None
        ledger.checkpoint()
        held = ledger.held_ranges(BIG)
        assert held is not None
        keys = [(number % claimed,) for number in range(100)]
        costs.append(calls(lambda held=held, keys=keys: held.places(keys)))
    assert costs[0] == costs[1]


def test_changes_of_a_table_that_nobody_reads_are_not_looked_at() -> None:
    ledger = ledger_of(*SMALL)
    ledger.begin(GtidSet.parse(f"{UUID}:6"))
    costs = {calls(lambda n=n: ledger.absorb(BIG, [(b"key", b"value")] * n, None)) for n in (1, 100_000)}
    assert len(costs) == 1


def test_the_first_waiting_chunks_are_found_at_once_when_many_before_them_are_gone() -> None:
    # A plain dict keeps a gap for each that was taken out, and walks over all of them. No call shows it.
    ledger = ledger_of(20_001, 0)
    fresh = quickest(lambda: first(ledger))
    for number in range(20_000 - 10):
        assert ledger.ask(ChunkId(BIG, number), "a") is None
        ledger.done(ChunkId(BIG, number), "a", 1)
        ledger.binlog_end(END)
        list(ledger.ripe(END))
    assert first(ledger) == [ChunkId(BIG, number) for number in range(19_990, 19_996)]
    assert quickest(lambda: first(ledger)) < 10 * fresh


def first(ledger: Ledger) -> list[ChunkId]:
    return list(islice(ledger.waiting, 6))


def quickest(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=1, repeat=300))


@pytest.mark.parametrize("chunks", [1_000, 4_000])
def test_a_table_that_becomes_live_drops_its_records_in_one_walk(chunks: int) -> None:
    ledger = ledger_of(chunks, 0)
    for number in range(chunks - 1):
        release(ledger, number)
    ledger.checkpoint()
    # One record dropped costs a handful of calls, however many there are.
    assert calls(lambda: release(ledger, chunks - 1)) < 10 * chunks
    assert len(ledger.checkpoint()) == chunks + 3  # and a done-mark, the table, the position


def release(ledger: Ledger, number: int) -> None:
    assert ledger.ask(ChunkId(BIG, number), "a") is None
    ledger.done(ChunkId(BIG, number), "a", 1)
    ledger.binlog_end(END)
    list(ledger.ripe(END))
