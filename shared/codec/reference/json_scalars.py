"""How one value is spelled in JSON: strings, numbers, bytes, moments.

Law of this file: with `json_text` it is the only place where JSON is spelled, and one value has one
spelling. Each function takes a plain form (see `json_text`) and knows no column.
"""

from __future__ import annotations

import math
import re
from binascii import b2a_base64, hexlify
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Literal

import orjson

_ESCAPE = re.compile(rb"\\(u[0-9a-f]{4}|.)")
_FLOAT32 = Struct("<f")
#: Six digits always fit a 4-byte float, and nine always tell it, but below this it has fewer.
_SMALLEST_NORMAL_FLOAT = 2.0**-126
#: Of Java's decimals: below this place of the first digit they have an exponent.
_LEAST_PLAIN_EXPONENT = -6


def json_string(text: str) -> bytes:
    """A JSON string: UTF-8 as it is; only quotes, backslashes and control characters are escaped.

    Control characters are spelled as Jackson does: short forms where JSON has them, else four
    upper-case digits.
    """
    quoted = orjson.dumps(text)
    return _ESCAPE.sub(_upper_case_escape, quoted) if b"\\u" in quoted else quoted


def utf8_string(raw: bytes) -> bytes:
    """`json_string(raw.decode())` in one step, for the most common type of all."""
    quoted = orjson.dumps(raw.decode())
    return _ESCAPE.sub(_upper_case_escape, quoted) if b"\\u" in quoted else quoted


def utf8_strings(column: Sequence[bytes]) -> list[bytes]:
    """`utf8_string` of each, without a step in Python for each."""
    quoted = list(map(orjson.dumps, map(bytes.decode, column)))
    if b"\\u" in b"".join(quoted):
        return [_ESCAPE.sub(_upper_case_escape, one) if b"\\u" in one else one for one in quoted]
    return quoted


def _upper_case_escape(escape: re.Match[bytes]) -> bytes:
    letters = escape[1]
    return escape[0] if len(letters) == 1 else b"\\u" + letters[1:].upper()


# --- numbers


def json_double(value: float) -> bytes:
    """The shortest text that reads back equal.

    It has an exponent below 1e-4 and from 1e16 on: `1e+16`, `1e-05`. NaN and the infinities, which
    only a VECTOR can hold, are quoted as Jackson does.
    """
    if math.isfinite(value):
        return repr(value).encode()
    return b'"NaN"' if value != value else b'"Infinity"' if value > 0 else b'"-Infinity"'


def json_doubles(column: Sequence[bytes]) -> list[bytes]:
    """`json_double` of the server's text of each, without a step in Python for each."""
    values = list(map(float, column))
    if all(map(math.isfinite, values)):
        return list(map(str.encode, map(repr, values)))
    return list(map(json_double, values))


def json_float(value: float) -> bytes:
    """The shortest text that reads back as the same 4-byte float, spelled like a DOUBLE.

    The value is a 4-byte float held exactly in a Python float.
    """
    if not math.isfinite(value):
        return json_double(value)
    for digits in range(1 if abs(value) < _SMALLEST_NORMAL_FLOAT else 6, 9):
        shorter = float(f"{value:.{digits}g}")
        if _as_float32(shorter) != value:
            shorter = _next_decimal(value, digits)
        if _as_float32(shorter) == value:
            return repr(shorter).encode()
    return repr(float(f"{value:.9g}")).encode()


def _next_decimal(value: float, digits: int) -> float:
    """For a power of two, the decimal behind the nearest one.

    Above a power of two, floats lie twice as far apart as below. Three of them (2**-96, 2**87,
    2**90) have a shorter text there; for other values the nearest decimal is the best.
    """
    if math.frexp(value)[0] not in (0.5, -0.5):
        return math.nan
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    units = int(mantissa.replace(".", ""))
    return float(f"{units + (1 if units > 0 else -1)}e{int(exponent) - digits + 1}")


def _as_float32(value: float) -> float:
    try:
        narrowed: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:  # rounded up past the largest 4-byte float
        return math.inf
    return narrowed


def java_decimal(plain: bytes) -> bytes:
    """A DECIMAL as Java's `BigDecimal.toString` spells it: `2.7E-8`, `0E-10`, `0.000001`.

    It has an exponent where the first digit that counts stands more than six places behind the
    point; for zero the last place counts.
    """
    sign, digits = (b"-", plain[1:]) if plain.startswith(b"-") else (b"", plain)
    whole, _, fraction = digits.partition(b".")
    unscaled = (whole + fraction).lstrip(b"0") or b"0"
    exponent = len(unscaled) - 1 - len(fraction)
    if exponent >= _LEAST_PLAIN_EXPONENT:
        return plain
    tail = unscaled[1:]
    return b"%b%b%b%bE%d" % (sign, unscaled[:1], b"." if tail else b"", tail, exponent)


# --- bytes


def json_base64(value: bytes) -> bytes:
    """Base64, standard alphabet, padded, no line breaks."""
    return b'"%b"' % b2a_base64(value, newline=False)


def json_hex(value: bytes) -> bytes:
    """Two lower-case digits per byte."""
    return b'"%b"' % hexlify(value)


# --- dates and times

#: A month or a day of zero, in MySQL's text of a date.
_ZERO_PART = b"-00"
#: Where the blank between date and clock stands in MySQL's text.
_DATE_END, _CLOCK_BEGIN = 10, 11

TimestampFormat = Literal["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]


def json_quoted(value: bytes) -> bytes:
    """Text that needs no escapes."""
    return b'"%b"' % value


def json_date_or_null(value: bytes) -> bytes:
    """A DATE; null when it is a zero date."""
    return b"null" if _ZERO_PART in value else b'"%b"' % value


def moment_writer(standard: TimestampFormat, *, instant: bool, in_key: bool) -> Callable[[bytes], bytes]:
    """The writer of DATETIME, or with `instant` of TIMESTAMP, which is in UTC.

    Flink's three formats: SQL has a blank between date and clock, the others a `T`; a TIMESTAMP
    always ends in `Z`, with ISO-8601-WITH-OFFSET a DATETIME does as well. A zero date is null, but
    not in a key, where two keys would become one.
    """
    ending = b"Z" if instant or standard == "ISO-8601-WITH-OFFSET" else b""
    if standard == "SQL":
        return SqlMoment(ending, in_key=in_key)
    return _iso_moment(ending, in_key)


class SqlMoment:
    """MySQL's text in quotes, with an ending; null when it is a zero date outside of a key."""

    def __init__(self, ending: bytes, *, in_key: bool) -> None:
        self._spell = (b'"%b' + ending + b'"').__mod__
        self._in_key = in_key

    def __call__(self, value: bytes) -> bytes:
        """The JSON of one."""
        return self._spell(value) if self._in_key or _ZERO_PART not in value else b"null"

    def column(self, values: Sequence[bytes]) -> list[bytes]:
        """The same of each, without a step in Python for each."""
        if self._in_key or _ZERO_PART not in b"".join(values):
            return list(map(self._spell, values))
        return list(map(self, values))


def _iso_moment(ending: bytes, in_key: bool) -> Callable[[bytes], bytes]:
    template = b'"%bT%b' + ending + b'"'

    def write(value: bytes) -> bytes:
        return template % (value[:_DATE_END], value[_CLOCK_BEGIN:])

    def write_or_null(value: bytes) -> bytes:
        return b"null" if _ZERO_PART in value else template % (value[:_DATE_END], value[_CLOCK_BEGIN:])

    return write if in_key else write_or_null
