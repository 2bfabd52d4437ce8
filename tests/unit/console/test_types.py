"""Every type of docs/types.md, under every option that changes its text, is the value that MySQL has."""

from pathlib import Path

import pytest

from scheduler.console.columns import forms_of
from scheduler.console.rows import Reader
from scheduler.console.session import quoted
from scheduler.console.sources import Source
from shared.codec import FormatOptions
from shared.codec.reference.fields import expected_layout
from shared.errors import UnsupportedType
from shared.model.schema import Column, TableId
from tests.unit.codec.packets import STREAMS, TABLES
from tests.unit.console.topics_lab import Lab, column, source

#: column type, the text in the message, DuckDB's type, what is printed; what the Column knows besides.
CASES = [
    ("tinyint", "-128", "TINYINT", "-128", {}),
    ("tinyint unsigned", "255", "UTINYINT", "255", {}),
    ("tinyint(1)", "true", "BOOLEAN", "true", {}),
    ("tinyint(1) unsigned", "255", "UTINYINT", "255", {}),
    ("smallint", "-32768", "SMALLINT", "-32768", {}),
    ("smallint unsigned", "65535", "USMALLINT", "65535", {}),
    ("mediumint", "-8388608", "INTEGER", "-8388608", {}),
    ("mediumint unsigned", "16777215", "UINTEGER", "16777215", {}),
    ("int", "-2147483648", "INTEGER", "-2147483648", {}),
    ("int(8) unsigned zerofill", "4294967295", "UINTEGER", "4294967295", {}),
    ("bigint", "-9223372036854775808", "BIGINT", "-9223372036854775808", {}),
    ("bigint unsigned", "18446744073709551615", "UBIGINT", "18446744073709551615", {}),
    ("decimal(10,2)", "-0.50", "DECIMAL(10,2)", "-0.50", {"precision": 10, "scale": 2}),
    ("decimal(5,0)", "12345", "DECIMAL(5,0)", "12345", {}),
    ("decimal(5,5)", "-0.00001", "DECIMAL(5,5)", "-0.00001", {}),
    ("decimal(5,5)", "0.50000", "DECIMAL(5,5)", "0.50000", {}),
    ("decimal(38,30)", "12345678." + "9" * 30, "DECIMAL(38,30)", "12345678." + "9" * 30, {"precision": 38, "scale": 30}),
    ("decimal(65,30)", "9" * 35 + "." + "9" * 30, "VARCHAR", "9" * 35 + "." + "9" * 30, {"precision": 65, "scale": 30}),
    ("float", "1.1", "FLOAT", "1.1", {}),
    ("float", "1e-45", "FLOAT", "1e-45", {}),
    ("float", "3.4028235e+38", "FLOAT", "3.4028235e+38", {}),
    ("double", "1.7976931348623157e+308", "DOUBLE", "1.7976931348623157e+308", {}),
    ("double", "-0.0", "DOUBLE", "-0.0", {}),
    ("double", "5e-324", "DOUBLE", "5e-324", {}),
    ("bit(1)", "true", "BOOLEAN", "true", {}),
    ("bit(13)", '"EAE="', "BLOB", "EAE=", {}),
    ("char(5)", '"a"', "VARCHAR", "a", {}),
    ("varchar(50)", '"a  \\u0000\\n\\"é😀"', "VARCHAR", 'a  \0\n"é😀', {}),
    ("tinytext", '""', "VARCHAR", "", {}),
    ("text", '"null"', "VARCHAR", "null", {}),
    ("mediumtext", '"1"', "VARCHAR", "1", {}),
    ("longtext", '"x"', "VARCHAR", "x", {}),
    ("enum('a','b')", '"b"', "VARCHAR", "b", {"labels": ("a", "b")}),
    ("binary(4)", '"AQIAAA=="', "BLOB", "AQIAAA==", {}),
    ("varbinary(10)", '""', "BLOB", "", {}),
    ("tinyblob", '"/w=="', "BLOB", "/w==", {}),
    ("blob", '"AP8="', "BLOB", "AP8=", {}),
    ("mediumblob", '"AP8="', "BLOB", "AP8=", {}),
    ("longblob", '"AP8="', "BLOB", "AP8=", {}),
    ("date", '"9999-12-31"', "DATE", "9999-12-31", {}),
    ("datetime(6)", '"2026-01-31 09:08:07.123456"', "TIMESTAMP", "2026-01-31 09:08:07.123456", {"fraction": 6}),
    ("datetime", '"1000-01-01 00:00:00"', "TIMESTAMP", "1000-01-01 00:00:00", {"fraction": 0}),
    ("timestamp(3)", '"2026-01-31 09:08:07.123Z"', "TIMESTAMP WITH TIME ZONE", "2026-01-31 09:08:07.123+00", {}),
    ("time(1)", '"-838:59:59.5"', "VARCHAR", "-838:59:59.5", {}),
    ("year", "2155", "SMALLINT", "2155", {}),
    ("uuid", '"123e4567-e89b-12d3-a456-426655440000"', "VARCHAR", "123e4567-e89b-12d3-a456-426655440000", {}),
    ("inet4", '"10.0.7.0"', "VARCHAR", "10.0.7.0", {}),
    ("inet6", '"2001:db8::"', "VARCHAR", "2001:db8::", {}),
    ("set('x','it''s','a')", '["x","it\'s"]', "VARCHAR[]", '["x","it\'s"]', {"labels": ("x", "it's", "a")}),
    ("set('x')", "[]", "VARCHAR[]", "[]", {"labels": ("x",)}),
    ("json", '"{\\"a\\": 1, \\"bb\\": [1.0, 1e20]}"', "JSON", '{"a": 1, "bb": [1.0, 1e20]}', {}),
    ("json", '"null"', "JSON", "null", {}),
    ("vector(3)", '[1.1,-0.1,"NaN"]', "FLOAT[]", '[1.1,-0.1,"NaN"]', {}),
] + [
    (kind, '"{\\"coordinates\\":[1.0,2.0],\\"srid\\":0}"', "JSON", '{"coordinates":[1.0,2.0],"srid":0}', {})
    for kind in (
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
        "geomcollection", "geometrycollection",
    )
]  # fmt: skip

