"""Chunks: half-open primary-key ranges of one table, and the form in which their bounds travel.

A bound is written as JSON into the state topic and into messages; `bound_to_json` loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from shared.model.change import ChunkKey, KeyPart
from shared.model.schema import TableId

#: A finite Decimal without an exponent, as `part_to_json` writes it.
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")


#: The number of a range that is read again: it stands in no order with the table's chunks, and one is read at a time.
REREAD = -1


class ChunkId(NamedTuple):
    """A chunk's name: its table and its number in key order, from 0; `REREAD` is none of them."""

    table: TableId
    number: int

    def __str__(self) -> str:
        return f"{self.table}#{self.number}"


def named(chunks: Sequence[ChunkId]) -> str:
    """A few words for some chunks: the first one, and how many others."""
    return f"{chunks[0]} and {len(chunks) - 1} more" if len(chunks) > 1 else str(chunks[0])


class KeyRange(NamedTuple):
    """From `lower` (inside) to `upper` (outside); None is open-ended."""

    lower: ChunkKey | None
    upper: ChunkKey | None

    def holds(self, key: ChunkKey) -> bool:
        """True when the key is inside. Only for types whose order Python shares (not character strings)."""
        return (self.lower is None or key >= self.lower) and (self.upper is None or key < self.upper)


def bound_to_json(bound: ChunkKey | None) -> list[Any] | None:
    """A bound as plain JSON values: numbers, strings, `{"d": decimal}`, `{"b": hex}`."""
    return None if bound is None else [part_to_json(part) for part in bound]


def bound_from_json(value: list[Any] | None) -> ChunkKey | None:
    """The bound that `bound_to_json` wrote.

    Raises:
        ValueError: the value has another shape.

    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"not a chunk key: {type(value).__name__}")
    return tuple(part_from_json(part) for part in value)


def part_to_json(part: KeyPart) -> int | str | dict[str, str]:
    """A part as JSON values that lose nothing: number, string, `{"d": "1.20"}`, `{"b": hex}`."""
    if isinstance(part, Decimal):
        return {"d": format(part, "f")}
    if isinstance(part, bytes):
        return {"b": part.hex()}
    return part


def part_from_json(value: object) -> KeyPart:
    """The part that `part_to_json` wrote.

    Raises:
        ValueError: the value has another shape.
    """
    match value:
        case bool():
            pass
        case int() | str():
            return value
        case {"d": str(digits)} if _DECIMAL.fullmatch(digits):
            return Decimal(digits)
        case {"b": str(digits)}:
            return bytes.fromhex(digits)
    raise ValueError(f"not a part of a chunk key: {type(value).__name__}")
