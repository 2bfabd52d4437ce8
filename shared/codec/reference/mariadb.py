"""What only MariaDB stores: UUID and addresses as bytes, and compressed columns.

Law of this file: a value becomes the text that MariaDB itself prints, and a compressed one its plain bytes, or a
ValueError. Layouts: MariaDB's source, sql/sql_type_inet.cc, plugin/type_uuid and `compress_zlib` in sql/field.cc.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from struct import Struct

#: data_type -> bytes of a value; as of a BINARY, zeros at its end are not stored.
WIDTHS = {"uuid": 16, "inet4": 4, "inet6": 16}

_WORDS = Struct(">8H")
_MAPPED = 0xFFFF
_ZLIB = 8
_RAW = 0x08


def uuid_text(raw: bytes) -> bytes:
    """Five groups of digits; `raw` may lack zeros at its end."""
    digits = raw.ljust(16, b"\0").hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).encode()


def inet4_text(raw: bytes) -> bytes:
    """Four numbers with points between them; `raw` may lack zeros at its end."""
    return b".".join(b"%d" % byte for byte in raw.ljust(4, b"\0"))


def inet6_text(raw: bytes) -> bytes:
    """The longest run of zero groups, also one of a single group, as `::`; an IPv4 address behind it with points."""
    full = raw.ljust(16, b"\0")
    words = _WORDS.unpack(full)
    start, size = _gap(words)
    if start == 0 and (size == 6 or (size == 5 and words[5] == _MAPPED)):
        return b"::" + b"ffff:" * (size == 5) + inet4_text(full[12:])
    if not size:
        return b":".join(b"%x" % word for word in words)
    before, behind = words[:start], words[start + size :]
    return b":".join(b"%x" % word for word in before) + b"::" + b":".join(b"%x" % word for word in behind)


def _gap(words: tuple[int, ...]) -> tuple[int, int]:
    """Place and length of the first of the longest runs of zeros; length 0 where there is none."""
    best, size = 0, 0
    run = 0
    for place, word in enumerate(words):
        run = run + 1 if word == 0 else 0
        if run > size:
            best, size = place - run + 1, run
    return best, size


def decompressed(raw: bytes) -> bytes:
    """The bytes of a value of a COMPRESSED column.

    Its first byte is 0 before plain bytes; else it tells the method, whether zlib's own header is left out, and how
    many bytes of length (most significant first) stand before the compressed ones. An empty value has no first byte.

    Raises:
        ValueError: it is not such a value.
    """
    if not raw or raw[0] == 0:
        return raw[1:]
    width = raw[0] & 7
    if raw[0] >> 4 != _ZLIB or not 0 < width <= 4:
        raise ValueError("a compressed value is of an unknown method")
    length = int.from_bytes(raw[1 : 1 + width], "big")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS if raw[0] & _RAW else zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(raw[1 + width :], length + 1)
    except zlib.error:
        raise ValueError("a compressed value is damaged") from None
    if len(plain) != length or not unpacker.eof:
        raise ValueError("a compressed value has another length than it says")
    return plain


TEXTS: dict[str, Callable[[bytes], bytes]] = {"uuid": uuid_text, "inet4": inet4_text, "inet6": inet6_text}
