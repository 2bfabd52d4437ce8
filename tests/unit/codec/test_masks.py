"""Masks in values of rows: what is hashed, what is never read, and what a key shows."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from shared.codec import NATIVE, PYTHON, FormatOptions, check_table
from shared.codec.reference.snapshot import SnapshotEncoder
from shared.errors import Bug, UnsupportedType
from shared.model.mask import Constant, Hash, Mask
from shared.model.schema import Column, Table, TableId
from tests.unit.codec.mask_oracle import hash_all, masked, one_of_each, unmasked
from tests.unit.codec.test_options import ID, PLAIN

CODECS = [codec for codec in (PYTHON, NATIVE) if codec is not None]
USER = TableId("shop", "user")


def text_column(name: str) -> Column:
    return Column(name, "varchar", "varchar(99)", nullable=True, character_set="utf8mb4")


def options(masks: dict[str, Mask], **others: object) -> FormatOptions:
    return FormatOptions(masked=lambda _, column: masks.get(column), **others)  # type: ignore[arg-type]


def value(columns: tuple[Column, ...], cells: list[bytes | None], o: FormatOptions) -> str:
    table = Table(USER, (ID, *columns), ("id",))
    row = dict(zip(table.columns, [b"1", *cells], strict=True))
    ((_, found),) = SnapshotEncoder(table, o).encode([[row[column] for column in o.written(table).columns]])
    return found.decode()


def by_definition(key: bytes, text: bytes) -> str:
    """RFC 2104, for keys of up to 64 bytes."""
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).hexdigest()


@pytest.mark.parametrize("text", ["Tom", 'a "b" \\ c', "line\nand\x01\x7f", "grüße 表 😀", "null", "", "\\u0041"])
def test_a_hash_is_that_of_the_characters(text: str) -> None:
    found = value((text_column("name"),), [text.encode()], options({"name": Hash("pépper".encode())}))
    assert found == f'{{"id":1,"name":"{by_definition("pépper".encode(), text.encode())}"}}'


def test_the_hash_is_the_standards() -> None:
    """Test case 2 of RFC 4231."""
    found = value((text_column("a"),), [b"what do ya want for nothing?"], options({"a": Hash(b"Jefe")}))
    assert found == '{"id":1,"a":"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"}'


def test_a_number_and_its_text_have_one_hash() -> None:
    columns = (Column("a", "bigint", "bigint"), text_column("b"), Column("c", "decimal", "decimal(9,1)"))
    found = value(columns, [b"47", b"47", b"47.0"], FormatOptions(masked=hash_all))
    a, b, c = (member.split(":")[1] for member in found.strip("{}").split(",")[1:])
    assert a == b != c


def test_every_type_is_hashed_as_it_is_shown() -> None:
    columns, cells, _ = zip(*PLAIN.values(), strict=True)
    table = Table(USER, (ID, *columns), ("id",))
    for o in (
        FormatOptions(masked=hash_all),
        FormatOptions(masked=one_of_each),
        FormatOptions(masked=hash_all, json_columns="object", set_encoding="string", ignore_null_fields=True),
    ):
        assert value(columns, list(cells), o).encode() == masked(
            table, value(columns, list(cells), unmasked(o)).encode(), o
        )


def test_what_would_be_null_stays_null_and_a_constant_is_everywhere() -> None:
    columns = (text_column("a"), text_column("b"), Column("c", "date", "date"), text_column("d"))
    masks: dict[str, Mask] = {"a": Hash(b"s"), "b": Constant("x%"), "c": Hash(b"s"), "d": Constant(None)}
    cells = [None, None, b"0000-00-00", b"not read"]
    assert value(columns, cells, options(masks)) == '{"id":1,"a":null,"b":"x%","c":null,"d":null}'
    added = tuple(replace(column, added=True) for column in columns)
    assert value(added, cells, options(masks)) == '{"id":1,"b":"x%"}'
    without_nulls = options(masks, ignore_null_fields=True)
    assert value(columns, cells, without_nulls) == '{"id":1,"b":"x%"}'
    assert value((text_column("b"),), [b"not read"], options(masks, fields_include="EXCEPT_KEY")) == '{"b":"x%"}'


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_the_place_of_a_constant_is_never_read(codec) -> None:
    odd = Column("odd", "hologram", "hologram")
    table = Table(USER, (ID, odd, text_column("name"), text_column("mail")), ("id",))
    masks: dict[str, Mask] = {"odd": Constant("?"), "name": Constant(None), "mail": Hash(b"s")}
    assert codec.snapshot_encoder(table, options(masks)).select_expressions == ("`id`", "`mail`")
    check_table(table, options(masks))
    with pytest.raises(UnsupportedType, match="hologram"):
        check_table(table, options(masks | {"odd": Hash(b"s")}))


def test_columns_of_a_key_show_themselves() -> None:
    table = Table(USER, (ID, text_column("name")), ("name", "id"))
    o = FormatOptions(masked=hash_all)
    assert o.written(table) == o.shown(table) == table
    ((key, found),) = SnapshotEncoder(table, o).encode([[b"1", b"Tom"]])
    assert (key, found) == (b'{"name":"Tom","id":1}', b'{"id":1,"name":"Tom"}')


def test_what_is_left_out_has_no_mask() -> None:
    o = FormatOptions(excluded=lambda _, column: column == "a", masked=hash_all)
    table = Table(USER, (ID, text_column("a"), Column("b", "int", "int", nullable=False)), ("id",))
    assert [column.name for column in o.written(table).columns] == ["id", "b"]
    shown = o.shown(table).columns
    assert [(column.name, column.data_type, column.nullable) for column in shown] == [
        ("id", "int", False),
        ("b", "text", True),
    ]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_nothing_is_hashed_without_the_salt(codec) -> None:
    table = Table(USER, (ID, text_column("a")), ("id",))
    described = options({"a": Hash(None)})
    assert described.shown(table).columns[1].data_type == "text"
    with pytest.raises(Bug, match="salt"):
        codec.snapshot_encoder(table, described)
    with pytest.raises(Bug, match="salt"):
        codec.table_decoder(table, described)


def test_a_salt_is_not_shown() -> None:
    assert "pepper" not in repr(Hash(b"pepper"))
