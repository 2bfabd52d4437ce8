"""Snapshot bytes == binlog bytes == what MySQL itself says, for every type, on a real server."""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.codec import (
    FormatOptions,
    key_expressions,
    parse_chunk_key,
    sql_literal,
)
from shared.model.chunk import part_from_json, part_to_json
from shared.model.schema import Column, Table
from tests.integration.codec_families import FAMILIES
from tests.integration.codec_lab import Lab, folded, opened


@pytest.fixture
def lab(mysql_server: Any, mysql_database: str) -> Iterator[Lab]:
    with opened(mysql_server, mysql_database) as lab:
        yield lab


def create_family(lab: Lab, family: str) -> Table:
    columns, rows = FAMILIES[family]
    lab.sql(f"CREATE TABLE {family} (id int PRIMARY KEY, {', '.join(columns)}, pad int NOT NULL DEFAULT 0)")
    assert all(len(row) == len(columns) for row in rows)
    return lab.table(family)


def insert_family(lab: Lab, family: str) -> None:
    columns, rows = FAMILIES[family]
    names = ", ".join(column.split()[0] for column in columns)
    lab.sql(f"INSERT INTO {family} (id) VALUES (0)")  # every column NULL
    for number, row in enumerate(rows, start=1):
        lab.sql(f"INSERT INTO {family} (id, {names}) VALUES ({number}, {', '.join(row)})")


@pytest.mark.parametrize("compression", ["OFF", "ON"])
@pytest.mark.parametrize("metadata", ["MINIMAL", "FULL"])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_paths_give_the_same_bytes(lab: Lab, family: str, metadata: str, compression: str) -> None:
    lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}")
    lab.sql(f"SET binlog_transaction_compression={compression}")
    table = create_family(lab, family)
    for options in (FormatOptions(), FormatOptions(False, "EXCEPT_KEY")):
        lab.sql(f"DELETE FROM {family}")
        lab.mark()
        insert_family(lab, family)
        assert folded(lab.changes(table, options=options)) == dict(lab.snapshot(table, options))
        lab.mark()
        lab.sql(f"UPDATE {family} SET pad = pad + 1")
        assert folded(lab.changes(table, options=options)) == dict(lab.snapshot(table, options))


@pytest.mark.parametrize("family", FAMILIES)
def test_mysql_itself_agrees(lab: Lab, family: str) -> None:
    table = create_family(lab, family)
    insert_family(lab, family)
    truth = [ORACLES.get(column.data_type, "CAST({} AS CHAR)").format(f"`{column.name}`") for column in table.columns]
    rows = lab.read(f"SELECT {', '.join(truth)} FROM {family} ORDER BY id")
    encoded = lab.snapshot(table)
    assert len(rows) == len(encoded) > 1
    for row, (_, value) in zip(rows, encoded, strict=True):
        cells = json.loads(value, parse_int=str, parse_float=str)
        for column, cell in zip(table.columns, row, strict=True):
            assert_agrees(column, cells[column.name], cell)


ORACLES = {
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"), "HEX({})"),
    **dict.fromkeys(("float", "double"), "{} * 1e0"),
    **dict.fromkeys(("int", "decimal"), "{} + 0"),  # without the zeros of ZEROFILL
    **dict.fromkeys(("geometry", "point", "geomcollection"), "ST_AsGeoJSON({}, 17)"),
    "vector": "HEX({})",  # VECTOR_TO_STRING has six digits
    "json": "{}",
}


def same_double(shape: str) -> Callable[[Column, Any, str], bool]:
    return lambda _, ours, text: struct.pack(shape, float(ours)) == struct.pack(shape, float(text))


def same_bits(column: Column, ours: Any, text: str) -> bool:
    if column.precision == 1:
        return ours is (text == "1")
    return int.from_bytes(base64.b64decode(ours), "big") == int(text, 16)


def same_small_integer(column: Column, ours: Any, text: str) -> bool:
    boolean = column.column_type == "tinyint(1)"
    return bool(ours == ({"0": False, "1": True}.get(text, text) if boolean else text))


def same_date(column: Column, ours: Any, text: str) -> bool:
    zero = "00" in (text[5:7], text[8:10])
    return bool(ours == (None if zero else text + "Z" * (column.data_type == "timestamp")))


def same_vector(_: Column, ours: Any, text: str) -> bool:
    return struct.pack(f"<{len(ours)}f", *map(float, ours)).hex().upper() == text


def same_labels(_: Column, ours: Any, text: str) -> bool:
    """The server's text cannot tell the empty member from none."""
    return [label for label in ours if label] == [label for label in text.split(",") if label]


def same_geometry(_: Column, ours: Any, text: str) -> bool:
    assert_same_shape(json.loads(ours), json.loads(text))
    return True


#: data_type -> whether our JSON (numbers as text) says what MySQL says; types not here are equal.
AGREES: dict[str, Callable[[Column, Any, str], bool]] = {
    **dict.fromkeys(("date", "datetime", "timestamp"), same_date),
    **dict.fromkeys(
        ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
        lambda _, ours, text: base64.b64decode(ours).hex().upper() == text,
    ),
    **dict.fromkeys(("geometry", "point", "geomcollection"), same_geometry),
    "bit": same_bits,
    "double": same_double("<d"),
    "float": same_double("<f"),
    "set": same_labels,
    "tinyint": same_small_integer,
    "vector": same_vector,
    "year": lambda _, ours, text: int(ours) == int(text),
}


def assert_agrees(column: Column, ours: Any, cell: bytes | None) -> None:
    """One value of our JSON is what MySQL says."""
    if cell is None:
        assert ours is None
    elif column.data_type in AGREES:
        assert AGREES[column.data_type](column, ours, cell.decode()), (column.name, ours, cell)
    else:
        assert ours == cell.decode()


