"""Temporal values of row images as MySQL's own text.

Law of this file: bytes in, MySQL's text out, with exactly the declared fraction; no calendar is
applied that MySQL does not apply, so zero and impossible dates keep their digits. Layouts: MySQL's
source, `sql-common/my_time.cc`. Used by `fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache

_EPOCH = date(1970, 1, 1).toordinal()
_SECONDS_OF_DAY = 86_400
#: DATETIME is stored with its sign in the top bit: 5 bytes whose zero is here.
_DATETIME_ZERO = 1 << 39
_TIME_ZERO = 1 << 23
_ZERO = b"0000-00-00 00:00:00"
#: Every second of a day, if need be.
_CLOCKS_MAX = 1 << 17


def fraction_width(digits: int) -> int:
    """Bytes that a fraction of so many digits takes."""
    return (digits + 1) // 2


def _fraction(digits: int) -> tuple[bytes, int]:
    """How a stored fraction becomes `.` and digits: a template, and what to divide by.

    One byte holds two digits, so an odd number of digits is stored with a zero behind it.
    """
    return b".%%0%dd" % digits, 10 if digits % 2 else 1


def date_text(data: bytes) -> bytes:
    """DATE: 3 bytes, little-endian: 5 bits day, 4 bits month, the rest year."""
    packed = int.from_bytes(data, "little")
    return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)


def year_text(value: int) -> bytes:
    """YEAR: one byte, 0 for the year 0000, else years since 1900."""
    return b"%d" % (value + 1900) if value else b"0"


def datetime_text(digits: int) -> Callable[[bytes], bytes]:
    """A reader of DATETIME(digits): 5 bytes big-endian, then the fraction."""
    template, unit = _fraction(digits)

    def read(data: bytes) -> bytes:
        packed = int.from_bytes(data[:5], "big") - _DATETIME_ZERO
        if packed < 0:
            raise ValueError("a DATETIME is negative")
        text = _day_text(packed >> 17) + _clock_text(packed & 0x1FFFF)
        return text + template % (int.from_bytes(data[5:], "big") // unit) if digits else text

    return read


def timestamp_text(digits: int) -> Callable[[bytes], bytes]:
    """A reader of TIMESTAMP(digits) in UTC.

    Stored are 4 bytes big-endian seconds since 1970, then the fraction. 0 is the zero date and not
    1970, which a TIMESTAMP cannot hold.
    """
    template, unit = _fraction(digits)

    def read(data: bytes) -> bytes:
        days, second = divmod(int.from_bytes(data[:4], "big"), _SECONDS_OF_DAY)
        text = _date_of_day(days) + _second_text(second) if days or second else _ZERO
        return text + template % (int.from_bytes(data[4:], "big") // unit) if digits else text

    return read


def time_text(digits: int) -> Callable[[bytes], bytes]:
    """A reader of TIME(digits).

    3 bytes and the fraction are ONE big-endian number around its zero. So -00:00:01.10 is stored as
    -2 seconds and +0.90: sign and digits can only be told from the whole number.
    """
    template, unit = _fraction(digits)
    width = 8 * fraction_width(digits)
    zero = _TIME_ZERO << width
    fraction_bits = (1 << width) - 1

    def read(data: bytes) -> bytes:
        packed = int.from_bytes(data, "big") - zero
        sign, packed = (b"-", -packed) if packed < 0 else (b"", packed)
        clock = packed >> width
        text = sign + b"%02d:%02d:%02d" % (clock >> 12 & 0x3FF, clock >> 6 & 63, clock & 63)
        return text + template % ((packed & fraction_bits) // unit) if digits else text

    return read


@lru_cache(maxsize=4096)
def _day_text(packed: int) -> bytes:
    """The date of a DATETIME and a blank: 5 bits day, then years times 13 plus month."""
    months, day = packed >> 5, packed & 31
    return b"%04d-%02d-%02d " % (*divmod(months, 13), day)


@lru_cache(maxsize=4096)
def _date_of_day(days: int) -> bytes:
    return b"%b " % date.fromordinal(_EPOCH + days).isoformat().encode()


@lru_cache(maxsize=_CLOCKS_MAX)
def _clock_text(packed: int) -> bytes:
    """The clock of a DATETIME: 5 bits hour, 6 bits minute, 6 bits second."""
    return b"%02d:%02d:%02d" % (packed >> 12, packed >> 6 & 63, packed & 63)


@lru_cache(maxsize=_CLOCKS_MAX)
def _second_text(second: int) -> bytes:
    return b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
