"""From a column's plain form to JSON: one writer per type, used by both paths.

Law of this file: the options of the message format are decided here, once per table, and the same
plain form always gives the same bytes. Plain forms: numbers without fraction, DECIMAL, YEAR and
temporal values are bytes of MySQL's own text; FLOAT and DOUBLE are float; characters, ENUM labels
and JSON documents are str; SET is the int of its bits; BIT, BINARY, BLOB, GEOMETRY and VECTOR are
the bytes that MySQL stores. NULL is None and never reaches a writer.
"""

from __future__ import annotations

import hmac
import json
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import itemgetter
from struct import Struct
from typing import Any, TypeAlias

from shared.codec.options import FormatOptions
from shared.codec.reference import json_scalars as scalars
from shared.codec.reference.geometry import geometry_text
from shared.errors import UnsupportedType
from shared.model.change import EncodedRow
from shared.model.mask import Constant, Hash
from shared.model.schema import Column, Table

#: A column's value on its way from the server's form to JSON; see the head of this file.
Plain: TypeAlias = bytes | str | int | float

#: From the plain form to JSON. Each writer takes the one type of its column, which the type system
#: cannot say.
Writer: TypeAlias = Callable[[Any], bytes]

#: The same for many cells of a column, none of them NULL.
ColumnWriter: TypeAlias = Callable[[Sequence[Any]], list[bytes]]

INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
CHARACTERS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"))
BLOBS = frozenset(("tinyblob", "blob", "mediumblob", "longblob"))
GEOMETRIES = frozenset(
    (
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"),
        *("multipolygon", "geomcollection", "geometrycollection"),
    )
)

#: How MariaDB's catalog marks temporal columns in its own older layout.
_OLD_TEMPORAL = "/* mariadb-5.3 */"

_BOOLEANS = {b"0": b"false", b"1": b"true"}


def _boolean(value: bytes) -> bytes:
    return _BOOLEANS.get(value, value)


def _one_bit(value: bytes) -> bytes:
    return b"true" if value == b"\x01" else b"false"


def _geometry(value: bytes) -> bytes:
    return scalars.json_string(geometry_text(value))


def _vector(value: bytes) -> bytes:
    count, rest = divmod(len(value), 4)
    if rest:
        raise ValueError("a VECTOR is a whole number of 4-byte floats")
    return b"[%b]" % b",".join(map(scalars.json_float, Struct(f"<{count}f").unpack(value)))


def _array_of_labels(labels: tuple[str, ...]) -> Writer:
    members = tuple(scalars.json_string(label) for label in labels)

    def write(bits: int) -> bytes:
        if bits >> len(members):
            raise ValueError("a SET holds a member that the schema does not name")
        return b"[%b]" % b",".join(m for place, m in enumerate(members) if bits >> place & 1)

    return write


def _labels_with_commas(labels: tuple[str, ...]) -> Writer:
    def write(bits: int) -> bytes:
        if bits >> len(labels):
            raise ValueError("a SET holds a member that the schema does not name")
        return scalars.json_string(",".join(label for place, label in enumerate(labels) if bits >> place & 1))

    return write


#: The types that neither options nor keys change. None means that the plain form already is JSON.
_WRITERS: dict[str, Writer | None] = {
    **dict.fromkeys(INTEGERS | {"year"}),
    **dict.fromkeys(CHARACTERS | {"enum"}, scalars.json_string),
    **dict.fromkeys(GEOMETRIES, _geometry),
    "double": scalars.json_double,
    "float": scalars.json_float,
    "time": scalars.json_quoted,
    **dict.fromkeys(("uuid", "inet4", "inet6"), scalars.json_quoted),
    "vector": _vector,
}


