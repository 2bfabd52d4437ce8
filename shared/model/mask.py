"""What stands in messages in place of the values of a masked column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from shared.errors import Bug


@dataclass(frozen=True, slots=True)
class Constant:
    """The same in every row, also in those where the column is NULL: a text, or None for null."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Hash:
    """The HMAC-SHA-256 of the value's text, keyed by a salt. `salt` is None where messages are described and none is made."""

    salt: bytes | None = field(repr=False)

    @property
    def key(self) -> bytes:
        """The salt.

        Raises:
            Bug: nobody gave it.
        """
        if self.salt is None:
            raise Bug("A value is to be hashed where the salt was not looked up.")
        return self.salt


Mask: TypeAlias = Constant | Hash
