"""The laws of the ledger, one by one. The protocol as a whole is the simulation's subject."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Bug
from shared.machines.ledger import (
    SMALL_TABLE_ROWS,
    Batch,
    ChunkRecord,
    DoneMark,
    Grant,
    HeldRange,
    HeldRanges,
    Ledger,
    MemoryHold,
    PositionRecord,
    Refusal,
    StoredState,
    TableRecord,
    decode_record,
    encode_record,
    summary,
)
from shared.machines.ledger.chunks import ChunkState
from shared.model.change import Change, ChunkKey
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import Column, Table, TableId
from workers.binlog.takeover import first_records, records_of

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
TABLE = Table(TableId("d", "t"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
OTHER = Table(TableId("d", "u"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
END = Coordinates("binlog.000001", 500)
COPIED = "copied already, or unknown"


def gtids(last: int) -> GtidSet:
    return GtidSet.parse(f"{UUID}:1-{last}") if last else GtidSet({})


def table_record(table: Table = TABLE, **fields: object) -> TableRecord:
    return TableRecord(table, f"topic.{table.id.table}", 100, 10, **fields)  # type: ignore[arg-type]


def state(processed: int = 5, records: Iterable[TableRecord] = (), chunks: Iterable[ChunkRecord] = ()) -> StoredState:
    return StoredState(
        PositionRecord(gtids(processed), 3, "server"),
        {record.table.id: record for record in records},
        {record.chunk: record for record in chunks},
    )


def fresh(parallelism: int = 2, tables: Iterable[Table] = (TABLE,)) -> Ledger:
    """A job that nobody has led yet, at transaction 5, with its tables not yet split."""
    records = [table_record(table) for table in tables]
    return Ledger(state(records=records), 1, "server", parallelism, MemoryHold)


def split(parallelism: int = 2, *bounds: int) -> Ledger:
    """The same, split at these bounds."""
    ledger = fresh(parallelism)
    assert ledger.split(TABLE.id, None, [(bound,) for bound in bounds], finished=True)
    return ledger


def one(number: int) -> GtidSet:
    return GtidSet.parse(f"{UUID}:{number}")


def change(key: int, value: str | None = "v") -> Change:
    return b'{"id":%d}' % key, None if value is None else value.encode()


def key_of(made: Change) -> ChunkKey:
    return (int(made[0][6:-1]),)


def absorbed(ledger: Ledger, *changes: Change, table: Table = TABLE) -> list[Change]:
    """As the leader does it: places only for tables of which a range is held."""
    held = ledger.held_ranges(table.id)
    return list(ledger.absorb(table.id, changes, None if held is None else held.places(map(key_of, changes))))


def transaction(ledger: Ledger, number: int, *changes: Change, table: Table = TABLE) -> list[Change]:
    """Runs one MySQL transaction through the ledger and returns what is to be written at once."""
    ledger.begin(one(number))
    written = absorbed(ledger, *changes, table=table) if changes else []
    ledger.end()
    return written


def flat(batches: Iterable[Batch]) -> list[Change]:
    """The changes of the table that all batches are of."""
    found = list(batches)
    assert {table for table, _ in found} <= {TABLE.id}
    return [made for _, changes in found for made in changes]


def claim(ledger: Ledger, number: int, attempt: str = "a") -> Grant:
    """Asks for a chunk, commits, and returns the grant."""
    assert ledger.ask(ChunkId(TABLE.id, number), attempt) is None
    ledger.checkpoint()
    (grant,) = ledger.committed()
    return grant


def release(ledger: Ledger, number: int, attempt: str = "a", rows: int = 7) -> list[Change]:
    """Takes a claimed chunk through its done-mark to the end of its hold."""
    ledger.done(ChunkId(TABLE.id, number), attempt, rows)
    ledger.binlog_end(END)
    return flat(ledger.ripe(END))


def restored(ledger: Ledger, before: StoredState | None = None, epoch: int = 4) -> Ledger:
    """What a new leader makes of all that this one has stored (and of a given earlier state)."""
    stored = before or StoredState()
    for key, value in ledger.checkpoint():
        stored.fold(key, value)
    return Ledger(stored, epoch, "server", ledger.parallelism, MemoryHold)


def held_state(ledger: Ledger) -> list[tuple[ChunkId, ChunkState]]:
    return [(chunk.id, chunk.state) for chunk in ledger.held_chunks()]


# The stream.


def test_changes_of_chunks_that_nobody_reads_are_written_at_once() -> None:
    ledger = split(2, 10)
    assert transaction(ledger, 6, change(1), change(50, None)) == [change(1), change(50, None)]


def test_changes_of_a_claimed_chunk_are_held_and_others_are_written() -> None:
    ledger = split(2, 10)
    claim(ledger, 0)
    assert transaction(ledger, 6, change(1), change(10), change(9)) == [change(10)]
    assert ledger.held_events() == 2


def test_a_table_is_held_by_its_own_chunks_only() -> None:
    ledger = fresh(tables=(TABLE, OTHER))
    ledger.split(TABLE.id, None, [], finished=True)
    claim(ledger, 0)
    assert transaction(ledger, 6, change(1), table=OTHER) == [change(1)]


def test_the_position_grows_by_whole_transactions() -> None:
    ledger = split()
    ledger.begin(one(6))
    assert ledger.processed == gtids(5)
    ledger.end()
    assert ledger.processed == gtids(6)


def test_the_caller_may_say_where_a_key_lies() -> None:
    # The server orders character keys; to Python, 1 would lie in chunk 0.
    ledger = split(2, 10)
    claim(ledger, 1)
    ledger.begin(one(6))
    assert ledger.absorb(TABLE.id, [change(1), change(2)], [1, None]) == [change(2)]
    ledger.end()
    assert ledger.held_events() == 1


def test_held_ranges_name_the_chunks_that_hold_events() -> None:
    ledger = split(2, 10)
    assert ledger.held_ranges(TABLE.id) is None
    claim(ledger, 1)
    assert ranges_of(ledger) == [HeldRange(1, KeyRange((10,), None))]
    claim(ledger, 0, "b")
    assert ranges_of(ledger) == [HeldRange(0, KeyRange(None, (10,))), HeldRange(1, KeyRange((10,), None))]
    release(ledger, 1)
    assert ranges_of(ledger) == [HeldRange(0, KeyRange(None, (10,)))]
    release(ledger, 0, "b")
    assert ledger.held_ranges(TABLE.id) is None
    assert ledger.held_ranges(OTHER.id) is None


def ranges_of(ledger: Ledger) -> list[HeldRange]:
    held = ledger.held_ranges(TABLE.id)
    assert held is not None
    return held.ranges


key_lists = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=12)


@given(key_lists, st.lists(st.booleans(), min_size=13, max_size=13), st.randoms(), key_lists)
def test_a_key_lies_in_the_one_range_that_holds_it(
    bounds: list[ChunkKey], held: list[bool], order: Random, keys: list[ChunkKey]
) -> None:
    ends = [None, *sorted(set(bounds)), None]
    ranges = [HeldRange(number, KeyRange(*pair)) for number, pair in enumerate(pairwise(ends)) if held[number]]
    order.shuffle(ranges)
    found = HeldRanges(ranges).places([*keys, *bounds])
    assert found == [next((one.number for one in ranges if one.range.holds(key)), None) for key in [*keys, *bounds]]


def test_a_table_that_cannot_be_cut_is_one_range_of_keys_without_parts() -> None:
    assert HeldRanges([HeldRange(0, KeyRange(None, None))]).places([()]) == [0]


def test_changes_without_places_are_returned_as_they_came() -> None:
    ledger = split()
    ledger.begin(one(6))
    changes = [change(1), change(2)]
    assert ledger.absorb(TABLE.id, changes, None) is changes


def test_places_are_never_forgotten() -> None:
    ledger = split(2, 10)
    claim(ledger, 0)
    ledger.begin(one(6))
    with pytest.raises(Bug, match="places"):
        ledger.absorb(TABLE.id, [change(1)], None)
    with pytest.raises(ValueError, match="zip"):
        ledger.absorb(TABLE.id, [change(1)], [])


# Transactions that were put together.


def test_merged_transactions_count_as_one() -> None:
    ledger = split(2, 10)
    claim(ledger, 0)
    ledger.begin(GtidSet.parse(f"{UUID}:6-8,{UUID}:tag:1"))
    assert absorbed(ledger, change(1), change(10)) == [change(10)]
    ledger.end()
    assert ledger.processed == gtids(8).union(GtidSet.parse(f"{UUID}:tag:1"))
    assert ledger.held_events() == 1


def test_a_ledger_replays_until_it_has_seen_all_that_was_processed_before() -> None:
    ledger = Ledger(stored_claim(done=True), 4, "server", 2, MemoryHold)
    for number in (6, 7, 8):
        assert ledger.replaying
        ledger.begin(one(number))
        assert ledger.replaying
        ledger.end()
    assert not ledger.replaying
    assert ledger.processed == gtids(8)
    assert not fresh().replaying


@pytest.mark.parametrize("merged", ["5-6", "8-9", "6-7:9"])
def test_merged_transactions_must_be_all_new_or_all_old(merged: str) -> None:
    ledger = Ledger(stored_claim(done=True), 4, "server", 2, MemoryHold)
    some_new = "9" in merged
    with pytest.raises(Bug, match="only some of them are new" if some_new else "began between them"):
        ledger.begin(GtidSet.parse(f"{UUID}:{merged}"))
    assert not ledger.in_transaction


# Splitting.


def test_chunks_cover_all_keys_and_their_ends_are_open() -> None:
    ledger = fresh(parallelism=9)
    assert ledger.split(TABLE.id, None, [(10,), (20,)], finished=False)
    assert list(ledger.waiting) == [ChunkId(TABLE.id, 0), ChunkId(TABLE.id, 1)]
    assert ledger.split(TABLE.id, (20,), [(30,)], finished=False)
    assert ledger.split(TABLE.id, (30,), [], finished=True)
    ranges = [claim(ledger, number, f"a{number}").range for number in range(4)]
    assert ranges == [
        KeyRange(None, (10,)),
        KeyRange((10,), (20,)),
        KeyRange((20,), (30,)),
        KeyRange((30,), None),
    ]


def test_a_table_without_bounds_is_one_chunk() -> None:
    ledger = split()
    assert claim(ledger, 0).range == KeyRange(None, None)


@pytest.mark.parametrize("after", [None, (10,), (30,)])
def test_a_late_or_doubled_splitting_is_dropped(after: tuple[int] | None) -> None:
    ledger = fresh()
    ledger.split(TABLE.id, None, [(10,), (20,)], finished=False)
    before = list(ledger.waiting)
    assert not ledger.split(TABLE.id, after, [(40,)], finished=True)
    assert list(ledger.waiting) == before


def test_nothing_is_split_twice_or_unasked() -> None:
    ledger = split(2, 10)
    assert not ledger.split(TABLE.id, (10,), [(20,)], finished=True)
    assert not ledger.split(OTHER.id, None, [(20,)], finished=True)


def test_tables_to_split_come_in_their_order_until_they_are_done() -> None:
    ledger = fresh(tables=(TABLE, OTHER))
    assert ledger.next_to_split() == TABLE.id
    ledger.split(TABLE.id, None, [(10,)], finished=False)
    assert ledger.next_to_split() == TABLE.id
    ledger.split(TABLE.id, (10,), [], finished=True)
    assert ledger.next_to_split() == OTHER.id
    ledger.split(OTHER.id, None, [], finished=True)
    assert ledger.next_to_split() is None


def test_chunks_can_be_read_before_splitting_ends() -> None:
    ledger = fresh()
    ledger.split(TABLE.id, None, [(10,)], finished=False)
    assert claim(ledger, 0).range == KeyRange(None, (10,))


# Admission.


def test_a_grant_leaves_only_after_the_commit_and_names_what_was_processed() -> None:
    ledger = split()
    transaction(ledger, 6)
    assert ledger.ask(ChunkId(TABLE.id, 0), "a") is None
    assert ledger.urgent
    ledger.checkpoint()
    assert ledger.committed() == [Grant(ChunkId(TABLE.id, 0), "a", KeyRange(None, None), gtids(6))]
    assert not ledger.urgent
    assert ledger.committed() == []


def test_the_claim_is_durable_with_that_commit() -> None:
    ledger = split()
    ledger.ask(ChunkId(TABLE.id, 0), "a")
    stored = StoredState()
    for key, value in ledger.checkpoint():
        stored.fold(key, value)
    assert stored.open_claims() == [ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, None), "a", gtids(5))]


def test_a_chunk_is_granted_to_one_attempt_at_a_time() -> None:
    ledger = split()
    claim(ledger, 0)
    chunk = ChunkId(TABLE.id, 0)
    assert ledger.ask(chunk, "b") == Refusal(chunk, "b", "another attempt reads it")
    ledger.done(chunk, "a", 1)
    assert ledger.ask(chunk, "b") == Refusal(chunk, "b", "another attempt has read it")
    release(ledger, 0)
    assert ledger.ask(chunk, "b") == Refusal(chunk, "b", COPIED)


def test_a_chunk_that_does_not_exist_is_refused() -> None:
    chunk = ChunkId(TABLE.id, 99)
    assert split().ask(chunk, "a") == Refusal(chunk, "a", COPIED)


def test_parallelism_counts_the_chunks_that_are_being_read() -> None:
    ledger = split(2, 10, 20, 30)
    claim(ledger, 0, "a")
    claim(ledger, 1, "b")
    chunk = ChunkId(TABLE.id, 2)
    assert ledger.ask(chunk, "c") == Refusal(chunk, "c", "parallelism reached")
    ledger.done(ChunkId(TABLE.id, 0), "a", 1)  # read, though still held
    assert ledger.claimed == 1
    assert ledger.ask(chunk, "c") is None


def test_an_attempt_may_read_several_chunks_and_counts_once() -> None:
    ledger = split(2, 10, 20, 30)
    assert [ledger.ask(ChunkId(TABLE.id, number), "a") for number in (0, 1)] == [None, None]
    assert ledger.claimed == 1
    assert ledger.ask(ChunkId(TABLE.id, 2), "b") is None
    assert ledger.ask(ChunkId(TABLE.id, 3), "c") == Refusal(ChunkId(TABLE.id, 3), "c", "parallelism reached")
    assert ledger.ask(ChunkId(TABLE.id, 3), "b") is None
    ledger.checkpoint()
    assert [(grant.chunk.number, grant.attempt) for grant in ledger.committed()] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
        (3, "b"),
    ]


def test_a_fence_gives_back_all_chunks_of_an_attempt_one_by_one() -> None:
    ledger = split(2, 10, 20)
    for number in (0, 1):
        ledger.ask(ChunkId(TABLE.id, number), "a")
    list(ledger.fenced(ChunkId(TABLE.id, 1), "a"))
    assert list(ledger.waiting) == [ChunkId(TABLE.id, 2), ChunkId(TABLE.id, 1)]
    assert ledger.claims() == [(ChunkId(TABLE.id, 0), "a")]


def test_a_small_table_that_came_back_is_read_alone() -> None:
    ledger = Ledger(state(5, [table_record()]), 4, "server", 2, MemoryHold)
    ledger.split(TABLE.id, None, [], finished=True)
    chunk = ChunkId(TABLE.id, 0)
    assert ledger.small(chunk) == 100
    ledger.ask(chunk, "a")
    list(ledger.fenced(chunk, "a"))
    assert ledger.small(chunk) is None


def test_a_whole_table_of_few_rows_is_small() -> None:
    records = [
        replace(table_record(), chunks=1, split_done=True),
        replace(table_record(OTHER), chunks=1, split_done=True, rows_estimate=SMALL_TABLE_ROWS + 1),
    ]
    ledger = Ledger(state(5, records), 4, "server", 2, MemoryHold)
    assert [ledger.small(ChunkId(table.id, 0)) for table in (TABLE, OTHER)] == [100, None]
    for unfinished in ({"chunks": 2}, {"split_done": False}):
        ledger = Ledger(state(5, [replace(records[0], **unfinished)]), 4, "server", 2, MemoryHold)
        assert ledger.small(ChunkId(TABLE.id, 0)) is None


# Release.


def test_a_chunk_is_held_until_the_stream_reaches_the_end_as_asked_after_the_done_mark() -> None:
    ledger = split()
    claim(ledger, 0)
    transaction(ledger, 6, change(1))
    assert not ledger.wants_binlog_end
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    assert ledger.wants_binlog_end
    ledger.binlog_end(END)
    assert not ledger.wants_binlog_end
    assert list(ledger.ripe(Coordinates(END.file, END.offset - 1))) == []
    assert transaction(ledger, 7, change(2)) == []
    assert list(ledger.ripe(END)) == [(TABLE.id, [change(1), change(2)])]
    assert transaction(ledger, 8, change(1)) == [change(1)]


def test_only_the_last_event_of_a_key_goes_out() -> None:
    ledger = split()
    claim(ledger, 0)
    transaction(ledger, 6, change(1, "old"), change(2, "kept"), change(1, "new"))
    transaction(ledger, 7, change(2, None))
    assert set(release(ledger, 0)) == {(b'{"id":1}', b"new"), (b'{"id":2}', None)}


def test_an_end_that_was_told_is_not_moved_by_a_later_one() -> None:
    ledger = split(2, 10)
    claim(ledger, 0, "a")
    ledger.done(ChunkId(TABLE.id, 0), "a", 1)
    ledger.binlog_end(END)
    ledger.binlog_end(Coordinates(END.file, END.offset + 1000))
    list(ledger.ripe(END))
    assert held_state(ledger) == []


def test_a_done_mark_before_the_claim_is_known_changes_nothing() -> None:
    ledger = split()
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    claim(ledger, 0, "b")
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.CLAIMED)]


def test_a_done_mark_of_another_attempt_changes_nothing() -> None:
    ledger = split()
    claim(ledger, 0, "b")
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.CLAIMED)]


def test_a_done_mark_that_is_read_twice_counts_once() -> None:
    ledger = split(2, 10)
    claim(ledger, 0)
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    release(ledger, 0)
    assert (ledger.tables[TABLE.id].rows, ledger.tables[TABLE.id].released) == (7, 1)


def test_a_ledger_without_tables_has_finished_nothing() -> None:
    ledger = fresh(tables=())
    assert not ledger.snapshot_done
    assert not summary([], ledger.processed, 1, {})["snapshot_done"]


def test_a_table_is_live_when_it_is_split_and_all_chunks_are_released() -> None:
    ledger = fresh()
    ledger.split(TABLE.id, None, [(10,)], finished=False)
    claim(ledger, 0)
    release(ledger, 0)
    assert not ledger.snapshot_done
    ledger.split(TABLE.id, (10,), [], finished=True)
    claim(ledger, 1)
    assert not ledger.snapshot_done
    release(ledger, 1)
    assert ledger.snapshot_done
    assert ledger.tables[TABLE.id].rows == 14


def test_a_live_table_leaves_no_chunk_records_and_no_done_marks() -> None:
    ledger = split(2, 10)
    stored = StoredState()
    for number, attempt in enumerate("ab"):
        claim(ledger, number, attempt)
        key, value = encode_record(DoneMark(ChunkId(TABLE.id, number), attempt, 7))
        stored.fold(key, value)
        release(ledger, number, attempt)
        for record in ledger.checkpoint():
            stored.fold(*record)
    assert (stored.chunks, stored.done) == ({}, {})
    assert stored.tables[TABLE.id].live


# Revoke.


def test_a_fenced_attempt_gives_its_chunk_back_and_its_held_events_out() -> None:
    ledger = split()
    claim(ledger, 0)
    transaction(ledger, 6, change(1, "x"))
    assert list(ledger.fenced(ChunkId(TABLE.id, 0), "a")) == [(TABLE.id, [change(1, "x")])]
    assert list(ledger.waiting) == [ChunkId(TABLE.id, 0)]
    assert ledger.held_events() == 0
    assert claim(ledger, 0, "b").low == gtids(6)


def test_a_fenced_attempt_that_was_done_in_time_is_not_revoked() -> None:
    ledger = split()
    claim(ledger, 0)
    transaction(ledger, 6, change(1))
    ledger.done(ChunkId(TABLE.id, 0), "a", 7)
    assert list(ledger.fenced(ChunkId(TABLE.id, 0), "a")) == []
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.READ)]


def test_fencing_another_attempt_changes_nothing() -> None:
    ledger = split()
    claim(ledger, 0, "b")
    assert list(ledger.fenced(ChunkId(TABLE.id, 0), "a")) == []
    assert list(ledger.fenced(ChunkId(TABLE.id, 9), "a")) == []
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.CLAIMED)]


def test_a_revoked_claim_is_forgotten_in_the_records() -> None:
    ledger = split()
    stored = StoredState()
    claim(ledger, 0)
    list(ledger.fenced(ChunkId(TABLE.id, 0), "a"))
    for record in ledger.checkpoint():
        stored.fold(*record)
    assert stored.open_claims() == []
    assert stored.chunks[ChunkId(TABLE.id, 0)].attempt is None


# What a new leader makes of each state.


def test_a_waiting_chunk_waits_again() -> None:
    ledger = restored(split(2, 10))
    assert list(ledger.waiting) == [ChunkId(TABLE.id, 0), ChunkId(TABLE.id, 1)]
    assert claim(ledger, 1).range == KeyRange((10,), None)


def stored_claim(*, done: bool) -> StoredState:
    """A claim that began at 5, of a leader that got to 8."""
    stored = state(
        8,
        [table_record(chunks=1, split_done=True)],
        [ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, None), "a", gtids(5))],
    )
    if done:
        stored.done[ChunkId(TABLE.id, 0), "a"] = DoneMark(ChunkId(TABLE.id, 0), "a", 7)
    return stored


def test_a_claim_without_a_done_mark_drains_and_then_waits() -> None:
    ledger = Ledger(stored_claim(done=False), 4, "server", 2, MemoryHold)
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.DRAINING)]
    refusal = ledger.ask(ChunkId(TABLE.id, 0), "late")
    assert refusal is not None and refusal.reason.startswith("its last reader was shut out")
    assert ledger.wants_binlog_end
    ledger.binlog_end(END)
    list(ledger.ripe(END))
    assert list(ledger.waiting) == [ChunkId(TABLE.id, 0)]
    assert ledger.tables[TABLE.id].released == 0


def test_a_claim_with_a_done_mark_is_read_and_then_released() -> None:
    ledger = Ledger(stored_claim(done=True), 4, "server", 2, MemoryHold)
    assert held_state(ledger) == [(ChunkId(TABLE.id, 0), ChunkState.READ)]
    ledger.binlog_end(END)
    list(ledger.ripe(END))
    assert (ledger.tables[TABLE.id].rows, ledger.snapshot_done) == (7, True)


def test_a_released_chunk_stays_released() -> None:
    chunks = [ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, None), released=True)]
    ledger = Ledger(state(8, [table_record(chunks=2, released=1)], chunks), 4, "server", 2, MemoryHold)
    assert (list(ledger.waiting), held_state(ledger)) == ([], [])


@pytest.mark.parametrize("done", [False, True])
def test_a_takeover_reads_again_from_where_the_oldest_hold_began(done: bool) -> None:
    ledger = Ledger(stored_claim(done=done), 4, "server", 2, MemoryHold)
    assert (ledger.processed, ledger.stream_from) == (gtids(8), gtids(5))


def test_without_holds_a_takeover_goes_on_where_the_last_leader_stopped() -> None:
    ledger = Ledger(state(8, [table_record()]), 4, "server", 2, MemoryHold)
    assert ledger.stream_from == gtids(8)


def test_what_is_read_again_goes_into_the_holds_and_nowhere_else() -> None:
    stored = stored_claim(done=True)
    stored.chunks[ChunkId(TABLE.id, 1)] = ChunkRecord(ChunkId(TABLE.id, 1), KeyRange((10,), None), released=True)
    stored.chunks[ChunkId(TABLE.id, 0)] = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, (10,)), "a", gtids(5))
    ledger = Ledger(stored, 4, "server", 2, MemoryHold)
    # R covers 6 to 8: what is outside of the hold was written by the last leader.
    assert transaction(ledger, 6, change(1), change(10)) == []
    assert ledger.held_events() == 1
    assert transaction(ledger, 9, change(2), change(11)) == [change(11)]
    assert ledger.held_events() == 2


def test_an_event_older_than_the_hold_is_not_held() -> None:
    stored = stored_claim(done=True)
    stored.chunks[ChunkId(TABLE.id, 1)] = ChunkRecord(ChunkId(TABLE.id, 1), KeyRange((10,), None), "b", gtids(7))
    stored.chunks[ChunkId(TABLE.id, 0)] = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, (10,)), "a", gtids(5))
    ledger = Ledger(stored, 4, "server", 2, MemoryHold)
    # 6 is read again for chunk 0; chunk 1 was claimed at 7, when 6 had been written.
    assert transaction(ledger, 6, change(1), change(10)) == []
    assert ledger.held_events() == 1
    transaction(ledger, 8, change(11))
    assert ledger.held_events() == 2


def test_a_table_without_holds_is_not_written_again() -> None:
    stored = stored_claim(done=True)
    stored.tables[OTHER.id] = table_record(OTHER)
    ledger = Ledger(stored, 4, "server", 2, MemoryHold)
    assert transaction(ledger, 6, change(1), table=OTHER) == []
    assert transaction(ledger, 9, change(1), table=OTHER) == [change(1)]


def test_a_table_goes_on_being_split_where_its_records_stand() -> None:
    ledger = fresh()
    ledger.split(TABLE.id, None, [(10,)], finished=False)
    again = restored(ledger)
    assert again.next_to_split() == TABLE.id
    assert again.tables[TABLE.id].split_at == (10,)
    assert not again.split(TABLE.id, None, [(10,)], finished=True)
    assert again.split(TABLE.id, (10,), [], finished=True)


# Durability.


def test_a_job_that_nobody_has_led_is_stored_whole_before_its_first_tenure_stores_its_own() -> None:
    first = first_records(gtids(5), "server", [table_record()])
    stored = [decode_record(key, value) for key, value in records_of(first)]
    assert stored == [table_record(), PositionRecord(gtids(5), 0, "server")]
    records = [decode_record(key, value) for key, value in fresh().checkpoint()]
    assert records == [PositionRecord(gtids(5), 1, "server")]


def test_the_position_is_the_last_record_of_a_checkpoint() -> None:
    ledger = split(2, 10, 20)
    claim(ledger, 0)
    transaction(ledger, 6, change(15))
    release(ledger, 0)
    key, value = ledger.checkpoint()[-1]
    assert decode_record(key, value) == PositionRecord(gtids(6), 1, "server")


def test_a_checkpoint_repeats_nothing() -> None:
    ledger = split(2, 10)
    assert ledger.dirty
    assert ledger.checkpoint() != []
    assert (ledger.dirty, ledger.moved) == (False, False)
    assert ledger.checkpoint() == []


def test_a_position_that_moved_is_stored_alone() -> None:
    ledger = split()
    ledger.checkpoint()
    transaction(ledger, 6)
    assert (ledger.dirty, ledger.moved) == (False, True)
    (record,) = ledger.checkpoint()
    assert decode_record(*record) == PositionRecord(gtids(6), 1, "server")


def test_a_new_tenure_stores_its_epoch_though_nothing_moved() -> None:
    ledger = Ledger(state(8, [table_record()]), 4, "server", 2, MemoryHold)
    assert ledger.moved
    (record,) = ledger.checkpoint()
    assert decode_record(*record) == PositionRecord(gtids(8), 4, "server")


def test_a_hold_is_closed_when_its_events_are_out() -> None:
    closed = []

    class Watched(MemoryHold):
        def close(self) -> None:
            closed.append(len(self))
            super().close()

    ledger = Ledger(state(records=[table_record()]), 1, "server", 2, Watched)
    ledger.split(TABLE.id, None, [], finished=True)
    claim(ledger, 0)
    transaction(ledger, 6, change(1))
    release(ledger, 0)
    assert closed == [1]


# Laws.


def test_nothing_is_decided_inside_a_transaction() -> None:
    ledger = split(2, 10)
    claim(ledger, 0)
    chunk = ChunkId(TABLE.id, 0)
    ledger.begin(one(6))
    assert ledger.in_transaction
    for decide in (
        lambda: ledger.begin(one(7)),
        lambda: ledger.split(TABLE.id, (10,), [], finished=True),
        lambda: ledger.ask(ChunkId(TABLE.id, 1), "b"),
        lambda: ledger.done(chunk, "a", 1),
        lambda: list(ledger.fenced(chunk, "a")),
        lambda: list(ledger.ripe(END)),
        lambda: ledger.checkpoint(),
    ):
        with pytest.raises(Bug):
            decide()
    ledger.end()
    assert not ledger.in_transaction


def test_a_change_needs_a_transaction() -> None:
    with pytest.raises(Bug):
        split().absorb(TABLE.id, [change(1)])


def test_a_transaction_that_had_no_begin_has_no_end() -> None:
    with pytest.raises(Bug):
        split().end()


def test_a_claim_needs_the_place_where_its_hold_began() -> None:
    chunk = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, None), "a")
    with pytest.raises(Bug, match="began"):
        Ledger(state(8, [table_record(chunks=1)], [chunk]), 4, "server", 2, MemoryHold)


def test_a_ledger_needs_a_position() -> None:
    with pytest.raises(Bug):
        Ledger(StoredState(), 1, "server", 2, MemoryHold)


# Records.

parts = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.binary(max_size=6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
bounds = st.none() | st.lists(parts, min_size=1, max_size=3).map(tuple)
ids = st.builds(
    ChunkId, st.builds(TableId, st.text("ab`é", max_size=4), st.text("ab ", max_size=4)), st.integers(0, 99)
)
positions = st.integers(0, 50).map(gtids)
stored_records = st.one_of(
    st.builds(PositionRecord, positions, st.integers(0, 99), st.text("ab-", max_size=5)),
    st.builds(DoneMark, ids, st.text("ab.", min_size=1, max_size=5), st.integers(0, 10**9)),
    st.builds(ChunkRecord, ids, st.builds(KeyRange, bounds, bounds), released=st.booleans()),
    st.builds(ChunkRecord, ids, st.builds(KeyRange, bounds, bounds), st.text("ab.", min_size=1, max_size=5), positions),
    st.builds(
        TableRecord,
        st.just(TABLE),
        st.text("ab.", max_size=5),
        st.integers(0, 10**12),
        st.integers(1, 10**6),
        st.integers(0, 99),
        bounds,
        st.booleans(),
        st.integers(0, 99),
        st.integers(0, 10**12),
    ),
)


@settings(deadline=None)
@given(stored_records)
def test_records_survive_the_state_topic(record: PositionRecord | TableRecord | ChunkRecord | DoneMark) -> None:
    key, value = encode_record(record)
    assert repr(decode_record(key, value)) == repr(record)


def test_a_tombstone_is_no_record() -> None:
    key, _ = encode_record(DoneMark(ChunkId(TABLE.id, 0), "a", 1))
    assert decode_record(key, None) is None


def test_tombstones_forget_chunks_and_done_marks() -> None:
    stored = StoredState()
    chunk = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, (Decimal("1.50"),)))
    mark = DoneMark(ChunkId(TABLE.id, 0), "a", 1)
    for record in (chunk, mark):
        stored.fold(*encode_record(record))
    assert (list(stored.chunks.values()), list(stored.done.values())) == ([chunk], [mark])
    for record in (chunk, mark, chunk):
        stored.fold(encode_record(record)[0], None)
    assert (stored.chunks, stored.done) == ({}, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (["position"], {}),
        (["position"], {"processed": "nonsense", "epoch": 1, "server_uuid": ""}),
        (["chunk", "d", "t", 0], {"lower": None}),
        (["chunk", "d", "t", "0"], {"lower": None, "upper": None}),
        (["chunk", "d", "t", 0], {"lower": [{"d": "x"}], "upper": None}),
        (["done", "d", "t", 0], {"rows": 1}),
        (["done", "d", "t", 0, "a"], {}),
        (["table", "d", "t"], {"schema": {}}),
        (["weather"], {}),
        ("position", {}),
        (None, {}),
        (["position"], []),
    ],
)
def test_what_is_no_state_record_is_a_value_error(key: object, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_record(orjson.dumps(key), orjson.dumps(value))
