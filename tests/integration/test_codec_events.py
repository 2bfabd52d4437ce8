"""The binlog of a real server: the traps that a library fell into, transactions, and changed tables."""

import json
import secrets
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pymysql
import pytest

from shared.codec import FormatOptions
from shared.errors import SchemaChanged, UnsupportedEvent
from shared.model.binlog import RowChanges, Statement, TransactionBegin, TransactionEnd
from tests.integration.codec_families import HIDDEN_SINCE
from tests.integration.codec_lab import CODECS, Lab, fed, folded, opened


@pytest.fixture(params=CODECS)
def lab(request: pytest.FixtureRequest, any_mysql: Any, any_database: str) -> Iterator[Lab]:
    with opened(any_mysql, any_database, request.param) as lab:
        yield lab


@pytest.fixture(params=CODECS)
def newest(request: pytest.FixtureRequest, mysql_server: Any, mysql_database: str) -> Iterator[Lab]:
    """For what servers of the 8.0 series do not have."""
    with opened(mysql_server, mysql_database, request.param) as lab:
        yield lab


# --- the traps of the library, by the numbers of the reference (3.1)


def one_column(lab: Lab, definition: str, *values: str) -> tuple[list[Any], list[Any]]:
    """The values of a column by SELECT and by the binlog, decoded from our JSON."""
    lab.sql(
        "DROP TABLE IF EXISTS one",
        f"CREATE TABLE one (id int AUTO_INCREMENT PRIMARY KEY, v {definition})",
    )
    table = lab.table("one")
    lab.mark()
    lab.sql(f"INSERT INTO one (v) VALUES {','.join(f'({value})' for value in values)}")
    snapshot = [json.loads(value)["v"] for _, value in lab.snapshot(table)]
    return snapshot, [json.loads(value or b"")["v"] for _, value in lab.changes(table)]


def test_trap_1_compressed_transactions_are_decoded(newest: Lab) -> None:
    newest.sql("CREATE TABLE t (id int PRIMARY KEY, v varchar(200))")
    newest.mark()
    newest.sql(
        "SET binlog_transaction_compression=ON",
        "BEGIN",
        "INSERT INTO t VALUES (1, repeat('a', 200))",
    )
    newest.sql("UPDATE t SET v = 'b'", "COMMIT", "SET binlog_transaction_compression=OFF")
    assert any(packet[4] == 40 for packet in newest.packets())
    # An implementation may put the rows events of a table together.
    kinds = [kind for kind, _ in groupby(type(event) for event in newest.events(newest.table("t"))[1:])]
    assert kinds == [TransactionBegin, RowChanges, TransactionEnd]
    assert [key for key, _ in newest.changes(newest.table("t"))] == [b'{"id":1}'] * 2


