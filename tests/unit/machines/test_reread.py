"""Ranges of live tables that are read again (DESIGN rule 10), by the ledger."""

from __future__ import annotations

from shared.machines.ledger import Grant, Ledger, summary
from shared.machines.ledger.chunks import ChunkState
from shared.model.chunk import REREAD, ChunkId, KeyRange
from shared.model.position import GtidSet
from tests.unit.machines.test_ledger import (
    END,
    TABLE,
    StoredState,
    change,
    claim,
    flat,
    gtids,
    held_state,
    one,
    release,
    restored,
    split,
    transaction,
)

AGAIN = ChunkId(TABLE.id, REREAD)
WHOLE = KeyRange(None, None)


def live(parallelism: int = 2) -> Ledger:
    """A table of one chunk that was read and released."""
    ledger = split(parallelism)
    claim(ledger, 0, "first")
    release(ledger, 0, "first")
    ledger.checkpoint()
    return ledger


def claim_again(ledger: Ledger, bounds: KeyRange = WHOLE, attempt: str = "again") -> Grant:
    assert ledger.ask_again(TABLE.id, bounds, attempt) is None
    ledger.checkpoint()
    (grant,) = ledger.committed()
    return grant


def test_a_live_table_is_read_again_under_a_hold() -> None:
    ledger = live()
    assert claim_again(ledger) == Grant(AGAIN, "again", WHOLE, gtids(5))
    assert transaction(ledger, 6, change(1), change(2, None)) == []
    ledger.done(AGAIN, "again", 3)
    ledger.binlog_end(END)
    assert flat(ledger.ripe(END)) == [change(1), change(2, None)]
    assert transaction(ledger, 7, change(1)) == [change(1)]


def test_only_the_keys_of_the_range_are_held() -> None:
    ledger = live()
    claim_again(ledger, KeyRange((3,), (5,)))
    assert transaction(ledger, 6, change(2), change(3), change(4), change(5)) == [change(2), change(5)]


def test_nothing_of_it_is_stored_when_it_is_over() -> None:
    ledger = live()
    before = StoredState()
    for key, value in [*ledger.checkpoint()]:
        before.fold(key, value)
    rows = ledger.tables[TABLE.id].rows
    claim_again(ledger)
    ledger.done(AGAIN, "again", 3)
    ledger.binlog_end(END)
    assert flat(ledger.ripe(END)) == []
    after = restored(ledger)
    assert held_state(after) == []
    assert (ledger.tables[TABLE.id].rows, ledger.tables[TABLE.id].released) == (rows, 1)
    assert ledger.snapshot_done


def test_its_claim_is_durable_and_a_new_leader_ends_it() -> None:
    ledger = live()
    stored = StoredState()
    assert ledger.ask_again(TABLE.id, WHOLE, "again") is None
    for key, value in [*live_records(), *ledger.checkpoint()]:
        stored.fold(key, value)
    assert [(record.chunk, record.attempt) for record in stored.open_claims()] == [(AGAIN, "again")]
    heir = Ledger(stored, 4, "server", 2, ledger._new_hold)
    assert held_state(heir) == [(AGAIN, ChunkState.DRAINING)]
    assert transaction(heir, 6, change(1)) == []
    heir.binlog_end(END)
    assert flat(heir.ripe(END)) == [change(1)]
    assert held_state(heir) == []
    assert not heir.waiting
    assert claim_again(heir, attempt="another").low == gtids(6)


def live_records() -> list[tuple[bytes, bytes | None]]:
    """What a leader has stored of the live table."""
    ledger = split()
    claim(ledger, 0, "first")
    release(ledger, 0, "first")
    return ledger.checkpoint()


def test_a_fenced_one_does_not_wait_again() -> None:
    ledger = live()
    claim_again(ledger)
    transaction(ledger, 6, change(1))
    assert flat(ledger.fenced(AGAIN, "again")) == [change(1)]
    assert held_state(ledger) == []
    assert not ledger.waiting


def test_a_table_that_is_not_live_or_not_there_is_refused() -> None:
    ledger = split()
    refusal = ledger.ask_again(TABLE.id, WHOLE, "again")
    assert refusal is not None
    assert "not done yet" in refusal.reason
    assert live().ask_again(TABLE.id._replace(table="none"), WHOLE, "again") is not None


def test_one_range_of_a_table_at_a_time_and_no_more_readers_than_the_job_may_have() -> None:
    ledger = live()
    claim_again(ledger, KeyRange(None, (3,)))
    refusal = ledger.ask_again(TABLE.id, KeyRange((3,), None), "other")
    assert refusal is not None
    assert refusal.reason == "others are reading"
    ledger.done(AGAIN, "again", 1)
    assert ledger.ask_again(TABLE.id, WHOLE, "other") is not None, "its hold is not over"
    full = live(parallelism=1)
    full.parallelism = 0
    assert full.ask_again(TABLE.id, WHOLE, "again") is not None


