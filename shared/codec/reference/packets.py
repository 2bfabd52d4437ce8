"""Packets of MySQL's protocol in a stream of bytes that comes in arbitrary pieces.

Law of this file: it finds packets and tells data from the server's signals; what data means is its callers' business.
Layout: three bytes of length, little-endian, a sequence number, the payload; one of the greatest length goes on in the
next packet. Used by `events` and `snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterator

_HEADER_BYTES = 4
_LONGEST = 0xFFFFFF
_EOF, _ERR = 0xFE, 0xFF
#: An EOF packet is shorter; a longer packet that starts alike is a row whose first cell is huge.
_EOF_BYTES_MAX = 8


class Packets:
    """The packets of one answer. `ended` and `refusal` (number and text) are how the server ends it."""

    def __init__(self) -> None:
        self.ended = False
        self.refusal: tuple[int, str] | None = None
        self._parts: list[bytes] = []
        self._have = 0
        self._need = _HEADER_BYTES

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now, up to the end of the answer. Take all of them before the next call."""
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:  # a long packet is put together once, not with every piece
            return
        data = b"".join(self._parts)
        place, size = 0, len(data)
        self._need = _HEADER_BYTES
        while size - place >= _HEADER_BYTES and not self.ended and self.refusal is None:
            begin = place + _HEADER_BYTES
            end = begin + (data[place] | data[place + 1] << 8 | data[place + 2] << 16)
            if end > size:
                self._need = end - place
                break
            payload = data[begin:end]
            if end - begin == _LONGEST:
                payload, end = self._long(data, place)
                if end > size:
                    self._need = end - place
                    break
            place = end
            if payload[:1] not in (b"\xfe", b"\xff") or not self._signal(payload):
                yield payload
        self._parts = [data[place:]]
        self._have = size - place

    def _long(self, data: bytes, place: int) -> tuple[bytes, int]:
        """A payload in several packets and the place behind it; a place behind the data when more must arrive."""
        parts = []
        while True:
            begin = place + _HEADER_BYTES
            if begin > len(data):
                return b"", begin
            length = int.from_bytes(data[place : place + 3], "little")
            place = begin + length
            if place > len(data):
                return b"", place
            parts.append(data[begin:place])
            if length < _LONGEST:
                return b"".join(parts), place

    def _signal(self, payload: bytes) -> bool:
        """Takes an EOF or ERR packet; False for anything else."""
        if payload[0] == _EOF and len(payload) <= _EOF_BYTES_MAX:
            self.ended = True
        elif payload[0] == _ERR and len(payload) >= 3:
            text = payload[9:] if payload[3:4] == b"#" else payload[3:]
            self.refusal = (int.from_bytes(payload[1:3], "little"), text.decode(errors="replace"))
        else:
            return False
        return True
