"""Changes that have nothing but their packed form: who asks for more than their number fails."""

import struct
from collections.abc import Sequence

from shared.model.change import Change

_NONE = 2**64 - 1


class OnlyPacked:
    """See `shared.model.change.Packed`."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def packed(self) -> tuple[bytes, bytes]:
        data = b"".join(key + (value or b"") for key, value in self._changes)
        pairs = [(len(key), _NONE if value is None else len(value)) for key, value in self._changes]
        return data, b"".join(struct.pack("<QQ", *pair) for pair in pairs)
