"""TABLE_MAP events: the table that rows events speak of, and how its columns are laid out.

Law of this file: it only reads what the event says; whether that fits the job's schema is `rows`'
business. Optional metadata of unknown kinds is passed over, since every field states its own
length. Layout: MySQL's source, `libs/mysql/binlog/event/rows_event.h`.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import UnsupportedEvent

TINY, SHORT, LONG, FLOAT, DOUBLE = 1, 2, 3, 4, 5
LONGLONG, INT24, DATE, YEAR, VARCHAR, BIT = 8, 9, 10, 13, 15, 16
TIMESTAMP2, DATETIME2, TIME2, TYPED_ARRAY = 17, 18, 19, 20
BLOB_COMPRESSED, VARCHAR_COMPRESSED = 140, 141  # MariaDB's
VECTOR, JSON, NEWDECIMAL, ENUM, SET = 242, 245, 246, 247, 248
BLOB, VAR_STRING, STRING, GEOMETRY = 252, 253, 254, 255

#: Bytes of metadata that each column type has in a TABLE_MAP.
_METADATA_WIDTHS = {
    **dict.fromkeys((TINY, SHORT, LONG, LONGLONG, INT24, DATE, YEAR), 0),
    **dict.fromkeys((FLOAT, DOUBLE, TIMESTAMP2, DATETIME2, TIME2, VECTOR, JSON, BLOB, BLOB_COMPRESSED, GEOMETRY), 1),
    **dict.fromkeys((VARCHAR, VARCHAR_COMPRESSED, BIT, NEWDECIMAL, ENUM, SET, VAR_STRING, STRING), 2),
}

_NUMERIC = frozenset((TINY, SHORT, INT24, LONG, LONGLONG, FLOAT, DOUBLE, NEWDECIMAL))
#: Newer servers also give YEAR a sign (unsigned), early ones of the 8.0 series and MariaDB do not; no event says which.
_NUMERIC_AND_YEAR = _NUMERIC | {YEAR}
_CHARACTER = frozenset((VARCHAR, VARCHAR_COMPRESSED, VAR_STRING, STRING, BLOB, BLOB_COMPRESSED, VECTOR))
#: MariaDB gives geometries a collation, too.
_CHARACTER_AND_GEOMETRY = _CHARACTER | {GEOMETRY}
_SIGNEDNESS, _DEFAULT_COLLATION, _COLLATIONS, _NAMES, _SET_LABELS, _ENUM_LABELS = 1, 2, 3, 4, 5, 6
_PRIMARY_KEY, _PRIMARY_KEY_PREFIXES = 8, 9


class ColumnLayout(NamedTuple):
    """One column in row images: its binlog type and the metadata of that type.

    CHAR, BINARY, ENUM and SET travel as STRING; `kind` is the real one. `metadata` is one number:
    of a CHAR its length in bytes, of an ENUM or SET its width, of a DECIMAL precision and scale as
    `precision << 8 | scale`, of a BIT `bytes << 8 | bits beyond them`, of a fraction its digits, of
    a BLOB the width of its length.
    """

    kind: int
    metadata: int


class TableMap(NamedTuple):
    """What a TABLE_MAP event says; None or empty where it does not say.

    `unsigned` has one flag per numeric column and `collations` one collation id per character or byte
    column (63 is binary), by its place. Servers differ in what they count among these columns, and no event
    says which they do: each has one reading per way in which it can be read, none where the event does not say.
    `names` one name per column; `labels` the members of each ENUM and of each SET column (in order,
    ENUMs apart from SETs) in the column's own charset; `key` the places of the primary key's
    columns in key order.
    """

    columns: tuple[ColumnLayout, ...]
    unsigned: tuple[dict[int, bool], ...]
    collations: tuple[dict[int, int], ...]
    names: tuple[str, ...] | None
    enum_labels: tuple[tuple[bytes, ...], ...] | None
    set_labels: tuple[tuple[bytes, ...], ...] | None
    key: tuple[int, ...] | None


def packed_number(data: bytes, place: int) -> tuple[int, int]:
    """A length-encoded integer and the place behind it.

    Raises:
        ValueError: no such integer stands there.
    """
    first = data[place]
    if first < 251:
        return first, place + 1
    width = {252: 2, 253: 3, 254: 8}.get(first, 0)
    end = place + 1 + width
    if not width or end > len(data):
        raise ValueError("no length-encoded integer")
    return int.from_bytes(data[place + 1 : end], "little"), end


def counted(data: bytes, place: int) -> tuple[bytes, int]:
    """A byte string behind its length-encoded length, and the place behind both.

    Raises:
        ValueError: the data ends first.
    """
    length, place = packed_number(data, place)
    if place + length > len(data):
        raise ValueError("a byte string is cut short")
    return data[place : place + length], place + length


def table_names(body: bytes) -> tuple[bytes, bytes, int]:
    """Database, table, and the place of the column count; `body` is behind table id and flags."""
    database, place = counted(body, 0)
    table, place = counted(body, place + 1)
    return database, table, place + 1


def parse_table_map(body: bytes) -> TableMap:
    """Everything behind table id and flags.

    Raises:
        UnsupportedEvent: a column has a type whose layout is not known.
        ValueError, IndexError: the event is malformed.
    """
    _, _, place = table_names(body)
    count, place = packed_number(body, place)
    kinds = body[place : place + count]
    metadata, place = counted(body, place + count)
    if len(kinds) != count:
        raise ValueError("a TABLE_MAP is cut short")
    columns = _layouts(kinds, metadata)
    fields = _optional_fields(body, place + (count + 7) // 8)
    return TableMap(
        columns,
        _unsigned(columns, fields.get(_SIGNEDNESS)),
        _collations(columns, fields),
        _names(fields.get(_NAMES)),
        _labels(fields.get(_ENUM_LABELS)),
        _labels(fields.get(_SET_LABELS)),
        _key(fields),
    )


def _layouts(kinds: bytes, metadata: bytes) -> tuple[ColumnLayout, ...]:
    layouts = []
    place = 0
    for kind in kinds:
        if kind == TYPED_ARRAY:
            # The hidden column of a multi-valued index. Its values are stored as JSON is; the real
            # type follows, with three bytes of length where that is VARCHAR.
            real = metadata[place]
            place += 1 + (3 if real == VARCHAR else _metadata_width(real))
            layouts.append(ColumnLayout(TYPED_ARRAY, 4))
            continue
        width = _metadata_width(kind)
        field = metadata[place : place + width]
        if len(field) != width:
            raise ValueError("a TABLE_MAP's metadata is cut short")
        layouts.append(_layout(kind, field))
        place += width
    return tuple(layouts)


def _metadata_width(kind: int) -> int:
    try:
        return _METADATA_WIDTHS[kind]
    except KeyError:
        raise UnsupportedEvent(
            f"A table in the binlog has a column of type number {kind}, whose layout is not known.",
            "Columns of MySQL 5.5 and of MariaDB without mysql56_temporal_format must be rebuilt: ALTER TABLE … FORCE on "
            "the source.",
        ) from None


def _layout(kind: int, field: bytes) -> ColumnLayout:
    if kind == STRING:
        # The two top bits of the length are hidden, inverted, in the type byte.
        first, second = field
        if first & 0x30 == 0x30:
            real, length = first, second
        else:
            real, length = first | 0x30, second | ((first & 0x30) ^ 0x30) << 4
        if real not in (STRING, ENUM, SET):
            raise ValueError("a STRING column hides an impossible type")
        return ColumnLayout(real, length)
    if kind == NEWDECIMAL:
        return ColumnLayout(kind, field[0] << 8 | field[1])
    return ColumnLayout(kind, int.from_bytes(field, "little"))


def _optional_fields(body: bytes, place: int) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    while place < len(body):
        kind = body[place]
        fields[kind], place = counted(body, place + 1)
    return fields


def _unsigned(columns: tuple[ColumnLayout, ...], field: bytes | None) -> tuple[dict[int, bool], ...]:
    """One bit per numeric column, from the top bit of each byte down."""
    if field is None:
        return ()
    readings = []
    for kinds in (_NUMERIC_AND_YEAR, _NUMERIC):
        places = [place for place, column in enumerate(columns) if column.kind in kinds]
        if len(field) == (len(places) + 7) // 8:
            readings.append({place: bool(field[i >> 3] & 0x80 >> (i & 7)) for i, place in enumerate(places)})
    if not readings:
        raise ValueError("a TABLE_MAP's signs are cut short")
    return tuple(readings)


def _collations(columns: tuple[ColumnLayout, ...], fields: dict[int, bytes]) -> tuple[dict[int, int], ...]:
    """Either one id per character column, or a default and pairs (which character column, id)."""
    if not {_COLLATIONS, _DEFAULT_COLLATION} & fields.keys():
        return ()
    readings = []
    for kinds in (_CHARACTER, _CHARACTER_AND_GEOMETRY):
        places = [place for place, column in enumerate(columns) if column.kind in kinds]
        reading = _reading(places, fields)
        if reading is not None:
            readings.append(reading)
    if not readings:
        raise ValueError("a TABLE_MAP's collations are not those of its columns")
    return tuple(readings)


def _reading(places: list[int], fields: dict[int, bytes]) -> dict[int, int] | None:
    """The collations if they are those of the columns at these places; None when they are more or fewer."""
    if _COLLATIONS in fields:
        numbers = _numbers(fields[_COLLATIONS])
        return dict(zip(places, numbers, strict=True)) if len(numbers) == len(places) else None
    default, *pairs = _numbers(fields[_DEFAULT_COLLATION])
    collations = dict.fromkeys(places, default)
    for which, collation in zip(pairs[::2], pairs[1::2], strict=True):
        if which >= len(places):
            return None
        collations[places[which]] = collation
    return collations


def _numbers(field: bytes) -> list[int]:
    numbers = []
    place = 0
    while place < len(field):
        number, place = packed_number(field, place)
        numbers.append(number)
    return numbers


def _names(field: bytes | None) -> tuple[str, ...] | None:
    if field is None:
        return None
    names = []
    place = 0
    while place < len(field):
        name, place = counted(field, place)
        names.append(name.decode())
    return tuple(names)


def _labels(field: bytes | None) -> tuple[tuple[bytes, ...], ...] | None:
    if field is None:
        return None
    columns = []
    place = 0
    while place < len(field):
        count, place = packed_number(field, place)
        labels = []
        for _ in range(count):
            label, place = counted(field, place)
            labels.append(label)
        columns.append(tuple(labels))
    return tuple(columns)


def _key(fields: dict[int, bytes]) -> tuple[int, ...] | None:
    """Places of the key's columns; with prefixes each is followed by the prefix's length."""
    if _PRIMARY_KEY_PREFIXES in fields:
        return tuple(_numbers(fields[_PRIMARY_KEY_PREFIXES])[::2])
    return tuple(_numbers(fields[_PRIMARY_KEY])) if _PRIMARY_KEY in fields else None
