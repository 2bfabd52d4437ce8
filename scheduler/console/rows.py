"""From a message's bytes to the texts of its columns, each exactly as it is spelled there. Pure.

A JSON parser would turn 1.10 into 1.1 and 0.1000000000000000055 into 0.1. So it is only asked where each value ends: a string is
decoded, every other value stays the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]

from shared.model.schema import Table

_BLANKS = re.compile(r"[ \t\n\r]*")
_BLANK_OR_END = frozenset(" \t\n\r}")

_scan = JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]


class Text(str):
    """A decoded string, where it must be told from the text of a number."""

    __slots__ = ()


def members(text: str) -> dict[str, str | None]:
    """The members of a JSON object: strings decoded (as `Text`), null as None, all else as spelled.

    Raises:
        ValueError: the text is not one JSON object.
    """
    found: dict[str, str | None] = {}
    try:
        place = _expect(text, 0, "{")
        if text[place] in _BLANK_OR_END and text[_past(text, place)] == "}":
            return _ended(text, _past(text, place), found)
        while True:
            # Messages of ours have no blanks, so nearly every step finds what it expects where it is.
            place = place + 1 if text[place] == '"' else _expect(text, place, '"')
            name, place = scanstring(text, place, False)
            place = place + 1 if text[place] == ":" else _expect(text, place, ":")
            if text[place] in _BLANK_OR_END:
                place = _past(text, place)
            value, end = _scan(text, place)
            found[name] = None if value is None else Text(value) if type(value) is str else text[place:end]
            if text[end] == ",":
                place = end + 1
                continue
            place = _past(text, end)
            if text[place] == "}":
                return _ended(text, place, found)
            place = _expect(text, place, ",")
    except (IndexError, StopIteration, JSONDecodeError):
        raise ValueError("not a JSON object") from None


def _expect(text: str, place: int, mark: str) -> int:
    """The place behind the mark, which may have blanks before it."""
    place = _past(text, place)
    if text[place] != mark:
        raise ValueError("not a JSON object")
    return place + 1


def _ended(text: str, place: int, found: dict[str, str | None]) -> dict[str, str | None]:
    if _past(text, place + 1) != len(text):
        raise ValueError("not a JSON object")
    return found


def _past(text: str, place: int) -> int:
    """The next character that is no blank."""
    blanks = _BLANKS.match(text, place)
    return blanks.end() if blanks else place


class Reader:
    """Reads the messages of one table."""

    def __init__(self, table: Table) -> None:
        self._names = tuple(column.name for column in table.columns)
        self._known = frozenset(self._names)

    def cells(self, key: bytes, value: bytes | None) -> list[str | None]:
        """A text per column of the table, None for NULL; of a tombstone (value None) only the key's columns.

        Raises:
            ValueError: a message of somebody else; says what is wrong with it, without its values.
        """
        try:
            found: Mapping[str, str | None] = members(key.decode())
            if value is not None:
                found = {**found, **members(value.decode())}
        except UnicodeDecodeError:
            raise ValueError("not UTF-8") from None
        if not found.keys() <= self._known:
            raise ValueError(f"a field `{min(found.keys() - self._known)}` that the table has not")
        return [found.get(name) for name in self._names]
