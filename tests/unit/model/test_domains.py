"""Positions of a MariaDB."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BinlogLost
from shared.model.binlog import Event, TransactionBegin, TransactionEnd
from shared.model.domains import Domained, filled, is_domains, last_of_domains, parse, with_elders
from shared.model.position import GtidSet

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#: What servers write one after the other: domain, server, and by how much the number is higher than any before in the domain.
HISTORIES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 4)), max_size=30)


def gtids_of(history: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    highest: dict[int, int] = {}
    made = []
    for domain, server, step in history:
        highest[domain] = highest.get(domain, 0) + step
        made.append((domain, server, highest[domain]))
    return made


def position_after(gtids: list[tuple[int, int, int]]) -> GtidSet:
    """As gtid_binlog_state tells it: the last number of each server in each domain."""
    last = {(domain, server): number for domain, server, number in gtids}
    return parse(",".join(f"{d}-{s}-{n}" for (d, s), n in last.items()))


def begin(domain: int, server: int, number: int) -> TransactionBegin:
    return TransactionBegin(f"{domain}-{server}:{number}", 500, 1)


def test_a_state_is_a_position_and_back() -> None:
    position = parse("0-1-100,\n 7-1-3,0-2-120")
    assert str(position) == "0-1:1-100,0-2:1-120,7-1:1-3"
    assert GtidSet.parse(str(position)) == position
    assert is_domains(position)
    assert last_of_domains(position) == "0-2-120,7-1-3"
    assert (str(parse("")), last_of_domains(parse(""))) == ("", "")
    assert not any(is_domains(GtidSet.parse(text)) for text in ("", f"{UUID}:1-5", f"{UUID}@binlog:1-9"))


@pytest.mark.parametrize(
    "text",
    ["0-1", "0-1-0", "0-1-x", "0-1-1-1", f"{UUID}:1", "4294967296-1-1", "0-4294967296-1", f"0-1-{2**63}", "-1-1-1"],
)
def test_what_is_no_list_of_gtids_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GTID of MariaDB"):
        parse(text)


@given(HISTORIES, st.integers(0, 30), st.booleans())
def test_whoever_reads_on_from_a_position_comes_to_the_servers_own(history, cut: int, together: bool) -> None:
    gtids = gtids_of(history)
    position = position_after(gtids[:cut])
    events: list[Event] = [event for one in gtids[cut:] for event in (begin(*one), TransactionEnd())]
    if together and len(gtids) > cut:
        union = GtidSet({})
        for domain, server, number in gtids[cut:]:
            union = union.union(GtidSet.parse(f"{domain}-{server}:{number}"))
        events = [TransactionBegin(str(union)), TransactionEnd()]
    for event in Domained(position).name(events):
        if isinstance(event, TransactionBegin):
            run = GtidSet.parse(event.gtids or "")
            assert not position.intersects(run)
            position = position.union(run)
    assert position == position_after(gtids)
    assert all(len(runs) == 1 for runs in position.runs.values())


@given(HISTORIES, st.integers(0, 30))
def test_the_last_of_each_domain_says_all(history, cut: int) -> None:
    """What MariaDB calls a position names one GTID of a domain, and means all before it."""
    gtids = gtids_of(history)
    position = position_after(gtids[:cut])
    found = with_elders(parse(last_of_domains(position)), position_after(gtids))
    assert found.covers(position)
    assert not [one for one in gtids[cut:] if found.intersects(GtidSet.parse("{}-{}:{}".format(*one)))]


def test_gaps_are_filled() -> None:
    assert str(filled(GtidSet.parse("0-1:1-5:9,0-2:7"))) == "0-1:1-9,0-2:1-7"


def test_numbers_that_go_back_stop_the_job() -> None:
    names = Domained(parse("0-1-100,0-2-7"))
    assert [e.gtids for e in names.name([begin(0, 2, 101)]) if isinstance(e, TransactionBegin)] == ["0-2:8-101"]
    for number in (100, 1):
        with pytest.raises(BinlogLost, match=f"GTID 0-1-{number} behind 0-1-100"):
            list(names.name([begin(0, 1, number)]))
    bare = TransactionBegin(None)
    assert list(names.name([bare])) == [bare]
