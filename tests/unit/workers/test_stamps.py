"""Which transaction wrote a change: told in headers, also where it was held for a while."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.model.binlog import TransactionBegin
from shared.model.label import Stamp, stamp_headers
from shared.model.places import all_before
from shared.model.position import Coordinates, GtidSet
from workers.binlog.stamps import Stamps

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
CHANGES = st.lists(st.tuples(st.binary(max_size=9), st.none() | st.binary(max_size=9)), max_size=6)


def begin(gtids: str, *, wanted: bool = True, **more: int) -> Stamp | None:
    stamps = Stamps(wanted)
    stamps.begin(TransactionBegin(gtids, 500, 7, server_id=3, **more), GtidSet.parse(gtids))
    return stamps.now


@given(st.lists(CHANGES, max_size=4))
def test_changes_come_out_as_they_went_in_each_with_its_stamp(transactions) -> None:
    stamps, held, expected = Stamps(wanted=True), [], []
    for number, changes in enumerate(transactions, 1):
        stamps.begin(TransactionBegin(f"{UUID}:{number}", server_id=number), GtidSet.parse(f"{UUID}:{number}"))
        held += stamps.on(changes)
        expected += [(stamps.now, change) for change in changes]
    assert [(stamp, change) for stamp, some in stamps.off(held) for change in some] == expected


def test_what_a_statement_made_a_tombstone_has_no_stamp() -> None:
    stamps = Stamps(wanted=True)
    stamps.begin(TransactionBegin(f"{UUID}:1"), GtidSet.parse(f"{UUID}:1"))
    held = [*stamps.on([(b"a", b"1")]), (b"b", None)]
    assert list(stamps.off(held)) == [(stamps.now, [(b"a", b"1")]), (None, [(b"b", None)])]


def test_nobody_who_does_not_ask_pays() -> None:
    assert begin(f"{UUID}:5", wanted=False) is None
    stamps, changes = Stamps(wanted=False), [(b"a", b"1")]
    assert stamps.on(changes) is changes
    assert list(stamps.off(changes)) == [(None, changes)]


def test_a_stamp_has_what_the_server_tells() -> None:
    assert begin(f"{UUID}:tag:5", commit_microseconds=1_700_000_000_123_456) == Stamp(
        1_700_000_000_123_456, f"{UUID}:tag:5", 3
    )
    assert begin("0-3:8-101") == Stamp(7_000_000, "0-3-101", 3)
    place = str(all_before(UUID, Coordinates("binlog.000001", 500)))
    assert begin(place) == Stamp(7_000_000, "", 3)


def test_headers_are_those_that_are_wanted_and_known() -> None:
    stamp = Stamp(1_700_000_000_123_999, "0-1-5", 9)
    assert stamp_headers(stamp, ("op_ts", "server_id")) == (("op_ts", b"1700000000123"), ("server_id", b"9"))
    assert stamp_headers(stamp._replace(gtid=""), ("op_ts", "gtid")) == (("op_ts", b"1700000000123"),)
    assert stamp_headers(stamp, ()) == stamp_headers(None, ("op_ts",)) == ()
