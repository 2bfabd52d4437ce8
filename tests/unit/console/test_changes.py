"""How a followed result changes: applied to the first rows, the printed changes give the query's answer of now."""

import random
from collections import Counter

import pytest

from shared.errors import InvalidQuery
from tests.unit.console.topics_lab import Lab, column, source

USER = source("user", column("name", "varchar(9)"))
ORDER = source("order", column("product", "varchar(9)"), column("user_id", "bigint"))
PART = source("part", column("line", "int"), column("d", "decimal(9,2)"), key=("line", "id"))


def user(number: int, name: str | None) -> tuple[str, str | None]:
    return f'{{"id":{number}}}', None if name is None else f'{{"id":{number},"name":"{name}"}}'


def order(number: int, product: str | None, user_id: int = 0) -> tuple[str, str | None]:
    return f'{{"id":{number}}}', product and f'{{"id":{number},"product":"{product}","user_id":{user_id}}}'


@pytest.fixture
def lab(tmp_path) -> Lab:
    made = Lab(tmp_path, USER, ORDER, PART)
    made.send("user", user(1, "Tom"), user(2, "Jerry"))
    made.send("order", order(1, "Football", 2), order(2, "Basket", 1))
    return made


def test_rows_of_one_table(lab) -> None:
    followed = lab.follow("SELECT upper(name) AS n FROM shop.user AS u WHERE name <> 'Nobody'")
    assert followed.first == ["+I JERRY", "+I TOM"]
    lab.send("user", user(3, "Spike"), user(1, "Thomas"), user(4, "Nobody"), user(9, None))
    assert sorted(followed.next()) == ["+I SPIKE", "+U THOMAS", "-U TOM"]
    lab.send("user", user(1, "THOMAS"), user(2, None), user(3, "Nobody"), user(4, "Somebody"))
    assert sorted(followed.next()) == ["+I SOMEBODY", "-D JERRY", "-D SPIKE"], "THOMAS looks the same as before"
    assert followed.next() == []


def test_an_update_is_two_lines_next_to_each_other(lab) -> None:
    followed = lab.follow("FROM user")
    lab.send("user", user(1, "a"), user(2, "b"))
    lines = followed.next()
    pairs = {tuple(lines[place : place + 2]) for place in (0, 2)}
    assert pairs == {("-U 1 Tom", "+U 1 a"), ("-U 2 Jerry", "+U 2 b")}


def test_a_left_join(lab) -> None:
    followed = lab.follow(
        "SELECT order_source.key_id, value_product, user_source.value_name FROM order_source"
        " LEFT JOIN user_source ON order_source.value_user_id = user_source.key_id"
    )
    assert followed.first == ["+I 1 Football Jerry", "+I 2 Basket Tom"]
    lab.send("user", user(2, "Jerome"))
    assert followed.next() == ["-U 1 Football Jerry", "+U 1 Football Jerome"]
    lab.send("order", order(3, "Tennis", 7))
    assert followed.next() == ["+I 3 Tennis None"]
    lab.send("user", user(7, "Butch"))
    assert sorted(followed.next()) == ["+I 3 Tennis Butch", "-D 3 Tennis None"]
    lab.send("order", order(1, None))
    lab.send("user", user(1, None))
    assert sorted(followed.next()) == ["+I 2 Basket None", "-D 1 Football Jerome", "-D 2 Basket Tom"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT user_id, count(*), max(product) FROM shop.order GROUP BY user_id",
        "SELECT DISTINCT product FROM shop.order",
        "SELECT id FROM shop.order ORDER BY id DESC LIMIT 2",
        "SELECT name, (SELECT count(*) FROM shop.order WHERE user_id = user.id) FROM user",
        "SELECT id, row_number() OVER (ORDER BY id) FROM shop.order",
        "FROM user UNION ALL SELECT id, product FROM shop.order",
        "SELECT a.name, b.name FROM user a, user b WHERE a.id < b.id",
        "SELECT user.id, o.id, p.line, d FROM user FULL JOIN shop.order o ON user_id = user.id LEFT JOIN part p ON p.id = o.id",
        "SELECT * FROM part JOIN user USING (id)",
        "SELECT line + id AS n, d FROM part WHERE d > 1",
        "SELECT unnest([id, id]) FROM user",
        "WITH u AS (FROM user) SELECT u.name, product FROM u JOIN shop.order ON user_id = u.id",
        "SELECT 1 FROM user",
    ],
)
def test_changes_lead_from_the_first_answer_to_the_last(lab, text) -> None:
    dice = random.Random(text)
    followed = lab.follow(text)
    rows = Counter(line.removeprefix("+I ") for line in followed.first)
    for _ in range(6):
        for _ in range(dice.randrange(1, 4)):
            number, dead = dice.randrange(5), dice.random() < 0.3
            table = dice.choice(["user", "order", "part"])
            if table == "part":
                line = dice.randrange(3)
                body = f'{{"id":{number},"line":{line},"d":{dice.randrange(300) / 100:.2f}}}'
                lab.send("part", (f'{{"line":{line},"id":{number}}}', None if dead else body))
            elif table == "user":
                lab.send("user", user(number, None if dead else dice.choice("xyz")))
            else:
                lab.send("order", order(number, None if dead else dice.choice("pq"), dice.randrange(5)))
        for change in [*followed.next(), *followed.next(), *followed.next(), *followed.next()]:
            op, _, row = change.partition(" ")
            rows[row] += 1 if op[0] == "+" else -1
            assert rows[row] >= 0 or op == "-U", change
    assert followed.next() == []
    now = Counter(" ".join(str(cell) for cell in row) for row in lab.ask(text))
    assert +rows == now


def test_a_table_that_changes_for_long_does_not_grow(lab, monkeypatch) -> None:
    monkeypatch.setattr("scheduler.console.store._DEAD_ROWS_MAX", 100)
    followed = lab.follow("SELECT name FROM user WHERE id = 1")
    for turn in range(5):
        lab.send("user", *(user(number, f"n{turn}") for number in range(1, 60)))
        assert followed.next()[-1] == f"+U n{turn}"
    (stored,) = lab.session.prepare("FROM user").tables
    assert stored._dead_rows < 200


def test_a_query_without_a_table_is_not_followed(lab) -> None:
    with pytest.raises(InvalidQuery, match="names no table"):
        lab.follow("SELECT 1")
