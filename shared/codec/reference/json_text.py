"""From a column's plain form to JSON: one writer per type, used by both paths.

Law of this file: it is the only place where JSON is spelled, and the same plain form always gives
the same bytes. Plain forms: numbers without fraction, DECIMAL, YEAR and temporal values are bytes
of MySQL's own text; FLOAT and DOUBLE are float; characters, ENUM labels and JSON documents are str;
SET is the int of its bits; BIT, BINARY, BLOB, GEOMETRY and VECTOR are the bytes that MySQL stores.
NULL is None and never reaches a writer.
"""

from __future__ import annotations

import math
import re
import struct
from binascii import b2a_base64
from collections.abc import Callable
from operator import itemgetter
from struct import Struct
from typing import Any, TypeAlias

import orjson

from shared.codec.options import FormatOptions
from shared.codec.reference.geometry import geometry_text
from shared.errors import UnsupportedType
from shared.model.change import EncodedRow
from shared.model.schema import Column, Table

#: A column's value on its way from the server's form to JSON; see the head of this file.
Plain: TypeAlias = bytes | str | int | float

#: From the plain form to JSON. Each writer takes the one type of its column, which the type system
#: cannot say.
Writer: TypeAlias = Callable[[Any], bytes]

INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
CHARACTERS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"))
BLOBS = frozenset(("tinyblob", "blob", "mediumblob", "longblob"))
GEOMETRIES = frozenset(
    (
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"),
        *("multipolygon", "geomcollection", "geometrycollection"),
    )
)

_ESCAPE = re.compile(rb"\\(u[0-9a-f]{4}|.)")
_FLOAT32 = Struct("<f")
#: Six digits always fit a 4-byte float, and nine always tell it, but below this it has fewer.
_SMALLEST_NORMAL_FLOAT = 2.0**-126


def json_string(text: str) -> bytes:
    """A JSON string: UTF-8 as it is; only quotes, backslashes and control characters are escaped.

    Control characters are spelled as Jackson does: short forms where JSON has them, else four
    upper-case digits.
    """
    quoted = orjson.dumps(text)
    return _ESCAPE.sub(_upper_case_escape, quoted) if b"\\u" in quoted else quoted


def _upper_case_escape(escape: re.Match[bytes]) -> bytes:
    letters = escape[1]
    return escape[0] if len(letters) == 1 else b"\\u" + letters[1:].upper()


def json_double(value: float) -> bytes:
    """The shortest text that reads back equal.

    It has an exponent below 1e-4 and from 1e16 on: `1e+16`, `1e-05`. NaN and the infinities, which
    only a VECTOR can hold, are quoted as Jackson does.
    """
    if math.isfinite(value):
        return repr(value).encode()
    return b'"NaN"' if value != value else b'"Infinity"' if value > 0 else b'"-Infinity"'


def json_float(value: float) -> bytes:
    """The shortest text that reads back as the same 4-byte float, spelled like a DOUBLE.

    The value is a 4-byte float held exactly in a Python float.
    """
    if not math.isfinite(value):
        return json_double(value)
    for digits in range(1 if abs(value) < _SMALLEST_NORMAL_FLOAT else 6, 9):
        shorter = float(f"{value:.{digits}g}")
        if _as_float32(shorter) != value:
            shorter = _next_decimal(value, digits)
        if _as_float32(shorter) == value:
            return repr(shorter).encode()
    return repr(float(f"{value:.9g}")).encode()


def _next_decimal(value: float, digits: int) -> float:
    """For a power of two, the decimal behind the nearest one.

    Above a power of two, floats lie twice as far apart as below. Three of them (2**-96, 2**87,
    2**90) have a shorter text there; for other values the nearest decimal is the best.
    """
    if math.frexp(value)[0] not in (0.5, -0.5):
        return math.nan
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    units = int(mantissa.replace(".", ""))
    return float(f"{units + (1 if units > 0 else -1)}e{int(exponent) - digits + 1}")


def _as_float32(value: float) -> float:
    try:
        narrowed: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:  # rounded up past the largest 4-byte float
        return math.inf
    return narrowed


def json_bytes(value: bytes) -> bytes:
    """Base64, standard alphabet, padded, no line breaks."""
    return b'"%b"' % b2a_base64(value, newline=False)


#: A month or a day of zero, in MySQL's text of a date.
_ZERO_PART = b"-00"
_BOOLEANS = {b"0": b"false", b"1": b"true"}


def _boolean(value: bytes) -> bytes:
    return _BOOLEANS.get(value, value)


def _one_bit(value: bytes) -> bytes:
    return b"true" if value == b"\x01" else b"false"


def _quoted(value: bytes) -> bytes:
    return b'"%b"' % value


def _instant(value: bytes) -> bytes:
    return b'"%bZ"' % value


def _date_or_null(value: bytes) -> bytes:
    return b"null" if _ZERO_PART in value else b'"%b"' % value


def _instant_or_null(value: bytes) -> bytes:
    return b"null" if _ZERO_PART in value else b'"%bZ"' % value


def _geometry(value: bytes) -> bytes:
    return json_string(geometry_text(value))


