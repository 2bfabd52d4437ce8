"""Routing: every table one topic, every topic one table, or one clear error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.job.routing import RouteMode, RouteRule, default_topic, escape, metric_name, route, shard_key
from shared.model.schema import TableId

TABLES = [TableId("order_dw", name) for name in ("user", "order", "feedback")]


def rule(source: str, sink: str, symbol: str | None = None, index: int = 0) -> RouteRule:
    return RouteRule.parse(source, sink, symbol, path=f"route[{index}]")


def topics(tables: list[TableId], *rules: RouteRule, mode: RouteMode = RouteMode.ALL_MATCH) -> list[str]:
    return list(route(tables, rules, mode=mode).values())


def test_without_rules_a_topic_is_database_and_table() -> None:
    assert topics(TABLES) == ["order_dw.user", "order_dw.order", "order_dw.feedback"]


def test_rules_rename_and_other_tables_keep_their_default() -> None:
    assert topics(TABLES, rule("order_dw.order", "order2")) == ["order_dw.user", "order2", "order_dw.feedback"]


def test_the_symbol_stands_for_the_table_alone_wherever_it_occurs() -> None:
    assert topics(TABLES[:1], rule(r"order_dw.\.*", "x_<>.<>", "<>")) == ["x_user.user"]


@pytest.mark.parametrize(
    ("source", "sink", "name", "expected"),
    [
        (r"shop.order_(\.*)", "orders.$1", "order_eu", "orders.eu"),
        (r"(sh)op.t_(\d+)", "$1_$2", "t_7", "sh_7"),
        (r"shop.t_(1|13)", "t_$1_x", "t_13", "t_13_x"),  # FLINK-40148: not t_1_x3
        (r"shop.t_(\d)", "x$12", "t_7", "x72"),  # only one group, so `2` is a text
        (r"shop.a_(x), shop.b_(y)", "t$1$2", "b_y", "ty"),
        (r"shop.\.*", "all.$0", "t", "all.shop.t"),
        (r"shop.(\.*)", "$0-$1", "t", "shop.t-t"),
    ],
)
def test_groups_are_expanded_on_the_whole_match(source: str, sink: str, name: str, expected: str) -> None:
    assert topics([TableId("shop", name)], rule(source, sink)) == [expected]


@pytest.mark.parametrize(
    ("source", "sink", "symbol", "path", "message"),
    [
        ("a.b", "t_$1_<>", "<>", "route[0].sink-table", "cannot be used in one rule"),
        ("a.b", "topic", "<>", "route[0].replace-symbol", "does not occur"),
        ("a.b", "topic", "", "route[0].replace-symbol", "empty"),
        ("a.(b)", "t_$2", None, "route[0].sink-table", "`$2` has no group: the pattern has 1"),
        ("a.b", "t opic", None, "route[0].sink-table", "other than letters"),
        ("a.b", "..", None, "route[0].sink-table", "is `.` or `..`"),
        ("a.b", "x" * 250, None, "route[0].sink-table", "250 characters, more than 249"),
        ("b", "x", None, "route[0].source-table", "names no database"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(
    source: str, sink: str, symbol: str | None, path: str, message: str
) -> None:
    with pytest.raises(InvalidJob) as caught:
        rule(source, sink, symbol)
    assert message in caught.value.message
    assert caught.value.path == path
    assert caught.value.hint


def test_a_rule_without_tables_is_an_error() -> None:
    with pytest.raises(InvalidJob, match="matches none") as caught:
        topics(TABLES, rule("order_dw.user", "u"), rule("order_dw.users", "x", index=1))
    assert caught.value.path == "route[1].source-table"


def test_two_tables_in_one_topic_are_named_with_their_rules() -> None:
    with pytest.raises(InvalidJob) as caught:
        topics(TABLES, rule("order_dw.user", "x"), rule("order_dw.order", "x", index=1))
    for part in ("order_dw.user (by route[0])", "order_dw.order (by route[1])", "`x`"):
        assert part in caught.value.message
    assert caught.value.path == "route[1].sink-table"


def test_a_rule_and_a_default_may_not_share_a_topic_either() -> None:
    with pytest.raises(InvalidJob, match="by the default") as caught:
        topics(TABLES, rule("order_dw.user", "order_dw.order"))
    assert caught.value.path == "route[0].sink-table"


def test_two_rules_for_one_table_need_first_match() -> None:
    rules = (rule(r"order_dw.u\.*", "first"), rule(r"order_dw.\.*", "rest_<>", "<>", index=1))
    with pytest.raises(InvalidJob) as caught:
        topics(TABLES, *rules)
    assert "several topics per table are not supported" in caught.value.message
    assert "order_dw.user" in caught.value.message
    assert "FIRST_MATCH" in caught.value.hint
    assert topics(TABLES, *rules, mode=RouteMode.FIRST_MATCH) == ["first", "rest_order", "rest_feedback"]


def test_under_first_match_a_rule_may_be_overshadowed() -> None:
    rules = (rule(r"order_dw.\.*", "t_<>", "<>"), rule("order_dw.user", "u", index=1))
    assert topics(TABLES[:1], *rules, mode=RouteMode.FIRST_MATCH) == ["t_user"]


def test_topics_that_share_a_metric_name_are_an_error() -> None:
    with pytest.raises(InvalidJob) as caught:
        topics([TableId("shop_a", "b"), TableId("shop", "a_b")])
    for part in ("`shop_a.b`", "`shop.a_b`", "metrics"):
        assert part in caught.value.message
    assert caught.value.path == "source.tables"


def test_case_is_ignored_where_the_server_ignores_it() -> None:
    rules = [rule("Order_DW.USER", "u")]
    assert route(TABLES[:1], rules, ignore_case=True) == {TABLES[0]: "u"}
    with pytest.raises(InvalidJob, match="matches none"):
        route(TABLES[:1], rules)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("order_item-2", "order_item-2"),
        ("größe", "gr-xf6--xdf-e"),
        ("a.b", "a-x2e-b"),
        ("a b", "a-x20-b"),
        ("re-xa", "re-x2d-xa"),
        ("re-xylophone", "re-xylophone"),
        ("😀", "-x1f600-"),
    ],
)
def test_names_are_escaped_for_kafka(name: str, expected: str) -> None:
    assert escape(name) == expected


def test_a_default_topic_that_is_too_long_is_an_error() -> None:
    with pytest.raises(InvalidJob, match="more than 249"):
        topics([TableId("d", "表" * 64)])


def unescape(text: str) -> str:
    return re.sub(r"-x([0-9a-f]+)-", lambda match: chr(int(match[1], 16)), text)


tricky = st.text(st.sampled_from("-x0a2de._éÀ "), min_size=1, max_size=12)
mysql_names = st.text(st.characters(blacklist_categories=["Cs"], min_codepoint=1), min_size=1, max_size=30) | tricky


@given(mysql_names)
def test_escapes_can_be_undone(name: str) -> None:
    assert unescape(escape(name)) == name
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", escape(name))


@given(mysql_names, mysql_names, mysql_names, mysql_names)
def test_different_tables_have_different_default_topics(a: str, b: str, c: str, d: str) -> None:
    assert (default_topic(TableId(a, b)) == default_topic(TableId(c, d))) == ((a, b) == (c, d))


@given(
    st.lists(st.builds(TableId, tricky, tricky), min_size=1, max_size=8, unique=True),
    st.sampled_from([None, (r"\.*.\.*", "t_<>", "<>"), (r"(\.*).(\.*)", "$1$2", None), (r"\.*.x(\.*)", "y.$1", None)]),
)
def test_routing_gives_distinct_topics_or_raises(
    tables: list[TableId], spec: tuple[str, str, str | None] | None
) -> None:
    rules = [rule(*spec)] if spec else []
    try:
        routed = route(tables, rules)
    except InvalidJob as error:
        assert error.path and error.hint
        return
    assert list(routed) == tables
    assert len({metric_name(topic) for topic in routed.values()}) == len(tables)
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic) for topic in routed.values())


def sharded(source: str, sink: str, key: str, index: int = 0) -> RouteRule:
    return RouteRule.parse(source, sink, path=f"route[{index}]", shard_key=key)


def test_tables_of_a_rule_with_a_shard_key_share_a_topic() -> None:
    tables = [TableId("shop", name) for name in ("order_1", "order_2", "user")]
    rules = [sharded(r"shop.order_\d+", "orders", "of")]
    assert topics(tables, *rules) == ["orders", "orders", "shop.user"]
    assert [shard_key(table, rules) for table in tables] == ["of", "of", ""]
    two = [sharded("shop.order_1", "orders", "of"), sharded("shop.order_2", "orders", "of", 1)]
    assert topics(tables, *two) == ["orders", "orders", "shop.user"]
    groups = [sharded(r"shop.(order|user)\.*", "all_$1", "of")]
    assert topics(tables, *groups) == ["all_order", "all_order", "all_user"]


def test_the_first_rule_that_matches_has_the_shard_key() -> None:
    rules = [rule("shop.order_2", "second"), sharded(r"shop.order_\d+", "orders", "of", 1)]
    tables = [TableId("shop", name) for name in ("order_1", "order_2")]
    assert topics(tables, *rules, mode=RouteMode.FIRST_MATCH) == ["orders", "second"]
    assert [shard_key(table, rules) for table in tables] == ["of", ""]


@pytest.mark.parametrize("other", [rule("shop.b", "orders", index=1), sharded("shop.b", "orders", "from", 1)])
def test_one_topic_needs_one_shard_key(other: RouteRule) -> None:
    with pytest.raises(InvalidJob, match=r"shop\.a \(by route\[0\]\) and shop\.b \(by route\[1\]\) both go") as caught:
        topics([TableId("shop", "a"), TableId("shop", "b")], sharded("shop.a", "orders", "of"), other)
    assert "shard-key" in caught.value.hint
