r"""The members of an ENUM or SET, read from information_schema's COLUMN_TYPE.

The server prints `enum('it''s','a\\b')`: a quote is doubled, and `\\`, `\0`, `\n` and `\r` stand for a backslash, a
zero byte and the two line ends, whatever the SQL mode. Any other character, commas and brackets included, is itself.

Law of this file: all members exactly, or none.
"""

from __future__ import annotations

import re

_TYPE = re.compile(r"(?:enum|set)\((?P<members>.*)\)", re.DOTALL | re.IGNORECASE)
_MEMBER = re.compile(r"'((?:[^'\\]|''|\\[\\0nr])*)'(?:,|\Z)")
_ESCAPE = re.compile(r"''|\\(.)")
_ESCAPED = {"\\": "\\", "0": "\0", "n": "\n", "r": "\r"}


def parse_labels(column_type: str) -> tuple[str, ...]:
    """The members in declared order; empty when the text is not of the form that the server prints."""
    found = _TYPE.fullmatch(column_type)
    if found is None:
        return ()
    members, labels, place = found["members"], [], 0
    while place < len(members):
        member = _MEMBER.match(members, place)
        if member is None:
            return ()
        labels.append(_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1] or "", "'"), member[1]))
        place = member.end()
    # A comma at the very end would announce a member that is not there.
    return () if members.endswith(",") else tuple(labels)
