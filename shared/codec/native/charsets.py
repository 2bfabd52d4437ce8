"""Character sets for the core: tables that the reference fills, so that there is one source of every mapping."""

from __future__ import annotations

from functools import cache

from shared.codec.native._core import Charset
from shared.codec.reference.charsets import UTF8, code_table, decoder_of
from shared.model.schema import Column

UTF8_CHARSET = Charset("utf8", [])

#: Charsets whose codes follow from arithmetic.
_COMPUTED = frozenset(("ucs2", "utf16", "utf16le", "utf32"))


def charset_of(column: Column, where: str, *, in_key: bool) -> Charset:
    """The charset of a character column; in a key, two byte strings never become the same text.

    Raises:
        UnsupportedType: its mapping is not known exactly.
    """
    name = column.character_set
    if name in UTF8:
        return UTF8_CHARSET
    decoder_of(name, where, in_key=in_key)  # raises for a charset that is not known
    return _charset(str(name), in_key)


@cache
def _charset(name: str, in_key: bool) -> Charset:
    if name in _COMPUTED:
        return Charset(name, [])
    return Charset("gb18030" if name == "gb18030" else "table", list(code_table(name, in_key=in_key).items()))