def test_trap_2_tagged_gtids_are_decoded(newest: Lab) -> None:
    newest.sql("CREATE TABLE t (id int PRIMARY KEY)")
    tag = f"t{secrets.token_hex(4)}"
    newest.mark()
    newest.sql(f"SET gtid_next='AUTOMATIC:{tag}'", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    newest.sql("SET gtid_next='AUTOMATIC'", "INSERT INTO t VALUES (3)")
    begins = [event for event in newest.events(newest.table("t")) if isinstance(event, TransactionBegin)]
    uuid = newest.sql("SELECT @@server_uuid")[0][0]
    assert [event.gtids for event in begins[:2]] == [f"{uuid}:{tag}:1", f"{uuid}:{tag}:2"]
    file, position = newest.start
    names = [row[5] for row in newest.sql(f"SHOW BINLOG EVENTS IN '{file}' FROM {position}") if "id" in row[2].lower()]
    assert [f"SET @@SESSION.GTID_NEXT= '{event.gtids}'" for event in begins] == [n for n in names if "GTID_NEXT" in n]
    now = newest.sql("SELECT UNIX_TIMESTAMP()")[0][0]
    assert all(abs(event.commit_microseconds / 1e6 - now) < 60 for event in begins)


def test_trap_3_rows_without_a_table_map_stop(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    table = lab.table("t")
    lab.mark()
    lab.sql("INSERT INTO t VALUES (1)")
    decoder = lab.codec.event_decoder({table.id: lab.codec.table_decoder(table, FormatOptions())}.get)
    with pytest.raises(UnsupportedEvent, match="its table map"):
        for packet in lab.packets():
            if packet[4] != 19:
                fed(decoder, packet)


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


def test_trap_13_vector(newest: Lab) -> None:
    assert one_column(newest, "vector(2)", "string_to_vector('[0.1,-2]')") == ([[0.1, -2.0]],) * 2


def test_trap_14_vector_metadata_does_not_disturb(newest: Lab) -> None:
    newest.sql("SET GLOBAL binlog_row_metadata=FULL")
    newest.sql("CREATE TABLE t (id int PRIMARY KEY, a text, v vector(2), g geometry, b text CHARACTER SET latin1)")
    newest.mark()
    newest.sql("INSERT INTO t (id, a, b) VALUES (1, 'é', 'é')")
    assert folded(newest.changes(newest.table("t"))) == dict(newest.snapshot(newest.table("t")))


def test_trap_15_json_is_mysqls_own_text(lab: Lab) -> None:
    value = "json_array(cast('-26:00:01' as time), cast('2020-01-02' as date), cast(x'ff' as binary))"
    expected = '["-26:00:01.000000", "2020-01-02", "base64:type15:/w=="]'
    assert one_column(lab, "json", value) == ([expected],) * 2


# --- transactions and schemas

#: From here on it is one transaction; before, servers with GTIDs refuse it.
CREATE_SELECT_SINCE = (8, 0, 21)


def test_xa_prepare_stops_the_job_and_one_phase_does_not(lab: Lab) -> None:
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    table = lab.table("t")
    xid = f"'{secrets.token_hex(6)}'"
    lab.mark()
    lab.sql(f"XA START {xid}", "INSERT INTO t VALUES (1)", f"XA END {xid}", f"XA COMMIT {xid} ONE PHASE")
    assert [type(event) for event in lab.events(table)][1:] == [
        TransactionBegin,
        RowChanges,
        TransactionEnd,
    ]
    lab.mark()
    lab.sql(
        f"XA START {xid}",
        "INSERT INTO t VALUES (2)",
        f"XA END {xid}",
        f"XA PREPARE {xid}",
        f"XA COMMIT {xid}",
    )
    with pytest.raises(UnsupportedEvent, match="XA PREPARE"):
        lab.events(table)
    with pytest.raises(UnsupportedEvent, match="XA COMMIT"):
        lab.events()


def test_ddl_is_a_transaction_of_its_own(lab: Lab) -> None:
    filled = "CREATE TABLE u (id int PRIMARY KEY) SELECT 5 id"
    lab.mark()
    lab.sql("CREATE TABLE t (id int PRIMARY KEY)")
    together = lab.version >= CREATE_SELECT_SINCE
    if together:
        lab.sql(filled)
    else:
        with pytest.raises(pymysql.err.OperationalError, match="GTID consistency"):
            lab.sql(filled)
        lab.sql("CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (5)")
    lab.sql("DROP TABLE t")
    events = lab.events(lab.table("u"))[1:]
    kinds = [type(event) for event in events]
    ddl = [TransactionBegin, Statement, TransactionEnd]
    rows = [TransactionBegin, RowChanges, TransactionEnd]
    filling = [TransactionBegin, Statement, RowChanges, TransactionEnd] if together else [*ddl, *rows]
    assert kinds == [*ddl, *filling, *ddl]
    assert isinstance(events[1], Statement)
    assert (events[1].database, events[1].sql) == (
        lab.database,
        "CREATE TABLE t (id int PRIMARY KEY)",
    )


def test_partial_images_and_partial_json_stop_the_job(lab: Lab) -> None:
    lab.sql(
        "CREATE TABLE t (id int PRIMARY KEY, j json)",
        "INSERT INTO t VALUES (1, json_object('a', repeat('x', 99)))",
    )
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
    alterations = [
        "ADD c int",
        "DROP v",
        "MODIFY v int unsigned",
        "MODIFY v varchar(5)",
        "MODIFY e enum('a')",
    ]
    alterations += [
        "MODIFY w varchar(10) CHARACTER SET latin1",
        "MODIFY w varchar(11)",
        "MODIFY d decimal(9,3)",
    ]
    alterations += ["MODIFY s varchar(10) CHARACTER SET cp1250"]
    if metadata == "FULL":
        alterations += [
            "RENAME COLUMN v TO q",
            "MODIFY e enum('b','a')",
            "DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)",
        ]
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
    hidden = ""
    if lab.version >= HIDDEN_SINCE:
        hidden = ", KEY ((a+5)), KEY ((CAST(j->'$.t' AS UNSIGNED ARRAY))), KEY ((CAST(j->'$.s' AS CHAR(10) ARRAY)))"
        hidden += ", inv int DEFAULT 5 INVISIBLE"
    for metadata in ("MINIMAL", "FULL"):
        lab.sql(f"SET GLOBAL binlog_row_metadata={metadata}", "DROP TABLE IF EXISTS t")
        lab.sql(
            "CREATE TABLE t (id int PRIMARY KEY, j json, a int, g1 int AS (a+1) VIRTUAL, g2 int AS (a+2) STORED,"
            f" KEY (g1){hidden})"
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
        lab.sql(
            "INSERT INTO t VALUES (1)",
            "SET GLOBAL binlog_checksum=NONE",
            "INSERT INTO t VALUES (2)",
        )
        changes = [json.loads(key)["id"] for key, _ in lab.changes(table)]
    except pymysql.err.OperationalError:
        changes = [1, 2]  # the server refuses to cross the change in one stream
    finally:
        lab.sql(f"SET GLOBAL binlog_checksum={old}")
    assert changes == [1, 2]
    lab.sql("SET GLOBAL binlog_checksum=NONE")
    lab.mark()
    lab.sql("INSERT INTO t VALUES (3)")
    try:
        assert [key for key, _ in lab.changes(table)] == [b'{"id":3}']
    finally:
        lab.sql(f"SET GLOBAL binlog_checksum={old}")
