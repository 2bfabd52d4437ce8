"""Snapshot bytes == binlog bytes == what MySQL itself says, for every type under every option, on real servers."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pymysql
import pytest

from shared.codec import FormatOptions, key_expressions, key_reader, parse_chunk_key, sql_literal
from shared.errors import UnsupportedType
from shared.model.chunk import part_from_json, part_to_json
from shared.model.schema import Table
from tests.integration.codec_families import FAMILIES, SINCE, further
from tests.integration.codec_lab import CODECS, Lab, folded, opened
from tests.integration.codec_oracle import OPTIONS, assert_agrees, truth
from tests.unit.codec.mask_oracle import masked, unmasked


@pytest.fixture(params=CODECS)
def lab(request: pytest.FixtureRequest, any_mysql: Any, any_database: str) -> Iterator[Lab]:
    with opened(any_mysql, any_database, request.param) as lab:
        yield lab


class Setting(NamedTuple):
    """How the server and the writing session log."""

    metadata: str
    compression: str
    time_zone: str


SETTINGS = [
    Setting("MINIMAL", "OFF", "+05:30"),
    Setting("MINIMAL", "ON", "-11:00"),
    Setting("FULL", "OFF", "SYSTEM"),
    Setting("FULL", "ON", "+14:00"),
]

#: What was compared on which server, for the lines at the end.
compared: defaultdict[tuple[int, ...], Counter[str]] = defaultdict(Counter)


@pytest.fixture(scope="module", autouse=True)
def size_of_the_matrix(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    # The tests of one server follow those of the other, and each time this module ends.
    for version, counted in [(version, compared.pop(version)) for version in list(compared)]:
        families = [columns for name, (columns, _) in FAMILIES.items() if version >= SINCE.get(name, ())]
        with capture.global_and_fixture_disabled():
            print(
                f"\ncodec matrix, MySQL {'.'.join(map(str, version))}: {len(families)} families with"
                f" {sum(map(len, families))} columns, {counted['settings']} settings of the server, {len(OPTIONS)} sets of"
                f" options: {counted['cells']} values of {counted['rows']} rows had the same bytes on both paths,"
                f" {counted['truths']} were compared with MySQL's own text",
                file=sys.stderr,  # the standard output of a process of pytest-xdist is shown nowhere
                flush=True,
            )


def settings_of(lab: Lab) -> list[Setting]:
    """Without those that the server does not know."""
    compresses = lab.knows("binlog_transaction_compression")
    found = [setting for setting in SETTINGS if compresses or setting.compression == "OFF"]
    compared[lab.version]["settings"] = len(found)
    return found


def apply_setting(lab: Lab, setting: Setting) -> None:
    lab.sql(f"SET GLOBAL binlog_row_metadata={setting.metadata}", f"SET time_zone='{setting.time_zone}'")
    if lab.knows("binlog_transaction_compression"):
        lab.sql(f"SET binlog_transaction_compression={setting.compression}")


def is_lacking(lab: Lab, family: str) -> bool:
    """True for a family whose types are younger than the server; it must then refuse its table."""
    if lab.version >= SINCE.get(family, ()):
        return False
    with pytest.raises(pymysql.err.ProgrammingError):
        create_family(lab, family)
    return True


def create_family(lab: Lab, family: str) -> Table:
    columns, rows = FAMILIES[family]
    definitions = ["id int PRIMARY KEY", *columns, *further(family, lab.version), "pad int NOT NULL DEFAULT 0"]
    lab.sql(f"CREATE TABLE `{family}` ({', '.join(definitions)})")
    assert all(len(row) == len(columns) for row in rows)
    return lab.table(family)


def insert_family(lab: Lab, family: str) -> None:
    columns, rows = FAMILIES[family]
    names = ", ".join(column.split()[0] for column in columns)
    values = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(rows, start=1))
    lab.sql(f"INSERT INTO `{family}` (id) VALUES (0)")  # every column NULL
    lab.sql(f"INSERT INTO `{family}` (id, {names}) VALUES {values}")


def assert_same_bytes(lab: Lab, table: Table, setting: Setting, names: list[str]) -> None:
    """What the binlog says since `mark` is what a snapshot says now, under each of these sets of options."""
    packets = list(lab.packets())
    for name in names:
        rows = lab.snapshot(table, OPTIONS[name])
        assert folded(lab.changes(table, options=OPTIONS[name], packets=packets)) == dict(rows), (setting, name)
        compared[lab.version].update(rows=len(rows), cells=len(rows) * len(table.columns))


@pytest.mark.parametrize("family", FAMILIES)
def test_both_paths_give_the_same_bytes(lab: Lab, family: str) -> None:
    if is_lacking(lab, family):
        return
    table = create_family(lab, family)
    settings = settings_of(lab)
    for setting in settings:
        apply_setting(lab, setting)
        lab.sql(f"DELETE FROM `{family}`")
        lab.mark()
        insert_family(lab, family)
        assert_same_bytes(
            lab, table, setting, list(OPTIONS) if setting is settings[-1] else ["none", "fewer columns", "all"]
        )
        lab.mark()
        lab.sql(f"UPDATE `{family}` SET pad = pad + 1")
        assert_same_bytes(lab, table, setting, ["none"])


@pytest.mark.parametrize("family", FAMILIES)
def test_mysql_itself_agrees(lab: Lab, family: str) -> None:
    if is_lacking(lab, family):
        return
    table = create_family(lab, family)
    insert_family(lab, family)
    for options in OPTIONS.values():
        if options.masked is not None:
            assert_masked(lab, table, options)
            continue
        written = options.written(table).columns
        columns = tuple(c for c in written if options.fields_include == "ALL" or c.name not in table.primary_key)
        truths = lab.read(f"SELECT {', '.join(map(truth, columns))} FROM `{family}` ORDER BY id")
        encoded = lab.snapshot(table, options)
        assert len(truths) == len(encoded) > 1
        for texts, (_, value) in zip(truths, encoded, strict=True):
            assert_agrees(columns, texts, value, options)
        compared[lab.version].update(truths=len(encoded) * len(columns))


def assert_masked(lab: Lab, table: Table, options: FormatOptions) -> None:
    """Masks are in the place of what is there without them, which was compared with MySQL's own text."""
    plain = lab.snapshot(table, unmasked(options))
    rows = lab.snapshot(table, options)
    assert rows == [(key, masked(table, value, options)) for key, value in plain]
    assert rows != plain


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
    "bit(64)": ["b'0'", "b'1'", "x'ffffffffffffffff'"],
    "set('y','x')": ["''", "'y'", "'x'", "'x,y'"],
    "decimal(30,30)": ["-1e-30", "0", "1.50e-7", "0.000001", f"0.{'9' * 30}"],
    "decimal(65,30)": [f"-{'9' * 35}.{'9' * 30}", "0", "1e-30", "1"],
    "varchar(20) character set eucjpms": ["'\\\\'", "'①'", "'\uff5e'", "'~'", "'\ue000'"],
    "varchar(20) character set ujis": ["'あ'", "'\ue3ac'", "'~'"],
}


