"""YAML as a job file uses it: placeholders survive, traps are named, places are right."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.job.document import DEPTH_MAX, Mapping, Node, Scalar, read


def plain(node: Node) -> object:
    """The node without its places."""
    if isinstance(node, Mapping):
        return {entry.key: plain(entry.value) for entry in node.entries}
    if isinstance(node, Scalar):
        return None if node.is_null else node.text
    return [plain(item) for item in node.items]


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("a: #{h}", "#{h}"),
        ("a: #{h} # note", "#{h}"),
        ("a: #{h}:3306", "#{h}:3306"),
        ("a: #{h}:9092,#{i}:9092", "#{h}:9092,#{i}:9092"),
        ("a: #{h} #{i}", "#{h} #{i}"),
        ("a: x#{h}y", "x#{h}y"),
        ("a: '#{h}'", "#{h}"),
        ('a: "#{h}\\n"', "#{h}\n"),
        ("a: [#{h}, '#{i}', x]", ["#{h}", "#{i}", "x"]),
        ("a: {b: #{h}, c: #{i}}", {"b": "#{h}", "c": "#{i}"}),
        ("a:\n- #{h}\n- b: #{i}", ["#{h}", {"b": "#{i}"}]),
        ("a: |\n  #{h}\n", "#{h}\n"),
        ("a: >-\n  x\n  #{h}\n", "x #{h}"),
        ("a: 3306  # the port", "3306"),
        ("a: 3306 #the port", "3306"),
        ("a: x # see #{h}", "x"),
        ("# b: #{h}\na: x", "x"),
        ("a: p#ss", "p#ss"),
        ("a: order_dw.\\.*", "order_dw.\\.*"),
        ("a: 'order_dw.\\.*'", "order_dw.\\.*"),
        ("a: 007", "007"),
        ("a: no", "no"),
        ("a: 22:22:22", "22:22:22"),
        ("a: 'null'", "null"),
        ("a: null", None),
        ("a: ~", None),
        ("a:", None),
        ("a: #comment", None),
        ("a: ''", ""),
        ("\ufeffa: x", "x"),
        ("---\na: x\n...\n", "x"),
    ],
)
def test_values_arrive_as_written(yaml: str, expected: object) -> None:
    assert plain(read(yaml)) == {"a": expected}


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"])))
def test_any_quoted_text_survives(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    folded = re.sub("[\x85\u2028\u2029]", "", text)  # YAML's line breaks are folded like any other
    if folded == text and "\ufffe" not in text and "\uffff" not in text and not nonprintable(text):
        assert plain(read(f"a: {quoted}\n")) == {"a": text}


@given(st.text())
def test_any_text_survives_as_json_string(text: str) -> None:
    assert plain(read("a: " + json.dumps(text) + "\n")) == {"a": text} or "\\ud" in json.dumps(text)


def nonprintable(text: str) -> bool:
    """True for characters that YAML does not allow in its text."""
    allowed = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff"
    return re.search(allowed, text) is not None


@given(st.lists(st.sampled_from(["#{a}", "#{b.c-d}", "x", "#", "{", "}", ":", "\ue000", "\ue001", "0", "e001"])))
def test_mixes_survive_between_other_characters(parts: list[str]) -> None:
    text = "x" + "".join(parts)
    value = text if not text.endswith(":") else text + "x"
    assert plain(read(f"a: {value}\n")) == {"a": value}
    assert plain(read(f"a: '{value}'\n")) == {"a": value}


def test_an_escape_in_double_quotes_cannot_forge_a_placeholder() -> None:
    assert plain(read('a: "\\ue000\\uE001\\U0000E002 #{h}"')) == {"a": "\ue000\ue001\ue002 #{h}"}


def test_lines_and_columns_are_those_of_the_file() -> None:
    tree = read("# top\nsource:\n  a: #{long-name}  # x\n  b: {c: #{h}, d: e}\n")
    source = tree.entries[0]
    assert isinstance(source.value, Mapping)
    a, b = source.value.entries
    assert (source.line, source.column, a.line, a.column, b.line) == (2, 1, 3, 3, 4)
    assert isinstance(b.value, Mapping)
    d = b.value.entries[1]
    assert (d.line, d.column) == (4, 16)


@pytest.mark.parametrize(
    ("yaml", "message", "hint"),
    [
        ("", "is empty", "source"),
        ("# only a comment\n", "is empty", "source"),
        ("~", "is empty", "source"),
        ("- a", "no mapping at its top level", "source"),
        ("word", "no mapping at its top level (f:1)", "source"),
        ("a: 1\n---\nb: 2", "second document begins (f:2:1)", "own"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "`b` is already on line 2 (f:4:3)", "one of the two"),
        ("a:\n\tb: 1", "A tab stands where YAML wants blanks (f:2:1)", "blanks"),
        ('a: "order_dw.\\.*"', "(f:1:15)", "single quotes or in none"),
        ('a: #{h}\nb: "x\\_.\\."', "(f:2:10)", "single quotes or in none"),
        ("a: *.x", "alias", r"\.*"),
        ("a: *", "alias", r"\.*"),
        ("a: *.*", "alias", r"\.*"),
        ("a: &x y", "anchor", "single quotes"),
        ("a: !x y", "tag", "single quotes"),
        ("a: b: c", "no new key can begin (f:1:5)", "indentation"),
        ("a: @x", "reserves (f:1:4)", "single quotes"),
        ("a: [x", "not YAML", "brackets"),
        ("a: \x01", "does not allow", "UTF-8"),
        ("#{k}: v", "placeholder stands in a key", "values only"),
        ("[a]: v", "where a key belongs", "single quotes"),
        ("a: " + "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), "too deep", "brackets"),
    ],
)
def test_one_clear_error_each(yaml: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        read(yaml, "f")
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        "*hunter2",
        "&hunter2",
        "!hunter2!x y",
        "!<hunter2",
        "'hunter2",
        '"hunter2\\.',
        "[hunter2",
        "%hunter2",
        "hunter2: x",
        "@hunter2",
        "`hunter2",
        "{hunter2",
        "hunter2\x00",
        "|hunter2",
        ">hunter2",
        "'x' hunter2",
        "- hunter2",
        "? hunter2",
    ],
)
def test_no_error_shows_a_value(value: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        read(f"password: {value}\n- x", "f")
    assert "hunter2" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except InvalidJob as error:
        assert error.message and error.hint


def test_reprs_hide_values() -> None:
    assert "hunter2" not in repr(read("a: hunter2"))
