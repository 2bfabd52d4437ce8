"""One column of a row image: where its bytes are and how they become the column's plain form.

Law of this file: a column of the binlog is decoded only if its layout is exactly what the schema
says; otherwise SchemaChanged is raised before a byte is read. Used by `rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.codec.reference import table_map as layouts
from shared.codec.reference.charsets import characters_of
from shared.codec.reference.decimal_bytes import decimal_text, decimal_width
from shared.codec.reference.json_text import BLOBS, CHARACTERS, GEOMETRIES, Plain
from shared.codec.reference.jsonb import json_document_text
from shared.codec.reference.mariadb import TEXTS, WIDTHS, decompressed
from shared.codec.reference.table_map import ColumnLayout
from shared.codec.reference.temporal import (
    date_text,
    datetime_text,
    fraction_width,
    time_text,
    timestamp_text,
    year_text,
)
from shared.errors import UnsupportedType
from shared.model.schema import Column

#: Longest CHAR or VARCHAR, in bytes, whose length takes one byte.
_SHORT_LENGTH_MAX = 255


class Cell(NamedTuple):
    """How one column is read.

    `code` is the `struct` code of its fixed part, empty for values of varying length, which stand
    behind `prefix` bytes of length. `convert` makes the plain form of what was unpacked.
    """

    code: str
    prefix: int
    convert: Callable[[Any], Plain]


def skipped(layout: ColumnLayout) -> Cell:
    """The cell of a hidden column, which is stepped over and never decoded."""
    return by_layout(layout)._replace(convert=_nothing)


def _nothing(_: object) -> bytes:
    return b""


#: data_type -> binlog type and struct code; the code in upper case when unsigned.
_INTEGERS = {
    "tinyint": (layouts.TINY, "b"),
    "smallint": (layouts.SHORT, "h"),
    "mediumint": (layouts.INT24, "3s"),
    "int": (layouts.LONG, "i"),
    "bigint": (layouts.LONGLONG, "q"),
}
_BLOB_WIDTHS = {"tiny": 1, "": 2, "medium": 3, "long": 4}
_SET_CODES = {1: "B", 2: "H", 3: "3s", 4: "I", 8: "Q"}


def expected_layout(column: Column) -> ColumnLayout | None:
    """The layout that a column of this schema has in the binlog.

    Metadata is -1 where the schema does not determine it. None for a type that is not known.
    """
    kind = column.data_type
    layout = _plain_layout(kind, column)
    if layout is None or not column.compressed:
        return layout
    if layout.kind == layouts.VARCHAR:
        # Its first byte counts; where the length is not known it stays so.
        return ColumnLayout(layouts.VARCHAR_COMPRESSED, -1 if layout.metadata == -1 else layout.metadata + 1)
    return layout._replace(kind=layouts.BLOB_COMPRESSED)


def _plain_layout(kind: str, column: Column) -> ColumnLayout | None:
    if kind in _INTEGERS:
        return ColumnLayout(_INTEGERS[kind][0], 0)
    if kind in _SIMPLE:
        return ColumnLayout(*_SIMPLE[kind])
    if kind in GEOMETRIES:
        return ColumnLayout(layouts.GEOMETRY, 4)
    if kind in _MEASURED:
        return _MEASURED[kind](column)
    if kind in BLOBS or kind in CHARACTERS:
        return ColumnLayout(layouts.BLOB, _BLOB_WIDTHS[kind.removesuffix("blob").removesuffix("text")])
    return None


def _length(column: Column) -> int:
    return -1 if column.length is None else column.length


def _bits_layout(column: Column) -> ColumnLayout:
    whole, odd = divmod(column.precision or 1, 8)
    return ColumnLayout(layouts.BIT, whole << 8 | odd)


def _set_layout(column: Column) -> ColumnLayout:
    width = (len(column.labels) + 7) // 8
    return ColumnLayout(layouts.SET, 8 if width > 4 else width)


_SIMPLE = {
    "float": (layouts.FLOAT, 4),
    "double": (layouts.DOUBLE, 8),
    "date": (layouts.DATE, 0),
    "year": (layouts.YEAR, 0),
    "json": (layouts.JSON, 4),
    "vector": (layouts.VECTOR, 4),
    **{kind: (layouts.STRING, width) for kind, width in WIDTHS.items()},
}
_MEASURED: dict[str, Callable[[Column], ColumnLayout]] = {
    "decimal": lambda c: ColumnLayout(layouts.NEWDECIMAL, (c.precision or 10) << 8 | (c.scale or 0)),
    "datetime": lambda c: ColumnLayout(layouts.DATETIME2, c.fraction or 0),
    "timestamp": lambda c: ColumnLayout(layouts.TIMESTAMP2, c.fraction or 0),
    "time": lambda c: ColumnLayout(layouts.TIME2, c.fraction or 0),
    "char": lambda c: ColumnLayout(layouts.STRING, _length(c)),
    "binary": lambda c: ColumnLayout(layouts.STRING, _length(c)),
    "varchar": lambda c: ColumnLayout(layouts.VARCHAR, _length(c)),
    "varbinary": lambda c: ColumnLayout(layouts.VARCHAR, _length(c)),
    "bit": _bits_layout,
    "enum": lambda c: ColumnLayout(layouts.ENUM, 1 if len(c.labels) < 256 else 2),
    "set": _set_layout,
}


def fits(column: Column, layout: ColumnLayout) -> bool:
    """True when a column of the binlog is laid out as the schema's column must be."""
    expected = expected_layout(column)
    if expected is None or expected.kind != layout.kind:
        return False
    return expected.metadata in (-1, layout.metadata)


