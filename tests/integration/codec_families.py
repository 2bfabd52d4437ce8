"""Tables for the equality tests: one per family of types, with rows at the edges of each type."""

#: All character sets of the server but `binary`.
CHARSETS = (
    "armscii8", "ascii", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8",
    "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u",
    "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis", "utf16",
    "utf16le", "utf32", "utf8mb3", "utf8mb4",
)  # fmt: skip

#: The first server that knows the types of a family; the others know them all.
SINCE = {"vectors": (9, 0)}

_GENERATED = "g1 int AS (a + 1) VIRTUAL, g2 varchar(40) AS (concat(b, '|', a)) STORED,"
_GENERATED += " g3 json AS (json_array(a, b)) VIRTUAL, g4 datetime(3) AS (d) STORED, KEY (g1)"
_HIDDEN = ", KEY ((a + 5)), KEY ((lower(b))), KEY ((CAST(j->'$.t' AS UNSIGNED ARRAY)))"
_HIDDEN += ", KEY ((CAST(j->'$.s' AS CHAR(10) ARRAY))), hidden int DEFAULT 5 INVISIBLE"
#: The first server with everything of `_HIDDEN`: indexes of expressions, of JSON's members, and invisible columns.
HIDDEN_SINCE = (8, 0, 23)


def further(family: str, version: tuple[int, ...]) -> list[str]:
    """What else a family's table has, behind its columns."""
    return [_GENERATED + _HIDDEN * (version >= HIDDEN_SINCE)] if family == "generated" else []


def members(count: int) -> str:
    """Labels m0, m1, … of an ENUM or SET."""
    return ",".join(f"'m{number}'" for number in range(count))


def bits(value: int) -> list[str]:
    """One value for columns of 1 to 64 bits, cut to each one's width."""
    return [str(value & (1 << width) - 1) for width in range(1, 65)]


_EMPTY = "st_geomfromtext('GEOMETRYCOLLECTION EMPTY')"
_SHAPES = {
    "linestring": ("LINESTRING(0 0, 1 1)", "LINESTRING(-180 90, 180 -90, 1e-300 1e300)"),
    "polygon": ("POLYGON((0 0, 1 0, 1 1, 0 0))", "POLYGON((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 2 1, 2 2, 1 1))"),
    "multipoint": ("MULTIPOINT(1 2)", "MULTIPOINT(0.1 -0.1, 5e-324 -1.7976931348623157e308)"),
    "multilinestring": ("MULTILINESTRING((0 0, 1 1))", "MULTILINESTRING((0 0, 1 1), (2 2, 3 3, 4 4))"),
    "multipolygon": ("MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))",) * 2,
    "geomcollection": ("GEOMETRYCOLLECTION(GEOMETRYCOLLECTION EMPTY)", "GEOMETRYCOLLECTION(MULTIPOINT(1 2))"),
}


