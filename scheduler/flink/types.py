"""The Flink type of a MySQL column: the column "Flink SQL type" of docs/types.md, which a test compares with this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.codec import FormatOptions
from shared.errors import UnsupportedType
from shared.model.schema import Column

#: Flink's DECIMAL holds this many digits.
DECIMAL_DIGITS_MAX = 38

_FIXED: Mapping[str, str] = {
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "year": "INT",
    "time": "STRING",
    "enum": "STRING",
    "json": "STRING",
    "vector": "ARRAY<FLOAT>",
    **dict.fromkeys(("uuid", "inet4", "inet6"), "STRING"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "STRING"),
    **dict.fromkeys(
        (
            "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geomcollection", "geometrycollection",
        ),
        "STRING",
    ),
}  # fmt: skip
#: data_type -> signed, unsigned.
_INTEGERS: Mapping[str, tuple[str, str]] = {
    "tinyint": ("TINYINT", "SMALLINT"),
    "smallint": ("SMALLINT", "INT"),
    "mediumint": ("INT", "INT"),
    "int": ("INT", "BIGINT"),
    "bigint": ("BIGINT", "DECIMAL(20, 0)"),
}
_BYTES = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))


def flink_type(column: Column, options: FormatOptions, where: str) -> str:
    """The type to declare for a column's JSON, without its nullability.

    Args:
        where: the table's name, for the error.

    Raises:
        UnsupportedType: docs/types.md does not have the column's type.
    """
    kind = column.data_type
    if kind in _INTEGERS:
        return _integer(column, options)
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BYTES:
        return _bytes(options)
    if kind in _MEASURED:
        return _MEASURED[kind](column, options)
    raise UnsupportedType(
        f"Column {column.name} of {where} is a {column.column_type}, for which there is no Flink type.",
        "Leave the table out with --table.",
    )


def _integer(column: Column, options: FormatOptions) -> str:
    if column.column_type.lower() == "tinyint(1)" and options.treat_tinyint1_as_boolean:
        return "BOOLEAN"
    return _INTEGERS[column.data_type][column.unsigned]


def _bytes(options: FormatOptions) -> str:
    return "STRING" if options.binary_encoding == "hex" else "BYTES"


def _bits(column: Column, options: FormatOptions) -> str:
    return "BOOLEAN" if (column.precision or 1) == 1 else _bytes(options)


def _decimal(column: Column, _: FormatOptions) -> str:
    precision, scale = column.precision or 10, column.scale or 0
    return f"DECIMAL({precision}, {scale})" if precision <= DECIMAL_DIGITS_MAX else "STRING"


_MEASURED: Mapping[str, Callable[[Column, FormatOptions], str]] = {
    "bit": _bits,
    "decimal": _decimal,
    "datetime": lambda column, _: f"TIMESTAMP({column.fraction or 0})",
    "timestamp": lambda column, _: f"TIMESTAMP_LTZ({column.fraction or 0})",
    "set": lambda _, options: "STRING" if options.set_encoding == "string" else "ARRAY<STRING>",
}
