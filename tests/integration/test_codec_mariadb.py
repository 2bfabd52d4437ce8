"""The codec on MariaDB 10.11: its own column types, and those that it shares with MySQL, as it logs and sends them.

Theory: a replica that tells of no MariaDB in its session gets a stream without MariaDB's own events: BEGIN in place of
their GTIDs, and rows events of the first version.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.codec import FormatOptions
from shared.errors import SchemaChanged, UnsupportedEvent, UnsupportedType
from shared.model.schema import Table
from tests.integration.codec_families import FAMILIES
from tests.integration.codec_lab import CODECS, Lab, folded, opened
from tests.integration.codec_oracle import OPTIONS, assert_agrees, truth
from tests.unit.codec.mask_oracle import masked

#: Families of MySQL's types whose rows MariaDB takes as they are.
SHARED = [
    *("integers", "decimals", "floats", "dates", "moments", "times", "characters", "bytes", "bits", "widths"),
    "labels",
]
LONG = "repeat('long enough to be packed, é ', 40)"
#: name -> (columns, rows), as in `codec_families`.
OWN: dict[str, tuple[list[str], list[list[str]]]] = {
    "uuids": (
        ["u uuid", "v uuid not null default '00000000-0000-0000-0000-000000000000'"],
        [
            ["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000001'"],
            ["'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'", "'018f22e2-79b0-7cc8-98c4-dc0c0c07398f'"],
            ["'10000000000000000000000000000000'", "'6ccd780c-baba-1026-9564-5b8c656024db'"],
            ["'00000000-0000-0000-0000-000000000000'", "'6ccd780c-baba-4026-8564-5b8c65602400'"],
        ],
    ),
    "addresses": (
        ["a inet4", "b inet6", "c inet6"],
        [
            ["'0.0.0.0'", "'::'", "'::1'"],
            ["'255.255.255.255'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'::ffff:1.2.3.0'"],
            ["'1.0.0.0'", "'2001:db8::'", "'::1.2.3.4'"],
            ["'10.0.7.0'", "'1:0:2:3:4:5:6:7'", "'1:0:0:2:0:0:0:3'"],
            ["'0.0.0.1'", "'1:0:0:2:3:0:0:4'", "'::1:0'"],
            ["'127.0.0.1'", "'0:1:2:3:4:5:6:0'", "'::ffff:0:0'"],
            ["'8.8.4.4'", "'::fffe:1.2.3.4'", "'64:ff9b::1.2.3.4'"],
            ["'9.9.9.9'", "'::1:1.2.3.4'", "'ABCD::'"],
        ],
    ),
    "compressed": (
        ["a varchar(100) character set utf8mb4 compressed", "b varchar(5000) character set utf8mb4 compressed",
        "c tinytext character set utf8mb4 compressed", "d text character set latin1 compressed",
        "e mediumtext character set utf8mb4 compressed", "f longtext character set utf8mb4 compressed",
        "g varbinary(40) compressed", "h tinyblob compressed", "i blob compressed", "j mediumblob compressed",
        "k longblob compressed", "l varbinary(2000) compressed"],
        [
            ["''"] * 12,
            ["'a'"] * 12,
            ["repeat('é', 100)", LONG, "repeat('x', 120)", LONG, LONG, "repeat('ü', 70000)",
            "repeat(x'00', 40)", "repeat(x'ff', 200)", LONG, "repeat(x'0001', 40000)", LONG, LONG],
            ["concat('a', repeat(' ', 99))", "repeat('中', 99)", "'\\0'", "'€'", "repeat('ab', 70000)", "'\\n'",
            "x'00'", "x'8a'", "repeat(uuid(), 300)", "x'00ff'", "repeat('z', 200000)", "x'08'"],
        ],
    ),
    "documents of text": (
        ["j json"],
        [["'{\"b\":1,  \"a\": [1.0, null]}'"], ["'null'"], ["'\"é\"'"], ["json_array(1, 'x', 1e3)"], [f"json_quote({LONG})"]],
    ),
    "places": (
        ["g geometry", "p point"],
        [
            ["st_geomfromtext('POLYGON((0 0, 9 0, 9 9, 0 0))', 4326)", "point(1.5, -2)"],
            ["st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1 1))')", "null"],
        ],
    ),
}  # fmt: skip
#: MariaDB knows a collection by its full name only.
_SHAPES = [
    f"{kind} {kind}".replace("geomcoll", "geometrycoll") for kind in (c.split()[0] for c in FAMILIES["shapes"][0])
]
ALL = {name: FAMILIES[name] for name in SHARED} | {"shapes": (_SHAPES, FAMILIES["shapes"][1])} | OWN


@pytest.fixture(params=CODECS)
def lab(request: pytest.FixtureRequest, mariadb_server: Any, mariadb_database: str) -> Iterator[Lab]:
    with opened(mariadb_server, mariadb_database, request.param) as lab:
        yield lab


def filled(lab: Lab, family: str) -> Table:
    """The family's table; what was written to it stands behind the lab's mark."""
    columns, rows = ALL[family]
    lab.sql(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(columns)}, pad int NOT NULL DEFAULT 0) CHARSET utf8mb4")
    table = lab.table("t")
    lab.mark()
    names = ", ".join(column.split()[0] for column in columns)
    values = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(rows, start=1))
    lab.sql("INSERT INTO t (id) VALUES (0)", f"INSERT INTO t (id, {names}) VALUES {values}")
    return table


@pytest.mark.parametrize("family", ALL)
def test_both_paths_give_the_same_bytes_and_mariadb_agrees(lab: Lab, family: str) -> None:
    table = filled(lab, family)
    lab.sql("UPDATE t SET pad = pad + 1", "INSERT INTO t (id) VALUES (-1)", "DELETE FROM t WHERE id = -1")
    packets = list(lab.packets())
    assert {23, 24, 25} <= {packet[4] for packet in packets}
    for name in ("none", "all"):
        options = OPTIONS[name]
        rows = lab.snapshot(table, options)
        assert len(rows) == len(ALL[family][1]) + 1
        assert folded(lab.changes(table, options=options, packets=packets)) == dict(rows), name
        columns = tuple(c for c in table.columns if options.fields_include == "ALL" or c.name not in table.primary_key)
        truths = lab.read(f"SELECT {', '.join(map(truth, columns))} FROM t ORDER BY id")
        for texts, (_, value) in zip(truths, rows, strict=True):
            assert_agrees(columns, texts, value, options)
    hashes = OPTIONS["hashes"]
    hashed = [(key, masked(table, value, hashes)) for key, value in lab.snapshot(table)]
    assert lab.snapshot(table, hashes) == hashed
    assert folded(lab.changes(table, options=hashes, packets=packets)) == dict(hashed)


def test_the_law_of_its_own_types(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (u uuid PRIMARY KEY, a inet4, b inet6, c varchar(500) COMPRESSED, d blob COMPRESSED, j json)"
        " CHARSET utf8mb4"
    )
    table = lab.table("t")
    lab.mark()
    lab.sql(
        "INSERT INTO t VALUES ('123E4567-E89B-12D3-A456-426655440000', '10.0.0.0', '2001:DB8:0:0:0:0:0:0',"
        """ repeat('é', 100), repeat(x'00', 99), '{"b":1,  "a":2}')"""
    )
    value = (
        '{"u":"123e4567-e89b-12d3-a456-426655440000","a":"10.0.0.0","b":"2001:db8::","c":"' + "é" * 100 + '","d":"'
        # 99 zeros in base64.
        + "A" * 132 + '","j":"{\\"b\\":1,  \\"a\\":2}"}'
    )  # fmt: skip
    expected = [(b'{"u":"123e4567-e89b-12d3-a456-426655440000"}', value.encode())]
    assert lab.snapshot(table) == expected
    assert lab.changes(table) == expected


@pytest.mark.parametrize("wrap", ["ON", "OFF"])
def test_columns_are_unpacked_with_and_without_zlibs_header(lab: Lab, wrap: str) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, c text COMPRESSED) CHARSET utf8mb4")
    table = lab.table("t")
    lab.mark()
    lab.sql(f"SET column_compression_zlib_wrap={wrap}", f"INSERT INTO t VALUES (1, {LONG})")
    assert lab.changes(table) == lab.snapshot(table)


@pytest.mark.parametrize("metadata", ["NO_LOG", "MINIMAL", "FULL"])
def test_a_table_is_known_again_under_each_setting(lab: Lab, metadata: str) -> None:
    lab.sql(
        f"SET GLOBAL binlog_row_metadata={metadata}",
        "CREATE TABLE t (id int unsigned PRIMARY KEY, y year, u uuid, a inet6, g geometry, c text COMPRESSED, w varchar(9),"
        " l varchar(9) CHARACTER SET latin1, e enum('a','b'), n bigint unsigned, s set('x')) CHARSET utf8mb4",
    )
    table = lab.table("t")
    lab.mark()
    lab.sql(
        "INSERT INTO t VALUES (1, 2020, uuid(), '::1', point(1, 2), 'é', 'é', 'é', 'b', 18446744073709551615, 'x')",
        "UPDATE t SET y = 0",
    )
    assert folded(lab.changes(table)) == dict(lab.snapshot(table))
    lab.sql("ALTER TABLE t DROP n")
    lab.mark()
    lab.sql("UPDATE t SET y = 2021")
    with pytest.raises(SchemaChanged):
        lab.events(table)


def test_a_compressed_column_is_not_taken_for_a_plain_one(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20))")
    table = lab.table("t")
    lab.sql("ALTER TABLE t MODIFY c varchar(20) COMPRESSED")
    lab.mark()
    lab.sql("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(SchemaChanged, match="the type"):
        lab.events(table)


def test_temporal_columns_in_its_older_layout_are_refused(lab: Lab) -> None:
    old = lab.sql("SELECT @@global.mysql56_temporal_format")[0][0]
    lab.sql("CREATE TABLE n (id int PRIMARY KEY, d datetime(3))")
    newer = lab.table("n")
    lab.sql("SET GLOBAL mysql56_temporal_format=OFF", "CREATE TABLE t (id int PRIMARY KEY, d datetime(3))")
    try:
        older = lab.table("t")
        for made in (lab.codec.snapshot_encoder, lab.codec.table_decoder):
            with pytest.raises(UnsupportedType, match=r"mariadb-5\.3.*nowhere in the binlog"):
                made(older, FormatOptions())
        # A table that was rebuilt in it behind our back is noticed by its table map.
        lab.sql("ALTER TABLE n FORCE")
        lab.mark()
        lab.sql("INSERT INTO n VALUES (1, '2020-01-02 03:04:05.678')")
        with pytest.raises(UnsupportedEvent, match="layout is not known"):
            lab.events(newer)
    finally:
        lab.sql(f"SET GLOBAL mysql56_temporal_format={old}")


def test_json_is_the_text_that_was_written(lab: Lab) -> None:
    table = filled(lab, "documents of text")
    texts = [json.loads(value)["j"] for _, value in lab.snapshot(table)]
    assert texts[1] == '{"b":1,  "a": [1.0, null]}'
