"""What MySQL itself says about a value, and whether our JSON says the same under each option of the format.

Nothing of the codec is used here: the server's text is the truth, and the options are applied to it once more.
"""

import base64
import json
import struct
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from shared.codec import FormatOptions
from shared.model.schema import Column, TableId
from tests.unit.codec.mask_oracle import hash_all, one_of_each

_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_GEOMETRIES = (
    *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
    *("geomcollection", "geometrycollection"),
)

#: data_type -> what to SELECT; for other types it is the value as characters.
_EXPRESSIONS = {
    **dict.fromkeys((*_BYTES, "bit"), "HEX({})"),
    **dict.fromkeys(("float", "double"), "{} * 1e0"),
    **dict.fromkeys(("int", "decimal"), "{} + 0"),  # without the zeros of ZEROFILL
    **dict.fromkeys(_GEOMETRIES, "ST_AsGeoJSON({})"),
    "vector": "HEX({})",  # VECTOR_TO_STRING has six digits
    "json": "{}",
}


def every_other(_table: TableId, column: str) -> bool:
    """Some of the columns of any family, by their names."""
    return zlib.crc32(column.encode()) % 2 == 0


#: Every option of the format by itself, none, and all together; masks of each kind, and of each column.
OPTIONS = {
    "none": FormatOptions(),
    "numbers for TINYINT(1)": FormatOptions(treat_tinyint1_as_boolean=False),
    "no key in the value": FormatOptions(fields_include="EXCEPT_KEY"),
    "ISO-8601": FormatOptions(timestamp_format="ISO-8601"),
    "ISO-8601-WITH-OFFSET": FormatOptions(timestamp_format="ISO-8601-WITH-OFFSET"),
    "exponents": FormatOptions(decimal_as_plain_number=False),
    "no nulls": FormatOptions(ignore_null_fields=True),
    "hex": FormatOptions(binary_encoding="hex"),
    "JSON as objects": FormatOptions(json_columns="object"),
    "SET as a string": FormatOptions(set_encoding="string"),
    "fewer columns": FormatOptions(excluded=every_other),
    "all": FormatOptions(False, "EXCEPT_KEY", "ISO-8601", False, True, "hex", "object", "string"),
    "masks": FormatOptions(masked=one_of_each),
    "hashes": FormatOptions(masked=hash_all),
    "masks of all": FormatOptions(
        False, "EXCEPT_KEY", "ISO-8601", False, True, "hex", "object", "string", every_other, hash_all
    ),
}


def truth(column: Column) -> str:
    """What to SELECT for MySQL's own text of a column."""
    return _EXPRESSIONS.get(column.data_type, "CAST({} AS CHAR)").format(f"`{column.name}`")


def assert_agrees(columns: tuple[Column, ...], texts: tuple[bytes | None, ...], value: bytes, o: FormatOptions) -> None:
    """One row of our JSON is what MySQL says; `columns` are those that the value should have."""
    cells = json.loads(value, parse_int=str, parse_float=str)
    expected = [column.name for column in columns]
    if o.ignore_null_fields:
        assert None not in cells.values()
        expected = [name for name in expected if name in cells]
    assert list(cells) == expected
    for column, text in zip(columns, texts, strict=True):
        ours = cells.get(column.name)
        agrees = (
            ours is None if text is None else _AGREES.get(column.data_type, _same_text)(column, ours, text.decode(), o)
        )
        assert agrees, (column.name, ours, text)
        if column.data_type == "json" and o.json_columns == "object" and ours is not None:
            assert (
                json.dumps(column.name, ensure_ascii=False).encode() + b":" + one_line((text or b"").decode()).encode()
                in value
            )


def one_line(text: str) -> str:
    """JSON as later servers print it: early ones of the 8.0 series leave the line breaks of their base64 unescaped."""
    return text.replace("\n", "\\n")


def _same_text(_: Column, ours: Any, text: str, __: FormatOptions) -> bool:
    return bool(ours == text)


def _same_double(shape: str) -> Callable[[Column, Any, str, FormatOptions], bool]:
    return lambda _, ours, text, __: struct.pack(shape, float(ours)) == struct.pack(shape, float(text))


def _same_bytes(_: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    return bool(ours == text.lower()) if o.binary_encoding == "hex" else base64.b64decode(ours).hex().upper() == text


def _same_bits(column: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    if column.precision == 1:
        return ours is (text == "1")
    raw = bytes.fromhex(ours) if o.binary_encoding == "hex" else base64.b64decode(ours)
    return len(raw) == ((column.precision or 1) + 7) // 8 and int.from_bytes(raw, "big") == int(text, 16)


def _same_small_integer(column: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    boolean = column.column_type == "tinyint(1)" and o.treat_tinyint1_as_boolean
    return bool(ours == ({"0": False, "1": True}.get(text, text) if boolean else text))


def _same_date(column: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    if "00" in (text[5:7], text[8:10]):
        return ours is None
    if column.data_type != "date":
        standard = o.timestamp_format
        text = text if standard == "SQL" else text.replace(" ", "T")
        text += "Z" if column.data_type == "timestamp" or standard == "ISO-8601-WITH-OFFSET" else ""
    return bool(ours == text)


def _same_decimal(_: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    if o.decimal_as_plain_number:
        return bool(ours == text)
    small = text.strip("-0.") and abs(Decimal(text)) < Decimal("1e-6")
    zero = not text.strip("-0.") and len(text.partition(".")[2]) > 6
    # Python writes decimals as Java does; that it has an exponent just here is checked by hand.
    return bool(ours == str(Decimal(text)) and ("E-" in ours) == bool(small or zero) and "E+" not in ours)


def _same_vector(_: Column, ours: Any, text: str, __: FormatOptions) -> bool:
    return struct.pack(f"<{len(ours)}f", *map(float, ours)).hex().upper() == text


def _same_labels(_: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    labels = ours.split(",") if o.set_encoding == "string" else ours
    # The server's text leaves out the empty label, also among others.
    return [label for label in labels if label] == [label for label in text.split(",") if label]


def _same_json(_: Column, ours: Any, text: str, o: FormatOptions) -> bool:
    text = one_line(text)
    theirs = json.loads(text, parse_int=str, parse_float=str)
    return bool(ours == (text if o.json_columns == "string" else theirs))


def _same_geometry(_: Column, ours: Any, text: str, __: FormatOptions) -> bool:
    return _same_shape(json.loads(ours), json.loads(text))


def _same_shape(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    parts = zip(ours.get("geometries", []), theirs.get("geometries", []), strict=True)
    return (
        ours["type"] == theirs["type"]
        and ours.get("coordinates") == theirs.get("coordinates")
        and all(_same_shape(one, other) for one, other in parts)
    )


#: data_type -> whether our JSON (numbers as text) says what MySQL says; types not here are equal.
_AGREES: dict[str, Callable[[Column, Any, str, FormatOptions], bool]] = {
    **dict.fromkeys(("date", "datetime", "timestamp"), _same_date),
    **dict.fromkeys(_BYTES, _same_bytes),
    **dict.fromkeys(_GEOMETRIES, _same_geometry),
    "bit": _same_bits,
    "decimal": _same_decimal,
    "double": _same_double("<d"),
    "float": _same_double("<f"),
    "json": _same_json,
    "set": _same_labels,
    "tinyint": _same_small_integer,
    "vector": _same_vector,
    "year": lambda _, ours, text, __: int(ours) == int(text),
}
