"""GTID sets behave as sets of (source, number), and read and write MySQL's text; coordinates compare by file number."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.position import Coordinates, GtidSet

UUID_A = "aaaaaaaa-0000-0000-0000-000000000001"
UUID_B = "bbbbbbbb-0000-0000-0000-000000000002"
SOURCES = (UUID_A, UUID_B, f"{UUID_A}:tag", f"{UUID_B}:_t1")


class Gtid(NamedTuple):
    """One transaction's name."""

    source: str
    number: int


Model = frozenset[Gtid]

gtids = st.builds(Gtid, st.sampled_from(SOURCES), st.integers(1, 14))
models = st.frozensets(gtids, max_size=40)


def text_of(model: Model) -> str:
    """The set as one interval per transaction, in no particular order."""
    return ",".join(f"{gtid.source}:{gtid.number}" for gtid in model)


def set_of(model: Model) -> GtidSet:
    return GtidSet.parse(text_of(model))


def model_of(gtid_set: GtidSet) -> Model:
    return frozenset(
        Gtid(source, number)
        for source, runs in gtid_set.runs.items()
        for first, last in runs
        for number in range(first, last + 1)
    )


def assert_canonical(gtid_set: GtidSet) -> None:
    """Runs are ascending and apart, and no source is empty: equal sets are then equal records with equal texts."""
    for runs in gtid_set.runs.values():
        assert runs
        assert all(first <= last for first, last in runs)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))


@given(models)
def test_a_set_holds_what_its_text_names_and_nothing_else(model: Model) -> None:
    parsed = set_of(model)
    assert_canonical(parsed)
    assert model_of(parsed) == model


@given(models)
def test_count_and_truth_are_those_of_the_model(model: Model) -> None:
    assert set_of(model).count() == len(model)
    assert bool(set_of(model)) == bool(model)


@given(models)
def test_the_text_reads_back_equal(model: Model) -> None:
    parsed = set_of(model)
    assert GtidSet.parse(str(parsed)) == parsed


@given(models, models)
def test_algebra_is_that_of_sets(left: Model, right: Model) -> None:
    one, other = set_of(left), set_of(right)
    results = {"union": one.union(other), "intersection": one.intersection(other), "minus": one.minus(other)}
    for result in results.values():
        assert_canonical(result)
    assert {name: model_of(result) for name, result in results.items()} == {
        "union": left | right,
        "intersection": left & right,
        "minus": left - right,
    }
    assert one.covers(other) == (left >= right)
    assert one.intersects(other) == bool(left & right)


@given(models, models)
def test_operations_change_neither_operand(left: Model, right: Model) -> None:
    one, other = set_of(left), set_of(right)
    one.union(other), one.intersection(other), one.minus(other), one.covers(other), one.intersects(other)
    assert (model_of(one), model_of(other)) == (left, right)


@given(models, gtids, st.integers(0, 3))
def test_a_run_reads_as_its_transactions_and_joins_a_set(model: Model, first: Gtid, more: int) -> None:
    before = set_of(model)
    numbers = range(first.number, first.number + more + 1)
    run = GtidSet.parse(f"{first.source}:{first.number}" + (f"-{numbers[-1]}" if more else ""))
    added = {Gtid(first.source, number) for number in numbers}
    assert model_of(run) == added
    grown = before.union(run)
    assert_canonical(grown)
    assert model_of(grown) == model | added
    assert model_of(before) == model
    assert grown.covers(run)
    assert before.covers(run) == (added <= model)
    assert before.intersects(run) == bool(added & model)


@given(st.permutations(range(1, 9)))
def test_transactions_added_in_any_order_are_one_run(numbers: list[int]) -> None:
    grown = GtidSet({})
    for number in numbers:
        grown = grown.union(GtidSet.parse(f"{UUID_A}:{number}"))
    assert str(grown) == f"{UUID_A}:1-8"


def test_the_empty_text_is_the_empty_set() -> None:
    for text in ("", "  \n", ","):
        assert GtidSet.parse(text) == GtidSet({})
    assert str(GtidSet({})) == ""
    assert not GtidSet({})


