"""What JSON values have been seen at one place of a topic's messages, and the Flink type that holds them all.

A shape is a set of observations, merged part by part (and, or, greatest), so the order in which messages come, and how
they are grouped, cannot matter. Types are only decided at the end, from all that was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from scheduler.flink.types import DECIMAL_DIGITS_MAX

_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1
#: Longer numbers are text for us: nothing of Flink's holds them.
_NUMBER_LENGTH_MAX = 400
#: An object of more different names than this uses data as names; they are no columns.
NAMES_MAX = 1000

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:([ T])(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z?))?", re.ASCII)

TextKind = Literal["date", "SQL", "SQL Z", "ISO-8601", "ISO-8601 Z", "other"]


class Number(str):
    """A number as JSON spells it, so that no digit is lost before its type is known."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers that were seen: digits before and behind the point at most, and what holds all of them exactly."""

    whole: int
    scale: int
    bigint: bool
    double: bool
    exponent: bool

    @staticmethod
    def of(text: str) -> Numbers:
        """What one number is."""
        exponent = "e" in text.lower()
        if len(text) > _NUMBER_LENGTH_MAX:
            return Numbers(len(text), len(text), bigint=False, double=False, exponent=exponent)
        try:
            value = Decimal(text)
            double = value == Decimal(float(text)) or Decimal(repr(float(text))) == value
        except (InvalidOperation, OverflowError, ValueError):
            return Numbers(len(text), len(text), bigint=False, double=False, exponent=exponent)
        whole, _, fraction = text.lower().partition("e")[0].lstrip("-").partition(".")
        plain = not exponent and not fraction
        bigint = plain and _BIGINT_MIN <= int(text) <= _BIGINT_MAX
        return Numbers(len(whole.lstrip("0")), len(fraction), bigint=bigint, double=double, exponent=exponent)

    def merge(self, other: Numbers) -> Numbers:
        """What both are."""
        return Numbers(
            max(self.whole, other.whole),
            max(self.scale, other.scale),
            bigint=self.bigint and other.bigint,
            double=self.double and other.double,
            exponent=self.exponent or other.exponent,
        )

    @property
    def type(self) -> str:
        """The narrowest of Flink's types that holds all of them exactly; STRING keeps the digits of any number."""
        if self.bigint:
            return "BIGINT"
        if self.double and (self.scale or self.exponent):
            return "DOUBLE"
        if not self.exponent and self.whole + self.scale <= DECIMAL_DIGITS_MAX:
            return f"DECIMAL({DECIMAL_DIGITS_MAX}, {self.scale})"
        return "STRING"


@dataclass(frozen=True, slots=True)
class Texts:
    """Strings that were seen: the kinds of them, and digits of a second's fraction at most."""

    kinds: frozenset[TextKind]
    fraction: int = 0

    @staticmethod
    def of(text: str) -> Texts:
        """What one string is."""
        found = _MOMENT.fullmatch(text)
        if found is None or not _exists(text[:19]):
            return Texts(frozenset(("other",)))
        separator, fraction, zone = found[2], found[4] or "", found[5]
        if separator is None:
            return Texts(frozenset(("date",)))
        kinds: Mapping[tuple[str, str], TextKind] = {
            (" ", ""): "SQL", (" ", "Z"): "SQL Z", ("T", ""): "ISO-8601", ("T", "Z"): "ISO-8601 Z",
        }  # fmt: skip
        return Texts(frozenset((kinds[separator, zone],)), len(fraction))

    def merge(self, other: Texts) -> Texts:
        """What both are."""
        return Texts(self.kinds | other.kinds, max(self.fraction, other.fraction))

    def type(self, standard: str) -> str:
        """Its type where timestamps are spelled by that standard."""
        if self.kinds == {"date"}:
            return "DATE"
        if self.kinds == {standard}:
            return f"TIMESTAMP({self.fraction})"
        if self.kinds == {f"{standard} Z"}:
            return f"TIMESTAMP_LTZ({self.fraction})"
        return "STRING"