def test_a_whole_table_needs_no_look_at_keys() -> None:
    ledger = live()
    claim_again(ledger)
    held = ledger.held_ranges(TABLE.id)
    assert held is not None
    assert held.whole == REREAD
    ledger = live()
    claim_again(ledger, KeyRange((1,), None))
    held = ledger.held_ranges(TABLE.id)
    assert held is not None
    assert held.whole is None


def test_a_new_leader_reads_on_from_where_its_hold_began() -> None:
    ledger = live()
    stored = StoredState()
    for key, value in live_records():
        stored.fold(key, value)
    assert ledger.ask_again(TABLE.id, WHOLE, "again") is None
    for key, value in ledger.checkpoint():
        stored.fold(key, value)
    transaction(ledger, 6, change(1))
    for key, value in ledger.checkpoint():
        stored.fold(key, value)
    heir = Ledger(stored, 4, "server", 2, ledger._new_hold)
    assert heir.processed == gtids(6)
    assert heir.stream_from == GtidSet.parse(str(gtids(5)))


# Rows that vanish without a change of each.


def emptied(ledger: Ledger, number: int) -> None:
    ledger.begin(GtidSet.parse(f"{next(iter(str(gtids(1)).split(':')))}:{number}"))
    ledger.emptied(TABLE.id, whole=True)
    ledger.end()


def swept_of(ledger: Ledger) -> tuple[int, int]:
    record = ledger.tables[TABLE.id]
    return record.emptied, record.swept


def test_an_emptied_table_is_swept_once() -> None:
    ledger = live()
    assert ledger.next_to_sweep() is None
    emptied(ledger, 6)
    record = ledger.next_to_sweep()
    assert record is not None
    assert (record.table.id, record.emptied) == (TABLE.id, 1)
    assert summary([record], gtids(6), 1, {})["tables"][0]["state"] == "sweeping"
    ledger.swept(TABLE.id, 1)
    assert ledger.next_to_sweep() is None
    assert swept_of(ledger) == (1, 1)
    assert ledger.snapshot_done


def test_a_table_that_was_emptied_during_its_sweep_is_swept_again() -> None:
    ledger = live()
    emptied(ledger, 6)
    emptied(ledger, 7)
    ledger.swept(TABLE.id, 1)
    assert swept_of(ledger) == (2, 1)
    record = ledger.next_to_sweep()
    assert record is not None
    assert record.emptied == 2
    ledger.swept(TABLE.id, 2)
    for late in (1, 2, 3):
        ledger.swept(TABLE.id, late)
    assert swept_of(ledger) == (2, 2)
    ledger.swept(TABLE.id._replace(table="none"), 1)


def test_it_waits_until_the_table_is_live() -> None:
    ledger = split()
    emptied(ledger, 6)
    assert ledger.next_to_sweep() is None
    claim(ledger, 0, "first")
    release(ledger, 0, "first")
    assert ledger.next_to_sweep() is not None


def test_a_new_leader_knows_of_it_and_does_not_count_twice_what_it_reads_again() -> None:
    ledger = live()
    stored = StoredState()
    for key, value in live_records():
        stored.fold(key, value)
    assert ledger.ask_again(TABLE.id, WHOLE, "again") is None
    emptied(ledger, 6)
    for key, value in ledger.checkpoint():
        stored.fold(key, value)
    heir = Ledger(stored, 4, "server", 2, ledger._new_hold)
    assert heir.replaying
    emptied(heir, 6)
    assert swept_of(heir) == (1, 0)
    emptied(heir, 7)
    assert swept_of(heir) == (2, 0)
    heir.binlog_end(END)
    assert flat(heir.ripe(END)) == []
    assert heir.next_to_sweep() is not None


def test_what_is_held_of_an_emptied_table_is_void() -> None:
    ledger = live()
    claim_again(ledger)
    transaction(ledger, 6, change(1), change(2, None))
    emptied(ledger, 7)
    assert ledger.next_to_sweep() is None, "what is held may be written yet"
    transaction(ledger, 8, change(3))
    ledger.done(AGAIN, "again", 3)
    ledger.binlog_end(END)
    assert flat(ledger.ripe(END)) == [change(1, None), change(2, None), change(3)]
    assert ledger.next_to_sweep() is not None


def test_what_is_held_of_a_table_that_lost_some_rows_stays() -> None:
    ledger = live()
    claim_again(ledger)
    transaction(ledger, 6, change(1))
    ledger.begin(one(7))
    ledger.emptied(TABLE.id, whole=False)
    ledger.end()
    ledger.done(AGAIN, "again", 3)
    ledger.binlog_end(END)
    assert flat(ledger.ripe(END)) == [change(1)]
