"""Positions of a server without GTIDs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BinlogLost, NeedsOperator, UnsupportedEvent
from shared.model.binlog import Event, Heartbeat, Rotate, TransactionBegin, TransactionEnd
from shared.model.places import Placed, all_before, is_place, named, numbered, place_of, worded
from shared.model.position import Coordinates, GtidSet

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
FILES = st.builds("mysql-bin.{:06}".format, st.integers(1, (1 << 23) - 1))
PLACES = st.builds(Coordinates, FILES, st.integers(4, (1 << 40) - 1))


def at(file: int, offset: int) -> GtidSet:
    return all_before(UUID, Coordinates(f"binlog.{file:06}", offset))


def begin(end: int) -> TransactionBegin:
    return TransactionBegin(None, end - 50, 1, 77, end)


def names(position: GtidSet, *events: Event) -> list[str | None]:
    return [event.gtids for event in Placed(position).name(events) if isinstance(event, TransactionBegin)]


@given(PLACES)
def test_a_place_is_a_position_and_back_and_can_be_stored(place: Coordinates) -> None:
    position = all_before(UUID, place)
    assert place_of(position) == place
    assert GtidSet.parse(str(position)) == position
    assert is_place(position)
    assert worded(position) == f"{UUID}@{place}"


@given(PLACES, PLACES)
def test_positions_compare_as_places_do(one: Coordinates, other: Coordinates) -> None:
    assert all_before(UUID, one).covers(all_before(UUID, other)) == one.reaches(other)


@pytest.mark.parametrize("other", ["binlog2.000001", "BINLOG.000001", "my.log.000001"])
def test_places_of_another_binlog_cover_nothing(other: str) -> None:
    position = all_before(UUID, Coordinates(other, 4))
    assert not at(9, 9).covers(position)
    assert GtidSet.parse(str(position)) == position


def test_gtids_are_none() -> None:
    for text in ("", f"{UUID}:1-5", f"{UUID}:tag:1"):
        assert not is_place(GtidSet.parse(text))
        assert worded(GtidSet.parse(text)) == text


@pytest.mark.parametrize(
    "text", [f"{UUID}@:1-5", f"{UUID}@a b@c:1", f"{UUID}@a@b:1-5", "x@binlog:1", f"{UUID}@binlog:tag:1"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID set"):
        GtidSet.parse(text)


@pytest.mark.parametrize("place", [Coordinates("binlog.8388608", 4), Coordinates("binlog.000001", 1 << 40)])
def test_places_beyond_all_servers_are_refused(place: Coordinates) -> None:
    with pytest.raises(NeedsOperator, match="beyond"):
        numbered(place)


def test_a_transaction_is_the_run_of_bytes_up_to_its_end() -> None:
    begins = [begin(300), begin(500)]
    first, second = names(at(3, 157), *begins)
    assert at(3, 157).union(GtidSet.parse(first or "")) == at(3, 300)
    assert at(3, 300).union(GtidSet.parse(second or "")) == at(3, 500)
    assert not at(3, 300).intersects(GtidSet.parse(second or ""))


def test_a_new_file_is_an_empty_transaction() -> None:
    events: list[Event] = [
        Rotate("binlog.000003", 300),
        Rotate("binlog.000004", 4),
        Rotate("binlog.000004", 4),
        begin(400),
    ]
    found = list(Placed(at(3, 300)).name(events))
    assert [type(event) for event in found] == [
        Rotate, Rotate, TransactionBegin, TransactionEnd, Rotate, TransactionBegin,
    ]  # fmt: skip
    position = at(3, 300)
    for text, reached in zip(names(at(3, 300), *events), (at(4, 4), at(4, 400)), strict=True):
        position = position.union(GtidSet.parse(text or ""))
        assert position == reached


def test_what_says_nothing_new_stays_as_it_is() -> None:
    events = [Heartbeat("binlog.000003", 300), TransactionEnd(1, 300)]
    assert list(Placed(at(3, 300)).name(events)) == events


def test_a_transaction_of_a_server_with_gtids_is_named_by_its_place() -> None:
    (name,) = names(at(3, 157), begin(300)._replace(gtids=f"{UUID}:7"))
    assert at(3, 157).union(GtidSet.parse(name or "")) == at(3, 300)


@pytest.mark.parametrize("event", [begin(157), begin(4), Rotate("binlog.000002", 4), Rotate("other.000004", 4)])
def test_a_binlog_that_goes_back_is_lost(event: Event) -> None:
    with pytest.raises(BinlogLost, match=r"not behind binlog\.000003:157"):
        names(at(3, 157), event)


def test_a_transaction_without_a_length_is_not_guessed() -> None:
    with pytest.raises(UnsupportedEvent, match="does not tell its length"):
        names(at(3, 157), TransactionBegin(None, 300))


def test_a_transaction_that_ends_elsewhere_than_it_had_told_stops() -> None:
    events: list[Event] = [begin(300), TransactionEnd(1, 300), begin(500), TransactionEnd(1, 501)]
    with pytest.raises(UnsupportedEvent, match=r"ends at binlog\.000003:501"):
        names(at(3, 157), *events)


def test_what_is_missing_is_told_as_files_and_offsets() -> None:
    assert named(at(4, 9).minus(at(3, 157))) == f"the bytes from binlog.000003:157 to binlog.000004:9 of server {UUID}"
    assert named(at(4, 9)).startswith("the bytes from binlog.000000:1 to binlog.000004:9")
