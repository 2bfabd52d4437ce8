"""Which table a name means, and what is said when it means none or several."""

import pytest

from scheduler.console.names import Reference, resolve
from shared.errors import InvalidQuery
from tests.unit.console.topics_lab import Lab, column, source

SHOP = [source("user"), source("order", column("user_id", "bigint")), source("Mixed"), source("a_source"), source("a")]


def meant(schema: str, name: str, *sources) -> str:
    (match,) = resolve([Reference(schema, name)], sources or SHOP)
    return f"{match.source.job}:{match.source.id}{':kv' if match.key_value else ''}"


@pytest.mark.parametrize(
    ("schema", "name", "table"),
    [
        ("", "user", "j:shop.user"),
        ("shop", "user", "j:shop.user"),
        ("SHOP", "USER", "j:shop.user"),
        ("", "user_source", "j:shop.user:kv"),
        ("shop", "Order_Source", "j:shop.order:kv"),
        ("", "mixed", "j:shop.Mixed"),
        ("", "a_source", "j:shop.a_source"),
        ("", "a_source_source", "j:shop.a_source:kv"),
    ],
)
def test_a_name_means_a_table(schema, name, table) -> None:
    assert meant(schema, name) == table


def test_a_name_as_it_is_spelled_comes_first() -> None:
    sources = [source("t"), source("T")]
    assert meant("", "T", *sources) == "j:shop.T"
    with pytest.raises(InvalidQuery, match="differ in case alone"):
        resolve([Reference("", "t"), Reference("", "T")], sources)


def test_unknown_and_ambiguous_names_are_told() -> None:
    with pytest.raises(InvalidQuery) as caught:
        meant("", "usr")
    assert caught.value.hint.startswith("Did you mean `user`? Tables: shop.Mixed, ")
    with pytest.raises(InvalidQuery, match=r"several tables: shop\.t, zoo\.t"):
        meant("", "t", source("t"), source("t", database="zoo"))
    assert meant("zoo", "t", source("t"), source("t", database="zoo")) == "j:zoo.t"
    with pytest.raises(InvalidQuery, match="copied by several jobs: j, k") as caught:
        meant("", "t", source("t"), source("t", job="k"))
    assert "scheduler sql j" in caught.value.hint


def test_names_that_are_duckdbs_or_the_querys_own(tmp_path) -> None:
    lab = Lab(tmp_path, *SHOP)
    lab.send("user", ('{"id":1}', '{"id":1}'))
    assert lab.ask("WITH q AS (SELECT id FROM user) SELECT q.id + 1 FROM q, Q AS again") == [["2"]]
    assert lab.ask("SELECT count(*) > 0 FROM information_schema.tables") == [["true"]]
    assert (
        lab.ask(
            "SELECT u.id FROM (FROM user) u WHERE id IN (SELECT a.id FROM shop.user_source, a RIGHT JOIN user ON true)"
        )
        == []
    )
    assert set(lab.opened) == {"shop.user", "shop.a"}


@pytest.mark.parametrize(
    ("include", "columns"),
    [("ALL", ["key_id", "value_id", "value_user_id"]), ("EXCEPT_KEY", ["key_id", "value_user_id"])],
)
def test_key_value_views_have_what_the_message_has(tmp_path, include, columns) -> None:
    lab = Lab(tmp_path, source("order", column("user_id", "bigint"), fields_include=include))
    lab.send("order", ('{"id":1}', '{"user_id":7}'))
    assert list(lab.types("FROM order_source")) == columns
    assert lab.ask("SELECT key_id, value_user_id FROM shop.order_source") == [["1", "7"]]
    assert lab.ask("FROM shop.order") == [["1", "7"]]


ERRORS = {
    "SELECT * FROM order": 'syntax error at or near "order" (line 1, column 15).',
    "SELECT 1 +": 'syntax error at or near "+" (line 1, column 10).',
    "SELECT 1;\nSELECT 2": "There are 2 statements.",
    "DROP TABLE user": "Only queries are answered; nothing can be changed here.",
    "": "There are 0 statements.",
    "SELECT id,\n   nope FROM user": 'Referenced column "nope" not found in FROM clause (line 2, column 4).',
    f"SELECT {'id, ' * 60}nope FROM user": f'Referenced column "nope" not found in FROM clause (line 1, column {8 + 240}).',
    "SELECT nofunction(id) FROM user": "Scalar Function with name nofunction does not exist (line 1, column 8).",
    "SELECT *\nFROM shop.nothing": "There is no table `shop.nothing` (line 2, column 6).",
    "SELECT 'secret word'::INT": "Could not convert string … to INT32.",
    "SELECT ('secret ' || id)::DATE FROM user": None,
    "SELECT ('18446744073709551616' || id)::INT FROM user": None,
    "SELECT error('no') FROM user": None,
}


@pytest.mark.parametrize("text", ERRORS)
def test_what_is_wrong_with_a_query_is_one_sentence_with_its_place(tmp_path, text) -> None:
    lab = Lab(tmp_path, *SHOP)
    lab.send("user", ('{"id":1}', '{"id":1}'))
    with pytest.raises(InvalidQuery) as caught:
        lab.ask(text)
    message = caught.value.message
    assert ERRORS[text] is None or message.startswith(ERRORS[text].removesuffix(".")), message
    assert "\n" not in message and "secret" not in str(caught.value) and "18446744073709551616" not in message
    assert lab.ask("SELECT id FROM user") == [["1"]], "the session goes on"


def test_the_memory_limit_is_a_size(tmp_path) -> None:
    with pytest.raises(InvalidQuery, match="a memory limit of `much`"):
        Lab(tmp_path, memory_limit="much")
