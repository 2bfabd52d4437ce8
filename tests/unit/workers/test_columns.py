"""Columns that come while a table is followed: what each statement did is told by itself, not by what the catalog shows later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import SchemaChanged
from shared.machines.ledger import PositionRecord, StoredState, TableRecord
from shared.model.position import GtidSet
from shared.model.schema import Column, Table
from tests.unit.workers.test_leader import LIVE, UUID, World, live_leader, statement, transaction, unread
from workers.binlog.leader import Leader

MORE = Column("more", "int", "int")
GROWN = replace(LIVE, columns=(*LIVE.columns, MORE))
ADD = "ALTER TABLE live ADD COLUMN more INT"


def stepped(sql: str, shown: Table, executed: str, **policy: object) -> Leader:
    made = live_leader(World([statement("6", sql)], present={LIVE.id: shown}, executed=f"{UUID}:{executed}"), **policy)
    made.step(0.0)
    return made


def test_a_column_of_nulls_is_followed_without_a_copy() -> None:
    made = stepped(ADD, GROWN, "1-6")
    record = made.ledger.tables[LIVE.id]
    assert made.reopen.startswith("The columns or keys of d.live changed")
    assert (record.stale, record.live, record.version, record.described) == (False, True, 2, None)
    assert record.table.columns[1] == replace(MORE, added=True)
    assert record.table.as_in_catalog == GROWN


@pytest.mark.parametrize(
    ("sql", "shown", "policy"),
    [
        ("ALTER TABLE live ADD COLUMN more INT DEFAULT 5", GROWN, {}),
        (ADD, LIVE, {}),  # it was dropped again
        (ADD, GROWN, {"adds": lambda _: False}),
    ],
)
def test_any_other_is_copied(sql: str, shown: Table, policy: dict) -> None:
    # What the catalog shows is as of a later statement.
    made = stepped(sql, shown, "1-9", **policy)
    if shown is LIVE:
        assert made.ledger.tables[LIVE.id].described == GtidSet.parse(f"{UUID}:1-9")
        assert not made.reopen, "it is as before, unless another statement says otherwise"
    else:
        assert made.ledger.tables[LIVE.id].stale


def test_one_of_many_that_share_a_topic_is_copied() -> None:
    record = TableRecord(LIVE, "topic.live", 1, 1, 1, None, split_done=True, released=1, shard_key="of")
    state = StoredState(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {LIVE.id: record})
    made = live_leader(World([statement("6", ADD)], present={LIVE.id: GROWN}), state=state)
    made.step(0.0)
    assert made.ledger.tables[LIVE.id].stale


def test_one_that_must_not_change_stops_the_job() -> None:
    with pytest.raises(SchemaChanged):
        stepped(ADD, GROWN, "1-6", follow=False)


def test_a_table_that_is_being_read_is_copied() -> None:
    record = TableRecord(LIVE, "topic.live", 1, 1, 1, None, split_done=True, released=1, emptied=1)
    state = StoredState(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {LIVE.id: record})
    made = live_leader(World([statement("6", ADD)], present={LIVE.id: GROWN}), state=state)
    assert not made.ledger.columns.at_rest(LIVE.id), "it must be swept"
    made.step(0.0)
    assert made.ledger.tables[LIVE.id].stale


def test_what_leaves_columns_as_they_are_asks_nobody() -> None:
    made = live_leader(World([statement("6", "ALTER TABLE live ADD INDEX (id)")]))  # the catalog would raise KeyError
    made.step(0.0)
    assert not made.reopen
    assert made.ledger.processed == GtidSet.parse(f"{UUID}:1-6")


def test_statements_that_undo_one_another_before_the_look() -> None:
    """Both show the same in the catalog; the rows in between were of another table."""
    swap, back = "ALTER TABLE live MODIFY a INT AFTER b", "ALTER TABLE live MODIFY a INT FIRST"
    world = World([statement("6", swap)], present={LIVE.id: LIVE}, executed=f"{UUID}:1-8")
    made = live_leader(world)
    made.step(0.0)
    assert not made.reopen
    assert made.ledger.tables[LIVE.id].described == GtidSet.parse(f"{UUID}:1-8")
    world.batches.append(statement("8", back))
    made.step(0.1)
    assert made.reopen
    assert made.ledger.tables[LIVE.id].stale

    world = World([statement("6", swap)], present={LIVE.id: LIVE}, executed=f"{UUID}:1-6")
    made = live_leader(world)
    made.step(0.0)
    assert made.ledger.tables[LIVE.id].described is None, "nothing was executed behind it"
    world.batches.append(statement("8", back))
    world.executed = f"{UUID}:1-8"
    made.step(0.1)
    assert not made.reopen


def test_rows_of_the_time_before_the_look_that_do_not_fit_have_the_table_copied() -> None:
    made = stepped(ADD, GROWN, "1-9")
    record = made.ledger.tables[LIVE.id]
    assert record.described == GtidSet.parse(f"{UUID}:1-9")
    begin, end = transaction("7")
    state = StoredState(PositionRecord(made.ledger.processed, 1, "server"), {LIVE.id: record})
    world = World([[begin, unread(LIVE), end]], present={LIVE.id: GROWN})
    made = live_leader(world, state=state)
    made.step(0.0)
    assert made.ledger.tables[LIVE.id].stale


@pytest.mark.parametrize("same", [True, False])
def test_what_statements_said_is_compared_with_the_catalog(same: bool) -> None:
    table = replace(LIVE, columns=(*LIVE.columns, replace(MORE, added=True)))
    seen = GtidSet.parse(f"{UUID}:1-9")
    record = TableRecord(table, "topic.live", 1, 1, 1, None, split_done=True, released=1, described=seen)
    state = StoredState(PositionRecord(GtidSet.parse(f"{UUID}:1-5"), 1, "server"), {LIVE.id: record})
    shown = GROWN if same else replace(GROWN, columns=GROWN.columns[::-1])
    world = World(present={LIVE.id: shown}, executed=f"{UUID}:1-10")
    made = live_leader(world, state=state)
    made.step(0.0)
    assert not made.reopen, "statements may be on their way"
    world.batches.append(transaction("6-10"))
    made.step(0.1)
    assert bool(made.reopen) is not same
    assert made.ledger.tables[LIVE.id].stale is not same
    assert made.ledger.tables[LIVE.id].described == (None if same else seen)


def test_transactions_that_come_in_another_order_than_they_were_executed_in() -> None:
    """Of what the look may have shown some has yet to come, so rows that come meanwhile may be older than the look."""
    seen = GtidSet.parse(f"{UUID}:1-6:8-9")
    begin, end = transaction("7")
    world = World([[begin, unread(LIVE), end]], present={LIVE.id: LIVE})
    made = live_leader(world, described=seen)
    made.step(0.0)
    assert made.ledger.tables[LIVE.id].stale
