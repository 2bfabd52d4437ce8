"""A message's texts are exactly what stands in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.console.rows import Reader, members
from tests.unit.console.topics_lab import column, source

TABLE = source("t", column("a", "varchar(9)"), column("b", "decimal(9,2)")).table

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
layouts = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5), layouts, st.booleans())
def test_every_object_is_taken_apart_as_it_is_spelled(value, separators, ascii_only) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    found = members(text)
    assert list(found) == list(value)
    for name, cell in found.items():
        if value[name] is None:
            assert cell is None
        elif isinstance(value[name], str):
            assert cell == value[name]
        else:
            assert cell == json.dumps(value[name], separators=separators, ensure_ascii=ascii_only)


@pytest.mark.parametrize(
    "number", ["1.10", "-0.0", "1e+20", "18446744073709551615", "0.1000000000000000000000000000055", "2.7E-8"]
)
def test_no_digit_is_lost(number: str) -> None:
    nested = f'[{number}, {{"c":{number}}}]'
    assert members(f'{{"a":{number},"b":{nested}}}') == {"a": number, "b": nested}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        '{"a"}',
        '{"a":}',
        "[1]",
        '"a"',
        '{"a":1} x',
        '{"a":1,}',
        "{a:1}",
        '{"a":nul}',
        '{"a" 1}',
        '{"a":1 "b":2}',
    ],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        members(text)


def test_a_row_has_a_cell_per_column_and_takes_left_out_ones_from_the_key() -> None:
    reader = Reader(TABLE)
    assert reader.cells(b'{"id":1}', b'{"a":"x","b":-0.50}') == ["1", "x", "-0.50"]
    assert reader.cells(b'{"id":1}', b'{"id":1,"b":null}') == ["1", None, None]
    assert reader.cells(b'{"id":1}', None) == ["1", None, None]


def test_messages_of_others_are_refused_without_their_values() -> None:
    reader = Reader(TABLE)
    with pytest.raises(ValueError, match="a field `c` that the table has not"):
        reader.cells(b'{"id":1}', b'{"c":"secret"}')
    with pytest.raises(ValueError, match="not UTF-8"):
        reader.cells(b'{"id":1}', b'{"a":"\xff"}')