@cache
def _writers(options: FormatOptions, in_key: bool) -> dict[str, Writer | None]:
    """The writers of all types whose name says it all."""
    standard = options.timestamp_format
    binary = scalars.json_base64 if options.binary_encoding == "base64" else scalars.json_hex
    return {
        **_WRITERS,
        **dict.fromkeys(BLOBS | {"binary", "varbinary", "bit"}, binary),
        "date": scalars.json_quoted if in_key else scalars.json_date_or_null,
        "datetime": scalars.moment_writer(standard, instant=False, in_key=in_key),
        "decimal": None if options.decimal_as_plain_number else scalars.java_decimal,
        "json": scalars.json_string if options.json_columns == "string" else str.encode,
        "timestamp": scalars.moment_writer(standard, instant=True, in_key=in_key),
    }


def writer_of(table: Table, column: Column, options: FormatOptions) -> Writer | None:
    """The column's writer; None when its plain form already is JSON.

    Raises:
        UnsupportedType: the codec does not know the column's type, or two keys would look alike.
    """
    kind = column.data_type
    in_key = column.name in table.primary_key
    if column.column_type.endswith(_OLD_TEMPORAL):
        raise UnsupportedType(
            f"{table.id}.{column.name}: the type {column.column_type!r} has its fraction's digits nowhere in the binlog.",
            "Set mysql56_temporal_format=ON and rebuild the table: ALTER TABLE … FORCE.",
        )
    if in_key:
        _check_labels(table, column, options)
    if kind == "tinyint" and column.column_type == "tinyint(1)":
        return _boolean if options.treat_tinyint1_as_boolean else None
    if kind == "bit" and column.precision == 1:
        return _one_bit
    if kind == "set":
        return (_array_of_labels if options.set_encoding == "array" else _labels_with_commas)(column.labels)
    writers = _writers(options, in_key)
    if kind not in writers:
        raise UnsupportedType(
            f"{table.id}.{column.name}: the type {column.column_type!r} is not known.",
            "Exclude the table with tables.exclude, or change the column to a type of docs/types.md.",
        )
    return writers[kind]


def _check_labels(table: Table, column: Column, options: FormatOptions) -> None:
    """An empty label looks like none: as a key, two rows would become one."""
    if "" not in column.labels:
        return
    if column.data_type == "enum":
        raise UnsupportedType(
            f"{table.id}.{column.name}: an ENUM with an empty label cannot be in a primary key.",
            "The label looks like MySQL's mark for an invalid value. Exclude the table with tables.exclude.",
        )
    if column.data_type == "set" and options.set_encoding == "string":
        raise UnsupportedType(
            f"{table.id}.{column.name}: a SET with an empty label cannot be a string in a primary key.",
            "Set `set.encoding: array`, which tells the empty label from none.",
        )


def hashed(write: Writer | None, key: bytes) -> Writer:
    """From the plain form to a hash of its text: that of a JSON string, else the JSON itself. What would be null stays null."""

    def write_hash(plain: Any) -> bytes:
        text: bytes = write(plain) if write else plain
        if text == b"null":
            return text
        if text.startswith(b'"'):
            text = json.loads(text).encode()
        return b'"%b"' % hmac.digest(key, text, "sha256").hex().encode()

    return write_hash


def _masked_writer(table: Table, column: Column, options: FormatOptions) -> Writer | None:
    write, mask = writer_of(table, column, options), options.mask(table, column.name)
    return hashed(write, mask.key) if isinstance(mask, Hash) else write


#: One member of a JSON object: its name, a colon and the place of its cell, or the whole of it and None; and whether it is left
#: out where it is null.
Member: TypeAlias = tuple[bytes, int | None, bool]


def key_members(table: Table, options: FormatOptions) -> list[tuple[bytes, int]]:
    """What keys are made of, in key order; places are those of the columns that are written."""
    names = [column.name for column in options.written(table).columns]
    return [(scalars.json_string(name) + b":", names.index(name)) for name in table.primary_key]


def value_members(table: Table, options: FormatOptions) -> list[Member]:
    """What values are made of, in table order."""
    names = [column.name for column in options.written(table).columns]
    members: list[Member] = []
    for column in options.shown(table).columns:
        name, sparse = column.name, column.added or options.ignore_null_fields
        if name in table.primary_key and options.fields_include == "EXCEPT_KEY":
            continue
        begin, mask = scalars.json_string(name) + b":", options.mask(table, name)
        if not isinstance(mask, Constant):
            members.append((begin, names.index(name), sparse))
        elif mask.text is not None:
            members.append((begin + scalars.json_string(mask.text), None, False))
        elif not sparse:
            members.append((begin + b"null", None, False))
    return members


