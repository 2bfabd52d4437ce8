"""What a table's messages have besides its rows is put on and taken off again, and tells them from those of any other table."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.label import PLAIN, Origin, label_of
from shared.model.schema import TableId

ONE, TWO = Origin(TableId("shop", "order_1"), "of"), Origin(TableId("shop", "order_11"), "of")


def test_the_field_comes_first_in_keys_and_values_and_tombstones_stay_tombstones() -> None:
    label = label_of(ONE, in_value=True)
    changes = [(b'{"id":1}', b'{"id":1,"x":"}"}'), (b'{"id":1}', None), (b'{"id":2}', b"{}")]
    written = label.on(changes)
    assert written == [
        (b'{"of":"shop.order_1","id":1}', b'{"of":"shop.order_1","id":1,"x":"}"}'),
        (b'{"of":"shop.order_1","id":1}', None),
        (b'{"of":"shop.order_1","id":2}', b'{"of":"shop.order_1"}'),
    ]
    assert [label.off(*change) for change in written] == changes


def test_values_without_the_key_columns_are_without_the_field() -> None:
    label = label_of(ONE, in_value=False)
    changes = [(b'{"id":1}', b'{"x":1}'), (b'{"id":2}', b"{}")]
    written = label.on(changes)
    assert written == [(b'{"of":"shop.order_1","id":1}', b'{"x":1}'), (b'{"of":"shop.order_1","id":2}', b"{}")]
    assert [label.off(*change) for change in written] == changes


def test_a_table_alone_in_its_topic_has_nothing_added() -> None:
    label = label_of(Origin(TableId("a", "b")), in_value=True)
    assert label == PLAIN
    assert label.on([(b'{"id":1}', b'{"id":1}')]) == [(b'{"id":1}', b'{"id":1}')]
    assert label.has(b"anything")
    assert label.off(b"k", b"v") == (b"k", b"v")


def test_a_value_that_somebody_else_wrote_stays_what_it_is() -> None:
    label = label_of(ONE, in_value=True)
    for value in (b'{"id":1}', b"{}", b"", b'{"of":"shop.order_11","id":1}', b"no JSON"):
        assert label.off(b'{"of":"shop.order_1","id":1}', value) == (b'{"id":1}', value)


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)


@given(NAMES, NAMES, NAMES, NAMES, NAMES)
def test_messages_of_different_tables_are_told_apart_whatever_they_are_called(field, one, two, other, row) -> None:
    key = json.dumps({"id": row}).encode()
    first = label_of(Origin(TableId(one, two), field), in_value=True)
    (written, value), *_ = first.on([(key, key)])
    assert json.loads(written) == ({field: f"{one}.{two}", "id": row} if field != "id" else {"id": row})
    assert first.has(written)
    assert first.off(written, value) == (key, key)
    second = label_of(Origin(TableId(one, other), field), in_value=True)
    assert second.has(written) == (other == two)


@pytest.mark.parametrize(
    ("name", "spelled"), [("a\x1fb", r"a\u001Fb"), ('a"b', r"a\"b"), ("a\\u001fb", r"a\\u001fb"), ("größe", "größe")]
)
def test_names_are_spelled_like_any_text_of_a_message(name: str, spelled: str) -> None:
    label = label_of(Origin(TableId("d", name), "of"), in_value=True)
    assert label.key.decode() == f'{{"of":"d.{spelled}",'
