"""One value at a time: each plain form to JSON, each stored form to its plain form."""

import json
import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec.reference.decimal_bytes import decimal_text, decimal_width
from shared.codec.reference.geometry import geometry_text
from shared.codec.reference.json_scalars import json_double, json_float, json_string
from shared.codec.reference.jsonb import double_text, json_document_text
from shared.codec.reference.temporal import datetime_text, time_text, timestamp_text, year_text

FLOATS = st.integers(0, 2**32 - 1).map(lambda bits: struct.unpack("<f", struct.pack("<I", bits))[0])


@given(st.text())
def test_strings_read_back_equal(text: str) -> None:
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert json.loads(json_string(text)) == text


def test_control_characters_are_spelled_as_jackson_does() -> None:
    assert json_string('\x00\x0b\x1f\x7f\b\t\n\f\r"\\/é\u2028\\u001f') == (
        '"\\u0000\\u000B\\u001F\x7f\\b\\t\\n\\f\\r\\"\\\\/é\u2028\\\\u001f"'.encode()
    )


@given(FLOATS)
def test_floats_read_back_equal_and_no_shorter_text_does(value: float) -> None:
    if not math.isfinite(value):
        return
    text = json_float(value).decode()
    assert struct.pack("<f", float(text)) == struct.pack("<f", value)
    digits = len(Decimal(text).normalize().as_tuple().digits)
    for fewer in range(1, min(digits, 9)):
        rounded = float(f"{value:.{fewer}g}")
        assert abs(rounded) > 3.4e38 or struct.pack("<f", rounded) != struct.pack("<f", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.1, "1.1"),
        (-0.0, "-0.0"),
        (0.0, "0.0"),
        (16777216.0, "16777216.0"),
        (3.4028234663852886e38, "3.4028235e+38"),
        (1.401298464324817e-45, "1e-45"),
        (1e16, "1e+16"),
        (2.0**-96, "1.2621775e-29"),
        (-(2.0**87), "-1.5474251e+26"),
    ],
)
def test_floats_by_example(value: float, text: str) -> None:
    assert json_float(struct.unpack("<f", struct.pack("<f", value))[0]) == text.encode()


