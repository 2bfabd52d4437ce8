"""What a hint is about, in a few words for people: Flower lists them as a task's arguments. No program reads them.

Bounds of ranges are key values of a table, and whoever sees Flower sees them (docs/flower.md). So text is cut short, and
bytes are hex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from scheduler.dispatch import Hint, Sweep
from shared.machines.ledger import TableRecord
from shared.model.change import ChunkKey, KeyPart
from shared.model.chunk import ChunkId, KeyRange
from shared.model.chunk_key import Order, chunk_key_columns, order_of
from shared.model.schema import Column, Table, TableId

#: Of a longer character string, binary string or list of tables, only so many are written.
_CHARACTERS_MAX = 16
_BYTES_MAX = 8
_TABLES_MAX = 3


def caption(hint: Hint, tables: Mapping[TableId, TableRecord], waiting: Mapping[ChunkId, KeyRange]) -> str:
    """The words for a hint: `order_dw.order chunk 17/412, id 160000..170000`.

    Chunks are counted from 1, and `412+` says that the splitter has not found all of them yet.

    Args:
        hint: what is about to be sent.
        tables: all tables of the job.
        waiting: the chunks that wait, with their ranges; those of the hint are among them.
    """
    if isinstance(hint, Sweep):
        return f"{hint.table} sweep: rows vanished without a change of each"
    if isinstance(hint, TableId):
        return _of_split(tables[hint])
    if len(hint) > 1:
        return of_tables([chunk.table for chunk in hint])
    record = tables[hint[0].table]
    more = "" if record.split_done else "+"
    place = f"{record.table.id} chunk {hint[0].number + 1}/{record.chunks}{more}"
    where = key_range(record.table, waiting[hint[0]])
    return f"{place}, {where}" if where else place


def key_range(table: Table, bounds: KeyRange) -> str:
    """The words for a range: `id 160000..170000`; the empty text for the whole table."""
    if bounds == KeyRange(None, None):
        return ""
    return f"{_names(table)} {_key(table, bounds.lower)}..{_key(table, bounds.upper)}"


def of_tables(tables: Sequence[TableId]) -> str:
    """The words for tables that are read together: `12 small tables: shop.a, shop.b, shop.c …`."""
    named = ", ".join(map(str, tables[:_TABLES_MAX])) + (" …" if len(tables) > _TABLES_MAX else "")
    return f"{len(tables)} small tables: {named}" if len(tables) > 1 else f"1 small table: {named}"


def _of_split(record: TableRecord) -> str:
    table = record.table
    place = f"{table.id} split into chunks of {record.chunk_rows} rows"
    return place if record.split_at is None else f"{place}, {_names(table)} {_key(table, record.split_at)}.."


def _names(table: Table) -> str:
    names = [column.name for column in chunk_key_columns(table)]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _key(table: Table, key: ChunkKey | None) -> str:
    """A bound; the empty text for an open end."""
    if key is None:
        return ""
    parts = [_part(column, part) for column, part in zip(chunk_key_columns(table), key, strict=True)]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _part(column: Column, part: KeyPart) -> str:
    match part:
        case bytes():
            return f"0x{part[:_BYTES_MAX].hex()}{'…' if len(part) > _BYTES_MAX else ''}"
        case str() if order_of(column) is not Order.TEXT:  # MySQL's text of a time is no longer than a number
            return repr(part if len(part) <= _CHARACTERS_MAX else f"{part[:_CHARACTERS_MAX]}…")
        case Decimal():
            return format(part, "f")
    return str(part)