#: name -> (columns, rows): each column is `name definition`, each row one SQL expression per column.
FAMILIES: dict[str, tuple[list[str], list[list[str]]]] = {
    "integers": (
        ["a tinyint", "b tinyint unsigned", "c smallint", "d smallint unsigned", "e mediumint",
        "f mediumint unsigned", "g int", "h int unsigned", "i bigint", "j bigint unsigned",
        "k tinyint(1)", "l int(8) zerofill", "m tinyint(1) unsigned", "n boolean", "o year"],
        [
            ["-128", "0", "-32768", "0", "-8388608", "0", "-2147483648", "0",
            "-9223372036854775808", "0", "-128", "0", "0", "false", "0"],
            ["127", "255", "32767", "65535", "8388607", "16777215", "2147483647", "4294967295",
            "9223372036854775807", "18446744073709551615", "127", "42", "1", "true", "2155"],
            ["-1", "128", "-1", "32768", "-1", "8388608", "-1", "2147483648",
            "-1", "9223372036854775808", "2", "123456789", "255", "7", "1901"],
            ["0"] * 15,
        ],
    ),
    "decimals": (
        ["a decimal(10,0)", "b decimal(65,30)", "c decimal(5,5)", "d decimal(9,9)", "e decimal(18,9)",
        "f decimal(19,1)", "g decimal(10,2) zerofill", "h decimal(1,0) unsigned", "i decimal(30,30)"],
        [
            ["-9999999999", f"-{'9' * 35}.{'9' * 30}", "-0.99999", "0.000000001", "-0.5",
            "-0.1", "0.10", "0", "0.000000000000000000000000000027"],
            ["0", "1", "0", "-0.000000001", "123456789.000000001", "100", "12345678.9", "9", "-0.0"],
            ["9999999999", f"{'9' * 35}.{'9' * 30}", "0.99999", "0.999999999", "999999999.999999999",
            "999999999999999999.9", "99999999.99", "9", f"0.{'9' * 30}"],
            ["0", "0.0000010", "0.00001", "0.000000100", "0.000000010", "0", "0", "0", "-1.5e-7"],
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
        ["a date", "b datetime", "c datetime(1)", "d datetime(6)", "e timestamp null", "f timestamp(3) null",
        "g timestamp(6) null", "h datetime(5)"],
        [
            ["'1000-01-01'", "'1000-01-01'", "'1969-12-31 23:59:59.9'", "'9999-12-31 23:59:59.999999'",
            "'2038-01-19 08:44:07'", "'2000-01-01 00:00:00.001'", "'2000-02-29 12:00:00.000001'",
            "'2020-01-01 00:00:00.00001'"],
            ["'0000-00-00'", "'0000-00-00'", "'0000-00-00'", "'0000-00-00'", "0", "0", "0", "'2020-00-01'"],
            ["'2020-00-00'", "'2020-01-00'", "'2020-00-01 01:02:03.4'", "'0000-01-01'",
            "'1970-01-01 05:30:01'", "'1970-01-01 05:30:01.999'", "'1970-01-01 05:30:01'", "'0001-01-01'"],
        ],
    ),
    "moments": (
        [f"a{digits} datetime({digits})" for digits in range(7)]
        + [f"b{digits} timestamp({digits}) null" for digits in range(7)],
        [
            ["'2026-01-31 09:08:07.000000'"] * 14,
            ["'2026-01-31 09:08:07.123456'"] * 14,
            ["'1970-01-02 23:59:59.999999'"] * 14,
            ["'9999-12-31 23:59:59.999999'"] * 7 + ["'2038-01-18 12:00:00.5'"] * 7,
            ["'1000-01-01 00:00:00.1'"] * 7 + ["'1971-01-01 00:00:00.100000'"] * 7,
            ["'0000-00-00 00:00:00.1'"] * 14,
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
            ["'-837:59:59.999999'"] * 7,
            ["'24:00:00.000001'"] * 7,
            ["'838:00:00.1'"] * 7,
        ],
    ),
    "characters": (
        ["a char(5)", "b varchar(50)", "c tinytext", "d text", "e mediumtext", "f longtext",
        "g varchar(300)", "h char(200)", "i varchar(20) character set latin1",
        "j char(4) character set utf16", "k text character set gbk", "l varchar(9) character set ascii"],
        [
            ["''"] * 12,
            ["'a  '", "'a  '", "'  '", "'\"q\" \\\\ \\/'", "'\\b\\t\\n\\r\\0\\Z'", "'é😀'", "repeat('ß', 300)",
            "repeat('é', 200)", "'é€ÿ'", "'ab '", "'中文'", "'a'"],
            ["'😀😀😀😀😀'", "concat(char(31), char(11), char(127))", "'\\\\u00e9'", "repeat('x', 60000)",
            "repeat('y', 70000)", "repeat('z', 70000)", "'<>&'", "'x'", "'\\\\'", "'😀 '", "'\\\\'", "'~'"],
        ],
    ),
    "bytes": (
        ["a binary(4)", "b binary(16)", "c varbinary(10)", "d varbinary(300)", "e tinyblob", "f blob",
        "g mediumblob", "h longblob", "i bit(1)", "j bit(8)", "k bit(13)", "l bit(64)", "m binary(255)"],
        [
            ["x'01020000'", "x'00'", "x''", "x'00'", "x''", "x''", "x''", "x''",
            "b'0'", "b'0'", "b'0'", "b'0'", "x''"],
            ["x'fffefdfc'", "repeat(x'ff', 16)", "x'610000'", "repeat(x'80', 300)", "x'00ff'", "x'e9'",
            "repeat(x'00', 70000)", "x'ff'", "b'1'", "b'10000001'", "b'1000000000011'",
            "x'8000000000000001'", "'x'"],
        ],
    ),
    "bits": (
        [f"b{width} bit({width})" for width in range(1, 65)],
        [bits(0), bits(1), bits(2**64 - 1), bits(0xAAAAAAAAAAAAAAAA), bits(0x0123456789ABCDEF), bits(1 << 63 | 255 << 8)],
    ),
    "widths": (
        [f"s{count} set({members(count)})" for count in (1, 8, 9, 16, 17, 24, 25, 32, 33, 63, 64)]
        + [f"e{count} enum({members(count)})" for count in (1, 255, 256)],
        [
            ["0"] * 14,
            ["1"] * 14,
            ["1", "128", "256", "32768", "65536", "8388608", "16777216", "2147483648", "4294967296",
            "4611686018427387904", "9223372036854775808", "1", "255", "256"],
            ["1", "255", "511", "65535", "131071", "16777215", "33554431", "4294967295", "8589934591",
            "9223372036854775807", "18446744073709551615", "1", "254", "255"],
        ],
    ),
    "charsets": (
        [f"v{number} varchar(20) character set {charset}" for number, charset in enumerate(CHARSETS)]
        + [f"c{number} char(3) character set {charset}" for number, charset in enumerate(CHARSETS)]
        + [f"e{number} enum('a','~','é','中') character set {charset}" for number, charset in enumerate(CHARSETS[-9:])],
        [
            [f"'{text}'"] * 80 + [str(number % 5)] * 9
            for number, text in enumerate(
                ("", "a  ", "AZaz09", "\\\\ ~", "éüß", "Жя", "中文", "あ漢", "가", "αΩ", "שא", "ابج", "กข", "აბ", "\u0570\u0561",
                "€„Ÿ", "①髙\uff5e", "Łčő", "\\t\\n\\0", "😀")
            )
        ],
    ),
    "generated": (
        ["a int", "b varchar(10)", "d datetime(3)", "j json"],
        [
            ["10", "'Aé'", "'2020-01-02 03:04:05.678'", """'{"t":[1,2],"s":["a"]}'"""],
            ["-2147483648", "''", "'0000-00-00'", "'{}'"],
            ["null", "null", "null", "null"],
        ],
    ),
    "labels": (
        ["a enum('a','b,c','é','it''s','x')", "b set('x','ü','z','it''s','q')", "c enum('', 'b')",
        "d set('', 'b')", f"e enum({members(300)})", f"f set({members(64)})", f"g set({members(20)})",
        "h enum('é','ü') character set latin1", "i set('é','ü') character set latin1"],
        [
            ["'b,c'", "'z,x'", "''", "''", "'m299'", "'m63,m0'", "'m19,m0'", "'ü'", "'é,ü'"],
            ["'é'", "''", "'b'", "1", "'m0'", "0", "'m7'", "'é'", "'é'"],
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
                "'{\"a\": {\"z\": null, \"\\\\\"q\\\\\"\": [[], {}, [[]], \"\"]}, \"\\\\u0000\": false}'",
                "json_array(x'00', cast(repeat(x'ff', 171) as binary), b'1', cast('a' as char(3) character set latin1))",
                "json_array(time'00:00:00', timestamp'9999-12-31 23:59:59.999999', date'1000-01-01', year('0000-01-01'))",
                "json_array(18446744073709551615, -9223372036854775808, 1e308, -1e308, 2e-308, 0.1e0)",
                f"json_array({'9' * 35}.{'9' * 30}, -0.{'0' * 29}1, 1.50)",
                "json_array(st_geomfromtext('linestring(0 0, 1 1)'), st_geomfromtext('geometrycollection empty'), 'x')",
                "json_merge_preserve('{\"a\": 1, \"a\": 2}', '{\"a\": [3], \"é\": 4, \"aa\": 5}')",
                "json_array(1.1e0, -0e0, 1e15, 1e16, 1e14, 1e-14, 1e-15, 123456789012345678e0, 100e0)",
                "json_array(1.7976931348623157e308, 5e-324, 1223383794756801.2e0, 0.000012345e0, 9007199254740993e0)",
            )
        ],
    ),
    "documents": (
        ["j json"],
        [
            [document]
            for document in (
                "concat('[', repeat('[', 98), repeat(']', 98), ']')",
                "json_array(repeat('a', 70000), 100000, 70000, -1, 3.5, true)",
                "concat('[1', repeat(',70000', 70000), ']')",
                "json_object('k', repeat('b', 70000), 'zz', 70000, 'a', cast('{}' as json))",
                "concat(repeat('{\"a\":', 99), '[]', repeat('}', 99))",
                "concat(repeat('[', 100), repeat(']', 100))",
                "concat(repeat('[{\"k\":', 50), '7', repeat('}]', 50))",
                "concat('{\"a\":', json_quote(repeat('c', 65536)), ',\"b\":[1,70000,[true],{\"c\":-3}]}')",
            )
        ],
    ),
    "shapes": (
        [f"{kind} {kind}" for kind in _SHAPES],
        [[f"st_geomfromtext('{texts[number]}')" for texts in _SHAPES.values()] for number in (0, 1)]
        + [["null"] * 5 + [_EMPTY]],
    ),
    "geometry": (
        ["g geometry", "p point", "c geometrycollection"],
        [
            ["st_geomfromtext('POINT(1 2)', 4326, 'axis-order=long-lat')", "point(0, 0)", "null"],
            *(
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
            ),
        ],
    ),
    "vectors": (
        ["v vector(3)", "w vector(2048)"],
        [
            ["string_to_vector('[1,2.5,-0.1]')", "string_to_vector('[3.4028234e38]')"],
            ["string_to_vector('[1.17549435e-38,-3.4028235e38,16777217]')", "x'010000000000008001000080'"],
            ["string_to_vector('[0,-0.0,1e-30]')", f"string_to_vector('[{','.join(['0.1'] * 2048)}]')"],
        ],
    ),
}  # fmt: skip
