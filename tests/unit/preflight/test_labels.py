"""Members of ENUM and SET come out of COLUMN_TYPE as they went into the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.discovery.labels import parse_labels

_PRINTED = {"'": "''", "\\": "\\\\", "\0": "\\0", "\n": "\\n", "\r": "\\r"}


def printed(labels: list[str], kind: str = "enum") -> str:
    """COLUMN_TYPE, as MySQL prints it."""
    return f"{kind}({','.join(chr(39) + ''.join(_PRINTED.get(c, c) for c in label) + chr(39) for label in labels)})"


@given(st.lists(st.text(st.sampled_from("ab'\\,()\0\n\r\t\"ü表% ") | st.characters(codec="utf-8")), min_size=1))
def test_labels_survive_the_servers_printing(labels: list[str]) -> None:
    assert parse_labels(printed(labels)) == tuple(labels)
    assert parse_labels(printed(labels, "set")) == tuple(labels)


def test_what_mysql_9_printed() -> None:
    text = "enum('it''s','b\\\\c','n\\nl','r\\rt','t\tb','q\"q','a,b','0\\0z','ü','')"
    assert parse_labels(text) == ("it's", "b\\c", "n\nl", "r\rt", "t\tb", 'q"q', "a,b", "0\0z", "ü", "")


@pytest.mark.parametrize(
    "text", ["int", "enum(", "enum()", "enum('a'", "enum('a',)", "enum(a)", "enum('a''b)", "enum('\\x')"]
)
def test_no_labels_rather_than_guessed_ones(text: str) -> None:
    assert parse_labels(text) == ()