def assert_same_shape(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["type"] == theirs["type"]
    assert ours.get("coordinates") == theirs.get("coordinates")
    for one, other in zip(ours.get("geometries", []), theirs.get("geometries", []), strict=True):
        assert_same_shape(one, other)


# --- keys and chunk bounds

KEYS = {
    "varchar(50) collate utf8mb4_0900_ai_ci": [
        "''",
        "'a'",
        "'b\\'\\\\'",
        "'é'",
        "'Zebra'",
        "'あ'",
        "'zz '",
    ],
    "varchar(50) collate utf8mb4_bin": ["''", "'a'", "'A'", "'é'", "'あ'"],
    "varchar(50) character set utf8mb3": ["''", "'a'", "'é'"],
    "varchar(50) character set latin1 collate latin1_german2_ci": ["'a'", "'ae'", "'ß'", "'Zebra'"],
    "varchar(20) character set gbk": ["'a'", "'中'"],
    "varchar(20) character set sjis": ["'\\\\'", "'あ'", "'a'"],
    "varchar(20) character set utf16": ["'a'", "'😀'"],
    "char(20) collate utf8mb4_unicode_ci": ["'a '", "'b'"],
    "char(36) character set ascii": ["uuid()", "uuid()"],
    "varbinary(20)": ["x''", "x'00ff'", "x'00'", "'a'", "x'ff'"],
    "binary(4)": ["x'00ff'", "'a'", "'ab'"],
    "decimal(20,3)": ["-1.5", "0", "1.250", "99999999999999999.999"],
    "bigint unsigned": ["0", "1", "18446744073709551615"],
    "tinyint(1)": ["-1", "0", "1", "2"],
    "date": ["'0000-00-00'", "'2020-00-01'", "'2020-01-01'", "'9999-12-31'"],
    "datetime(3)": ["'0000-00-00'", "'2020-01-01 01:02:03.456'", "'2021-01-01'"],
    "timestamp(6)": ["0", "'2020-01-01 05:30:00.5'", "'2038-01-19 08:44:07'"],
    "year": ["0", "1901", "2155"],
    "double": ["-1e300", "0", "1.5"],
    "time(1)": ["'-00:00:01.1'", "'00:00:00'"],
    "enum('b','a')": ["'b'", "'a'"],
    "bit(4)": ["b'0'", "b'1111'"],
}


@pytest.mark.parametrize("definition", KEYS)
def test_a_key_is_the_same_on_both_paths(lab: Lab, definition: str) -> None:
    lab.sql(f"CREATE TABLE k (x int, b {definition} NOT NULL, PRIMARY KEY (b, x))")
    table = lab.table("k")
    lab.mark()
    lab.sql(*(f"INSERT INTO k VALUES (1, {value})" for value in KEYS[definition]))
    changes = lab.changes(table)
    rows = lab.snapshot(table)
    assert folded(changes) == dict(rows)
    assert len({key for key, _ in rows}) == len(KEYS[definition])
    expressions = key_expressions(table)
    if not expressions:
        assert {change.chunk_key for change in changes} == {()}
        return
    keys = [
        parse_chunk_key(table, cells(row)) for row in lab.read(f"SELECT {', '.join(expressions)} FROM k ORDER BY b, x")
    ]
    by_key = {change.key: change.chunk_key for change in changes}
    assert [by_key[key] for key, _ in rows] == keys
    assert all(part_from_json(json.loads(json.dumps(part_to_json(part)))) == part for key in keys for part in key)


@pytest.mark.parametrize("definition", [d for d in KEYS if not d.startswith(("double", "time(", "enum", "bit"))])
def test_a_bound_compares_as_its_row_does_and_by_the_index(lab: Lab, definition: str) -> None:
    lab.sql(f"CREATE TABLE k (b {definition} NOT NULL PRIMARY KEY, x int)")
    lab.sql(*(f"INSERT INTO k VALUES ({value}, 1)" for value in KEYS[definition]))
    table = lab.table("k")
    column = table.columns[0]
    rows = lab.read(f"SELECT {key_expressions(table)[0]} FROM k ORDER BY b")
    literals = [sql_literal(column, parse_chunk_key(table, cells(row))[0]) for row in rows]
    for place, literal in enumerate(literals):
        counts = lab.read(f"SELECT SUM(b < {literal}), SUM(b >= {literal}), SUM(b = {literal}) FROM k")[0]
        assert [int(count or 0) for count in counts] == [place, len(rows) - place, 1]
    plan = lab.read(f"EXPLAIN FORMAT=TRADITIONAL SELECT * FROM k FORCE INDEX (PRIMARY) WHERE b < {literals[-1]}")
    assert (plan[0][4], plan[0][6]) == (b"range", b"PRIMARY")


def test_a_changed_key_is_a_tombstone_and_an_upsert(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (a int, b varchar(10), v int, PRIMARY KEY (b, a))",
        "INSERT INTO t VALUES (1, 'x', 1)",
    )
    lab.mark()
    lab.sql("UPDATE t SET b = 'X'", "UPDATE t SET v = 2", "DELETE FROM t")
    changes = [tuple(change)[1:] for change in lab.changes(lab.table("t"))]
    assert changes == [
        (("x", 1), b'{"b":"x","a":1}', None),
        (("X", 1), b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":1}'),
        (("X", 1), b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":2}'),
        (("X", 1), b'{"b":"X","a":1}', None),
    ]


def cells(row: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
    return tuple(cell or b"" for cell in row)
