"""Values that only MariaDB stores: their texts, and compressed ones that are damaged."""

import zlib

import pytest

from shared.codec.reference.mariadb import decompressed, inet4_text, inet6_text, uuid_text


def packed(plain: bytes, *, raw: bool, length: int | None = None) -> bytes:
    made = zlib.compressobj(wbits=-15 if raw else 15)
    size = len(plain) if length is None else length
    return bytes([0x80 | 8 * raw | 2]) + size.to_bytes(2, "big") + made.compress(plain) + made.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (uuid_text(b""), b"00000000-0000-0000-0000-000000000000"),
        (
            uuid_text(b"\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x55\x44"),
            b"123e4567-e89b-12d3-a456-426655440000",
        ),
        (inet4_text(b"\x0a\0\x07"), b"10.0.7.0"),
        (inet6_text(b""), b"::"),
        (inet6_text(b"\0" * 10 + b"\xff\xff\1\2\3"), b"::ffff:1.2.3.0"),
        (inet6_text(b"\0\1\0\0\0\0\0\2\0\0\0\0\0\0\0\3"), b"1:0:0:2::3"),
        (inet6_text(b"\0\1\0\0" + b"\0\2" * 6), b"1::2:2:2:2:2:2"),
    ],
)
def test_texts_are_mariadbs(text: bytes, expected: bytes) -> None:
    assert text == expected


@pytest.mark.parametrize("raw", [True, False])
def test_compressed_values_come_back(raw: bool) -> None:
    assert decompressed(packed(b"abc" * 99, raw=raw)) == b"abc" * 99
    assert decompressed(b"\0plain") == b"plain"
    assert decompressed(b"") == b""


@pytest.mark.parametrize(
    "value",
    [
        packed(b"abc", raw=True, length=4),
        packed(b"abc", raw=True, length=2),
        packed(b"abc", raw=True)[:-2],
        b"\x8a\0\3not zlib",
        b"\x92\0\3abc",
        b"\x80",
    ],
    ids=["longer", "shorter", "cut short", "damaged", "another method", "no length"],
)
def test_a_damaged_value_is_an_error(value: bytes) -> None:
    with pytest.raises(ValueError, match="a compressed value"):
        decompressed(value)