def _vector(value: bytes) -> bytes:
    count, rest = divmod(len(value), 4)
    if rest:
        raise ValueError("a VECTOR is a whole number of 4-byte floats")
    return b"[%b]" % b",".join(map(json_float, Struct(f"<{count}f").unpack(value)))


def _set_writer(labels: tuple[str, ...]) -> Writer:
    members = tuple(json_string(label) for label in labels)

    def write(bits: int) -> bytes:
        if bits >> len(members):
            raise ValueError("a SET holds a member that the schema does not name")
        return b"[%b]" % b",".join(m for place, m in enumerate(members) if bits >> place & 1)

    return write


#: None means that the plain form already is JSON.
_WRITERS: dict[str, Writer | None] = {
    **dict.fromkeys(INTEGERS | {"decimal", "year"}),
    **dict.fromkeys(CHARACTERS | {"enum", "json"}, json_string),
    **dict.fromkeys(BLOBS | {"binary", "varbinary", "bit"}, json_bytes),
    **dict.fromkeys(GEOMETRIES, _geometry),
    "double": json_double,
    "float": json_float,
    "date": _date_or_null,
    "datetime": _date_or_null,
    "timestamp": _instant_or_null,
    "time": _quoted,
    "vector": _vector,
}

#: Key columns keep zero dates as MySQL's text: as null, two keys would become one.
_KEY_WRITERS: dict[str, Writer] = {"date": _quoted, "datetime": _quoted, "timestamp": _instant}


def writer_of(table: Table, column: Column, options: FormatOptions) -> Writer | None:
    """The column's writer; None when its plain form already is JSON.

    Raises:
        UnsupportedType: the codec does not know the column's type.
    """
    kind = column.data_type
    if column.name in table.primary_key and kind in _KEY_WRITERS:
        return _KEY_WRITERS[kind]
    if kind == "tinyint" and column.column_type == "tinyint(1)":
        return _boolean if options.treat_tinyint1_as_boolean else None
    if kind == "bit" and column.precision == 1:
        return _one_bit
    if kind == "set":
        return _set_writer(column.labels)
    if kind not in _WRITERS:
        raise UnsupportedType(
            f"{table.id}.{column.name}: the type {column.column_type!r} is not known.",
            "Exclude the table with tables.exclude, or change the column to a type of docs/types.md.",
        )
    return _WRITERS[kind]


def _template(columns: tuple[Column, ...]) -> bytes:
    """A bytes template with one %b per column."""
    names = (json_string(column.name).replace(b"%", b"%%") for column in columns)
    return b"{%b}" % b",".join(name + b":%b" for name in names)


def _picker(places: tuple[int, ...]) -> Callable[[list[bytes]], Any]:
    """What a template takes: a tuple of cells, or the only cell itself."""
    return itemgetter(*places) if places else lambda _: ()


def _utf8_string(raw: bytes) -> bytes:
    """`json_string(raw.decode())` in one step, for the most common type of all."""
    quoted = orjson.dumps(raw.decode())
    return _ESCAPE.sub(_upper_case_escape, quoted) if b"\\u" in quoted else quoted


def to_json(read: Callable[[Any], Plain] | None, write: Writer | None) -> Writer | None:
    """From a source's form to JSON: `read` to the plain form, then `write`; None is no change."""
    if read is None or read is bytes:
        return write
    if read == bytes.decode and write is json_string:
        return _utf8_string
    if write is None:
        return read  # type: ignore[return-value]  # the plain form is JSON bytes
    return lambda source: write(read(source))


class RowWriter:
    """Puts the JSON of columns together to keys and values of one table.

    `writers` has for each column, in table order, what makes JSON of its plain form (None:
    nothing).

    Raises:
        UnsupportedType: a column's type is not known, or the table has no primary key.
    """

    def __init__(self, table: Table, options: FormatOptions) -> None:
        if not table.primary_key:
            raise UnsupportedType(
                f"{table.id}: the table has no primary key, so its rows have no key in Kafka.",
                "Give the table a primary key, or exclude it with tables.exclude.",
            )
        names = [column.name for column in table.columns]
        self.writers = tuple(writer_of(table, column, options) for column in table.columns)
        #: For each key column, in key order, its place in the table.
        self.key_places = tuple(names.index(name) for name in table.primary_key)
        self._key_template = _template(table.key_columns)
        self._pick_key = _picker(self.key_places)
        self._pick_value: Callable[[list[bytes]], Any] = tuple
        self._value_template = _template(table.columns)
        if options.fields_include == "EXCEPT_KEY":
            rest = tuple(i for i in range(len(names)) if i not in self.key_places)
            self._pick_value = _picker(rest)
            self._value_template = _template(tuple(table.columns[i] for i in rest))

    def row(self, cells: list[bytes]) -> EncodedRow:
        """Key and value, from the JSON of every column in table order."""
        return EncodedRow(
            self._key_template % self._pick_key(cells),
            self._value_template % self._pick_value(cells),
        )

    def key(self, cells: list[bytes]) -> bytes:
        """The key, from the JSON of the key columns in key order."""
        return self._key_template % tuple(cells)


#: What a crafted or foreign value can raise on its way; each path turns them into its own named
#: error.
VALUE_ERRORS = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    RecursionError,
)
