"""Row images of the binlog become changes.

Law of this file: a rows event is decoded by the TABLE_MAP before it and by the schema, and only if
the two agree; otherwise SchemaChanged says what differs. Theory: which columns are present differs
from row to row only by the NULL bitmap, so a plan is compiled once per bitmap: runs of fixed width
are unpacked in one step, then one value of varying length. Only the values that are needed become
plain forms: of a before-image, those of the key. Called by `events`; `check_table` by the
preflight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, NamedTuple

from shared.codec.options import FormatOptions
from shared.codec.reference.charsets import charset_of_collation
from shared.codec.reference.fields import Cell, cell_of, expected_layout, fits, skipped
from shared.codec.reference.json_text import CHARACTERS, RowWriter, Writer, to_json
from shared.codec.reference.table_map import ENUM, SET, TableMap, packed_number, parse_table_map
from shared.errors import SchemaChanged, UnsupportedEvent, UnsupportedType
from shared.model.change import Change, EncodedRow
from shared.model.schema import Column, Table

WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS = 30, 31, 32

#: Plans kept per table; rows with yet other NULLs start over.
_PLANS_MAX = 512
_BINARY_COLLATION = 63
#: Columns that the catalog does not show: of functional indexes, of unique hashes (MariaDB), of
#: tables without a key.
_HIDDEN_NAMES = ("!hidden!", "DB_ROW_HASH_", "__#alibaba_rds_row_id#__")


def check_table(table: Table, options: FormatOptions | None = None) -> None:
    """Raises the error that copying the table would raise.

    Raises:
        UnsupportedType: a column's type or charset is not known, or the table has no primary key.
    """
    options = options or FormatOptions()
    RowWriter(table, options)
    for column in options.written(table).columns:
        layout = expected_layout(column)
        if layout is None:
            raise UnsupportedType(
                f"{table.id}.{column.name}: the type {column.column_type!r} is not known.",
                "Exclude the table with tables.exclude.",
            )
        if column.data_type in CHARACTERS:
            cell_of(column, layout, f"{table.id}.{column.name}", in_key=False)
        if column.data_type in ("enum", "set") and not column.labels:
            raise UnsupportedType(f"{table.id}.{column.name}: its members are not known.")


class TableDecoder:
    """Decodes rows events of one table.

    Raises:
        UnsupportedType: as `check_table`.
    """

    def __init__(self, table: Table, options: FormatOptions) -> None:
        check_table(table, options)
        self.table = table
        self._written = options.written(table)
        self._writer = RowWriter(table, options)
        self._bound: tuple[bytes, BoundRows] | None = None

    def bind(self, body: bytes) -> BoundRows:
        """The decoder for rows under this TABLE_MAP (its body behind table id and flags).

        The last one is kept, since a server repeats the same TABLE_MAP before every statement.

        Raises:
            SchemaChanged: the table in the binlog is not the schema's.
        """
        if self._bound is None or self._bound[0] != body:
            self._bound = (body, BoundRows(self.table, self._written, self._writer, parse_table_map(body)))
        return self._bound[1]


class _Plan(NamedTuple):
    """How to read an image with one NULL bitmap.

    `segments` are runs: unpack of the fixed part, its size, then the width of the length of one
    more value (0: none follows). `sources` says for each column of the table where among the values
    it is, -1 for NULL; None when values and columns are the same. `keys` says where the key's
    columns are.
    """

    segments: tuple[tuple[Callable[[bytes, int], tuple[Any, ...]], int, int], ...]
    sources: tuple[int, ...] | None
    keys: tuple[int, ...]


class BoundRows:
    """Decodes the rows events that follow one TABLE_MAP. `written` is the table with the columns whose values messages are made of.

    Raises:
        SchemaChanged: the table in the binlog is not the schema's.
    """

    def __init__(self, table: Table, written: Table, writer: RowWriter, table_map: TableMap) -> None:
        places = written_places(table, written, table_map)
        self.table = table.id
        self._writer = writer
        self._cells = tuple(_cells(written, table_map, places))
        #: For each column that is written, its place in the binlog.
        self._places = places
        #: For each of them, from the unpacked value to JSON.
        self._steps: tuple[Writer, ...] = tuple(
            to_json(self._cells[place].convert, write) or bytes
            for place, write in zip(places, writer.writers, strict=True)
        )
        self._key_steps = tuple(self._steps[place] for place in writer.key_places)
        self._bitmap_width = (len(self._cells) + 7) // 8
        self._plans: dict[bytes, _Plan] = {}

    def changes(self, kind: int, data: bytes, place: int, end: int) -> list[Change]:
        """The changes of a rows event whose column count stands at `place`.

        Raises:
            UnsupportedEvent: the images are not full.
            SchemaChanged: the event has another number of columns than its TABLE_MAP.
            ValueError, IndexError, struct.error and like: the event is malformed.
        """
        place = self._check_columns(data, place, 2 if kind == UPDATE_ROWS else 1)
        if kind == WRITE_ROWS:
            changes = list(self._inserts(data, place, end))
        elif kind == DELETE_ROWS:
            changes = list(self._deletes(data, place, end))
        else:
            changes = [change for pair in self._updates(data, place, end) for change in pair]
        return changes

    def _check_columns(self, data: bytes, place: int, images: int) -> int:
        count, place = packed_number(data, place)
        if count != len(self._cells):
            raise SchemaChanged(
                f"{self.table}: a rows event has {count} columns, its table map {len(self._cells)}.",
                "Read the table's schema again.",
            )
        everything = (1 << count) - 1
        for _ in range(images):
            present = int.from_bytes(data[place : place + self._bitmap_width], "little")
            if present & everything != everything:
                raise UnsupportedEvent(
                    f"{self.table}: a row image in the binlog does not hold all columns.",
                    "Set binlog_row_image=FULL, also for the sessions that set their own, and copy the table again.",
                )
            place += self._bitmap_width
        return place

    def _inserts(self, data: bytes, place: int, end: int) -> Iterator[Change]:
        while place < end:
            values, plan, place = self._image(data, place, end)
            yield self._row(values, plan)

    def _deletes(self, data: bytes, place: int, end: int) -> Iterator[Change]:
        while place < end:
            values, plan, place = self._image(data, place, end)
            yield self._key(values, plan), None

    def _updates(self, data: bytes, place: int, end: int) -> Iterator[tuple[Change, ...]]:
        while place < end:
            old_values, old_plan, place = self._image(data, place, end)
            values, plan, place = self._image(data, place, end)
            upsert = self._row(values, plan)
            if [old_values[i] for i in old_plan.keys] == [values[i] for i in plan.keys]:
                yield (upsert,)
                continue
            old_key = self._key(old_values, old_plan)
            yield (upsert,) if old_key == upsert[0] else ((old_key, None), upsert)

    def _key(self, values: list[Any], plan: _Plan) -> bytes:
        return self._writer.key([step(values[i]) for step, i in zip(self._key_steps, plan.keys, strict=True)])

    def _row(self, values: list[Any], plan: _Plan) -> EncodedRow:
        if plan.sources is None:
            cells = [step(value) for step, value in zip(self._steps, values, strict=True)]
        else:
            cells = [b"null" if i < 0 else step(values[i]) for step, i in zip(self._steps, plan.sources, strict=True)]
        return self._writer.row(cells)

    def _image(self, data: bytes, place: int, end: int) -> tuple[list[Any], _Plan, int]:
        """The unpacked values of one image, its plan, and the place behind it."""
        nulls = data[place : place + self._bitmap_width]
        place += self._bitmap_width
        plan = self._plans.get(nulls) or self._compile(nulls)
        values: list[Any] = []
        for unpack, size, prefix in plan.segments:
            if size:
                values += unpack(data, place)
                place += size
            if prefix == 1:
                length = data[place]
            elif prefix:
                length = int.from_bytes(data[place : place + prefix], "little")
            else:
                break
            place += prefix
            values.append(data[place : place + length])
            place += length
        if place > end:
            raise ValueError("a row image is cut short")
        return values, plan, place

    def _compile(self, nulls: bytes) -> _Plan:
        bits = int.from_bytes(nulls, "little")
        present = [place for place in range(len(self._cells)) if not bits >> place & 1]
        numbers = {place: number for number, place in enumerate(present)}
        sources = tuple(numbers.get(place, -1) for place in self._places)
        keys = tuple(sources[place] for place in self._writer.key_places)
        if -1 in keys:
            raise ValueError("a primary key is NULL")
        same = sources == tuple(range(len(self._cells)))
        plan = _Plan(
            tuple(_segments([self._cells[place] for place in present])),
            None if same else sources,
            keys,
        )
        if len(self._plans) >= _PLANS_MAX:
            self._plans.clear()
        self._plans[nulls] = plan
        return plan


def _segments(
    cells: list[Cell],
) -> Iterator[tuple[Callable[[bytes, int], tuple[Any, ...]], int, int]]:
    codes = ""
    for cell in cells:
        codes += cell.code
        if cell.prefix:
            shape = Struct("<" + codes)
            yield shape.unpack_from, shape.size, cell.prefix
            codes = ""
    shape = Struct("<" + codes)
    yield shape.unpack_from, shape.size, 0


def agreed_places(table: Table, table_map: TableMap) -> tuple[int, ...]:
    """For each column of the table, its place in the binlog.

    Raises:
        SchemaChanged: the table in the binlog is not the schema's.
    """
    places = _matched(table, table_map)
    _agree(table, table_map, places)
    return places


def written_places(table: Table, written: Table, table_map: TableMap) -> tuple[int, ...]:
    """For each column whose values messages are made of, its place in the binlog; all columns must agree.

    Raises:
        SchemaChanged: as `agreed_places`.
    """
    places = dict(zip(table.columns, agreed_places(table, table_map), strict=True))
    return tuple(places[column] for column in written.columns)


def _matched(table: Table, table_map: TableMap) -> tuple[int, ...]:
    """For each column of the table, its place in the binlog.

    With names (binlog_row_metadata=FULL) columns match by name and hidden ones are left out;
    without names the count must be the same.
    """
    if table_map.names is None:
        if len(table_map.columns) != len(table.columns):
            raise SchemaChanged(
                f"{table.id}: the binlog has {len(table_map.columns)} columns, the schema {len(table.columns)}.",
                "Read the schema again; if the table has hidden columns (functional indexes), set "
                "binlog_row_metadata=FULL.",
            )
        return tuple(range(len(table.columns)))
    places = {name: place for place, name in enumerate(table_map.names)}
    known = {column.name for column in table.columns}
    different = known.symmetric_difference(n for n in places if not n.startswith(_HIDDEN_NAMES))
    if different or len(table_map.names) != len(table_map.columns):
        raise SchemaChanged(
            f"{table.id}: only one of binlog and schema has the columns {', '.join(sorted(different))}.",
            "Read the table's schema again.",
        )
    return tuple(places[column.name] for column in table.columns)


def _agree(table: Table, table_map: TableMap, places: tuple[int, ...]) -> None:
    """Everything that the TABLE_MAP says must be what the schema says."""
    for column, place in zip(table.columns, places, strict=True):
        reason = _difference(column, table_map, place)
        if reason:
            raise SchemaChanged(
                f"{table.id}.{column.name}: {reason} differs between the binlog and the schema.",
                "Read the table's schema again.",
            )
    _agree_on_signs(table, table_map, places)
    _agree_on_character_sets(table, table_map, places)
    names = [column.name for column in table.columns]
    key = tuple(places[names.index(name)] for name in table.primary_key)
    if table_map.key is not None and table_map.key != key:
        raise SchemaChanged(
            f"{table.id}: the primary key differs between the binlog and the schema.",
            "Read the table's schema again.",
        )


def _agree_on_signs(table: Table, table_map: TableMap, places: tuple[int, ...]) -> None:
    expected = {
        place: column.unsigned or column.data_type == "year"
        for column, place in zip(table.columns, places, strict=True)
    }
    wrong = [
        [place for place, unsigned in expected.items() if reading.get(place, unsigned) != unsigned]
        for reading in table_map.unsigned
    ]
    _agree_once(table, places, wrong, "the sign")


def _agree_on_character_sets(table: Table, table_map: TableMap, places: tuple[int, ...]) -> None:
    wrong = [
        [
            place
            for column, place in zip(table.columns, places, strict=True)
            if not _has_character_set(column, reading.get(place))
        ]
        for reading in table_map.collations
    ]
    _agree_once(table, places, wrong, "the character set")


def _has_character_set(column: Column, collation: int | None) -> bool:
    if collation is None:
        return True
    if column.data_type not in CHARACTERS:
        return collation == _BINARY_COLLATION
    expected = "utf8mb3" if column.character_set == "utf8" else column.character_set
    return charset_of_collation(collation) in (None, expected)


def _agree_once(table: Table, places: tuple[int, ...], wrong: list[list[int]], what: str) -> None:
    """Of the ways in which a TABLE_MAP can be read, one must be that of the schema; `wrong` are the places that are not."""
    if wrong and all(wrong):
        column = table.columns[places.index(wrong[0][0])]
        raise SchemaChanged(
            f"{table.id}.{column.name}: {what} differs between the binlog and the schema.",
            "Read the table's schema again.",
        )


def _difference(column: Column, table_map: TableMap, place: int) -> str:
    layout = table_map.columns[place]
    if not fits(column, layout):
        return "the type"
    if layout.kind in (ENUM, SET):
        return _label_difference(column, table_map, place)
    return ""


def _label_difference(column: Column, table_map: TableMap, place: int) -> str:
    kind = table_map.columns[place].kind
    known = table_map.enum_labels if kind == ENUM else table_map.set_labels
    if known is None:
        return ""
    which = sum(layout.kind == kind for layout in table_map.columns[:place])
    if len(known[which]) != len(column.labels):
        return "the list of members"
    if column.character_set in ("utf8mb4", "utf8mb3", "utf8"):
        return "" if known[which] == tuple(map(str.encode, column.labels)) else "the list of members"
    return ""


def _cells(table: Table, table_map: TableMap, places: tuple[int, ...]) -> Iterator[Cell]:
    columns = {place: column for column, place in zip(table.columns, places, strict=True)}
    for place, layout in enumerate(table_map.columns):
        column = columns.get(place)
        if column is None:
            yield skipped(layout)
        else:
            in_key = column.name in table.primary_key
            yield cell_of(column, layout, f"{table.id}.{column.name}", in_key=in_key)