@pytest.mark.parametrize("definition", KEYS)
def test_a_key_is_the_same_on_both_paths(lab: Lab, definition: str) -> None:
    lab.sql(f"CREATE TABLE k (x int, b {definition} NOT NULL, PRIMARY KEY (b, x))")
    table = lab.table("k")
    lab.mark()
    lab.sql(*(f"INSERT INTO k VALUES (1, {value})" for value in KEYS[definition]))
    packets = list(lab.packets())
    expressions = key_expressions(table)
    keys = [()] * len(KEYS[definition])
    if expressions:
        rows = lab.read(f"SELECT {', '.join(expressions)} FROM k ORDER BY b, x")
        keys = [parse_chunk_key(table, cells(row)) for row in rows]
    for options in OPTIONS.values():
        encoded = lab.snapshot(table, options)
        assert folded(lab.changes(table, options=options, packets=packets)) == dict(encoded)
        assert len({key for key, _ in encoded}) == len(KEYS[definition])
        read = key_reader(table, options)
        assert [repr(read(key)) for key, _ in encoded] == [repr(key) for key in keys]
    assert all(part_from_json(json.loads(json.dumps(part_to_json(part)))) == part for key in keys for part in key)


@pytest.mark.parametrize("definition", ["enum('','b')", "set('','b')"])
def test_two_rows_never_get_one_key(lab: Lab, definition: str) -> None:
    lab.sql(f"CREATE TABLE k (b {definition} PRIMARY KEY)", "INSERT INTO k VALUES (0), (1)")
    assert len(lab.sql("SELECT b FROM k")) == 2
    table = lab.table("k")
    for options in OPTIONS.values():
        if definition.startswith("enum") or options.set_encoding == "string":
            with pytest.raises(UnsupportedType, match="empty label"):
                lab.snapshot(table, options)
        else:
            assert [key for key, _ in lab.snapshot(table, options)] == [b'{"b":[]}', b'{"b":[""]}']


@pytest.mark.parametrize("definition", [d for d in KEYS if not d.startswith(("double", "time(", "enum", "bit", "set"))])
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
    assert lab.changes(lab.table("t")) == [
        (b'{"b":"x","a":1}', None),
        (b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":1}'),
        (b'{"b":"X","a":1}', b'{"a":1,"b":"X","v":2}'),
        (b'{"b":"X","a":1}', None),
    ]


def cells(row: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
    return tuple(cell or b"" for cell in row)
