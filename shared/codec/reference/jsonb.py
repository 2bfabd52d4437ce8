"""MySQL's binary JSON becomes exactly the text that MySQL itself prints.

Law of this file: keys stay in their stored order, numbers keep their kind (1 and 1.0 differ), and
values that JSON has no words for (dates, decimals, bytes) look as in `SELECT`. Layout: MySQL's
source, `sql-common/json_binary.h`: objects and arrays are tables of offsets, small (2 bytes) or
large (4), with small scalars inside the table. A damaged document can point anywhere, so depth and
the number of values are bounded. Used by `fields`.
"""

from __future__ import annotations

from binascii import b2a_base64
from struct import Struct

import orjson

from shared.codec.reference.decimal_bytes import decimal_text

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = 0, 1, 2, 3, 4
_STRING, _OPAQUE = 0x0C, 0x0F
_NUMBERS = {
    0x05: Struct("<h"),
    0x06: Struct("<H"),
    0x07: Struct("<i"),
    0x08: Struct("<I"),
    0x09: Struct("<q"),
    0x0A: Struct("<Q"),
}
_DOUBLE = 0x0B
_DOUBLE_SHAPE = Struct("<d")
#: Kinds whose value stands in the table itself, by the width of its offsets.
_INLINED = {2: frozenset((_LITERAL, 0x05, 0x06)), 4: frozenset((_LITERAL, 0x05, 0x06, 0x07, 0x08))}
_LITERALS = ("null", "true", "false")

#: MySQL refuses deeper documents.
_DEPTH_MAX = 100
_VARIABLE_LENGTH_BYTES_MAX = 5
#: MySQL prints plain digits while the point stands at most so many places off the first digit, or
#: among the digits.
_PLAIN_PLACES_MAX = 15
#: MySQL breaks base64 into lines of so many bytes (76 letters).
_BASE64_LINE_BYTES = 57

_TIMESTAMP, _DATE, _TIME, _DATETIME, _NEWDECIMAL = 7, 10, 11, 12, 246


def json_document_text(document: bytes) -> str:
    """The text of a stored document.

    An empty one is null: what MySQL stores when it makes up a value for a column that must not be
    NULL.

    Raises:
        ValueError, IndexError, struct.error: the document is malformed.
    """
    if not document:
        return "null"
    return _Document(document).value(document[0], 1, 0)


def double_text(value: float) -> str:
    """A double as MySQL prints it inside JSON: `1.0`, `1e20`, `1.5e-17`."""
    mantissa, _, exponent = f"{value!r}e0".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent.removesuffix("e0"))
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + shift - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0.0"
    if not -_PLAIN_PLACES_MAX < point <= max(_PLAIN_PLACES_MAX, len(digits) - 1):
        head, tail = digits[0], digits[1:]
        return f"{sign}{head}{'.' if tail else ''}{tail}e{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"