def test_texts_as_mysql_prints_them() -> None:
    assert str(GtidSet.parse(f"{UUID_A}:1-5:7")) == f"{UUID_A}:1-5:7"
    # @@gtid_executed has a line break behind each comma, and UUIDs may be in upper case.
    assert GtidSet.parse(f"{UUID_A.upper()}:1-5,\n{UUID_B}:3") == GtidSet({UUID_A: ((1, 5),), UUID_B: ((3, 3),)})
    # One UUID's tags may follow each other behind it, or stand apart; both are the same set.
    tagged = GtidSet({UUID_A: ((1, 5),), f"{UUID_A}:blue": ((2, 2),), f"{UUID_A}:red": ((1, 1), (3, 4))})
    assert GtidSet.parse(f"{UUID_A}:1-5:red:1:3-4:blue:2") == tagged
    assert GtidSet.parse(f"{UUID_A}:blue:2,{UUID_A}:red:1:3-4,{UUID_A}:1-5") == tagged
    assert GtidSet.parse(str(tagged)) == tagged


def test_overlapping_and_touching_runs_become_one() -> None:
    assert str(GtidSet.parse(f"{UUID_A}:1-3:2-6:7:9")) == f"{UUID_A}:1-7:9"


def test_a_run_that_ends_before_it_begins_is_empty_as_in_mysql() -> None:
    assert GtidSet.parse(f"{UUID_A}:5-4") == GtidSet({})


def test_a_tag_is_a_source_of_its_own() -> None:
    tagged = GtidSet.parse(f"{UUID_A}:tag:1-3")
    assert not tagged.intersects(GtidSet.parse(f"{UUID_A}:2"))
    assert tagged.covers(GtidSet.parse(f"{UUID_A}:tag:2"))
    assert not tagged.intersection(GtidSet.parse(f"{UUID_A}:1-3"))


@pytest.mark.parametrize(
    "text",
    [
        "not-a-uuid:1",
        UUID_A,
        f"{UUID_A}:",
        f"{UUID_A}:0",
        f"{UUID_A}:0-3",
        f"{UUID_A}:1-",
        f"{UUID_A}:-3",
        f"{UUID_A}:1--3",
        f"{UUID_A}:9999999999999999999",
        f"{UUID_A}:{2**63}",
        f"{UUID_A}:{'9' * 5000}",
        f"{UUID_A}:1tag:1",
        f"{UUID_A}:{'t' * 33}:1",
        f"{UUID_A}:1-5,garbage",
        f"{UUID_A[:-1]}:1",
    ],
)
def test_what_is_no_gtid_set_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a GTID set|out of range"):
        GtidSet.parse(text)


def test_the_largest_number_is_accepted() -> None:
    largest = 2**63 - 1
    assert GtidSet.parse(f"{UUID_A}:1-{largest}").covers(GtidSet.parse(f"{UUID_A}:{largest}"))


def test_coordinates_of_one_file_compare_by_offset() -> None:
    place = Coordinates("binlog.000003", 100)
    assert place.reaches(place)
    assert place.reaches(Coordinates("binlog.000003", 99))
    assert not place.reaches(Coordinates("binlog.000003", 101))


def test_a_later_file_is_behind_all_of_an_earlier_one() -> None:
    assert Coordinates("binlog.000004", 4).reaches(Coordinates("binlog.000003", 10**9))
    assert not Coordinates("binlog.000003", 10**9).reaches(Coordinates("binlog.000004", 4))


def test_file_1000000_comes_after_999999() -> None:
    assert Coordinates("binlog.1000000", 4).reaches(Coordinates("binlog.999999", 500))
    assert not Coordinates("binlog.999999", 500).reaches(Coordinates("binlog.1000000", 4))


@given(
    st.tuples(st.integers(1, 2_000_000), st.integers(4, 99)), st.tuples(st.integers(1, 2_000_000), st.integers(4, 99))
)
def test_one_of_two_places_reaches_the_other(one: tuple[int, int], other: tuple[int, int]) -> None:
    left, right = (Coordinates(f"binlog.{number:06}", offset) for number, offset in (one, other))
    assert left.reaches(right) == (one >= other)


def test_a_file_without_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not end in a number"):
        Coordinates("binlog", 4).reaches(Coordinates("binlog.000001", 4))


def test_a_place_prints_as_file_and_offset() -> None:
    assert str(Coordinates("binlog.000001", 4)) == "binlog.000001:4"