def cell_of(column: Column, layout: ColumnLayout, where: str, *, in_key: bool) -> Cell:
    """How to read a column whose layout fits the schema.

    Raises:
        UnsupportedType: the column's charset cannot be decoded exactly.
    """
    kind = column.data_type
    cell = by_layout(layout)
    if kind in _INTEGERS:
        return _integer(_INTEGERS[kind][1], column.unsigned)
    if kind in CHARACTERS:
        return _characters(cell, column, where, in_key=in_key)
    if kind in TEXTS:
        return cell._replace(convert=TEXTS[kind])
    if kind == "binary":
        return cell._replace(convert=lambda raw: raw.ljust(layout.metadata, b"\0"))
    if kind == "enum":
        # Index 0 is MySQL's mark for an invalid value, which it prints as the empty string.
        return cell._replace(convert=("", *column.labels).__getitem__)
    if kind == "set":
        return cell if cell.code != "3s" else cell._replace(convert=_unsigned24)
    return cell


def _characters(cell: Cell, column: Column, where: str, *, in_key: bool) -> Cell:
    decode = characters_of(column, where, in_key=in_key)
    if not column.compressed:
        return cell._replace(convert=decode)
    return cell._replace(convert=lambda raw: decode(decompressed(raw)))


def _integer(code: str, unsigned: bool) -> Cell:
    if code == "3s":
        return Cell(code, 0, _unsigned24_digits if unsigned else _signed24_digits)
    return Cell(code.upper() if unsigned else code, 0, b"%d".__mod__)


def _unsigned24(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _unsigned24_digits(raw: bytes) -> bytes:
    return b"%d" % int.from_bytes(raw, "little")


def _signed24_digits(raw: bytes) -> bytes:
    return b"%d" % int.from_bytes(raw, "little", signed=True)


def by_layout(layout: ColumnLayout) -> Cell:
    """The cell as its layout alone tells it: numbers, MySQL's text, else bytes."""
    kind, metadata = layout
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _SHORT:
        return Cell("", 1 if metadata <= _SHORT_LENGTH_MAX else 2, _SHORT[kind])
    if kind in _LONG:
        return Cell("", metadata, _LONG[kind])
    if kind == layouts.JSON:
        return Cell("", metadata, json_document_text)
    if kind == layouts.NEWDECIMAL:
        precision, scale = metadata >> 8, metadata & 255
        return Cell(f"{decimal_width(precision, scale)}s", 0, decimal_text(precision, scale))
    if kind == layouts.BIT:
        return Cell(f"{(metadata >> 8) + bool(metadata & 255)}s", 0, bytes)
    if kind == layouts.ENUM:
        return Cell(_SET_CODES[metadata], 0, int)
    if kind == layouts.SET:
        return Cell(_SET_CODES[metadata], 0, int)
    if kind in _FRACTIONED and metadata <= 6:
        whole, reader = _FRACTIONED[kind]
        return Cell(f"{whole + fraction_width(metadata)}s", 0, reader(metadata))
    raise UnsupportedType(
        f"A column in the binlog has type number {kind}, which is not known.",
        "Exclude the table with tables.exclude.",
    )


#: Values behind a length of one or two bytes, and behind one whose width is the metadata.
_SHORT: dict[int, Callable[[bytes], bytes]] = {
    **dict.fromkeys((layouts.STRING, layouts.VARCHAR, layouts.VAR_STRING), bytes),
    layouts.VARCHAR_COMPRESSED: decompressed,
}
_LONG: dict[int, Callable[[bytes], bytes]] = {
    **dict.fromkeys((layouts.BLOB, layouts.GEOMETRY, layouts.VECTOR, layouts.TYPED_ARRAY), bytes),
    layouts.BLOB_COMPRESSED: decompressed,
}
_FIXED = {
    layouts.TINY: Cell("b", 0, int),
    layouts.SHORT: Cell("h", 0, int),
    layouts.INT24: Cell("3s", 0, bytes),
    layouts.LONG: Cell("i", 0, int),
    layouts.LONGLONG: Cell("q", 0, int),
    layouts.FLOAT: Cell("f", 0, float),
    layouts.DOUBLE: Cell("d", 0, float),
    layouts.DATE: Cell("3s", 0, date_text),
    layouts.YEAR: Cell("B", 0, year_text),
}
_FRACTIONED: dict[int, tuple[int, Callable[[int], Callable[[bytes], bytes]]]] = {
    layouts.DATETIME2: (5, datetime_text),
    layouts.TIMESTAMP2: (4, timestamp_text),
    layouts.TIME2: (3, time_text),
}
