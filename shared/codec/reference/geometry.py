"""GEOMETRY values as GeoJSON-like text with the reference system's number.

Law of this file: coordinates come out as they are stored (x before y, whatever the reference
system's axis order), each number spelled like a DOUBLE. The stored form is 4 bytes SRID,
little-endian, then WKB. Members stand in the order that Flink CDC gives them:
`{"coordinates":[1.0,2.0],"type":"Point","srid":0}`; only the outermost has a srid. Used by
`json_text`.
"""

from __future__ import annotations

from struct import Struct

_POINT, _LINE, _POLYGON, _MULTI_POINT, _MULTI_LINE, _MULTI_POLYGON, _COLLECTION = range(1, 8)
_NAMES = {
    _POINT: "Point",
    _LINE: "LineString",
    _POLYGON: "Polygon",
    _MULTI_POINT: "MultiPoint",
    _MULTI_LINE: "MultiLineString",
    _MULTI_POLYGON: "MultiPolygon",
    _COLLECTION: "GeometryCollection",
}
_DEPTH_MAX = 100
_SRID_BYTES = 4


def geometry_text(stored: bytes) -> str:
    """The text of a stored geometry.

    Raises:
        ValueError, IndexError, struct.error: the bytes are not a geometry.
    """
    reader = _Wkb(stored, _SRID_BYTES)
    srid = int.from_bytes(stored[:_SRID_BYTES], "little")
    kind, member, body = reader.geometry(0)
    if reader.place != len(stored):
        raise ValueError("bytes are left behind a geometry")
    return f'{{"{member}":{body},"type":"{kind}","srid":{srid}}}'


class _Wkb:
    """A reader of WKB from a place on; every geometry states its own byte order."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place

    def geometry(self, depth: int) -> tuple[str, str, str]:
        """The name of a geometry's type, the member that holds it, and that member's text."""
        if depth > _DEPTH_MAX:
            raise ValueError("a geometry is nested too deep")
        order = "<" if self._data[self.place] else ">"
        number, kind = Struct(order + "I"), Struct(order + "dd")
        self.place += 1
        code = self._number(number)
        if code not in _NAMES:
            raise ValueError("a geometry has an unknown type")
        if code == _COLLECTION:
            return _NAMES[code], "geometries", self._members(number, depth)
        if code in (_MULTI_POINT, _MULTI_LINE, _MULTI_POLYGON):
            parts = (self.geometry(depth + 1)[2] for _ in range(self._count(number)))
            return _NAMES[code], "coordinates", f"[{','.join(parts)}]"
        return _NAMES[code], "coordinates", self._coordinates(code, number, kind)

    def _members(self, number: Struct, depth: int) -> str:
        parts = (self.geometry(depth + 1) for _ in range(self._count(number)))
        texts = (f'{{"type":"{kind}","{member}":{body}}}' for kind, member, body in parts)
        return f"[{','.join(texts)}]"

    def _coordinates(self, code: int, number: Struct, pair: Struct) -> str:
        if code == _POINT:
            return self._point(pair)
        if code == _LINE:
            return self._line(number, pair)
        return f"[{','.join(self._line(number, pair) for _ in range(self._count(number)))}]"

    def _line(self, number: Struct, pair: Struct) -> str:
        return f"[{','.join(self._point(pair) for _ in range(self._count(number)))}]"

    def _point(self, pair: Struct) -> str:
        x, y = pair.unpack_from(self._data, self.place)
        self.place += pair.size
        return f"[{x!r},{y!r}]"

    def _count(self, number: Struct) -> int:
        """A count of parts, each of which takes at least four bytes."""
        count = self._number(number)
        if count * 4 > len(self._data) - self.place:
            raise ValueError("a geometry is cut short")
        return count

    def _number(self, number: Struct) -> int:
        value: int = number.unpack_from(self._data, self.place)[0]
        self.place += number.size
        return value
