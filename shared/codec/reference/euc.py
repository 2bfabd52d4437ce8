"""ujis and eucjpms: what MySQL's two EUC charsets of Japanese have beyond Python's euc_jp.

Law of this file: both are exactly MySQL's mapping, code for code (`charsets` tells how that is
known). Beyond JIS X 0201, 0208 and 0212, which euc_jp has, both give the rows from 0xF5 on to
characters of the user, which are Unicode's first private ones in the same order. eucjpms has the
characters of NEC and IBM as well, in the order in which cp932 has them. Used by `charsets`.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial

EUC = frozenset(("eucjpms", "ujis"))

#: Characters that euc_jp gives -> those that MySQL gives for the same code.
_TRANSLATED = {
    "eucjpms": str.maketrans(
        "\u301c\u2016\u2212\xa2\xa3\xac\xa6",
        "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2\uffe4",
    ),
    "ujis": str.maketrans("\uff3c", "\\"),
}

#: The byte before a code of the second plane.
_SECOND_PLANE = b"\x8f"
#: Bytes of a code within a plane.
_ROWS = range(0xA1, 0xFF)
_USER_ROWS = range(0xF5, 0xFF)
_USER_CHARACTERS = 0xE000
_NEC_ROW = 0xAD
#: Where IBM's characters begin in the second plane, and cp932's first bytes of them.
_IBM_BEGIN = (0xF3, 0xF3)
_IBM_LEADS = range(0xFA, 0xFD)
#: IBM's characters that EUC has elsewhere: the signs for NOT and for the broken bar.
_IBM_ELSEWHERE = "\uffe2\uffe4"
#: The one that it has twice: the sign for numbers.
_IBM_TWICE = "\u2116"


#: A code that euc_jp takes for ASCII's tilde, and what it is in eucjpms.
_WIDE_TILDE_CODE, _WIDE_TILDE = b"\x8f\xa2\xb7", "\uff5e"


@cache
def euc_decoder(charset: str) -> Callable[[bytes], str]:
    """The decoder of `ujis` or `eucjpms`; it raises ValueError for codes that the charset lacks."""
    handler = f"headrace-{charset}"
    codecs.register_error(handler, partial(_added, dict(_additions(charset))))
    decode = partial(_decode, handler, _TRANSLATED[charset])
    return decode if charset == "ujis" else partial(_with_wide_tilde, decode)


def _decode(handler: str, translation: dict[int, int], raw: bytes) -> str:
    return raw.decode("euc_jp", handler).translate(translation)


def _with_wide_tilde(decode: Callable[[bytes], str], raw: bytes) -> str:
    # Each part must be whole by itself, so a code that only looks like this one is an error.
    return _WIDE_TILDE.join(map(decode, raw.split(_WIDE_TILDE_CODE)))


def _added(additions: dict[bytes, str], error: UnicodeError) -> tuple[str, int]:
    """The character of a code that euc_jp lacks, and where the next one begins."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    width = 3 if error.object[error.start :].startswith(_SECOND_PLANE) else 2
    end = error.start + width
    character = additions.get(error.object[error.start : end])
    if character is None:
        raise error
    return character, end


def _additions(charset: str) -> Iterator[tuple[bytes, str]]:
    """The codes beyond euc_jp and their characters."""
    user = map(chr, range(_USER_CHARACTERS, 0xF900))
    for plane in (b"", _SECOND_PLANE):
        yield from zip((plane + bytes((row, cell)) for row in _USER_ROWS for cell in _ROWS), user, strict=False)
    if charset == "eucjpms":
        yield from _nec_characters()
        places = (bytes((row, cell)) for row in _ROWS for cell in _ROWS if (row, cell) >= _IBM_BEGIN)
        yield from zip((_SECOND_PLANE + place for place in places), _ibm_characters(), strict=False)


def _nec_characters() -> Iterator[tuple[bytes, str]]:
    """One row, which is a half of a row of cp932 with the gap at 0x7F closed."""
    for number, cell in enumerate(_ROWS):
        second = 0x40 + number
        code = bytes((0x87, second + (second >= 0x7F)))
        with suppress(UnicodeDecodeError):
            yield bytes((_NEC_ROW, cell)), code.decode("cp932")


def _ibm_characters() -> Iterator[str]:
    """Those that JIS X 0212 lacks, in cp932's order."""
    for code in (bytes((lead, second)) for lead in _IBM_LEADS for second in range(0x40, 0xFD)):
        with suppress(UnicodeDecodeError):
            character = code.decode("cp932")
            if len(character) == 1 and character not in _IBM_ELSEWHERE and not _in_euc_jp(character):
                yield character


def _in_euc_jp(character: str) -> bool:
    try:
        character.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    return character != _IBM_TWICE