def _template(members: Iterable[tuple[bytes, int | None]]) -> bytes:
    """A bytes template with one %b per cell."""
    return b"{%b}" % b",".join(text.replace(b"%", b"%%") + (b"" if place is None else b"%b") for text, place in members)


def _picker(places: tuple[int, ...]) -> Callable[[list[bytes]], Any]:
    """What a template takes: a tuple of cells, or the only cell itself."""
    return itemgetter(*places) if places else lambda _: ()


def to_json(read: Callable[[Any], Plain] | None, write: Writer | None) -> Writer | None:
    """From a source's form to JSON: `read` to the plain form, then `write`; None is no change."""
    if read is None or read is bytes:
        return write
    if read == bytes.decode and write is scalars.json_string:
        return scalars.utf8_string
    if write is None:
        return read  # type: ignore[return-value]  # the plain form is JSON bytes
    return lambda source: write(read(source))


def column_to_json(read: Callable[[Any], Plain] | None, write: Writer | None) -> ColumnWriter | None:
    """`to_json` of many cells of one column, by C code alone where the type allows it: a call per cell is what
    rows cost in Python.
    """
    one = to_json(read, write)
    if one is None:
        return None
    if one is scalars.utf8_string:
        return scalars.utf8_strings
    if read is float and write is scalars.json_double:
        return scalars.json_doubles
    if isinstance(one, scalars.SqlMoment):
        return one.column
    return lambda cells: list(map(one, cells))


class RowWriter:
    """Puts the JSON of columns together to keys and values of one table.

    `writers` has for each column that is written, in table order, what makes JSON of its plain form (None:
    nothing). `table` has all columns.

    Raises:
        UnsupportedType: a column's type is not known, or the table has no primary key.
    """

    def __init__(self, table: Table, options: FormatOptions) -> None:
        if not table.primary_key:
            raise UnsupportedType(
                f"{table.id}: the table has no primary key, so its rows have no key in Kafka.",
                "Give the table a primary key, or exclude it with tables.exclude.",
            )
        written = options.written(table)
        self.writers = tuple(_masked_writer(table, column, options) for column in written.columns)
        key, value = key_members(table, options), value_members(table, options)
        #: For each key column, in key order, its place among those that are written.
        self.key_places = tuple(place for _, place in key)
        self._key_template = _template(key)
        self._pick_key = _picker(self.key_places)
        self._values = values = tuple(place for _, place, _ in value if place is not None)
        self._value_template = _template((text, place) for text, place, _ in value)
        whole = len(values) == len(written.columns)
        self._pick_value: Callable[[list[bytes]], Any] = tuple if whole else _picker(values)
        #: What values are made of; only where nulls are left out.
        self._members = value if any(sparse for _, _, sparse in value) else None

    def row(self, cells: list[bytes]) -> EncodedRow:
        """Key and value, from the JSON of every column that is written, in table order."""
        key = self._key_template % self._pick_key(cells)
        if self._members is None:
            return key, self._value_template % self._pick_value(cells)
        members = (
            text if place is None else text + cells[place]
            for text, place, sparse in self._members
            if place is None or not sparse or cells[place] != b"null"
        )
        return key, b"{%b}" % b",".join(members)

    def rows(self, columns: Sequence[Sequence[bytes]]) -> list[EncodedRow]:
        """`row` of many rows, given column by column, at least one row."""
        if self._members is not None:
            return [self.row(list(cells)) for cells in zip(*columns, strict=True)]
        keys = map(self._key_template.__mod__, zip(*(columns[place] for place in self.key_places), strict=True))
        if not self._values:
            value = self._value_template % ()
            return [(key, value) for key in keys]
        values = zip(*(columns[place] for place in self._values), strict=True)
        return list(zip(keys, map(self._value_template.__mod__, values), strict=True))

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
