"""The tables that gh-ost and pt-online-schema-change make beside the one that they alter, and leave after it, known by their names."""

from __future__ import annotations

import re

_SHADOW = re.compile(r"_(.+)_(?:gho|ghc|ghk|del|new|old)")

#: gh-ost's `--timestamp-old-table` and `--revert` say more about an old table.
_MORE = re.compile(r"(?:_\d{14})?(?:_rev)?$")


def originals(table: str) -> set[str]:
    """The tables that it may have been made beside; none when its name is not of that kind."""
    shadow = _SHADOW.fullmatch(table)
    if shadow is None:
        return set()
    name = shadow[1]
    # pt-online-schema-change puts one more line before a name that is taken.
    return {name, name.lstrip("_"), _MORE.sub("", name)}