def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


#: Where a message stands: milliseconds since 1970, partition, offset.
Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """All that was seen at one place. `last` is the newest message that has it, `seen` counts them.

    `wide` is true for objects of more than `NAMES_MAX` names, which are then forgotten.
    """

    seen: int
    last: Place
    booleans: bool = False
    numbers: Numbers | None = None
    texts: Texts | None = None
    arrays: bool = False
    objects: bool = False
    wide: bool = False
    members: Mapping[str, Shape] = field(default_factory=dict)

    @staticmethod
    def of(value: Any, place: Place, depth: int) -> Shape:
        """What one value is; numbers are `Number`, everything else as `json` reads it.

        Members of objects are looked at down to that depth.
        """
        if isinstance(value, Number):
            return Shape(1, place, numbers=Numbers.of(value))
        if isinstance(value, bool):
            return Shape(1, place, booleans=True)
        if isinstance(value, str):
            return Shape(1, place, texts=Texts.of(value))
        if isinstance(value, list):
            return Shape(1, place, arrays=True)
        if isinstance(value, dict):
            wide = len(value) > NAMES_MAX
            looked = {} if wide or depth == 0 else value
            members = {name: Shape.of(member, place, depth - 1) for name, member in looked.items()}
            return Shape(1, place, objects=True, wide=wide, members=members)
        return Shape(1, place)

    def merge(self, other: Shape) -> Shape:
        """What both are."""
        members = dict(self.members)
        for name, shape in other.members.items():
            members[name] = members[name].merge(shape) if name in members else shape
        wide = self.wide or other.wide or len(members) > NAMES_MAX
        return Shape(
            self.seen + other.seen,
            max(self.last, other.last),
            booleans=self.booleans or other.booleans,
            numbers=_both(self.numbers, other.numbers),
            texts=_both(self.texts, other.texts),
            arrays=self.arrays or other.arrays,
            objects=self.objects or other.objects,
            wide=wide,
            members={} if wide else members,
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of JSON values that were seen, null apart."""
        found = (
            ("booleans", self.booleans), ("numbers", self.numbers is not None), ("strings", self.texts is not None),
            ("arrays", self.arrays), ("objects", self.objects),
        )  # fmt: skip
        return [kind for kind, there in found if there]


def _both(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one or other
    return one.merge(other)


@dataclass(frozen=True, slots=True)
class Rules:
    """How shapes become columns, by the names of VVR's catalog.

    `flatten` makes a column of each member of an object; `as_string` makes STRING of every plain value;
    `standard` is the spelling of timestamps, SQL or ISO-8601.
    """

    flatten: bool = False
    as_string: bool = False
    standard: str = "SQL"


def type_of(shape: Shape, rules: Rules) -> tuple[str, str]:
    """The type of a place, and a note where the type does not tell all."""
    kinds = shape.kinds
    if not kinds:
        return "STRING", "only null was seen"
    if len(kinds) > 1:
        return "STRING", " and ".join(kinds)
    if shape.arrays or shape.objects:
        return "STRING", f"JSON {kinds[0]}" + (f" of more than {NAMES_MAX} different names" if shape.wide else "")
    if rules.as_string:
        return "STRING", ""
    if shape.numbers is not None:
        found = shape.numbers.type
        return found, "numbers that no type holds" if found == "STRING" else ""
    return ("BOOLEAN", "") if shape.texts is None else (shape.texts.type(rules.standard), "")


def columns_of(
    shape: Shape, rules: Rules, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, str, Shape]]:
    """The columns of an object's members: path, type, note, and what was seen there."""
    for name, member in shape.members.items():
        here = (*path, name)
        if rules.flatten and member.kinds == ["objects"] and member.members:
            yield from columns_of(member, rules, here)
        else:
            yield here, *type_of(member, rules), member
