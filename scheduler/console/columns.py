"""MySQL's column and the job's format options give DuckDB's type: docs/types.md, read backwards. Pure.

A value arrives as the text that stands in the message (see `rows`); a form says how that text becomes a value of the type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.codec import FormatOptions
from shared.errors import UnsupportedType
from shared.model.schema import Column, TableId

#: DuckDB's widest DECIMAL.
_DIGITS_MAX = 38

_INTEGERS = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "mediumint": "INTEGER",
    "int": "INTEGER",
    "bigint": "BIGINT",
}
_PLAIN = {"float": "FLOAT", "double": "DOUBLE", "year": "SMALLINT", "json": "JSON"}
# TIME goes from -838:59:59 to 838:59:59, DuckDB's TIME from 0 to 24 h.
_TEXTS = frozenset(
    ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "time", "uuid", "inet4", "inet6")
)
_BYTES = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))
_SHAPES = frozenset(
    [
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    ]
)
_MOMENTS = {"date": "DATE", "datetime": "TIMESTAMP", "timestamp": "TIMESTAMPTZ"}


@dataclass(frozen=True, slots=True)
class Form:
    """A type, and the SQL that makes a value of it from the text; `{}` in it stands for the text."""

    type: str
    sql: str

    def of(self, text: str) -> str:
        """The SQL for a text column of that name."""
        return self.sql.replace("{}", text)


@dataclass(frozen=True, slots=True)
class Forms:
    """The form of a column, and the one for the case that values do not fit it; None where that cannot be."""

    usual: Form
    wide: Form | None = None


_VARCHAR = Form("VARCHAR", "{}")


def forms_of(table: TableId, column: Column, options: FormatOptions, *, in_key: bool) -> Forms:
    """How a column is typed.

    Raises:
        UnsupportedType: the codec does not know the type either.
    """
    kind = column.data_type
    if kind in _INTEGERS:
        return _integer(column, options)
    if kind in _MOMENTS:
        # A zero date is null, but in a key, where it is MySQL's text.
        return Forms(_cast(_MOMENTS[kind]), _VARCHAR if in_key else None)
    if kind in _PLAIN:
        return Forms(_cast(_PLAIN[kind]))
    if kind in ("decimal", "numeric"):
        return Forms(_decimal(column))
    if kind in _TEXTS:
        return Forms(_VARCHAR)
    if kind in _BYTES or kind == "bit":
        return Forms(_cast("BOOLEAN") if column.column_type == "bit(1)" else _bytes(options))
    if kind in _SHAPES:
        return Forms(_cast("JSON"))
    if kind == "set":
        return Forms(_VARCHAR if options.set_encoding == "string" else _list("VARCHAR"))
    if kind == "vector":
        return Forms(_list("FLOAT"))
    raise UnsupportedType(
        f"Column {column.name} of {table} has the type {column.column_type}, which is not known here."
    )


def _cast(kind: str) -> Form:
    return Form(kind, f"CAST({{}} AS {kind})")


def _integer(column: Column, options: FormatOptions) -> Forms:
    if column.column_type == "tinyint(1)" and options.treat_tinyint1_as_boolean:
        numbers = "CASE {} WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE CAST({} AS TINYINT) END"
        return Forms(_cast("BOOLEAN"), Form("TINYINT", f"CAST({numbers} AS TINYINT)"))
    name = _INTEGERS[column.data_type]
    return Forms(_cast(f"U{name}" if column.unsigned else name))


def _decimal(column: Column) -> Form:
    found = re.search(r"\((\d+)(?:,\s*(\d+))?\)", column.column_type)
    precision = column.precision or int(found[1] if found else 10)
    scale = column.scale if column.scale is not None else int((found and found[2]) or 0)
    return _VARCHAR if precision > _DIGITS_MAX else _cast(f"DECIMAL({precision},{scale})")


def _bytes(options: FormatOptions) -> Form:
    return Form("BLOB", "unhex({})" if options.binary_encoding == "hex" else "from_base64({})")


def _list(kind: str) -> Form:
    # By way of texts: JSON has no NaN, and the numbers of a VECTOR are spelled as FLOATs.
    return Form(f"{kind}[]", f"CAST(from_json({{}}, '[\"VARCHAR\"]') AS {kind}[])")
