"""The key that a user types, as the bytes that a message has. Pure.

With the table's schema the key gets its columns' order and spelling: `id=1` is `{"id":1}` for a number and `{"id":"1"}` for a text.
Without it, what reads as a JSON value is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from scheduler.console.rows import Text, members
from shared.errors import InvalidQuery
from shared.model.schema import Table

_NUMBERS = frozenset("tinyint smallint mediumint int bigint decimal float double year".split())  # noqa: SIM905

_HINT = "Write --key id=1 (several for a key of several columns), or --key '{\"id\":1}'."


def key_bytes(given: Sequence[str], table: Table | None) -> bytes:
    """The key's bytes.

    Args:
        given: each a JSON object, or `name=value`.
        table: whose key it is; None where nobody knows.

    Raises:
        InvalidQuery: it is no key, or not one of this table.
    """
    found: dict[str, str] = {}
    for each in given:
        found |= _object(each) if each.lstrip().startswith("{") else _pair(each, table)
    if table is not None:
        found = _ordered(found, table)
    return ("{" + ",".join(f"{_quoted(name)}:{value}" for name, value in found.items()) + "}").encode()


def same_key(one: bytes, other: bytes) -> bool:
    """True when two keys are the same JSON value in two spellings."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _object(text: str) -> dict[str, str]:
    try:
        return {name: _spelled(value) for name, value in members(text).items()}
    except ValueError:
        raise InvalidQuery("The key is not a JSON object.", _HINT) from None


def _spelled(value: str | None) -> str:
    if value is None:
        return "null"
    return _quoted(value) if isinstance(value, Text) else value


def _pair(text: str, table: Table | None) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidQuery("The key is neither `name=value` nor a JSON object.", _HINT)
    kinds = {column.name: column for column in table.columns} if table else {}
    if name in kinds:
        column = kinds[name]
        plain = column.data_type in _NUMBERS or (column.column_type == "bit(1)")
        return {name: value if plain else _quoted(value)}
    return {name: value if _is_json(value) else _quoted(value)}


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _ordered(found: Mapping[str, str], table: Table) -> dict[str, str]:
    if found.keys() != set(table.primary_key):
        raise InvalidQuery(
            f"The key of {table.id} is {', '.join(table.primary_key)}; given: {', '.join(found) or 'nothing'}.", _HINT
        )
    return {name: found[name] for name in table.primary_key}


def _quoted(text: str) -> str:
    """A JSON string as docs/types.md spells it."""
    return _upper_escapes(json.dumps(text, ensure_ascii=False))


def _upper_escapes(text: str) -> str:
    head, *rest = text.split("\\u00")
    return head + "".join("\\u00" + part[:2].upper() + part[2:] for part in rest)