#: The same with an option: column type, text, DuckDB's type, what is printed, the option.
OPTIONS = [
    ("tinyint(1)", "2", "TINYINT", "2", {"treat_tinyint1_as_boolean": False}),
    ("datetime(3)", '"2026-01-31T09:08:07.123"', "TIMESTAMP", "2026-01-31 09:08:07.123", {"timestamp_format": "ISO-8601"}),
    (
        "datetime(3)", '"2026-01-31T09:08:07.123Z"', "TIMESTAMP", "2026-01-31 09:08:07.123",
        {"timestamp_format": "ISO-8601-WITH-OFFSET"},
    ),
    (
        "timestamp", '"2026-01-31T09:08:07Z"', "TIMESTAMP WITH TIME ZONE", "2026-01-31 09:08:07+00",
        {"timestamp_format": "ISO-8601"},
    ),
    ("decimal(10,9)", "2.7E-8", "DECIMAL(10,9)", "0.000000027", {"decimal_as_plain_number": False}),
    ("decimal(10,7)", "0E-7", "DECIMAL(10,7)", "0.0000000", {"decimal_as_plain_number": False}),
    ("varbinary(9)", '"00ff"', "BLOB", "AP8=", {"binary_encoding": "hex"}),
    ("bit(13)", '"1001"', "BLOB", "EAE=", {"binary_encoding": "hex"}),
    ("json", '{"a": 1, "bb": [1.0, 1e20], "c": "x\\ny"}', "JSON", '{"a": 1, "bb": [1.0, 1e20], "c": "x\\ny"}', {"json_columns": "object"}),
    ("json", "[1, 2.50]", "JSON", "[1, 2.50]", {"json_columns": "object"}),
    ("set('x','y')", '"x,y"', "VARCHAR", "x,y", {"set_encoding": "string", }),
]  # fmt: skip


