"""Patterns of columns that are left out."""

from __future__ import annotations

import pytest

from shared.errors import InvalidJob
from shared.job.columns import ColumnPatterns
from shared.model.schema import Column, Table, TableId

USER = TableId("shop", "user")


def parsed(text: str) -> ColumnPatterns:
    return ColumnPatterns.parse(text)


@pytest.mark.parametrize(
    ("text", "column", "meant"),
    [
        ("shop.user.phone", "phone", True),
        ("shop.user.phone", "phones", False),
        ("shop.user.phone", "PHONE", True),
        ("SHOP.User.phone", "phone", True),
        ("shop.order.phone", "phone", False),
        (r"shop.\.*.phone", "phone", True),
        (r"s\.*.u\.+.(phone|mail), a.b.c", "mail", True),
        (r"shop.user.[a.]b", ".b", True),
        (r"shop.user.p\.*", "pin", True),
        (r"shop.user.p\.*", "spin", False),
    ],
)
def test_a_pattern_has_three_parts_and_no_case(text: str, column: str, meant: bool) -> None:
    assert parsed(text)(USER, column) is meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user.phone", "does not name database, table and column"),
        ("a.shop.user.phone", "does not name database, table and column"),
        ("phone", "does not name"),
        ("shop.user.", "does not name"),
        ("shop.user.(", "no regular expression"),
        ("shop.user.a,", "does not name"),
    ],
)
def test_what_is_no_pattern_is_told(text: str, said: str) -> None:
    with pytest.raises(InvalidJob) as raised:
        parsed(text)
    assert said in raised.value.message
    assert raised.value.path == "source.columns.exclude"


def test_patterns_that_mean_nothing_are_found() -> None:
    column = Column("phone", "int", "int", nullable=True)
    table = Table(USER, (column,), ("phone",))
    assert parsed(r"shop.user.phone, shop.user.fone, \.*.\.*.mail").unmatched([table]) == [
        "shop.user.fone",
        r"\.*.\.*.mail",
    ]
    assert "phone" not in repr(parsed("shop.user.phone"))
