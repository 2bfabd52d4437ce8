"""Snapshot bytes == binlog bytes == what MySQL itself says, for every type, on a real server."""

import base64
import json
import secrets
import struct
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from shared.codec import FormatOptions, check_table, key_expressions, parse_chunk_key, sql_literal
from shared.codec import TableDecoder, part_from_json, part_to_json
from shared.errors import SchemaChanged, UnsupportedEvent, UnsupportedType
from shared.model.binlog import RowChanges, Statement, TransactionBegin, TransactionEnd
from shared.model.schema import Column, Table
from tests.integration.codec_lab import Lab, connector, folded

# The server's time zone must not matter, nor that of the session that writes.
TIME_ZONE = "+05:30"

#: name -> (columns, rows): each column is `name definition`, each row one SQL expression per column.
FAMILIES: dict[str, tuple[list[str], list[list[str]]]] = {
    "integers": (
        ["a tinyint", "b tinyint unsigned", "c smallint", "d smallint unsigned", "e mediumint"]
        + ["f mediumint unsigned", "g int", "h int unsigned", "i bigint", "j bigint unsigned"]
        + ["k tinyint(1)", "l int(8) zerofill", "m tinyint(1) unsigned", "n boolean", "o year"],
        [
            ["-128", "0", "-32768", "0", "-8388608", "0", "-2147483648", "0"]
            + ["-9223372036854775808", "0", "-128", "0", "0", "false", "0"],
            ["127", "255", "32767", "65535", "8388607", "16777215", "2147483647", "4294967295"]
            + ["9223372036854775807", "18446744073709551615", "127", "42", "1", "true", "2155"],
            ["-1", "128", "-1", "32768", "-1", "8388608", "-1", "2147483648"]
            + ["-1", "9223372036854775808", "2", "123456789", "255", "7", "1901"],
        ],
    ),
    "decimals": (
        ["a decimal(10,0)", "b decimal(65,30)", "c decimal(5,5)", "d decimal(9,9)", "e decimal(18,9)"]
        + ["f decimal(19,1)", "g decimal(10,2) zerofill", "h decimal(1,0) unsigned", "i decimal(30,30)"],
        [
            ["-9999999999", f"-{'9' * 35}.{'9' * 30}", "-0.99999", "0.000000001", "-0.5"]
            + ["-0.1", "0.10", "0", "0.000000000000000000000000000027"],
            ["0", "1", "0", "-0.000000001", "123456789.000000001", "100", "12345678.9", "9", "-0.0"],
            ["1e3", "1e-30", "-0.00000", "0.123456789", "-1", "1", "0", "1", "1e-30"],
        ],
    ),
    "floats": (
        ["a float", "b double", "c float(7,2)", "d double(10,3)", "e float unsigned", "f double zerofill"],
        [
            ["-0e0", "-0e0", "1.1", "1.1", "1.1", "1.5"],
            ["3.4028234663852886e38", "1.7976931348623157e308", "99999.99", "9999999.999", "1e10", "1e20"],
            ["1e-45", "5e-324", "-0.01", "-0.001", "16777217", "0"],
            ["0.1", "0.1", "0", "123456.789", "1e-10", "1e-10"],
            ["1.26217745e-29", "9007199254740993e0", "1", "1", "8388608.5", "1e16"],
            ["123456789", "1e15", "33.333", "33.3333", "3.3333333", "123456789012345680e0"],
        ],
    ),
    "dates": (
        ["a date", "b datetime", "c datetime(1)", "d datetime(6)", "e timestamp null", "f timestamp(3) null"]
        + ["g timestamp(6) null", "h datetime(5)"],
        [
            ["'1000-01-01'", "'1000-01-01'", "'1969-12-31 23:59:59.9'", "'9999-12-31 23:59:59.999999'"]
            + ["'2038-01-19 08:44:07'", "'2000-01-01 00:00:00.001'", "'2000-02-29 12:00:00.000001'"]
            + ["'2020-01-01 00:00:00.00001'"],
            ["'0000-00-00'", "'0000-00-00'", "'0000-00-00'", "'0000-00-00'", "0", "0", "0", "'2020-00-01'"],
            ["'2020-00-00'", "'2020-01-00'", "'2020-00-01 01:02:03.4'", "'0000-01-01'"]
            + ["'1970-01-01 05:30:01'", "'1970-01-01 05:30:01.999'", "'1970-01-01 05:30:01'", "'0001-01-01'"],
        ],
    ),
    "times": (
        [f"t{digits} time({digits})" for digits in range(7)],
        [
            ["'-838:59:59'"] * 7,
            ["'838:59:59'"] * 7,
            ["'-00:00:01.100000'"] * 7,
            ["'-00:00:00.000001'"] * 7,
            ["'-12:34:56.987654'"] * 7,
            ["'00:00:00'"] * 7,
            ["'23:59:59.123456'"] * 7,
            ["'-01:00:00.5'"] * 7,
        ],
    ),
    "characters": (
        ["a char(5)", "b varchar(50)", "c tinytext", "d text", "e mediumtext", "f longtext"]
        + ["g varchar(300)", "h char(200)", "i varchar(20) character set latin1"]
        + ["j char(4) character set utf16", "k text character set gbk", "l varchar(9) character set ascii"],
        [
            ["''"] * 12,
            ["'a  '", "'a  '", "'  '", "'\"q\" \\\\ \\/'", "'\\b\\t\\n\\r\\0\\Z'", "'é😀'", "repeat('ß', 300)"]
            + ["repeat('é', 200)", "'é€ÿ'", "'ab '", "'中文'", "'a'"],
            ["'😀😀😀😀😀'", "concat(char(31), char(11), char(127))", "'\\\\u00e9'", "repeat('x', 60000)"]
            + ["repeat('y', 70000)", "repeat('z', 70000)", "'<>&'", "'x'", "'\\\\'", "'😀 '", "'\\\\'", "'~'"],
        ],
    ),
    "bytes": (
        ["a binary(4)", "b binary(16)", "c varbinary(10)", "d varbinary(300)", "e tinyblob", "f blob"]
        + ["g mediumblob", "h longblob", "i bit(1)", "j bit(8)", "k bit(13)", "l bit(64)", "m binary(255)"],
        [
            ["x'01020000'", "x'00'", "x''", "x'00'", "x''", "x''", "x''", "x''"]
            + ["b'0'", "b'0'", "b'0'", "b'0'", "x''"],
            ["x'fffefdfc'", "repeat(x'ff', 16)", "x'610000'", "repeat(x'80', 300)", "x'00ff'", "x'e9'"]
            + ["repeat(x'00', 70000)", "x'ff'", "b'1'", "b'10000001'", "b'1000000000011'"]
            + ["x'8000000000000001'", "'x'"],
        ],
    ),
    "labels": (
        ["a enum('a','b,c','é','it''s','x')", "b set('x','ü','z','it''s','q')", "c enum('', 'b')"]
        + ["d set('', 'b')", f"e enum({','.join(f"'m{i}'" for i in range(300))})"]
        + [f"f set({','.join(f"'s{i}'" for i in range(64))})", f"g set({','.join(f"'s{i}'" for i in range(20))})"]
        + ["h enum('é','ü') character set latin1", "i set('é','ü') character set latin1"],
        [
            ["'b,c'", "'z,x'", "''", "''", "'m299'", "'s63,s0'", "'s19,s0'", "'ü'", "'é,ü'"],
            ["'é'", "''", "'b'", "1", "'m0'", "0", "'s7'", "'é'", "'é'"],
            ["'nonsense'", "'ü,it\\'s'", "1", "3", "'m255'", "18446744073709551615", "0", "1", "''"],
        ],
    ),
    "json": (
        ["j json"],
        [
            [document]
            for document in (
                "'null'", "'{}'", "'[]'", "'\"\"'", "'-1'", "'1.0'", "'true'", "'\"é😀\\\\u001f\\\\n\\\\u007f/\"'",
                "'{\"bb\":1,\"a\":{\"c\":[1,2,{\"d\":\"é\"}]},\"\":3, \"é\": null}'",
                "'[32767,32768,-32768,-32769,65535,65536,2147483647,2147483648,4294967295,4294967296]'",
                "'[9223372036854775807,-9223372036854775808,18446744073709551615,18446744073709551616]'",
                "json_array(cast('2020-01-02' as date), cast('-838:59:59' as time), cast('-00:00:01.1' as time(6)))",
                "json_array(cast('2020-01-02 03:04:05.6' as datetime(3)), cast('0000-00-00' as date))",
                "json_array(timestamp'2020-01-02 03:04:05', cast('2020-00-00' as datetime), cast('24:00:00' as time))",
                "json_array(cast(1.20 as decimal(10,3)), -0.5, 12345678901234567890123.5, 0.00)",
                "json_array(cast(x'00ff' as binary), b'101', year('2020-01-01'), cast(repeat('x',200) as binary))",
                "json_array(cast('' as binary), cast(repeat('y', 57) as binary), st_geomfromtext('point(1 2)'))",
                "concat('[', repeat('[', 98), repeat(']', 98), ']')",
                "json_array(repeat('a', 70000), 100000, 70000, -1, 3.5, true)",
                "concat('[1', repeat(',70000', 70000), ']')",
                "json_object('k', repeat('b', 70000), 'zz', 70000, 'a', cast('{}' as json))",
                "json_array(1.1e0, -0e0, 1e15, 1e16, 1e14, 1e-14, 1e-15, 123456789012345678e0, 100e0)",
                "json_array(1.7976931348623157e308, 5e-324, 1223383794756801.2e0, 0.000012345e0, 9007199254740993e0)",
            )
        ],
    ),
    "geometry": (
        ["g geometry", "p point", "c geometrycollection"],
        [
            [f"st_geomfromtext('{text}')", "point(-1.5, 1e20)", "st_geomfromtext('geometrycollection empty')"]
            for text in (
                "POINT(1 2)",
                "LINESTRING(0 0, 1 1, 2.5 -3)",
                "POLYGON((0 0, 9 0, 9 9, 0 0), (1 1, 2 1, 2 2, 1 1))",
                "MULTIPOINT(1 2, 3 4)",
                "MULTILINESTRING((0 0, 1 1), (2 2, 3 3, 4 4))",
                "MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
                "GEOMETRYCOLLECTION(POINT(1 2), GEOMETRYCOLLECTION(LINESTRING(0 0, 1 1)), MULTIPOINT(7 8))",
                "GEOMETRYCOLLECTION EMPTY",
            )
        ]
        + [["st_geomfromtext('POINT(10 20)', 4326, 'axis-order=long-lat')", "point(0, 0)", "null"]],
    ),
    "vectors": (
        ["v vector(3)", "w vector(2048)"],
        [
            ["string_to_vector('[1,2.5,-0.1]')", "string_to_vector('[3.4028234e38]')"],
            ["string_to_vector('[]')", f"string_to_vector('[{','.join(['0.1'] * 2048)}]')"],
        ],
    ),
}  # fmt: skip


