"""Rows of a SELECT become keys and values; parts of chunk keys become SQL and JSON."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec import (
    FormatOptions,
    key_expressions,
    parse_chunk_key,
    sql_literal,
)
from shared.codec.reference.snapshot import SnapshotEncoder
from shared.errors import Bug, SchemaChanged, UnsupportedType
from shared.model.change import KeyPart
from shared.model.chunk import part_from_json, part_to_json
from shared.model.schema import Column, Table, TableId
from tests.unit.codec.packets import TABLE


def column(
    name: str,
    column_type: str,
    charset: str | None = None,
    labels: tuple[str, ...] = (),
    fraction: int | None = None,
) -> Column:
    return Column(
        name,
        data_type=column_type.partition("(")[0].partition(" ")[0],
        column_type=column_type,
        character_set=charset,
        collation=charset and f"{charset}_bin",
        labels=labels,
        fraction=fraction,
    )


def table(*columns: Column, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(TableId("d", "t"), columns, key)


def encoded(made: Table, *cells: bytes | None, options: FormatOptions | None = None) -> tuple[str, str]:
    ((key, value),) = SnapshotEncoder(made, options or FormatOptions()).encode([cells])
    return key.decode(), value.decode()


def test_the_first_table_of_the_reference_document() -> None:
    assert encoded(TABLE, b"1", b"Tom") == ('{"id":1}', '{"id":1,"name":"Tom"}')
    assert encoded(TABLE, b"2", None) == ('{"id":2}', '{"id":2,"name":null}')
    without_key = FormatOptions(fields_include="EXCEPT_KEY")
    assert encoded(TABLE, b"1", b"Tom", options=without_key) == ('{"id":1}', '{"name":"Tom"}')


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9).map(b"%d".__mod__),
            st.none() | st.sampled_from([b"", b"x", "é\u0001".encode(), b'"']),
            st.none() | st.sampled_from([b"1.5", b"-0", b"1e300"]),
            st.none() | st.sampled_from([b"2020-01-02 03:04:05", b"2020-00-02 03:04:05"]),
            st.none() | st.sampled_from([b"0", b"1", b"7"]),
        ),
        max_size=6,
    ),
    st.sampled_from([FormatOptions(), FormatOptions(fields_include="EXCEPT_KEY", ignore_null_fields=True)]),
)
def test_rows_together_are_the_rows_one_by_one(rows: list[tuple[bytes | None, ...]], options: FormatOptions) -> None:
    made = table(
        column("id", "int"),
        column("s", "varchar(9)", "utf8mb4"),
        column("d", "double"),
        column("t", "datetime", fraction=0),
        column("b", "tinyint(1)"),
    )
    encoder = SnapshotEncoder(made, options)
    assert encoder.encode(rows) == [pair for row in rows for pair in encoder.encode([row])]
    assert all(json.loads(value) is not None for _, value in encoder.encode(rows))


def test_a_table_of_key_columns_only() -> None:
    made = table(column("id", "int"))
    assert encoded(made, b"1") == ('{"id":1}', '{"id":1}')
    assert encoded(made, b"1", options=FormatOptions(fields_include="EXCEPT_KEY")) == (
        '{"id":1}',
        "{}",
    )


def test_names_are_escaped_and_percent_signs_are_harmless() -> None:
    made = table(column('a"b', "int"), column("100%b", "int"), column("`x`", "int"), key=("100%b", 'a"b'))
    assert encoded(made, b"1", b"2", b"3") == (
        '{"100%b":2,"a\\"b":1}',
        '{"a\\"b":1,"100%b":2,"`x`":3}',
    )
    expressions = SnapshotEncoder(made, FormatOptions()).select_expressions
    assert expressions == ('`a"b`', "`100%b`", "```x```")


def test_zero_dates_are_null_but_never_in_a_key() -> None:
    dates = (column("a", "date"), column("b", "datetime(1)", fraction=1), column("c", "timestamp"))
    cells = (b"0000-00-00", b"2020-00-01 00:00:00.0", b"0000-00-00 00:00:00")
    made = table(column("id", "int"), *dates)
    assert encoded(made, b"1", *cells)[1] == '{"id":1,"a":null,"b":null,"c":null}'
    made = table(*dates, key=("a", "b", "c"))
    text = '{"a":"0000-00-00","b":"2020-00-01 00:00:00.0","c":"0000-00-00 00:00:00Z"}'
    assert encoded(made, *cells) == (text, text)


def test_the_clock_may_be_zero_and_the_year_too() -> None:
    made = table(column("id", "int"), column("a", "datetime"), column("b", "date"))
    assert encoded(made, b"1", b"2000-10-20 00:00:00", b"0000-01-01")[1] == (
        '{"id":1,"a":"2000-10-20 00:00:00","b":"0000-01-01"}'
    )


def test_tiny_booleans_keep_other_numbers() -> None:
    made = table(column("id", "int"), column("a", "tinyint(1)"), column("b", "tinyint"))
    for cell, text in ((b"1", "true"), (b"0", "false"), (b"-1", "-1"), (b"2", "2")):
        assert encoded(made, b"1", cell, b"1")[1] == f'{{"id":1,"a":{text},"b":1}}'
    plain = FormatOptions(treat_tinyint1_as_boolean=False)
    assert encoded(made, b"1", b"1", b"0", options=plain)[1] == '{"id":1,"a":1,"b":0}'


def test_zerofill_loses_its_zeros() -> None:
    made = table(column("id", "int(8) unsigned zerofill"), column("d", "decimal(8,2) unsigned zerofill"))
    for cells, value in (
        ((b"00000042", b"000123.40"), "42,123.40"),
        ((b"00000000", b"000000.05"), "0,0.05"),
    ):
        first, second = value.split(",")
        assert encoded(made, *cells)[1] == f'{{"id":{first},"d":{second}}}'


def test_sets_are_lists_in_declared_order() -> None:
    made = table(column("id", "int"), column("s", "set('z','')", "utf8mb4", labels=("z", "")))
    for cell, text in ((b"0", "[]"), (b"3", '["z",""]'), (b"2", '[""]')):
        assert encoded(made, b"1", cell)[1] == f'{{"id":1,"s":{text}}}'
    with pytest.raises(UnsupportedType, match=r"d\.t"):
        encoded(made, b"1", b"4")


def test_rows_that_do_not_fit_are_named_errors_without_values() -> None:
    with pytest.raises(SchemaChanged, match="3 columns"):
        encoded(TABLE, b"1", b"x", b"y")
    with pytest.raises(UnsupportedType) as caught:
        encoded(TABLE, b"1", b"secret \xff")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(UnsupportedType, match=r"d\.t\.x"):
        SnapshotEncoder(table(column("id", "int"), column("x", "mystery")), FormatOptions())


def test_what_would_lose_is_selected_otherwise() -> None:
    made = table(
        column("id", "int"),
        column("f", "float"),
        column("d", "double(10,2)"),
        column("s", "set('a')", "utf8mb4", labels=("a",)),
        column("l", "varchar(9)", "latin1"),
        column("u", "text", "utf8mb3"),
    )
    assert SnapshotEncoder(made, FormatOptions()).select_expressions == (
        *("`id`", "`f` * 1e0", "`d` * 1e0", "CAST(`s` AS UNSIGNED) | 0", "CAST(`l` AS BINARY)", "`u`"),
    )
    assert encoded(made, b"1", b"1.100000023841858", b"-0", b"1", b"\xe9\x80", b"x")[1] == (
        '{"id":1,"f":1.1,"d":-0.0,"s":["a"],"l":"é€","u":"x"}'
    )


def test_two_codes_of_one_character_never_become_one_key() -> None:
    made = table(column("k", "varchar(9)", "cp932"), column("v", "varchar(9)", "cp932"), key=("k",))
    assert encoded(made, b"\x81\xe0", b"\x87\x90") == ('{"k":"≒"}', '{"k":"≒","v":"≒"}')
    with pytest.raises(UnsupportedType):
        encoded(made, b"\x87\x90", b"")


# --- chunk keys

PARTS: list[tuple[Column, bytes, KeyPart, str]] = [
    (column("k", "bigint unsigned"), b"18446744073709551615", 2**64 - 1, "18446744073709551615"),
    (column("k", "int(5) unsigned zerofill"), b"00042", 42, "42"),
    (column("k", "tinyint(1)"), b"-1", -1, "-1"),
    (column("k", "year"), b"0000", 0, "0"),
    (column("k", "decimal(20,3)"), b"-1.250", Decimal("-1.250"), "-1.250"),
    (column("k", "decimal(65,30)"), b"0." + b"0" * 30, Decimal("0." + "0" * 30), "0." + "0" * 30),
    (column("k", "varbinary(9)"), b"\x00'\xff", b"\x00'\xff", "_binary X'0027FF'"),
    (column("k", "date"), b"0000-00-00", "0000-00-00", "'0000-00-00'"),
    (
        column("k", "timestamp(1)"),
        b"2020-01-01 00:00:00.5",
        "2020-01-01 00:00:00.5",
        "'2020-01-01 00:00:00.5'",
    ),
    (
        column("k", "varchar(9)", "utf8mb4"),
        "é'".encode(),
        "é'",
        "_utf8mb4 X'C3A927' COLLATE utf8mb4_bin",
    ),
    (
        column("k", "char(9)", "latin1"),
        b"\xe9 ",
        "é",
        "CONVERT(_utf8mb4 X'C3A9' USING latin1) COLLATE latin1_bin",
    ),
]


@pytest.mark.parametrize(("key", "cell", "part", "literal"), PARTS)
def test_parts_of_chunk_keys(key: Column, cell: bytes, part: KeyPart, literal: str) -> None:
    made = table(key, key=("k",))
    assert parse_chunk_key(made, (cell,)) == (part,)
    assert type(parse_chunk_key(made, (cell,))[0]) is type(part)
    assert sql_literal(key, part) == literal
    assert part_from_json(json.loads(json.dumps(part_to_json(part)))) == part


def test_chunk_keys_end_before_a_type_without_order() -> None:
    made = table(column("a", "int"), column("b", "double"), column("c", "int"), key=("c", "b", "a"))
    assert key_expressions(made) == ("`c`",)
    assert parse_chunk_key(made, (b"7",)) == (7,)
    assert key_expressions(table(column("b", "enum('x')"), key=("b",))) == ()


def test_a_part_of_another_type_is_a_bug() -> None:
    for key, part in (
        (PARTS[0][0], "1"),
        (PARTS[6][0], "x"),
        (PARTS[7][0], "1' OR '1"),
        (PARTS[9][0], 1),
    ):
        with pytest.raises(Bug):
            sql_literal(key, part)


@given(st.one_of(st.integers(), st.text(), st.binary(), st.decimals(allow_nan=False, allow_infinity=False)))
def test_parts_survive_json(part: KeyPart) -> None:
    back = part_from_json(json.loads(json.dumps(part_to_json(part))))
    assert back == part
    assert str(back) == str(part) or isinstance(part, Decimal)


def test_other_json_is_no_part() -> None:
    others: list[object] = [None, True, 1.5, [], {}, {"x": "1"}, {"d": 1}, {"b": "zz"}]
    for value in others:
        with pytest.raises(ValueError, match=r"chunk key|hexadecimal"):
            part_from_json(value)
