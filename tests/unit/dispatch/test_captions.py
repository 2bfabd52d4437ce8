"""What people read of a hint: which chunk of how many, which keys, which tables; long values are cut."""

from __future__ import annotations

from decimal import Decimal

import pytest

from scheduler.dispatch.captions import caption, of_tables
from shared.machines.ledger import TableRecord
from shared.model.change import ChunkKey, KeyPart
from shared.model.chunk import ChunkId, KeyRange
from shared.model.schema import Column, Table, TableId

ID = TableId("order_dw", "order")


def record(
    *columns: tuple[str, str], chunks: int = 412, split_done: bool = True, at: ChunkKey | None = None
) -> TableRecord:
    key = tuple(Column(name, data_type, data_type, nullable=False) for name, data_type in columns)
    table = Table(ID, key, tuple(column.name for column in key))
    return TableRecord(table, "topic", 80_000_000, 200_000, chunks, at, split_done)


def of_chunk(record: TableRecord, lower: ChunkKey | None, upper: ChunkKey | None, number: int = 16) -> str:
    chunk = ChunkId(ID, number)
    return caption((chunk,), {ID: record}, {chunk: KeyRange(lower, upper)})


NUMBERED = record(("id", "bigint"))


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        ((160000,), (170000,), "order_dw.order chunk 17/412, id 160000..170000"),
        ((-5,), None, "order_dw.order chunk 17/412, id -5.."),
        (None, (170000,), "order_dw.order chunk 17/412, id ..170000"),
        (None, None, "order_dw.order chunk 17/412"),
    ],
)
def test_a_chunk_is_counted_from_one_and_named_with_its_range(
    lower: ChunkKey | None, upper: ChunkKey | None, said: str
) -> None:
    assert of_chunk(NUMBERED, lower, upper) == said


def test_a_table_whose_bounds_are_still_looked_for_has_more_chunks_than_are_known() -> None:
    assert of_chunk(record(("id", "int"), chunks=40, split_done=False), (1,), (2,), 0).startswith(
        "order_dw.order chunk 1/40+, id 1..2"
    )


def test_composite_keys_are_written_in_brackets() -> None:
    composite = record(("tenant", "int"), ("at", "datetime"), ("name", "varchar"))
    said = of_chunk(composite, (3, "2026-01-31 09:08:07.123456", "Tom"), None)
    assert said.partition(", ")[2] == "(tenant, at, name) (3, 2026-01-31 09:08:07.123456, 'Tom').."


@pytest.mark.parametrize(
    ("data_type", "part", "said"),
    [
        ("decimal", Decimal("1E+3"), "1000"),
        ("decimal", Decimal("-0.50"), "-0.50"),
        ("date", "2026-01-31", "2026-01-31"),
        ("varchar", "a'b\n", '"a\'b\\n"'),
        ("varchar", "x" * 16, repr("x" * 16)),
        ("char", "tom.with.a.long.name@example.com", "'tom.with.a.long.…'"),
        ("varbinary", bytes(range(8)), "0x0001020304050607"),
        ("binary", bytes(9), "0x0000000000000000…"),
    ],
)
def test_values_are_short_and_can_be_printed(data_type: str, part: KeyPart, said: str) -> None:
    assert of_chunk(record(("k", data_type)), None, (part,)).partition("k ..")[2] == said


def test_small_tables_are_counted_and_the_first_ones_named() -> None:
    hint = tuple(ChunkId(TableId("shop", name), 0) for name in "abcd")
    assert caption(hint, {}, {}) == "4 small tables: shop.a, shop.b, shop.c …"
    assert caption(hint[:3], {}, {}) == "3 small tables: shop.a, shop.b, shop.c"
    assert of_tables([hint[0].table]) == "1 small table: shop.a"


def test_a_split_says_how_large_chunks_will_be_and_where_it_goes_on() -> None:
    assert caption(ID, {ID: record(("id", "int"))}, {}) == "order_dw.order split into chunks of 200000 rows"
    again = record(("id", "int"), split_done=False, at=(7,))
    assert caption(ID, {ID: again}, {}) == "order_dw.order split into chunks of 200000 rows, id 7.."


def test_a_caption_is_bounded_however_long_the_key_is() -> None:
    long = tuple((f"{'n' * 60}{number}", "varchar") for number in range(16))
    assert len(of_chunk(record(*long), ("v" * 700,) * 16, ("w" * 700,) * 16)) < 2000
