"""Any text is a GTID set or a ValueError; sets of any size obey the laws of sets without being counted out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.mysql.dump import encode_gtid_set
from shared.model.domains import is_domains
from shared.model.position import Coordinates, GtidSet

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
OTHER = "BBBBBBBB-0000-0000-0000-000000000002"
LARGEST = 2**63 - 1

unhurried = settings(deadline=None, max_examples=100)

#: Numbers at which something could go over: of a digit, of 32 bits, of MySQL's own bound and beyond it.
NUMBERS = st.one_of(
    st.integers(0, 12),
    st.sampled_from([2**31, 2**32, LARGEST - 1, LARGEST, LARGEST + 1, 10**18]),
    st.integers(1, LARGEST),
)
WORDS = st.one_of(
    st.sampled_from(
        [UUID, OTHER, UUID[:-1], "tag", "_t1", "t" * 32, "t" * 33, "1t", "", "٣", "²", "-", "1--2", "1-2-3"]
    ),
    NUMBERS.map(str),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.text(max_size=4),
)
TEXTS = st.lists(WORDS, max_size=8).flatmap(
    lambda words: st.lists(
        st.sampled_from([":", ":", ":", ",", ",\n", "", " "]), min_size=len(words), max_size=len(words)
    ).map(lambda marks: "".join(word + mark for word, mark in zip(words, marks, strict=True)))
)

RUNS = st.lists(st.tuples(st.integers(1, LARGEST), st.integers(0, 2**62)), max_size=6)


@st.composite
def gtid_sets(draw: st.DrawFn) -> GtidSet:
    """Huge runs, which overlap and touch, with and without tags."""
    parts = []
    for source in draw(st.lists(st.sampled_from([UUID, OTHER, f"{UUID}:tag", f"{UUID}:_t1"]), max_size=3)):
        runs = [f"{first}-{min(first + more, LARGEST)}" for first, more in draw(RUNS)]
        parts += [f"{source}:{':'.join(runs)}"] if runs else []
    return GtidSet.parse(",".join(parts))


def assert_canonical(gtids: GtidSet) -> None:
    for runs in gtids.runs.values():
        assert runs
        assert all(1 <= first <= last <= LARGEST for first, last in runs)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))


@unhurried
@given(st.one_of(TEXTS, st.text(max_size=60)))
def test_any_text_is_a_set_or_a_value_error(text: str) -> None:
    try:
        found = GtidSet.parse(text)
    except ValueError as error:
        assert len(str(error)) < 200 + 2 * len(text)
        return
    assert_canonical(found)
    assert GtidSet.parse(str(found)) == found
    assert str(found).isascii(), "MySQL takes no other digits"
    if is_domains(found):
        return  # of a MariaDB, which is asked in other words
    assert len(encode_gtid_set(found)) <= 8 + len(found.runs) * (16 + 33 + 8) + 16 * sum(map(len, found.runs.values()))


@unhurried
@given(gtid_sets(), gtid_sets())
def test_sets_of_any_size_obey_the_laws_of_sets(one: GtidSet, other: GtidSet) -> None:
    common, rest, both = one.intersection(other), one.minus(other), one.union(other)
    for result in (common, rest, both):
        assert_canonical(result)
    assert rest.union(common) == one
    assert not rest.intersects(other)
    assert both.covers(one)
    assert both.covers(other)
    assert one.covers(common)
    assert other.covers(common)
    assert both.minus(other) == rest
    assert one.covers(other) == (both == one) == (not other.minus(one))
    assert one.intersects(other) == bool(common)
    assert one.count() == rest.count() + common.count()
    assert both.count() + common.count() == one.count() + other.count()


def test_a_set_of_very_many_runs_costs_no_more_than_its_text() -> None:
    many = ":".join(str(number) for number in range(1, 40_000, 2))
    odd = GtidSet.parse(f"{UUID}:{many}")
    even = GtidSet.parse(f"{UUID}:2-40000").minus(odd)
    assert odd.count() == even.count() == 20_000
    assert str(odd.union(even)) == f"{UUID}:1-40000"
    assert not odd.intersects(even)


def test_transactions_that_nobody_can_count_out() -> None:
    everything = GtidSet.parse(f"{UUID}:1-{LARGEST},{UUID}:tag:1-{LARGEST}")
    hole = GtidSet.parse(f"{UUID}:{LARGEST // 2}")
    assert str(everything.minus(hole)) == (
        f"{UUID}:1-{LARGEST // 2 - 1}:{LARGEST // 2 + 1}-{LARGEST},{UUID}:tag:1-{LARGEST}"
    )
    assert everything.minus(hole).union(hole) == everything


@pytest.mark.parametrize(
    "file", ["binlog.٣", "binlog.²", "binlog.", "binlog.1x", "", "binlog.-1", "binlog." + "9" * 5000]
)
def test_a_file_with_another_number_is_a_value_error(file: str) -> None:
    with pytest.raises(ValueError, match="number"):
        Coordinates(file, 4).reaches(Coordinates("binlog.000001", 4))


@unhurried
@given(
    st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 2**63)),
    st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 2**63)),
)
def test_places_compare_by_number_also_behind_999999_and_4_gib(one: tuple[int, int], other: tuple[int, int]) -> None:
    left, right = (Coordinates(f"mysql-bin.{number:06}", offset) for number, offset in (one, other))
    assert left.reaches(right) == (one >= other)
    assert left.reaches(right) or right.reaches(left)
