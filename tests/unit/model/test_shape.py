"""A record from outside is what its annotations say, or a ValueError that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from shared.model.change import ChunkKey
from shared.model.shape import checked


class Inner(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Outer:
    text: str = ""
    flag: bool = False
    share: float = 0.0
    maybe: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (1, "a")
    named: Mapping[str, int] | None = None
    key: ChunkKey = ()


GOOD: list[dict[str, Any]] = [
    {},
    {"text": "x", "flag": True, "share": 1, "maybe": Inner("a", 2**64 - 1), "many": (Inner("", -(2**63)),)},
    {"pair": (2, ""), "named": {"a": 1}, "key": (1, "a", b"b", Decimal("1.20"))},
]
BAD: list[dict[str, Any]] = [
    {"text": 1},
    {"text": None},
    {"flag": 1},
    {"share": "1"},
    {"share": True},
    {"maybe": ("a", 1)},
    {"maybe": Inner("a", "b")},  # type: ignore[arg-type]
    {"maybe": Inner(["a"], 1)},  # type: ignore[arg-type]
    {"many": [Inner("a", 1)]},
    {"many": (Inner("a", True),)},
    {"many": (Inner("a", 2**64),)},
    {"pair": (1,)},
    {"pair": ("a", 1)},
    {"named": {1: 1}},
    {"named": {"a": "b"}},
    {"named": [("a", 1)]},
    {"key": (None,)},
    {"key": (1.5,)},
    {"key": "ab"},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_fits_comes_back(fields: dict[str, Any]) -> None:
    record = Outer(**fields)
    assert checked(record) is record


@pytest.mark.parametrize("fields", BAD, ids=repr)
def test_what_does_not_fit_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(fields))}` of Outer"):
        checked(Outer(**fields))


def test_an_annotation_without_a_rule_is_a_mistake_of_ours() -> None:
    @dataclass
    class Odd:
        names: set[str]

    with pytest.raises((TypeError, NameError)):
        checked(Odd({"a"}))
