"""Records of the registry survive their bytes, and other bytes are a ValueError, never another error."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.job import Desire, End, OnGap, Outcome, Wanted, decode_registry, encode_outcome, encode_wanted
from shared.model.shape import checked

unhurried = settings(deadline=None, max_examples=100)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(0, 2**62)
records = st.one_of(
    st.builds(
        Wanted,
        words,
        words,
        words,
        words,
        st.sampled_from(Desire),
        numbers,
        words,
        st.dictionaries(words, words),
        st.sampled_from(OnGap),
        numbers,
    ),
    st.builds(Outcome, words, numbers, st.sampled_from(End), words, words, words),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("vabn"), inner, max_size=2),
    max_leaves=6,
)


def encoded(record: Wanted | Outcome) -> tuple[bytes, bytes]:
    return encode_wanted(record) if isinstance(record, Wanted) else encode_outcome(record)


@unhurried
@given(records)
def test_a_record_survives(record: Wanted | Outcome) -> None:
    assert decode_registry(*encoded(record)) == record


@unhurried
@given(records, st.data())
def test_a_damaged_record_is_whole_or_a_value_error(record: Wanted | Outcome, data: st.DataObject) -> None:
    key, value = (orjson.loads(part) for part in encoded(record))
    if data.draw(st.booleans()):
        value[data.draw(st.sampled_from([*value, "more"]))] = data.draw(anything)
    else:
        key[data.draw(st.integers(0, 1))] = data.draw(anything)
    with suppress(ValueError):
        # A number of more than 64 bits cannot be written again, and so is not taken.
        found = decode_registry(_bytes(key), _bytes(value))
        checked(found)
        encoded(found)


def _bytes(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


@unhurried
@given(st.one_of(st.binary(max_size=20), anything.map(_bytes)), st.one_of(st.binary(max_size=20), anything.map(_bytes)))
def test_bytes_from_elsewhere_are_a_value_error(key: bytes, value: bytes) -> None:
    for name in (key, b'["job","j"]', b'["outcome","j"]'):
        with pytest.raises(ValueError):
            decode_registry(name, value)
