"""Table patterns mean what they mean in Flink CDC, and mistakes are named."""

from __future__ import annotations

import re
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.job import patterns as patterns_module
from shared.job.patterns import PATTERN_LENGTH_MAX, TablePatterns, select
from shared.model.schema import TableId


def table(text: str) -> TableId:
    database, _, name = text.partition(".")
    return TableId(database, name)


def matches(pattern: str, name: str, *, ignore_case: bool = False) -> bool:
    return TablePatterns.parse(pattern).matches(table(name), ignore_case=ignore_case)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("order_dw.user", ["order_dw.user"], ["order_dw.user1", "xorder_dw.user", "order_dw.User"]),
        (r"order_dw.\.*", ["order_dw.user", "order_dw.a.b", "order_dw.x\ny"], ["order_dw2.user"]),
        (r"shop_[0-9]+.order_\.*", ["shop_12.order_", "shop_1.order_x"], ["shop_.order_x", "shop_1.orders"]),
        (r"\.*.user", ["a.user", "b.user"], ["a.users"]),
        ("a.b , c.d", ["a.b", "c.d"], ["a.d", "c.b", "a.b "]),
        ("a.t{1,2}", ["a.t", "a.tt"], ["a.ttt"]),
        ("a.t_(x|y)", ["a.t_x", "a.t_y"], ["a.t_z", "a.t_(x|y)"]),
        ("a.t[.,]x", ["a.t.x", "a.t,x"], ["a.tax"]),
        (r"a.t\\x", ["a.t\\x"], ["a.tx"]),
        (r"a.t\d", ["a.t1"], ["a.t٣", "a.t"]),  # Java's \d knows ASCII digits only
        (r"a.\w+", ["a.t_1"], ["a.größe"]),
        (r"a.[\d\w]+\z", ["a.t_1"], ["a.t-1"]),
        (r"a.(?<n>x)\.", ["a.xy"], ["a.x"]),
        ("a.größe", ["a.größe"], ["a.GRÖSSE"]),
        ("a.x++", ["a.xx"], ["a.y"]),
    ],
)
def test_patterns_match_whole_names(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not matches(pattern, name)] == []
    assert [name for name in no if matches(pattern, name)] == []


def test_case_counts_unless_the_server_ignores_it() -> None:
    assert not matches("Shop.ORDERS", "shop.orders")
    assert matches("Shop.ORDERS", "shop.orders", ignore_case=True)
    assert matches(r"shop.Ä\.", "shop.äx", ignore_case=True)


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("user", "names no database", "database.table"),
        (r"\.*", "names no database", "database.table"),
        ("a.b.c", "more than one plain dot", r"\."),
        ("", "Pattern 1 of the list is empty", "comma"),
        ("a.b,,c.d", "Pattern 2 of the list is empty", "comma"),
        ("a.b,", "Pattern 2 of the list is empty", "comma"),
        (".b", "The database part", "database.table"),
        ("a.", "The table part", "database.table"),
        ("order_dw.*", "character 10", r"write `\.*`"),
        ("a.b, order_dw.x(", "character 16", r"`\.`"),
        (r"a.\.\.[b", "set at character 7 is empty or not closed", "[abc]"),
        ("a.[^]--b]", "set at character 3 is empty or not closed", "[abc]"),
        ("a.[]b]", "set at character 3 is empty or not closed", "[abc]"),
        (r"a.\Qb\E", "no regular expression", "Java"),
        (r"a.\p{L}", "no regular expression", "Java"),
        ("a.[a-z&&[^x]]", "sets inside sets", "plain set"),
        ("a.b{99999999999999999999}", "too large", "smaller"),
        ("a." + "b" * PATTERN_LENGTH_MAX, "more than 1000 characters", "comma"),
        ("a.b," * 50_000, "100000 characters", "regular"),
    ],
)
def test_mistakes_are_named_with_a_hint(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        TablePatterns.parse(pattern, "source.tables")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.path == "source.tables"


def test_a_set_that_looks_like_an_alternation_is_pointed_out() -> None:
    patterns = TablePatterns.parse(r"[app|web].order_\.*")
    assert len(patterns.warnings) == 1
    assert "(app|web)" in patterns.warnings[0]
    assert patterns.matches(table("p.order_1"))
    assert TablePatterns.parse(r"(app|web).[a-c]").warnings == ()


def test_elements_that_match_nothing_are_known() -> None:
    patterns = TablePatterns.parse(r"a.x, b.\.*, c.y")
    assert patterns.unmatched([table("b.q"), table("c.y")]) == ("a.x",)
    assert patterns.unmatched([]) == ("a.x", r"b.\.*", "c.y")


def test_groups_are_numbered_through_the_list() -> None:
    patterns = TablePatterns.parse(r"a(\d).x_(\.*), b.y_(\w)?(\w)")
    assert patterns.group_count == 4
    assert patterns.groups(table("a1.x_z")) == ("1", "z", "", "")
    assert patterns.groups(table("b.y_q")) == ("", "", "", "q")
    assert patterns.groups(table("c.d")) is None


def test_select_takes_the_included_without_the_excluded() -> None:
    tables = [table("a.x"), table("a.tmp_1"), table("b.x")]
    include = TablePatterns.parse(r"a.\.*")
    exclude = TablePatterns.parse(r"\.*.tmp_\.*", "source.tables.exclude")
    assert select(tables, include, exclude) == (table("a.x"),)


def test_a_selection_without_tables_is_an_error() -> None:
    tables = [table("a.x")]
    with pytest.raises(InvalidJob, match="None of the 1 tables") as caught:
        select(tables, TablePatterns.parse("a.y"))
    assert caught.value.path == "source.tables"
    with pytest.raises(InvalidJob, match="upper and lower case"):
        select(tables, TablePatterns.parse("A.X"))
    with pytest.raises(InvalidJob, match=r"\(a\|b\)"):
        select(tables, TablePatterns.parse("[a|b]b.x"))
    with pytest.raises(InvalidJob, match="excluded again") as caught:
        select(tables, TablePatterns.parse("a.x"), TablePatterns.parse("a.x", "source.tables.exclude"))
    assert caught.value.path == "source.tables.exclude"


names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=64)