@pytest.fixture
def lab(mysql_server: Any, mysql_database: str) -> Iterator[Lab]:
    connect = connector(
        mysql_server.host, mysql_server.port, mysql_server.root_user, mysql_server.root_password
    )
    lab = Lab(connect, mysql_database)
    lab.sql(f"SET time_zone='{TIME_ZONE}'")
    metadata = lab.sql("SELECT @@global.binlog_row_metadata")[0][0]
    yield lab
    lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}")
    lab.close()


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
    "vector": "VECTOR_TO_STRING({})",
    "json": "{}",
}


def assert_agrees(column: Column, ours: Any, cell: bytes | None) -> None:
    """Compares one value of our JSON (numbers as text) with what MySQL says."""
    if cell is None:
        assert ours is None
        return
    kind, text = column.data_type, cell.decode()
    if kind in ("date", "datetime", "timestamp"):
        expected = None if "00" in (text[5:7], text[8:10]) else text + "Z" * (kind == "timestamp")
        assert ours == expected
    elif column.column_type == "tinyint(1)":
        assert ours == {"0": False, "1": True}.get(text, text)
    elif kind == "bit" and column.precision == 1:
        assert ours is (text == "1")
    elif kind == "bit":
        assert int.from_bytes(base64.b64decode(ours), "big") == int(text, 16)
    elif column.character_set is None and ORACLES.get(kind) == "HEX({})":
        assert base64.b64decode(ours).hex().upper() == text
    elif kind == "year":
        assert int(ours) == int(text)
    elif kind == "double":
        assert struct.pack("<d", float(ours)) == struct.pack("<d", float(text))
    elif kind == "float":
        assert struct.pack("<f", float(ours)) == struct.pack("<f", float(text))
    elif kind == "set":
        assert [label for label in ours if label] == [label for label in text.split(",") if label]
    elif kind == "vector":
        assert [struct.pack("<f", float(n)) for n in ours] == [
            struct.pack("<f", n) for n in json.loads(text, parse_int=float)
        ]
    elif ORACLES.get(kind, "").startswith("ST_"):
        assert_same_shape(json.loads(ours), json.loads(text))
    else:
        assert ours == text