def test_doubles_by_example() -> None:
    for value, text in (
        (1e16, "1e+16"),
        (1e15, "1000000000000000.0"),
        (1e-5, "1e-05"),
        (5e-324, "5e-324"),
    ):
        assert json_double(value) == text.encode()
    assert [json_double(value) for value in (math.nan, math.inf, -math.inf)] == [
        b'"NaN"',
        b'"Infinity"',
        b'"-Infinity"',
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_inside_json_read_back_equal(value: float) -> None:
    assert struct.pack("<d", float(double_text(value))) == struct.pack("<d", value)


def test_doubles_inside_json_are_spelled_as_mysql_does() -> None:
    examples = {
        1.0: "1.0",
        -0.0: "-0.0",
        1e20: "1e20",
        1e15: "1e15",
        1e14: "100000000000000.0",
        1e-15: "0.000000000000001",
        1e-16: "1e-16",
    }
    examples |= {
        1e-14: "0.00000000000001",
        1223383794756801.2: "1223383794756801.2",
        0.1: "0.1",
        1.5e-17: "1.5e-17",
    }
    for value, text in examples.items():
        assert double_text(value) == text


def stored_decimal(text: str, precision: int, scale: int) -> bytes:
    """The layout again, written the other way round: digits to bytes."""
    widths = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    whole, _, fraction = text.removeprefix("-").partition(".")
    whole = whole.rjust(precision - scale, "0") if precision > scale else ""
    odd = len(whole) % 9
    groups = [whole[:odd]] * bool(odd) + [whole[i : i + 9] for i in range(odd, len(whole), 9)]
    groups += [fraction[i : i + 9] for i in range(0, len(fraction), 9)]
    data = bytearray(b"".join(int(g).to_bytes(widths[len(g)], "big") for g in groups))
    data[0] ^= 0x80
    return bytes(byte ^ 0xFF for byte in data) if text.startswith("-") else bytes(data)


@given(st.data())
def test_decimals_keep_every_digit(data: st.DataObject) -> None:
    precision = data.draw(st.integers(1, 65))
    scale = data.draw(st.integers(0, min(30, precision)))
    units = data.draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    digits = str(abs(units)).rjust(scale + 1, "0")
    text = ("-" if units < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
    stored = stored_decimal(text, precision, scale)
    assert len(stored) == decimal_width(precision, scale)
    assert decimal_text(precision, scale)(stored).decode() == text


def test_decimals_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="no DECIMAL"):
        decimal_text(66, 0)
    with pytest.raises(ValueError, match="more digits"):
        decimal_text(9, 0)(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="cut short"):
        decimal_text(9, 0)(b"\x80")


def stored_time(microseconds: int, digits: int) -> bytes:
    """A TIME in MySQL's layout, from signed microseconds."""
    seconds, fraction = divmod(abs(microseconds), 10**6)
    clock = seconds // 3600 << 12 | seconds // 60 % 60 << 6 | seconds % 60
    width = (digits + 1) // 2
    packed: int = clock << 8 * width | fraction // 10 ** (6 - 2 * width)
    return ((1 << 23 + 8 * width) + (packed if microseconds >= 0 else -packed)).to_bytes(3 + width, "big")


@given(st.integers(0, 6), st.integers(-3020399 * 10**6, 3020399 * 10**6))
def test_times_keep_sign_and_fraction(digits: int, microseconds: int) -> None:
    microseconds -= int(math.fmod(microseconds, 10 ** (6 - digits)))
    seconds, fraction = divmod(abs(microseconds), 10**6)
    text = f"{'-' * (microseconds < 0)}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    text += f".{fraction:06}"[: digits + 1] if digits else ""
    assert time_text(digits)(stored_time(microseconds, digits)).decode() == text


def test_dates_by_example() -> None:
    assert datetime_text(0)(bytes.fromhex("8000000000")) == b"0000-00-00 00:00:00"
    assert timestamp_text(0)(bytes(4)) == b"0000-00-00 00:00:00"
    assert timestamp_text(3)(b"\x7f\xff\xff\xff\x27\x06") == b"2038-01-19 03:14:07.999"
    assert timestamp_text(0)(b"\xff\xff\xff\xff") == b"2106-02-07 06:28:15"
    assert (year_text(0), year_text(1), year_text(255)) == (b"0", b"1901", b"2155")
    with pytest.raises(ValueError, match="negative"):
        datetime_text(0)(bytes(5))


def test_json_documents_that_go_in_circles_stop() -> None:
    # An array of two arrays that are both itself: without a bound, 2**100 values.
    circle = b"\x02" + b"\x02\x00\x0a\x00" + b"\x02\x00\x00" * 2
    with pytest.raises(ValueError, match="circles"):
        json_document_text(circle)
    assert json_document_text(b"") == "null"
    for broken in (
        b"\x0e",
        b"\x00\xff\xff",
        b"\x0c\x80\x80\x80\x80\x80\x80",
        b"\x02\x09\x00\x05\x00",
        b"\x0c\x05ab",
    ):
        with pytest.raises((ValueError, IndexError)):
            json_document_text(broken)


def test_geometries_by_example() -> None:
    point = bytes(4) + b"\x01\x01\x00\x00\x00" + struct.pack("<dd", 1, -2.5)
    assert geometry_text(point) == '{"coordinates":[1.0,-2.5],"type":"Point","srid":0}'
    big_endian = struct.pack("<I", 4326) + b"\x00\x00\x00\x00\x01" + struct.pack(">dd", 1, 2)
    assert geometry_text(big_endian) == '{"coordinates":[1.0,2.0],"type":"Point","srid":4326}'
    for broken in (b"", point[:-1], point + b"x", bytes(4) + b"\x01\x09\x00\x00\x00"):
        with pytest.raises((ValueError, IndexError, struct.error)):
            geometry_text(broken)
    deep = bytes(4) + b"\x01\x07\x00\x00\x00\x01\x00\x00\x00" * 200
    with pytest.raises(ValueError, match="too deep"):
        geometry_text(deep)