def literal(name: str) -> str:
    """A pattern that matches exactly this name: each special character in a set of its own."""
    return re.sub(r"[^\w]", lambda m: rf"[\{m[0]}]" if m[0] in r"\^[]-&~|" else f"[{m[0]}]", name)


@given(names, names, names)
def test_a_literal_pattern_matches_its_name_and_no_other(database: str, name: str, other: str) -> None:
    patterns = TablePatterns.parse(f"{literal(database)}.{literal(name)}")
    assert patterns.matches(TableId(database, name))
    assert patterns.matches(TableId(database, other)) == (other == name)
    assert patterns.matches(TableId(other, name)) == (other == database)


@given(names)
def test_all_tables_of_a_database_are_all(name: str) -> None:
    assert TablePatterns.parse(r"shop.\.*").matches(TableId("shop", name))


@given(st.text(st.sampled_from(r".\,[](){}*+?|^$abd-&0 "), max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        TablePatterns.parse(text).matches(TableId("a", "b"))
    except InvalidJob as error:
        assert error.message and error.hint and error.path == "source.tables"


PIECES = st.sampled_from(
    [*"abAB_0.,|()[]{}^$*+?\\- ", r"\.", r"\d", r"\w", "[a-b]", "[^a]", "(?:", "(?i)", "(?=", "(?!", "(?<=", "(?<n>", "{2}",
     "{1,3}", "*?", "++", r"\1", r"\b", r"\z", r"\Q", r"\p{L}", "[[:alpha:]]", "(?P<x>", "(?|", "{e<=1}", r"\L<x>", "(?R)"]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=12).map("".join), st.text("abAB_0.", max_size=5), st.booleans())
def test_any_pattern_means_what_python_says_or_is_refused(part: str, name: str, ignore_case: bool) -> None:
    try:
        patterns = TablePatterns.parse(f"d.({part})x?")
    except InvalidJob as error:
        assert error.hint
        return
    found = patterns.matches(TableId("d", name), ignore_case=ignore_case)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    assert found == any(
        re.fullmatch(one.database, "d", flags) and re.fullmatch(one.table, name, flags) for one in patterns._patterns
    )


#: Repeats inside of repeats, on the longest name that MySQL has.
HOPELESS = [
    "(a+)+b",
    "(a|a)*b",
    "(a|aa)+b",
    "(?=(a+))(?:\\1a|a+)*(?:a|aa)+(?:a|aa)+\\1b",
    "(" * 60 + "a" + "*)" * 60 + "b",
]


@pytest.mark.parametrize("part", HOPELESS)
def test_a_pattern_that_would_never_end_ends(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(patterns_module, "_MATCH_SECONDS", 0.2)
    table = TableId("d", "a" * 64)
    patterns = TablePatterns.parse(f"d.{part}", "source.tables")
    try:
        assert not patterns.matches(table)
    except InvalidJob as error:
        assert error.path == "source.tables"
        assert f"does not come to an end on the name {table}" in error.message


def test_a_pattern_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns_module, "_MATCH_SECONDS", 0.05)
    with pytest.raises(InvalidJob, match="does not come to an end"):
        TablePatterns.parse(f"d.{HOPELESS[3]}").matches(TableId("d", "a" * 64))


@pytest.mark.parametrize(
    "part", ["((((a{1000}){1000}){1000}){1000})", "(a?){1000}" * 50, "a{99999999}", "(" * 300 + ")" * 300]
)
def test_a_large_pattern_costs_little(part: str) -> None:
    tracemalloc.start()
    try:
        with suppress(InvalidJob):
            TablePatterns.parse(f"d.{part}").matches(TableId("d", "a" * 64))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000
