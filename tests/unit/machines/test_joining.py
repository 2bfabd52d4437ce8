"""A table that joins a job that runs: what came before it joined is left to its readers, in whatever state the table is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.machines.ledger import ChunkRecord, Ledger, MemoryHold
from shared.model.chunk import ChunkId, KeyRange
from tests.unit.machines.test_ledger import (
    END,
    OTHER,
    TABLE,
    absorbed,
    change,
    claim,
    gtids,
    one,
    state,
    table_record,
    transaction,
)

#: The job is at transaction 5, the table joined when the server was at 8.
JOINED = table_record(since=gtids(8))


def joined(processed: int = 5) -> Ledger:
    live = table_record(OTHER, split_done=True, chunks=1, released=1)
    return Ledger(state(processed, [JOINED, live]), 4, "server", 2, MemoryHold)


def test_what_came_before_is_not_taken_from_the_stream() -> None:
    ledger = joined()
    assert ledger.split(TABLE.id, None, [], finished=True)
    assert transaction(ledger, 6, change(1)) == []
    assert transaction(ledger, 7, change(1), table=OTHER) == [change(1)], "other tables go on"
    claim(ledger, 0)
    assert transaction(ledger, 8, change(1)) == []
    assert ledger.held_events() == 0
    assert transaction(ledger, 9, change(1)) == []
    assert ledger.held_events() == 1, "what comes behind is held like any other"


def test_its_readers_wait_for_all_that_it_joined_behind() -> None:
    ledger = joined()
    assert ledger.split(TABLE.id, None, [], finished=True)
    assert claim(ledger, 0).low == gtids(8)
    ledger = joined(processed=9)
    assert ledger.split(TABLE.id, None, [], finished=True)
    assert claim(ledger, 0).low == gtids(9)


def test_transactions_come_one_by_one_until_the_stream_is_past_it() -> None:
    ledger = joined()
    seen = []
    for number in (6, 7, 8):
        assert ledger.singly
        ledger.begin(one(number))
        seen.append((ledger.predates(TABLE.id), ledger.predates(OTHER.id)))
        ledger.end()
    assert seen == [(True, False)] * 3
    assert not ledger.singly
    ledger.begin(gtids(10).minus(gtids(8)))
    assert not ledger.predates(TABLE.id)
    assert absorbed(ledger, change(1)) == [change(1)]


@pytest.mark.parametrize("processed", [8, 12])
def test_a_takeover_behind_it_forgets_it(processed: int) -> None:
    ledger = joined(processed)
    assert not ledger.singly
    assert transaction(ledger, processed + 1, change(1)) == [change(1)]


def test_a_takeover_that_reads_again_what_it_joined_behind_leaves_that_to_its_readers() -> None:
    """R is past what the table joined behind, but the hold of its chunk began before that."""
    claim = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, None), "a", gtids(5))
    joined = replace(JOINED, split_done=True, chunks=1)
    ledger = Ledger(state(9, [joined], [claim]), 4, "server", 2, MemoryHold)
    assert ledger.stream_from == gtids(5)
    for number in (6, 7, 8, 9):
        assert ledger.singly
        assert transaction(ledger, number, change(number)) == []
    # An older table of that name had row 8; whoever reads the chunk knows better.
    assert ledger.held_events() == 1, "only what came behind is held"
    assert not ledger.singly


def test_what_is_held_of_a_table_that_another_takes_the_place_of_goes_nowhere() -> None:
    ledger = Ledger(state(5, [table_record()]), 4, "server", 2, MemoryHold)
    assert ledger.split(TABLE.id, None, [], finished=True)
    claim(ledger, 0)
    assert transaction(ledger, 6, change(1)) == []
    ledger.done(ChunkId(TABLE.id, 0), "a", 1)
    ledger.binlog_end(END)
    ledger.begin(one(7))
    ledger.columns.stale(TABLE.id)  # the reader has seen what this statement did
    ledger.end()
    assert list(ledger.ripe(END)) == []
    assert not ledger.snapshot_done
