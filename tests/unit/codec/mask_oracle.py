"""What a message with masks must be, from the message without them. Nothing of the codec is used here."""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace

from shared.codec import FormatOptions
from shared.model.mask import Constant, Hash, Mask
from shared.model.schema import Table, TableId

SALT = b"s\xc3\xa4lt"
TEXT = '*"%b\x1f"*'
_end_of_value = json.JSONDecoder().scan_once


def one_of_each(_: TableId, column: str) -> Mask | None:
    """Each kind of mask, and none, by the column's name."""
    return (None, Constant(None), Constant(TEXT), Hash(SALT))[zlib.crc32(column.encode()) % 4]


def hash_all(_: TableId, __: str) -> Mask | None:
    """Every column is hashed."""
    return Hash(SALT)


def unmasked(options: FormatOptions) -> FormatOptions:
    """The same without masks, and with all nulls."""
    return replace(options, masked=None, ignore_null_fields=False)


def masked(table: Table, value: bytes, options: FormatOptions) -> bytes:
    """The value of a row, whose value under `unmasked` options is given."""
    found = []
    for name, text in members(value.decode()):
        mask = None if name in table.primary_key or options.masked is None else options.masked(table.id, name)
        shown = _shown(mask, text)
        if not (options.ignore_null_fields and shown == "null"):
            found.append(json.dumps(name, ensure_ascii=False) + ":" + shown)
    return ("{" + ",".join(found) + "}").encode()


def members(text: str) -> Iterator[tuple[str, str]]:
    """The names of an object and the text of their values, as it stands there."""
    place = 1
    while text[place] not in "}":
        name, place = _end_of_value(text, place)
        _, end = _end_of_value(text, place + 1)
        yield name, text[place + 1 : end]
        place = end + (text[end] == ",")


def _shown(mask: Mask | None, text: str) -> str:
    if isinstance(mask, Constant):
        return "null" if mask.text is None else json.dumps(mask.text).replace("\\u001f", "\\u001F")
    if mask is None or text == "null":
        return text
    plain = json.loads(text) if text[0] == '"' else text
    return f'"{hmac.new(SALT, plain.encode(), hashlib.sha256).hexdigest()}"'