@pytest.fixture(scope="module")
def spill(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("spill")


@pytest.mark.parametrize(("kind", "text", "expected_type", "shown", "more"), CASES, ids=lambda value: str(value)[:30])
def test_a_type(spill, kind, text, expected_type, shown, more) -> None:
    lab = Lab(spill, source("t", column("v", kind, **more)))
    lab.send("t", ('{"id":1}', f'{{"id":1,"v":{text}}}'), ('{"id":2}', '{"id":2,"v":null}'), ('{"id":3}', '{"id":3}'))
    assert lab.types("FROM t")["v"] == expected_type
    assert lab.ask("SELECT v FROM t ORDER BY id") == [[shown], [None], [None]]
    assert lab.notes == []


@pytest.mark.parametrize(("kind", "text", "expected_type", "shown", "option"), OPTIONS)
def test_a_type_under_an_option(spill, kind, text, expected_type, shown, option) -> None:
    lab = Lab(spill, source("t", column("v", kind), **option))
    lab.send("t", ('{"id":1}', f'{{"id":1,"v":{text}}}'))
    assert lab.types("FROM t")["v"] == expected_type
    assert lab.ask("SELECT v FROM t") == [[shown]]


def test_the_cases_are_all_types_that_the_codec_knows() -> None:
    tried = {kind.partition("(")[0].partition(" ")[0] for kind, *_ in CASES}
    documented = (Path(__file__).parents[3] / "docs" / "types.md").read_text().partition("## Columns")[2]
    names = {
        word.partition("(")[0].split()[0].lower()
        for row in documented.partition("## Options")[0].splitlines()
        if row.startswith("| ") and not row.startswith(("| MySQL", "| MariaDB", "| …")) and "COMPRESSED" not in row
        for word in row.split("|")[1].split(",")
        if word.strip() and not word.strip()[0].isdigit() and word.strip() not in ("s)",)
    }
    same = {
        "bool": "tinyint",
        "boolean": "tinyint",
        "serial": "bigint",
        "numeric": "decimal",
        "real": "double",
        "nchar": "char",
    }
    assert {same.get(name, name) for name in names if name != "s)"} - {"p"} <= tried
    unknown = Column("v", "hyperloglog", "hyperloglog")
    assert expected_layout(unknown) is None
    with pytest.raises(UnsupportedType, match=r"Column v of shop\.t"):
        forms_of(TableId("shop", "t"), unknown, FormatOptions(), in_key=False)


def test_a_tinyint1_with_other_numbers_is_a_number_and_is_told(spill) -> None:
    lab = Lab(spill, source("t", column("v", "tinyint(1)")))
    lab.send(
        "t", ('{"id":1}', '{"id":1,"v":true}'), ('{"id":2}', '{"id":2,"v":-5}'), ('{"id":3}', '{"id":3,"v":false}')
    )
    assert lab.ask("SELECT v FROM t ORDER BY id") == [["1"], ["-5"], ["0"]]
    assert lab.notes == ["Column v of shop.t is TINYINT here: it holds values that are no BOOLEAN."]


def test_a_key_with_a_zero_date_is_text_and_is_told(spill) -> None:
    lab = Lab(spill, source("t", column("d", "date"), key=("d",)))
    lab.send("t", ('{"d":"0000-00-00"}', '{"d":"0000-00-00"}'), ('{"d":"2026-01-31"}', '{"d":"2026-01-31"}'))
    assert lab.types("FROM t") == {"d": "VARCHAR"}
    assert lab.ask("FROM t ORDER BY d") == [["0000-00-00"], ["2026-01-31"]]
    assert lab.notes == ["Column d of shop.t is VARCHAR here: it holds values that are no DATE."]


def test_a_value_that_fits_no_type_is_an_error_without_the_value(spill) -> None:
    lab = Lab(spill, source("t", column("v", "int")))
    lab.send("t", ('{"id":1}', '{"id":1,"v":"secret"}'))
    with pytest.raises(UnsupportedType) as caught:
        lab.ask("FROM t")
    assert "shop.t" in str(caught.value) and "v (INTEGER)" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert lab.topics["shop.t"].closed


def as_printed(kind: str, text: str | None) -> str | None:
    """What the console prints for the text of a message; only moments look different."""
    if text is None or kind not in ("date", "datetime", "timestamp"):
        return text
    seconds, point, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    era = " (BC)" if seconds.startswith("0000") else ""
    year_one, rest = ("0001" + seconds[4:10] + era, seconds[10:]) if era else (seconds, "")
    return year_one + rest + (point + fraction if fraction else "") + ("+00" if kind == "timestamp" else "")


@pytest.mark.parametrize("table", sorted({one for stream in STREAMS.values() for one in stream.rows}), ids=str)
def test_rows_that_a_real_server_sent_are_read_to_the_last_digit(spill, table) -> None:
    rows = next(stream.rows[table] for stream in STREAMS.values() if table in stream.rows)
    made = Source("j", TABLES[table], "shop.t", FormatOptions())
    lab = Lab(spill, made)
    lab.send("t", *((key.decode(), value.decode()) for key, value in rows.items()))
    found = lab.ask(f"FROM {quoted(table.database)}.{quoted(table.table)}")
    cells = [Reader(made.table).cells(key, value) for key, value in rows.items()]
    kinds = [one.data_type for one in made.table.columns]
    types = lab.types(f"FROM {quoted(table.database)}.{quoted(table.table)}").values()
    booleans = {"true": "1", "false": "0"}  # where the column holds other numbers, too
    cells = [
        [booleans.get(str(text), text) if kind == "TINYINT" else text for kind, text in zip(types, row, strict=True)]
        for row in cells
    ]
    expected = [[as_printed(kind, text) for kind, text in zip(kinds, row, strict=True)] for row in cells]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert len(found) == len(rows) > 0