def assert_same_shape(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["type"] == theirs["type"]
    assert ours.get("coordinates") == theirs.get("coordinates")
    for one, other in zip(ours.get("geometries", []), theirs.get("geometries", []), strict=True):
        assert_same_shape(one, other)


# --- keys and chunk bounds

KEYS = {
    "varchar(50) collate utf8mb4_0900_ai_ci": ["''", "'a'", "'b\\'\\\\'", "'é'", "'Zebra'", "'あ'", "'zz '"],
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
    keys = [parse_chunk_key(table, row) for row in lab.read(f"SELECT {', '.join(expressions)} FROM k ORDER BY b, x")]
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
    literals = [sql_literal(column, parse_chunk_key(table, row)[0]) for row in rows]
    for place, literal in enumerate(literals):
        counts = lab.read(f"SELECT SUM(b < {literal}), SUM(b >= {literal}), SUM(b = {literal}) FROM k")[0]
        assert [int(count or 0) for count in counts] == [place, len(rows) - place, 1]
    plan = lab.read(f"EXPLAIN FORMAT=TRADITIONAL SELECT * FROM k FORCE INDEX (PRIMARY) WHERE b < {literals[-1]}")
    assert (plan[0][4], plan[0][6]) == (b"range", b"PRIMARY")


def test_a_changed_key_is_a_tombstone_and_an_upsert(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (a int, b varchar(10), v int, PRIMARY KEY (b, a))", "INSERT INTO t VALUES (1, 'x', 1)")
    lab.mark()
    lab.sql("UPDATE t SET b = 'X'", "UPDATE t SET v = 2", "DELETE FROM t")
    changes = [tuple(change)[1:] for change in lab.changes(lab.table("t"))]
    assert changes == [
        (("x", 1), b'{"b":"x","a":1}', None),
        (("X", 1), b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":1}'),
        (("X", 1), b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":2}'),
        (("X", 1), b'{"b":"X","a":1}', None),
    ]


# --- charsets

UNICODE = ["utf8mb4", "utf8mb3", "ucs2", "utf16", "utf16le", "utf32", "gb18030"]
BYTES = """armscii8 ascii big5 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 euckr gb18030 gb2312 gbk
geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ujis""".split()
#: Codes that Python's codec does not have: the user-defined area of ujis.
REFUSED_CODES = {"ujis": 1880}


def test_every_charset_of_the_server_is_decided(lab: Lab) -> None:
    known = {name for (name,) in lab.sql("SELECT character_set_name FROM information_schema.character_sets")}
    assert known - {"binary", "eucjpms"} == set(UNICODE) | set(BYTES)
    ids = lab.sql("SELECT id, character_set_name FROM information_schema.collations")
    from shared.codec.reference.charsets import charset_of_collation

    assert [charset_of_collation(number) for number, _ in ids] == [name for _, name in ids]


@pytest.mark.parametrize("charset", BYTES)
def test_every_code_of_a_charset_is_what_mysql_says(lab: Lab, charset: str) -> None:
    from shared.codec.reference.charsets import decoder_of

    singles = [bytes((a,)) for a in range(256)]
    pairs = [bytes((a, b)) for a in range(0x80, 0x100) for b in range(0x30, 0x100)]
    triples = [bytes((0x8F, a, b)) for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]
    multi = charset in ("big5", "cp932", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis")
    codes = singles + pairs * multi + triples * (charset == "ujis")
    lab.sql("CREATE TABLE n (v varbinary(4) PRIMARY KEY)")
    for first in range(0, len(codes), 8000):
        lab.sql(f"INSERT INTO n VALUES {','.join(f"(x'{code.hex()}')" for code in codes[first : first + 8000])}")
    text = f"CONVERT(CONVERT(v USING {charset}) USING utf8mb4)"
    rows = lab.read(
        f"SELECT v, {text}, CAST(CONVERT({text} USING {charset}) AS BINARY) FROM n"
        f" WHERE CAST(CONVERT(v USING {charset}) AS BINARY) = v AND CHAR_LENGTH(CONVERT(v USING {charset})) = 1"
    )
    plain, strict = decoder_of(charset, "t.c"), decoder_of(charset, "t.c", in_key=True)
    refused = 0
    for code, expected, back in rows:
        assert code is not None
        if expected is None or expected in (b"", b"\xef\xbf\xbd") or (expected == b"?" and code != b"?"):
            continue  # MySQL does not know the code either
        try:
            assert plain(code) == expected.decode(), code.hex()
        except UnicodeDecodeError:
            refused += 1
            continue
        if back == code:
            assert strict(code) == expected.decode()
        else:
            with pytest.raises(ValueError):
                strict(code)
    assert len(rows) >= 128
    assert refused == REFUSED_CODES.get(charset, 0)


@pytest.mark.parametrize("charset", UNICODE)
def test_every_character_survives_a_charset(lab: Lab, charset: str) -> None:
    lab.sql(f"CREATE TABLE c (id int PRIMARY KEY, t varchar(300) CHARACTER SET {charset})")
    table = lab.table("c")
    points = [p for p in (*range(0x10000), 0x10000, 0x1F600, 0x20000, 0x10FFFF) if not 0xD800 <= p < 0xE000]
    if charset in ("utf8mb3", "ucs2"):
        points = [p for p in points if p < 0x10000]
    texts = ["".join(map(chr, points[i : i + 256])) + "." for i in range(0, len(points), 256)]
    lab.mark()
    for first in range(0, len(texts), 32):
        some = enumerate(texts[first : first + 32], start=first)
        lab.sql("INSERT INTO c VALUES " + ",".join(f"({i}, _utf8mb4 x'{t.encode().hex()}')" for i, t in some))
    rows = lab.snapshot(table)
    assert [json.loads(value)["t"] for _, value in rows] == texts
    assert folded(lab.changes(table)) == dict(rows)


def test_a_charset_without_an_exact_mapping_is_refused(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, v varchar(5) CHARACTER SET eucjpms)")
    with pytest.raises(UnsupportedType, match=r"t\.v.*eucjpms"):
        check_table(lab.table("t"))


# --- the traps of the library, by the numbers of the reference (3.1)


def one_column(lab: Lab, definition: str, *values: str) -> tuple[list[Any], list[Any]]:
    """The values of a column by SELECT and by the binlog, decoded from our JSON."""
    lab.sql("DROP TABLE IF EXISTS one", f"CREATE TABLE one (id int AUTO_INCREMENT PRIMARY KEY, v {definition})")
    table = lab.table("one")
    lab.mark()
    lab.sql(f"INSERT INTO one (v) VALUES {','.join(f'({value})' for value in values)}")
    snapshot = [json.loads(row.value)["v"] for row in lab.snapshot(table)]
    return snapshot, [json.loads(change.value or b"")["v"] for change in lab.changes(table)]


def test_trap_1_compressed_transactions_are_decoded(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, v varchar(200))")
    lab.mark()
    lab.sql("SET binlog_transaction_compression=ON", "BEGIN", "INSERT INTO t VALUES (1, repeat('a', 200))")
    lab.sql("UPDATE t SET v = 'b'", "COMMIT", "SET binlog_transaction_compression=OFF")
    assert any(packet[4] == 40 for packet in lab.packets())
    kinds = [type(event) for event in lab.events(lab.table("t"))][1:]
    assert kinds == [TransactionBegin, RowChanges, RowChanges, TransactionEnd]


def test_trap_2_tagged_gtids_are_decoded(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    tag = f"t{secrets.token_hex(4)}"
    lab.mark()
    lab.sql(f"SET gtid_next='AUTOMATIC:{tag}'", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    lab.sql("SET gtid_next='AUTOMATIC'", "INSERT INTO t VALUES (3)")
    begins = [event for event in lab.events(lab.table("t")) if isinstance(event, TransactionBegin)]
    uuid = lab.sql("SELECT @@server_uuid")[0][0]
    assert [event.gtid for event in begins[:2]] == [f"{uuid}:{tag}:1", f"{uuid}:{tag}:2"]
    file, position = lab.start
    names = [row[5] for row in lab.sql(f"SHOW BINLOG EVENTS IN '{file}' FROM {position}") if "id" in row[2].lower()]
    assert [f"SET @@SESSION.GTID_NEXT= '{event.gtid}'" for event in begins] == [n for n in names if "GTID_NEXT" in n]
    now = lab.sql("SELECT UNIX_TIMESTAMP()")[0][0]
    assert all(abs(event.commit_microseconds / 1e6 - now) < 60 for event in begins)


def test_trap_3_rows_without_a_table_map_stop(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    table = lab.table("t")
    lab.mark()
    lab.sql("INSERT INTO t VALUES (1)")
    from shared.codec import EventDecoder

    decoder = EventDecoder({table.id: TableDecoder(table, FormatOptions())}.get)
    with pytest.raises(UnsupportedEvent, match="table map"):
        for packet in lab.packets():
            if packet[4] != 19:
                decoder.feed(packet)


def test_trap_4_negative_time_keeps_its_fraction(lab: Lab) -> None:
    assert one_column(lab, "time(2)", "'-00:00:01.10'") == (["-00:00:01.10"],) * 2


def test_trap_5_binary_keeps_its_zeros(lab: Lab) -> None:
    assert one_column(lab, "binary(4)", "x'01020000'") == (["AQIAAA=="],) * 2


def test_trap_6_and_7_zero_dates_are_null(lab: Lab) -> None:
    for definition in ("timestamp NULL", "datetime", "date", "date NOT NULL"):
        assert one_column(lab, definition, "0") == ([None],) * 2
    assert one_column(lab, "datetime", "'2020-00-00'") == ([None],) * 2


def test_trap_8_year_zero(lab: Lab) -> None:
    assert one_column(lab, "year", "'0000'", "1901") == ([0, 1901],) * 2


def test_trap_9_float_is_short(lab: Lab) -> None:
    assert one_column(lab, "float", "1.1", "16777216") == ([1.1, 16777216.0],) * 2


def test_trap_10_enum_label_outside_utf8(lab: Lab) -> None:
    assert one_column(lab, "enum('é','ü') character set latin1", "'ü'") == (["ü"],) * 2


def test_trap_11_set_is_ordered_and_empty_is_not_null(lab: Lab) -> None:
    assert one_column(lab, "set('z','a')", "'a,z'", "''", "NULL") == ([["z", "a"], [], None],) * 2


def test_trap_12_minimal_metadata_suffices(lab: Lab) -> None:
    lab.sql("SET GLOBAL binlog_row_metadata=MINIMAL")
    assert one_column(lab, "bigint unsigned", "18446744073709551615") == ([2**64 - 1],) * 2
    assert one_column(lab, "blob", "x'e9'") == (["6Q=="],) * 2
    assert one_column(lab, "enum('a')", "'a'") == (["a"],) * 2


def test_trap_13_vector(lab: Lab) -> None:
    assert one_column(lab, "vector(2)", "string_to_vector('[0.1,-2]')") == ([[0.1, -2.0]],) * 2


def test_trap_14_vector_metadata_does_not_disturb(lab: Lab) -> None:
    lab.sql("SET GLOBAL binlog_row_metadata=FULL")
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, a text, v vector(2), g geometry, b text CHARACTER SET latin1)")
    lab.mark()
    lab.sql("INSERT INTO t (id, a, b) VALUES (1, 'é', 'é')")
    assert folded(lab.changes(lab.table("t"))) == dict(lab.snapshot(lab.table("t")))


def test_trap_15_json_is_mysqls_own_text(lab: Lab) -> None:
    value = "json_array(cast('-26:00:01' as time), cast('2020-01-02' as date), cast(x'ff' as binary))"
    expected = '["-26:00:01.000000", "2020-01-02", "base64:type15:/w=="]'
    assert one_column(lab, "json", value) == ([expected],) * 2


# --- transactions and schemas


def test_xa_prepare_stops_the_job_and_one_phase_does_not(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    table = lab.table("t")
    xid = f"'{secrets.token_hex(6)}'"
    lab.mark()
    lab.sql(f"XA START {xid}", "INSERT INTO t VALUES (1)", f"XA END {xid}", f"XA COMMIT {xid} ONE PHASE")
    assert [type(event) for event in lab.events(table)][1:] == [TransactionBegin, RowChanges, TransactionEnd]
    lab.mark()
    lab.sql(f"XA START {xid}", "INSERT INTO t VALUES (2)", f"XA END {xid}", f"XA PREPARE {xid}", f"XA COMMIT {xid}")
    with pytest.raises(UnsupportedEvent, match="XA PREPARE"):
        lab.events(table)
    with pytest.raises(UnsupportedEvent, match="XA COMMIT"):
        lab.events()


def test_ddl_is_a_transaction_of_its_own(lab: Lab) -> None:
    lab.mark()
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY) SELECT 5 id", "DROP TABLE t")
    events = lab.events(lab.table("u"))[1:]
    kinds = [type(event) for event in events]
    ddl = [TransactionBegin, Statement, TransactionEnd]
    assert kinds == [*ddl, TransactionBegin, Statement, RowChanges, TransactionEnd, *ddl]
    assert isinstance(events[1], Statement)
    assert (events[1].database, events[1].sql) == (lab.database, "CREATE TABLE t (id int PRIMARY KEY)")


def test_partial_images_and_partial_json_stop_the_job(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, j json)", "INSERT INTO t VALUES (1, json_object('a', repeat('x', 99)))")
    table = lab.table("t")
    lab.mark()
    lab.sql("SET binlog_row_image=MINIMAL", "UPDATE t SET j = '{}'", "SET binlog_row_image=FULL")
    with pytest.raises(UnsupportedEvent, match="does not hold all columns"):
        lab.events(table)
    lab.sql("UPDATE t SET j = json_object('a', repeat('x', 99))")
    lab.mark()
    lab.sql("SET binlog_row_value_options=PARTIAL_JSON", "UPDATE t SET j = json_set(j, '$.a', 'y')")
    lab.sql("SET binlog_row_value_options=''")
    with pytest.raises(UnsupportedEvent, match="part of a JSON"):
        lab.events(table)
    assert [type(event) for event in lab.events()][1:] == [TransactionBegin, TransactionEnd]


@pytest.mark.parametrize("metadata", ["MINIMAL", "FULL"])
def test_a_changed_table_is_noticed(lab: Lab, metadata: str) -> None:
    lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}")
    alterations = ["ADD c int", "DROP v", "MODIFY v int unsigned", "MODIFY v varchar(5)", "MODIFY e enum('a')"]
    alterations += ["MODIFY w varchar(10) CHARACTER SET latin1", "MODIFY w varchar(11)", "MODIFY d decimal(9,3)"]
    alterations += ["MODIFY s varchar(10) CHARACTER SET cp1250"]
    if metadata == "FULL":
        alterations += ["RENAME COLUMN v TO q", "MODIFY e enum('b','a')", "DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)"]
    for number, alteration in enumerate(alterations):
        name = f"t{number}"
        lab.sql(
            f"CREATE TABLE {name} (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, w varchar(10), d decimal(9,2),"
            " e enum('a','b'), s varchar(10) CHARACTER SET latin1)"
        )
        table = lab.table(name)
        lab.sql(f"ALTER TABLE {name} {alteration}")
        lab.mark()
        lab.sql(f"INSERT INTO {name} (id) VALUES (1)")
        if metadata == "MINIMAL" and alteration == "MODIFY e enum('a')":
            continue  # only FULL metadata tells the members
        with pytest.raises(SchemaChanged):
            lab.events(table)


def test_generated_invisible_and_hidden_columns(lab: Lab) -> None:
    for metadata in ("MINIMAL", "FULL"):
        lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}", "DROP TABLE IF EXISTS t")
        lab.sql(
            "CREATE TABLE t (id int PRIMARY KEY, j json, a int, g1 int AS (a+1) VIRTUAL, g2 int AS (a+2) STORED,"
            " KEY (g1), KEY ((a+5)), KEY ((CAST(j->'$.t' AS UNSIGNED ARRAY))),"
            " KEY ((CAST(j->'$.s' AS CHAR(10) ARRAY))), inv int DEFAULT 5 INVISIBLE)"
        )
        table = lab.table("t")
        lab.mark()
        lab.sql("""INSERT INTO t (id, j, a) VALUES (1, '{"t":[1,2],"s":["a"]}', 10), (2, NULL, NULL)""")
        lab.sql("UPDATE t SET a = 11 WHERE id = 1", "UPDATE t SET id = 3 WHERE id = 2")
        assert folded(lab.changes(table)) == dict(lab.snapshot(table))


def test_a_binlog_without_checksums_is_read(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    table = lab.table("t")
    old = lab.sql("SELECT @@global.binlog_checksum")[0][0]
    try:
        lab.mark()
        lab.sql("INSERT INTO t VALUES (1)", "SET GLOBAL binlog_checksum=NONE", "INSERT INTO t VALUES (2)")
        changes = [json.loads(change.key)["id"] for change in lab.changes(table)]
    except pymysql.err.OperationalError:
        changes = [1, 2]  # the server refuses to cross the change in one stream
    finally:
        lab.sql(f"SET GLOBAL binlog_checksum={old}")
    assert changes == [1, 2]
    lab.sql("SET GLOBAL binlog_checksum=NONE")
    lab.mark()
    lab.sql("INSERT INTO t VALUES (3)")
    try:
        assert [change.key for change in lab.changes(table)] == [b'{"id":3}']
    finally:
        lab.sql(f"SET GLOBAL binlog_checksum={old}")
