"""A server goes on where the job stands, or the job stops and names what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BinlogLost, Unavailable
from shared.model.binlog import RowChanges
from shared.model.position import Coordinates, GtidSet
from tests.unit.workers.test_leader import OTHER, World, leader, number, transaction
from workers.binlog.continuity import History, named, require

A, B = "aaaaaaaa-0000-0000-0000-00000000000a", "bbbbbbbb-0000-0000-0000-00000000000b"


def gtids(text: str = "") -> GtidSet:
    return GtidSet.parse(text.replace("A", A).replace("B", B))


def history(uuid: str, executed: str, purged: str = "", owned: str = "", coming: str | None = "") -> History:
    return History(uuid, gtids(executed), gtids(purged), gtids(owned), None if coming is None else gtids(coming))


def judged(processed: str, found: History, stream_from: str | None = None) -> None:
    require(gtids(processed), gtids(processed if stream_from is None else stream_from), A, found, "db:3306")


@pytest.mark.parametrize(
    ("processed", "found"),
    [
        ("A:1-50", history(A, "A:1-50")),
        ("A:1-50", history(A, "A:1-90", "A:1-50")),
        ("A:1-50", history(A, "A:1-49", owned="A:50")),  # in the binlog, not yet in gtid_executed
        ("A:1-50", history(B, "A:1-60,B:1-7", "A:1-20")),  # a failover, with transactions of its own
        ("A:1-50:tag:1-3", history(B, "A:1-50:tag:1-4,B:1")),
        ("", history(B, "A:1-5")),
    ],
)
def test_a_server_that_has_all_goes_on(processed: str, found: History) -> None:
    judged(processed, found)


@pytest.mark.parametrize(
    ("processed", "found", "missing"),
    [
        ("A:1-50", history(A, "A:1-49"), "1 transaction (A:50)"),
        ("A:1-50", history(A, ""), "50 transactions (A:1-50)"),
        ("A:1-50", history(B, "A:1-40,B:1-20"), "10 transactions (A:41-50)"),
        ("A:1-50,B:1-2", history(A, "A:1-50"), "2 transactions (B:1-2)"),
        ("A:1-50:tag:3", history(B, "A:1-50"), "1 transaction (A:tag:3)"),
        ("A:1-50", history(B, "A:1-40", coming="A:41-49"), "10 transactions (A:41-50)"),
    ],
)
def test_what_the_server_never_had_stops_the_job(processed: str, found: History, missing: str) -> None:
    with pytest.raises(BinlogLost) as caught:
        judged(processed, found)
    assert f"has not executed {missing.replace('A', A).replace('B', B)}" in caught.value.message
    assert (f"another server than before: {B}, not {A}" in caught.value.message) == (found.server_uuid == B)
    assert "--on-gap resync" in caught.value.hint


@pytest.mark.parametrize("coming", ["A:41-50", "A:41-90", None])
def test_a_replica_that_will_have_them_is_waited_for(coming: str | None) -> None:
    with pytest.raises(Unavailable, match="has not executed 10 transactions") as caught:
        judged("A:1-50", history(B, "A:1-40", coming=coming))
    assert "replica that lags" in caught.value.hint


@pytest.mark.parametrize(
    ("processed", "stream_from", "found", "missing"),
    [
        ("A:1-50", "A:1-50", history(A, "A:1-90", "A:1-60"), "10 transactions (A:51-60)"),
        ("A:1-50", "A:1-50", history(B, "A:1-90,B:1-4", "B:1-3"), "3 transactions (B:1-3)"),
        ("A:1-50", "A:1-40", history(A, "A:1-90", "A:1-45"), "5 transactions (A:41-45)"),  # of a held chunk
    ],
)
def test_what_the_server_no_longer_has_stops_the_job(
    processed: str, stream_from: str, found: History, missing: str
) -> None:
    with pytest.raises(BinlogLost) as caught:
        judged(processed, found, stream_from)
    assert f"deleted the binlogs with {missing.replace('A', A).replace('B', B)}" in caught.value.message
    assert "binlog_expire_logs_seconds" in caught.value.hint


models = st.frozensets(st.tuples(st.sampled_from([A, B]), st.integers(1, 9)), max_size=12)


def set_of(model: frozenset[tuple[str, int]]) -> GtidSet:
    return GtidSet.parse(",".join(f"{source}:{place}" for source, place in model))


@given(models, models, models)
def test_it_goes_on_exactly_when_nothing_is_missing(processed, executed, purged) -> None:
    purged &= executed
    found = History(B, set_of(executed), set_of(purged), gtids(), gtids())
    whole = processed <= executed and purged <= processed
    try:
        require(set_of(processed), set_of(processed), A, found, "db:3306")
    except BinlogLost:
        assert not whole
    else:
        assert whole


def test_many_transactions_are_named_in_few_words() -> None:
    many = gtids("A:" + ":".join(str(place) for place in range(1, 2000, 2)) + ",B:5")
    assert named(many).startswith(f"1001 transactions ({A}:1:3:5:")
    assert len(named(many)) < 400


def test_a_transaction_that_comes_twice_is_not_taken_for_the_same_one() -> None:
    """As after RESET BINARY LOGS AND GTIDS under a running stream: other changes by names that were there before."""
    rows = RowChanges(OTHER.id, [number(1)])
    world = World([transaction("6", rows), transaction("3", rows)])
    made = leader(world)
    with pytest.raises(BinlogLost, match="a second time behind start"):
        made.step(0.0)
    assert len(world.written) == 1


def test_what_is_read_again_for_a_hold_comes_twice_by_right() -> None:
    from shared.model.chunk import KeyRange
    from tests.unit.workers.test_leader import NUMBERS, claimed

    world = World([transaction("6"), transaction("7"), transaction("8")])
    made = leader(world, claimed(NUMBERS, 0, KeyRange(None, None)), processed=7)
    made.step(0.0)
    assert made.ledger.processed == GtidSet.parse("aaaaaaaa-0000-0000-0000-000000000001:1-8")
    assert made.reached != Coordinates("", 0)
