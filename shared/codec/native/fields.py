"""What the core is told about each column: where its bytes are and how they become JSON.

Law of this file: one specification per column, from the schema and the format's options alone; it mirrors
`reference.fields` (row images) and `reference.snapshot` (result sets), and the core does exactly what it says.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

from shared.codec.native._core import RowShape
from shared.codec.native.charsets import UTF8_CHARSET, charset_of
from shared.codec.options import FormatOptions
from shared.codec.reference.fields import by_layout
from shared.codec.reference.json_scalars import json_string
from shared.codec.reference.json_text import BLOBS, CHARACTERS, GEOMETRIES, INTEGERS, key_members, value_members
from shared.codec.reference.mariadb import WIDTHS
from shared.codec.reference.table_map import ColumnLayout
from shared.model.mask import Hash
from shared.model.schema import Column, Table

#: One field in the words of src/python.rs.
Spec: TypeAlias = dict[str, Any]

#: Bytes of an integer in a result set.
_SENT_WIDTHS = {"tinyint": 1, "smallint": 2, "mediumint": 4, "int": 4, "bigint": 8, "year": 2}


def shape(table: Table, options: FormatOptions, fields: Sequence[Spec], places: Sequence[int]) -> RowShape:
    """The shape of a table's rows; `places` says where each column that is written is among the fields."""
    key = [(text, places[place]) for text, place in key_members(table, options)]
    value = [
        (text, None if place is None else places[place], sparse)
        for text, place, sparse in value_members(table, options)
    ]
    return RowShape(list(fields), key, value)


def hidden_field(layout: ColumnLayout) -> Spec:
    """A column of a row image that the catalog does not show: it is stepped over."""
    return _stored_place(layout) | {"format": "skipped"}


def stored_field(table: Table, column: Column, layout: ColumnLayout, options: FormatOptions) -> Spec:
    """A column of a row image, whose layout fits the schema."""
    return _stored(table, column, layout, options) | _mask(table, column, options)


def _stored(table: Table, column: Column, layout: ColumnLayout, options: FormatOptions) -> Spec:
    spec = _stored_place(layout)
    kind = column.data_type
    if kind == "enum":
        return spec | {"format": "enum_index", "labels": [json_string(label) for label in ("", *column.labels)]}
    if kind == "year":
        return spec | {"format": "stored_year"}
    if kind == "decimal":
        precision, scale = divmod(layout.metadata, 256)
        plainly = options.decimal_as_plain_number
        return spec | {"format": "stored_decimal", "precision": precision, "scale": scale, "plainly": plainly}
    if kind == "json":
        return spec | {"format": "stored_json", "bare": options.json_columns == "object"}
    if kind == "bit" and column.precision == 1:
        return spec | {"format": "one_bit"}
    if kind in WIDTHS:
        return spec | {"format": kind}
    padded = layout.metadata if kind == "binary" else 0
    found = spec | _format(table, column, options, stored=True, padded=padded)
    return found | {"compressed": True} if column.compressed else found


def sent_field(table: Table, column: Column, options: FormatOptions) -> Spec:
    """A column of a result set in the binary protocol."""
    return _sent(table, column, options) | _mask(table, column, options)


def _mask(table: Table, column: Column, options: FormatOptions) -> Spec:
    mask = options.mask(table, column.name)
    return {"hash_key": mask.key} if isinstance(mask, Hash) else {}


def _sent(table: Table, column: Column, options: FormatOptions) -> Spec:
    kind = column.data_type
    if kind in _SENT_WIDTHS:
        spec: Spec = {"layout": "fixed", "size": _SENT_WIDTHS[kind]}
        return spec | ({"format": "unsigned"} if kind == "year" else _integer(column, options))
    if kind in ("float", "double"):
        return {"layout": "fixed", "size": 4 if kind == "float" else 8, "format": kind}
    if kind == "set":
        return {"layout": "fixed", "size": 8} | _format(table, column, options, stored=False)
    if kind in ("date", "datetime", "timestamp", "time"):
        return {"layout": "measured", "size": 0} | _format(table, column, options, stored=False)
    spec = {"layout": "counted", "size": 0}
    if kind == "enum" or kind in WIDTHS:
        return spec | {"format": "text", "charset": UTF8_CHARSET, "trimmed": False}
    if kind == "decimal":
        plainly = options.decimal_as_plain_number
        rewritten = not plainly or "zerofill" in column.column_type.lower()
        return spec | {"format": "sent_decimal", "plainly": plainly, "rewritten": rewritten}
    if kind == "json":
        return spec | {"format": "sent_json", "bare": options.json_columns == "object"}
    return spec | _format(table, column, options, stored=False)


def _stored_place(layout: ColumnLayout) -> Spec:
    """Where the bytes are, by the layout alone."""
    cell = by_layout(layout)
    if cell.prefix:
        return {"layout": "prefixed", "size": cell.prefix}
    return {"layout": "fixed", "size": struct.calcsize("<" + cell.code)}


def _integer(column: Column, options: FormatOptions) -> Spec:
    if column.column_type == "tinyint(1)" and options.treat_tinyint1_as_boolean:
        return {"format": "boolean", "signed": not column.unsigned}
    return {"format": "unsigned" if column.unsigned else "signed"}


def _format(table: Table, column: Column, options: FormatOptions, *, stored: bool, padded: int = 0) -> Spec:
    """The format of a type that looks alike on both paths."""
    kind = column.data_type
    in_key = column.name in table.primary_key
    if kind in INTEGERS:
        return _integer(column, options)
    if kind in CHARACTERS:
        charset = charset_of(column, f"{table.id}.{column.name}", in_key=in_key)
        return {"format": "text", "charset": charset, "trimmed": kind == "char"}
    if kind in BLOBS or kind in ("binary", "varbinary", "bit"):
        if kind == "bit" and column.precision == 1:
            return {"format": "one_bit"}
        return {"format": "bytes", "hex": options.binary_encoding == "hex", "padded": padded}
    if kind == "set":
        joined = options.set_encoding == "string"
        labels = [json_string(label) for label in column.labels]
        return {"format": "set_bits", "joined": joined, "labels": [x[1:-1] for x in labels] if joined else labels}
    if kind in GEOMETRIES:
        return {"format": "geometry"}
    if kind == "time":
        return {"format": "time", "digits": column.fraction or 0, "stored": stored}
    if kind in ("date", "datetime", "timestamp"):
        return {"format": kind} | _style(column, options, stored=stored, in_key=in_key)
    return {"format": kind}  # float, double, vector


def _style(column: Column, options: FormatOptions, *, stored: bool, in_key: bool) -> Spec:
    standard = options.timestamp_format
    return {
        "digits": 0 if column.data_type == "date" else column.fraction or 0,
        "stored": stored,
        "separator": ord(" " if standard == "SQL" else "T"),
        "suffix": b"Z" if column.data_type == "timestamp" or standard == "ISO-8601-WITH-OFFSET" else b"",
        "in_key": in_key,
    }
