"""DECIMAL as row images and binary JSON store it, as MySQL's own text.

Law of this file: integers only, never floats: the text has exactly the declared scale and never an
exponent. Layout (MySQL's source, `strings/decimal.cc`): groups of nine digits in 4 bytes,
big-endian, the odd group of the integer part first and of the fraction last in as few bytes as hold
it; the top bit is set for values that are not negative; negative values have all bits inverted.
Used by `fields` and `jsonb`.
"""

from __future__ import annotations

from collections.abc import Callable

_DIGITS_OF_GROUP = 9
_BYTES_OF_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_PRECISION_MAX = 65
_SCALE_MAX = 30


def decimal_width(precision: int, scale: int) -> int:
    """Bytes that a DECIMAL(precision, scale) takes.

    Raises:
        ValueError: MySQL has no such type.
    """
    return sum(width for _, width in _groups(precision, scale))


def _groups(precision: int, scale: int) -> list[tuple[int, int]]:
    """Digits and bytes of each group, first to last."""
    if not 0 < precision <= _PRECISION_MAX or not 0 <= scale <= min(precision, _SCALE_MAX):
        raise ValueError("no DECIMAL has such a precision and scale")
    whole, first = divmod(precision - scale, _DIGITS_OF_GROUP)
    parts, last = divmod(scale, _DIGITS_OF_GROUP)
    digits = [first] * bool(first) + [_DIGITS_OF_GROUP] * (whole + parts) + [last] * bool(last)
    return [(count, _BYTES_OF_DIGITS[count]) for count in digits]


def decimal_text(precision: int, scale: int) -> Callable[[bytes], bytes]:
    """A reader of DECIMAL(precision, scale): `-0.50`, `7`, `0.000000027`."""
    groups = _groups(precision, scale)
    width = sum(size for _, size in groups)
    bits = 8 * width
    top_bit, all_bits = 1 << (bits - 1), (1 << bits) - 1
    steps: list[tuple[int, int, int]] = []
    for count, size in groups:
        bits -= 8 * size
        steps.append((bits, (1 << 8 * size) - 1, 10**count))
    unit: int = 10**scale
    positive = b"%%d.%%0%dd" % scale
    negative = b"-" + positive

    def read(data: bytes) -> bytes:
        if len(data) != width:
            raise ValueError("a DECIMAL is cut short")
        packed = int.from_bytes(data, "big") ^ top_bit
        below_zero = packed & top_bit
        if below_zero:
            packed ^= all_bits
        digits = 0
        for shift, mask, limit in steps:
            group = packed >> shift & mask
            if group >= limit:
                raise ValueError("a DECIMAL holds more digits than its type")
            digits = digits * limit + group
        if not scale:
            return b"%d" % (-digits if below_zero else digits)
        # A sign before zero is not MySQL's: it has no negative zero.
        template = negative if below_zero and digits else positive
        return template % divmod(digits, unit)

    return read
