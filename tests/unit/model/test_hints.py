"""The arguments of a task are a hint, or a ValueError: whoever reaches the queue can send anything."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.chunk import ChunkId
from shared.model.hints import ChunkHint, SplitHint, read_chunk_hint, read_split_hint
from shared.model.orders import chunks_to_json
from shared.model.schema import TableId
from shared.model.shape import checked

TABLE = TableId("d", "t")
CHUNK = {"job": "j", "job_id": "1", "chunks": [["d", "t", 0]]}
SPLIT = {"job": "j", "job_id": "1", "database": "d", "table": "t"}

unhurried = settings(deadline=None, max_examples=100)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from([*CHUNK, *SPLIT, "self", "args"]) | st.text(max_size=5), ANYTHING, max_size=5
)


def test_what_the_leader_sends_is_read() -> None:
    chunks = (ChunkId(TABLE, 0), ChunkId(TableId("ü", ""), 2**40))
    assert read_chunk_hint(CHUNK | {"chunks": chunks_to_json(chunks)}) == ChunkHint("j", "1", chunks)
    assert read_split_hint(SPLIT) == SplitHint("j", "1", TABLE)


@unhurried
@given(ARGUMENTS, st.sampled_from([{}, CHUNK, SPLIT]))
def test_any_arguments_are_a_hint_or_a_value_error(found: dict[str, Any], right: dict[str, Any]) -> None:
    for arguments in (found, right | found, found | right):
        for read in (read_chunk_hint, read_split_hint):
            with suppress(ValueError):
                hint = checked(read(arguments))
                assert isinstance(hint, SplitHint) or hint.chunks


@pytest.mark.parametrize(
    "wrong",
    [
        {"job": ["j"]},
        {"job_id": None},
        {"chunks": []},
        {"chunks": "abc"},
        {"chunks": [["d", "t"]]},
        {"chunks": [["d", "t", True]]},
        {"chunks": [["d", "t", 2**70]]},
        {"chunks": [["d", "t", 0, 0]]},
        {"chunks": {"d": 1}},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_hint_with_something_wrong_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read_chunk_hint(CHUNK | wrong)