class _Document:
    """A document. Every value costs bytes: more values than bytes are offsets in circles."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values_left = len(data)

    def value(self, kind: int, place: int, depth: int) -> str:
        """The text of the value of this kind at this place."""
        self._values_left -= 1
        if self._values_left < 0 or depth > _DEPTH_MAX:
            raise ValueError("a JSON document goes in circles")
        if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
            return self._object(place, 2 if kind == _SMALL_OBJECT else 4, depth)
        if kind in (_SMALL_ARRAY, _LARGE_ARRAY):
            return self._array(place, 2 if kind == _SMALL_ARRAY else 4, depth)
        if kind == _STRING:
            return orjson.dumps(self._counted(place).decode()).decode()
        if kind in _NUMBERS:
            return str(_NUMBERS[kind].unpack_from(self._data, place)[0])
        if kind == _LITERAL:
            return _LITERALS[self._data[place]]
        if kind == _DOUBLE:
            return double_text(_DOUBLE_SHAPE.unpack_from(self._data, place)[0])
        if kind == _OPAQUE:
            return _opaque_text(self._data[place], self._counted(place + 1))
        raise ValueError("a JSON document holds a value of unknown kind")

    def _object(self, start: int, width: int, depth: int) -> str:
        count = self._count(start, width)
        keys = start + 2 * width
        entries = keys + count * (width + 2)
        members = []
        for number in range(count):
            entry = keys + number * (width + 2)
            key = start + self._number(entry, width)
            end = key + self._number(entry + width, 2)
            if end > len(self._data):
                raise ValueError("a JSON key is cut short")
            name = orjson.dumps(self._data[key:end].decode()).decode()
            value = self._entry(start, entries + number * (width + 1), width, depth)
            members.append(f"{name}: {value}")
        return f"{{{', '.join(members)}}}"

    def _array(self, start: int, width: int, depth: int) -> str:
        count = self._count(start, width)
        entries = start + 2 * width
        values = (self._entry(start, entries + number * (width + 1), width, depth) for number in range(count))
        return f"[{', '.join(values)}]"

    def _entry(self, start: int, entry: int, width: int, depth: int) -> str:
        """The value of an entry: a kind, then the value itself or its offset from the start."""
        kind = self._data[entry]
        if kind in _INLINED[width]:
            return self.value(kind, entry + 1, depth + 1)
        return self.value(kind, start + self._number(entry + 1, width), depth + 1)

    def _count(self, start: int, width: int) -> int:
        count = self._number(start, width)
        if start + self._number(start + width, width) > len(self._data):
            raise ValueError("a JSON container is cut short")
        return count

    def _number(self, place: int, width: int) -> int:
        if place + width > len(self._data):
            raise ValueError("a JSON document is cut short")
        return int.from_bytes(self._data[place : place + width], "little")

    def _counted(self, place: int) -> bytes:
        """Bytes behind their length: seven bits a byte, lowest first, the top bit for more."""
        length = 0
        for number in range(_VARIABLE_LENGTH_BYTES_MAX):
            byte = self._data[place + number]
            length |= (byte & 0x7F) << 7 * number
            if not byte & 0x80:
                break
        else:
            raise ValueError("a length in a JSON document is too long")
        begin = place + number + 1
        if begin + length > len(self._data):
            raise ValueError("a JSON value is cut short")
        return self._data[begin : begin + length]


def _opaque_text(kind: int, data: bytes) -> str:
    """Values that only MySQL knows: dates in quotes, decimals bare, all else in base64."""
    if kind == _NEWDECIMAL:
        return decimal_text(data[0], data[1])(data[2:]).decode()
    if kind in (_DATE, _DATETIME, _TIMESTAMP, _TIME):
        packed = int.from_bytes(data, "little", signed=True)
        if len(data) != 8:
            raise ValueError("a date in a JSON document is cut short")
        return f'"{_time_text(packed) if kind == _TIME else _date_text(packed, kind)}"'
    lines = (
        b2a_base64(data[i : i + _BASE64_LINE_BYTES], newline=False).decode()
        for i in range(0, len(data), _BASE64_LINE_BYTES)
    )
    return f'"base64:type{kind}:{_LINE_BREAK.join(lines)}"'


#: A line break as it looks inside a JSON string.
_LINE_BREAK = "\\n"


def _date_text(packed: int, kind: int) -> str:
    """Years times 13 plus month, 5 bits day, 17 bits clock, 24 bits microseconds."""
    if packed < 0:
        raise ValueError("a date in a JSON document is negative")
    days = packed >> 41
    year, month = divmod(days >> 5, 13)
    date = f"{year:04}-{month:02}-{days & 31:02}"
    return date if kind == _DATE else f"{date} {_clock_text(packed)}"


def _time_text(packed: int) -> str:
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    return sign + _clock_text(packed & ((1 << 46) - 1), hour_bits=10)


def _clock_text(packed: int, hour_bits: int = 5) -> str:
    clock = packed >> 24
    hour = clock >> 12 & ((1 << hour_bits) - 1)
    return f"{hour:02}:{clock >> 6 & 63:02}:{clock & 63:02}.{packed & 0xFFFFFF:06}"
