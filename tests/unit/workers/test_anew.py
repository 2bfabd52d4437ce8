"""A job that begins anew: every table like a new one, over the topics that it has, with a sweep behind."""

from __future__ import annotations

from dataclasses import replace

from shared.machines.ledger import ChunkRecord, DoneMark, FileRecord, Ledger, MemoryHold, StoredState, encode_record
from shared.model.chunk import ChunkId, KeyRange
from shared.model.position import GtidSet
from shared.model.schema import Table
from tests.unit.machines.test_ledger import OTHER, TABLE, gtids, state, table_record
from workers.binlog.anew import begin_anew, give_up, take_in

NOW = GtidSet.parse("bbbbbbbb-0000-0000-0000-000000000001:1-3")
CLAIMED = ChunkRecord(ChunkId(TABLE.id, 1), KeyRange((5,), None), "a", gtids(4))
WAITS = ChunkRecord(ChunkId(TABLE.id, 0), KeyRange(None, (5,)))
MARK = DoneMark(CLAIMED.chunk, "a", 7)


def begun() -> tuple[StoredState, StoredState]:
    """The new state, and what a later leader makes of the old records and the new ones."""
    live = table_record(OTHER, chunks=3, split_done=True, released=3, rows=50, emptied=2, swept=2)
    old = state(5, [table_record(chunks=2, split_at=(5,), released=0), live], [WAITS, CLAIMED])
    old.done[MARK.chunk, MARK.attempt] = MARK
    old.file = FileRecord("server", "binlog.000003")
    stored = StoredState()
    written = (*old.tables.values(), *old.chunks.values(), MARK, old.file)
    for record in [encode_record(each) for each in written]:
        stored.fold(*record)
    columns = replace(TABLE, columns=(*TABLE.columns, replace(TABLE.columns[0], name="more")))
    new, records = begin_anew(old, NOW, "another", {TABLE.id: table_record(columns)})
    for record in records:
        stored.fold(*record)
    return new, stored


def test_what_is_stored_is_what_goes_on() -> None:
    new, stored = begun()
    assert stored == new
    assert new.position is not None
    assert (new.position.processed, new.position.server_uuid, new.position.epoch) == (NOW, "another", 3)


def test_tables_are_copied_again_with_their_present_columns_and_swept_afterwards() -> None:
    new, _ = begun()
    ledger = Ledger(new, 4, "another", 2, MemoryHold)
    assert (ledger.processed, ledger.stream_from, dict(ledger.waiting)) == (NOW, NOW, {})
    assert list(ledger.held_chunks()) == []
    assert ledger.next_to_split() == TABLE.id
    record = ledger.tables[TABLE.id]
    assert (record.chunks, record.released, record.rows, record.emptied, record.swept) == (0, 0, 0, 1, 0)
    assert [column.name for column in schema_of(record.table)] == ["id", "more"]
    assert record.version == 2
    assert not ledger.snapshot_done


def test_a_table_that_is_gone_is_only_swept() -> None:
    new, _ = begun()
    ledger = Ledger(new, 4, "another", 2, MemoryHold)
    record = ledger.tables[OTHER.id]
    assert (record.live, record.rows, record.emptied, record.swept) == (True, 0, 3, 2)
    due = ledger.next_to_sweep()
    assert due is not None
    assert due.table.id == OTHER.id


def test_a_wish_is_done_once() -> None:
    old = state(5, [table_record()])
    new, records = begin_anew(old, NOW, "server", {}, wish=7)
    stored = StoredState()
    for record in records:
        stored.fold(*record)
    assert (new.resynced, stored.resynced) == (7, 7)
    again, records = begin_anew(new, NOW, "server", {})
    assert again.resynced == 7
    assert b'["resync"]' not in dict(records)


def schema_of(table: Table) -> list:
    return list(table.columns)


def test_a_table_that_went_while_it_was_copied_is_given_up() -> None:
    live = table_record(OTHER, chunks=3, split_done=True, released=3, rows=50)
    old = state(5, [table_record(chunks=2, split_at=(5,), released=0), live], [WAITS, CLAIMED])
    old.done[MARK.chunk, MARK.attempt] = MARK
    stored = StoredState()
    before = (*old.tables.values(), *old.chunks.values(), MARK)
    assert old.position is not None
    new, records = give_up(old, [TABLE.id], gtids(9), sweep=True)
    for record in [*map(encode_record, before), encode_record(old.position), *records]:
        stored.fold(*record)
    assert stored == new
    assert (new.position, new.tables[OTHER.id], new.chunks, new.done) == (old.position, live, {}, {})
    ledger = Ledger(new, 4, "server", 2, MemoryHold)
    assert ledger.snapshot_done
    due = ledger.next_to_sweep()
    assert due is not None
    assert due.table.id == TABLE.id
    kept, _ = give_up(old, [TABLE.id], gtids(9), sweep=False)
    assert Ledger(kept, 4, "server", 2, MemoryHold).next_to_sweep() is None


def test_a_table_that_is_copied_again_forgets_its_chunks_and_is_swept() -> None:
    old = state(5, [table_record(chunks=2, split_at=(5,), stale=True, emptied=3, swept=3)], [WAITS, CLAIMED])
    old.done[MARK.chunk, MARK.attempt] = MARK
    stored = StoredState()
    assert old.position is not None
    new, records = take_in(
        old, [replace(table_record(since=NOW), topic="by another route"), table_record(OTHER, since=NOW)]
    )
    before = (*old.tables.values(), *old.chunks.values(), MARK, old.position)
    for record in [*map(encode_record, before), *records]:
        stored.fold(*record)
    assert stored == new
    assert (new.chunks, new.done) == ({}, {})
    again, joined = new.tables[TABLE.id], new.tables[OTHER.id]
    assert (again.topic, again.chunks, again.stale, again.since) == (f"topic.{TABLE.id.table}", 0, False, NOW)
    assert again.version == 1, "its columns are the same"
    assert (again.emptied, again.swept, joined.emptied) == (4, 3, 0), "what is left of it is looked for"


def test_nothing_is_given_up_for_nothing() -> None:
    old = state(5, [table_record()])
    assert give_up(old, [], gtids(9), sweep=True) == (old, [])
