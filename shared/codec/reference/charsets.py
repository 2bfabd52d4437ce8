# ruff: noqa: RUF001 - characters that look alike are the subject of this file
"""MySQL's character sets: from a column's bytes to text, exactly, or an error.

Law of this file: nothing is ever replaced. Bytes that a charset does not define raise
UnicodeDecodeError; a charset whose mapping we do not have exactly is refused before a row is read.
Both paths read the column's own bytes and decode them here: the server's conversion would turn what
it cannot map into `?`, and two keys could become one. Source of the mappings: every code of every
charset, asked from a MySQL 9.7 server (tests/integration repeats it).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import product

from shared.codec.reference.euc import EUC, euc_decoder
from shared.errors import UnsupportedType
from shared.model.schema import Column

Decode = Callable[[bytes], str]

#: Charsets that are UTF-8 already: the server's own bytes can be taken as they are.
UTF8 = frozenset(("utf8mb4", "utf8mb3", "utf8"))

_HOLE = "\ufffe"  # what codecs.charmap_decode takes for "not defined"

#: MySQL charset -> Python codec that maps every code alike.
_SAME = {
    "ascii": "ascii",
    "big5": "cp950",  # and _TRANSLATED
    "cp932": "cp932",
    "euckr": "cp949",
    "gb18030": "gb18030",  # and _TRANSLATED
    "gb2312": "gb2312",
    "gbk": "gbk",
    "sjis": "shift_jis",  # and _TRANSLATED
    "ucs2": "utf_16_be",
    "utf16": "utf_16_be",
    "utf16le": "utf_16_le",
    "utf32": "utf_32_be",
}

#: Characters that Python's codec gives -> those that MySQL gives for the same code.
_TRANSLATED = {
    "big5": dict(zip("‧﹑¯～⊕⊙∕﹨￥￠￡", "•､‾∼♁☉／＼¥¢£", strict=True)),
    "gb18030": {"\ue7c7": "\u1e3f", "\u1e3f": "\ue7c7"},
    "sjis": {"＼": "\\"},
}

#: Charsets in which several codes are one character: in a key, only the code that MySQL writes for
#: it is taken.
_AMBIGUOUS = frozenset(("armscii8", "cp932", "eucjpms", "sjis", "ujis"))
#: MySQL writes the smallest of those codes, but never one of these.
_NEVER_WRITTEN = {
    "cp932": frozenset((0xED, 0xEE)),  # first bytes of NEC's selection of IBM's characters
    "sjis": frozenset((0x5C,)),  # a backslash is written as the wide one
}

_ARMENIAN = "\xa0❁§։)(»«—.՝,-՟…՜՛՞ԱաԲբԳգԴդԵեԶզԷէԸըԹթԺժԻիԼլԽխԾծԿկՀհՁձՂղՃճՄմՅյՆնՇշՈոՉչՊպՋջՌռՍսՎվՏտՐրՑցՒւՓփՔքՕօՖֆ’'"
_GEORGIAN = "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწჭხჴჯჰჵ"
_CZECH = "ČüéďäĎŤčěĚĹÍľĺÄÁÉžŽôöÓůÚýÖÜŠĽÝŘťáíóúňŇŮÔšřŕŔ¼¡«»"

#: One byte, one character: MySQL charset -> Python codec and what MySQL maps otherwise, from which
#: byte on.
_SINGLE_BYTE: dict[str, tuple[str, dict[int, str]]] = {
    "armscii8": ("latin_1", {0xA0: _ARMENIAN}),
    "cp1250": ("cp1250", {}),
    "cp1251": ("cp1251", {}),
    "cp1256": ("cp1256", {}),
    "cp1257": ("cp1257", {}),
    "cp850": ("cp850", {}),
    "cp852": ("cp852", {}),
    "cp866": ("cp866", {0xFC: "ⁿ²"}),
    "dec8": ("latin_1", {0xA8: "¤", 0xD7: "Œ", 0xDD: "Ÿ", 0xF7: "œ", 0xFD: "ÿ"}),
    "geostd8": ("cp1252", {0xC0: _GEORGIAN + _HOLE * 26, 0xFD: "№"}),
    "greek": ("iso8859_7", {0xA1: "ʽʼ"}),
    "hebrew": ("iso8859_8", {0xAF: "‾"}),
    "hp8": ("hp_roman8", {}),
    "keybcs2": ("cp437", {0x80: _CZECH}),
    "koi8r": ("koi8_r", {}),
    "koi8u": ("koi8_u", {0x95: "•"}),
    # latin1 is cp1252, and where that has holes, the C1 control characters.
    "latin1": ("cp1252", {0x81: "\x81", 0x8D: "\x8d", 0x8F: "\x8f\x90", 0x9D: "\x9d"}),
    "latin2": ("iso8859_2", {}),
    "latin5": ("iso8859_9", {}),
    "latin7": ("iso8859_13", {}),
    "macce": ("mac_latin2", {}),
    "macroman": ("mac_roman", {}),
    "swe7": ("ascii", {0x40: "É", 0x5B: "ÄÖÅÜ", 0x60: "é", 0x7B: "äöåü" + _HOLE}),
    "tis620": ("tis_620", {}),
}


_KNOWN = _SAME.keys() | _SINGLE_BYTE.keys() | EUC


@cache
def _single_byte_table(charset: str) -> str:
    codec, changes = _SINGLE_BYTE[charset]
    characters = [bytes((byte,)).decode(codec, "replace") for byte in range(256)]
    table = [_HOLE if character == "\ufffd" else character for character in characters]
    for first, text in changes.items():
        table[first : first + len(text)] = text
    return "".join(table)


def _decode_single_byte(table: str, raw: bytes) -> str:
    return codecs.charmap_decode(raw, "strict", table)[0]


def _decode_translated(codec: str, translation: dict[int, str], raw: bytes) -> str:
    return raw.decode(codec).translate(translation)


def _decode_same(codec: str, raw: bytes) -> str:
    return raw.decode(codec)


def _decode_unambiguous(decode: Decode, written: dict[str, bytes], raw: bytes) -> str:
    text = decode(raw)
    if b"".join(map(written.__getitem__, text)) != raw:
        raise ValueError("a key holds a character in a code other than the one that MySQL writes")
    return text


@cache
def _written_codes(charset: str) -> dict[str, bytes]:
    """Character -> the code that MySQL writes for it."""
    decode = _decoder(charset)
    written: dict[str, bytes] = {}
    for code in _codes(charset):
        with suppress(UnicodeDecodeError):
            text = decode(code)
            if len(text) == 1 and code[0] not in _NEVER_WRITTEN.get(charset, ()):
                written.setdefault(text, code)
    return written


def _codes(charset: str) -> Iterator[bytes]:
    """Every code that the charset may have, shorter and smaller ones first."""
    high = range(0x80, 0x100)
    yield from (bytes((first,)) for first in range(0x100))
    if charset not in _SINGLE_BYTE:
        yield from (bytes((first, second)) for first in high for second in range(0x30, 0x100))
    if charset in EUC:
        yield from (bytes((0x8F, second, third)) for second in high for third in high)
    if charset == "gb18030":  # the codes of the basic plane; those beyond it count up from 0x90308130
        digits = range(0x30, 0x3A)
        yield from (bytes(code) for code in product(range(0x81, 0x85), digits, range(0x81, 0xFF), digits))


def code_table(charset: str, *, in_key: bool) -> dict[bytes, str]:
    """Every code of a charset that is neither UTF-8 nor computed (`ucs2` to `utf32`), and its text.

    No code begins another. In a key only the codes that MySQL writes. Of gb18030 without the codes beyond the basic
    plane, which follow from arithmetic.
    """
    if in_key and charset in _AMBIGUOUS:
        return {code: text for text, code in _written_codes(charset).items()}
    decode = _decoder(charset)
    codes: dict[bytes, str] = {}
    for code in _codes(charset):
        if not any(code[:size] in codes for size in range(1, len(code))):
            with suppress(UnicodeDecodeError):
                codes[code] = decode(code)
    return codes


def _decode_ucs2(raw: bytes) -> str:
    text = raw.decode("utf_16_be")
    if len(text) * 2 != len(raw):
        raise ValueError("UCS-2 has no surrogates")
    return text


def decoder_of(charset: str | None, where: str, *, in_key: bool = False) -> Decode:
    """The decoder of a charset; it raises ValueError for bytes that the charset lacks.

    `where` is `database.table.column`, for the error. In a key, two byte strings never become the
    same text.

    Raises:
        UnsupportedType: the charset's mapping is not known exactly.
    """
    if charset in UTF8:
        return bytes.decode
    if charset not in _KNOWN:
        raise UnsupportedType(
            f"{where}: the character set {charset} cannot be decoded exactly.",
            "Convert the column to utf8mb4 on the source, or exclude the table with tables.exclude.",
        )
    decode = _decoder(charset)
    if in_key and charset in _AMBIGUOUS:
        return partial(_decode_unambiguous, decode, _written_codes(charset))
    return decode


def _decoder(charset: str) -> Decode:
    if charset in _SINGLE_BYTE:
        return partial(_decode_single_byte, _single_byte_table(charset))
    if charset in EUC:
        return euc_decoder(charset)
    if charset == "ucs2":
        return _decode_ucs2
    codec = _SAME[charset]
    if charset in _TRANSLATED:
        return partial(_decode_translated, codec, str.maketrans(_TRANSLATED[charset]))
    return partial(_decode_same, codec)


def characters_of(column: Column, where: str, *, in_key: bool) -> Decode:
    """The decoder of a character column.

    CHAR loses its trailing blanks, which MySQL adds and removes at will.

    Raises:
        UnsupportedType: as `decoder_of`.
    """
    decode = decoder_of(column.character_set, where, in_key=in_key)
    return partial(_without_padding, decode) if column.data_type == "char" else decode


def _without_padding(decode: Decode, raw: bytes) -> str:
    return decode(raw).rstrip(" ")


def _collation_ids(*runs: int | tuple[int, int]) -> frozenset[int]:
    ids: set[int] = set()
    for run in runs:
        ids.update((run,) if isinstance(run, int) else range(run[0], run[1] + 1))
    return frozenset(ids)


#: Ids of the collations of each charset (information_schema.COLLATIONS); 63 is binary.
_COLLATIONS = {
    "armscii8": _collation_ids(32, 64),
    "ascii": _collation_ids(11, 65),
    "big5": _collation_ids(1, 84),
    "binary": _collation_ids(63),
    "cp1250": _collation_ids(26, 34, 44, 66, 99),
    "cp1251": _collation_ids(14, 23, (50, 52)),
    "cp1256": _collation_ids(57, 67),
    "cp1257": _collation_ids(29, 58, 59),
    "cp850": _collation_ids(4, 80),
    "cp852": _collation_ids(40, 81),
    "cp866": _collation_ids(36, 68),
    "cp932": _collation_ids(95, 96),
    "dec8": _collation_ids(3, 69),
    "eucjpms": _collation_ids(97, 98),
    "euckr": _collation_ids(19, 85),
    "gb18030": _collation_ids((248, 250)),
    "gb2312": _collation_ids(24, 86),
    "gbk": _collation_ids(28, 87),
    "geostd8": _collation_ids(92, 93),
    "greek": _collation_ids(25, 70),
    "hebrew": _collation_ids(16, 71),
    "hp8": _collation_ids(6, 72),
    "keybcs2": _collation_ids(37, 73),
    "koi8r": _collation_ids(7, 74),
    "koi8u": _collation_ids(22, 75),
    "latin1": _collation_ids(5, 8, 15, 31, (47, 49), 94),
    "latin2": _collation_ids(2, 9, 21, 27, 77),
    "latin5": _collation_ids(30, 78),
    "latin7": _collation_ids(20, 41, 42, 79),
    "macce": _collation_ids(38, 43),
    "macroman": _collation_ids(39, 53),
    "sjis": _collation_ids(13, 88),
    "swe7": _collation_ids(10, 82),
    "tis620": _collation_ids(18, 89),
    "ucs2": _collation_ids(35, 90, (128, 151), 159),
    "ujis": _collation_ids(12, 91),
    "utf16": _collation_ids(54, 55, (101, 124)),
    "utf16le": _collation_ids(56, 62),
    "utf32": _collation_ids(60, 61, (160, 183)),
    "utf8mb3": _collation_ids(33, 76, 83, (192, 215), 223),
    "utf8mb4": _collation_ids(45, 46, (224, 247), (255, 323)),
}


def charset_of_collation(number: int) -> str | None:
    """The charset of a collation id in a TABLE_MAP; None for collations of a later server."""
    for charset, ids in _COLLATIONS.items():
        if number in ids:
            return charset
    return None
