"""Readers of values: what they take, and that they never repeat it in an error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.job.values import (
    Reader,
    ServerIdRange,
    Unreadable,
    cleanup_policy,
    duration,
    filled,
    flag,
    one_of,
    server_ids,
    whole,
)

SECOND = timedelta(seconds=1)
any_duration = duration(timedelta(0), timedelta(days=400))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30 * SECOND),
        ("30 s", 30 * SECOND),
        ("500 ms", SECOND / 2),
        ("500", SECOND / 2),
        ("2 min", 120 * SECOND),
        ("1 Hour", 3600 * SECOND),
        ("1d", 86400 * SECOND),
        ("250 µs", SECOND / 4000),
        ("PT30S", 30 * SECOND),
        ("PT1M0.5S", 60.5 * SECOND),
        ("p1dt1h", 90000 * SECOND),
        ("0 s", timedelta(0)),
    ],
)
def test_durations_of_flink_and_iso(text: str, expected: timedelta) -> None:
    assert any_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "s", "30 parsecs", "-1s", "1.5s", "P", "PT", "1 s 2 ms", "9" * 15 + "d", "9" * 99, "401 d"]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        any_duration(text)


def test_a_duration_out_of_bounds_tells_the_bounds() -> None:
    with pytest.raises(Unreadable) as caught:
        duration(timedelta(milliseconds=250), timedelta(hours=1))("30")
    assert caught.value.expected == "a duration from 250 ms to 3600 s"
    assert "milliseconds" in caught.value.hint


def test_server_ids_are_one_or_a_range() -> None:
    assert server_ids("5400") == ServerIdRange(5400, 5400)
    assert server_ids(" 5400 - 5408 ") == ServerIdRange(5400, 5408)
    assert list(server_ids("7-9").ids) == [7, 8, 9]
    assert [str(server_ids(text)) for text in ("7-9", "7-7")] == ["7-9", "7"]
    assert server_ids("1-4294967295").high == 4294967295


@pytest.mark.parametrize("text", ["", "0", "9-8", "4294967296", "5400-", "-5400", "a", "1-2-3", "5400,5401", "٣"])
def test_other_server_ids_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        server_ids(text)


@pytest.mark.parametrize("text", ["", "0", "11", "1.0", "0x1", "1_0", "٣", "1" * 5000, "x"])
def test_whole_numbers_are_plain_and_bounded(text: str) -> None:
    with pytest.raises(Unreadable, match="from 1 to 10"):
        whole(1, 10)(text)


def test_whole_numbers_may_have_leading_zeros_and_blanks() -> None:
    assert [whole(-5, 10)(text) for text in ("010", " 7 ", "-5")] == [10, 7, -5]


def test_flags_and_words_ignore_case() -> None:
    assert [flag(text) for text in ("true", "False", " TRUE ")] == [True, False, True]
    read = one_of("exactly-once", "ALL_MATCH")
    assert [read(text) for text in ("EXACTLY_ONCE", "all-match")] == ["exactly-once", "ALL_MATCH"]
    for text in ("yes", "1", ""):
        with pytest.raises(Unreadable):
            flag(text)


def test_a_cleanup_policy_compacts() -> None:
    assert cleanup_policy("compact,delete") == "compact,delete"
    with pytest.raises(Unreadable):
        cleanup_policy("delete")


@given(
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=3),
    st.sampled_from([whole(1, 9), flag, one_of("a"), any_duration, server_ids, cleanup_policy]),
)
def test_no_reader_repeats_the_text(text: str, read: Reader) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert text not in caught.value.expected + caught.value.hint


def test_filled_text_has_more_than_blanks() -> None:
    assert filled(" x ") == " x "
    with pytest.raises(Unreadable):
        filled(" ")


def test_a_range_cannot_be_built_wrong() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        ServerIdRange(2, 1)
