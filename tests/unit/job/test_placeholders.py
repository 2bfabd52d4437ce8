"""Placeholders: where values come from, that they are used as they are, and that they show nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob, MissingSecret
from shared.job.placeholders import (
    FILE_BYTES_MAX,
    Resolver,
    environment_name,
    has_placeholder,
    names_in,
    parse_variables,
)


def test_names_are_found_in_order_and_once() -> None:
    assert names_in("#{b}:#{a-1.x}, #{b} #{ c } #{} #{../x}") == ("b", "a-1.x")
    assert not has_placeholder("p#ss{x} #{not this}")


def test_environment_name_is_upper_case_with_underscores() -> None:
    assert environment_name("db.user-Name") == "HEADRACE_VAR_DB_USER_NAME"


def test_a_variable_wins_over_the_environment_and_that_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("file\n")
    environment = {"HEADRACE_VAR_P": "environment", "HEADRACE_VARS_DIR": str(tmp_path), "P": "no"}
    assert Resolver.from_environment({"p": ""}, environment).value("p") == ""
    assert Resolver.from_environment({}, environment).value("p") == "environment"
    del environment["HEADRACE_VAR_P"]
    assert Resolver.from_environment({}, environment).value("p") == "file"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x\r", "x\r"), (" x ", " x "), ("", ""), ("\n", "")],
)
def test_one_newline_at_the_end_of_a_file_is_not_part_of_the_value(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "p").write_bytes(content.encode())
    assert Resolver(directory=tmp_path).value("p") == expected


def test_a_missing_placeholder_is_named_with_its_place_and_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(MissingSecret) as caught:
        Resolver({}, {}, tmp_path).value("db-pass", "source.password (job.yaml:7)")
    text = str(caught.value)
    for part in (
        "#{db-pass}",
        "source.password (job.yaml:7)",
        "--var db-pass=",
        "HEADRACE_VAR_DB_PASS",
        "HEADRACE_VARS_DIR",
    ):
        assert part in text


def test_a_file_that_cannot_be_used_is_an_error_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    (tmp_path / "large").write_bytes(b"x" * (FILE_BYTES_MAX + 1))
    (tmp_path / "folder").mkdir()
    for name in ("binary", "large", "folder"):
        with pytest.raises(MissingSecret) as caught:
            Resolver(directory=tmp_path).value(name)
        assert name in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_values_are_not_searched_for_placeholders() -> None:
    resolver = Resolver({"a": "#{b}", "b": "never"})
    assert resolver.substitute("#{a}/#{a}") == "#{b}/#{b}"


@given(st.text(), st.text(), st.text())
def test_any_value_is_put_in_as_it_is(before: str, value: str, after: str) -> None:
    resolver = Resolver({"name": value})
    if has_placeholder(before + "#") or has_placeholder(before) or has_placeholder(after):
        return
    assert resolver.substitute(before + "#{name}" + after) == before + value + after


def test_a_resolver_shows_nothing_and_stays_in_its_process() -> None:
    resolver = Resolver({"p": "hunter2"}, {"HEADRACE_VAR_Q": "hunter2"})
    assert "hunter2" not in f"{resolver!r} {resolver!s}"
    with pytest.raises(TypeError):
        pickle.dumps(resolver)


def test_variables_are_name_equals_value() -> None:
    assert parse_variables(["a=b=c", "d=", "e.f-g=#{h}"]) == {"a": "b=c", "d": "", "e.f-g": "#{h}"}


@pytest.mark.parametrize("arguments", [["hunter2"], ["=hunter2"], ["a b=hunter2"], ["a=hunter2", "a=hunter2"]])
def test_a_wrong_variable_is_refused_without_showing_it(arguments: list[str]) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse_variables(arguments)
    assert "hunter2" not in str(caught.value)
