"""The job's tables: found, readable, with keys and types, each with a topic of its own."""

from __future__ import annotations

import pytest

from scheduler.preflight import tables as checks
from scheduler.preflight.findings import Finding
from shared.codec import FormatOptions
from shared.job.columns import ColumnPatterns
from shared.job.placeholders import Resolver
from shared.job.spec import JobSpec, parse
from shared.model.schema import Column, Table, TableId
from tests.unit.preflight.facts_lab import GOOD, server

ID = Column("id", "bigint", "bigint", nullable=False)
USER, ORDER = TableId("order_dw", "user"), TableId("order_dw", "order")

JOB = r"""
source:
  type: mysql
  hostname: db
  username: headrace
  password: #{password}
  tables: TABLES
sink:
  type: upsert-kafka
  properties.bootstrap.servers: broker:9092
"""


def job(tables: str, rest: str = "", source: str = "") -> JobSpec:
    text = JOB.replace("TABLES\n", f"{tables}\n{source}") + rest
    return parse(text, "shop.yaml").resolve(Resolver({"password": "secret"}))


def keyed(name: str, *columns: Column, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(TableId("order_dw", name), (ID, *columns), key)


def test_the_tables_of_the_job_are_counted() -> None:
    tables, finding = checks.select_tables(job(r"order_dw.\.*"), [USER, ORDER, TableId("other", "t")], GOOD)
    assert (tables, finding.ok) == ((USER, ORDER), True)
    assert "2 tables of the 3" in finding.message


def test_no_table_keeps_the_place_in_the_file() -> None:
    tables, finding = checks.select_tables(job("order_dw.usr"), [USER], GOOD)
    assert (tables, finding.is_error, finding.path) == ((), True, "source.tables")
    assert "shop.yaml:7" in finding.message


def test_no_table_for_a_user_without_grants_names_the_grant() -> None:
    blind = server(grants=("GRANT USAGE ON *.* TO `headrace`@`%`",))
    _, finding = checks.select_tables(job(r"order_dw.user, shop.\.*"), [], blind)
    assert "GRANT SELECT ON `order\\_dw`.* TO 'headrace'@'%';" in finding.hint
    assert "GRANT SELECT ON `shop`.* TO 'headrace'@'%';" in finding.hint


def test_all_tables_excluded_is_told_at_the_exclusion() -> None:
    spec = job("order_dw.user\n  tables.exclude: order_dw.us\\.*")
    _, finding = checks.select_tables(spec, [USER], GOOD)
    assert (finding.is_error, finding.path) == (True, "source.tables.exclude")


def test_a_pattern_without_a_table_beside_one_with_is_a_warning() -> None:
    (finding,) = checks.check_idle_patterns(job("order_dw.user, order_dw.usr"), [USER], GOOD)
    assert not finding.ok
    assert not finding.is_error
    assert "`order_dw.usr`" in finding.message
    assert checks.check_idle_patterns(job("order_dw.usr"), [USER], GOOD) == []


def test_names_match_as_the_server_compares_them() -> None:
    tables, _ = checks.select_tables(job("Order_DW.USER"), [USER], server(lower_case_table_names="1"))
    assert tables == (USER,)


def test_two_tables_in_one_topic_are_an_error_at_the_route() -> None:
    spec = job(r"order_dw.\.*", "route:\n  - source-table: order_dw.\\.*\n    sink-table: all\n")
    topics, finding = checks.route_tables(spec, [USER, ORDER], GOOD)
    assert (topics, finding.is_error, finding.path) == ({}, True, "route[0].sink-table")


def test_missing_replication_privileges_are_one_statement() -> None:
    finding = checks.check_replication_privileges(server(grants=("GRANT SELECT ON *.* TO `headrace`@`%`",)))
    assert finding.is_error
    assert finding.hint == "Run: GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'headrace'@'%';"


@pytest.mark.parametrize(
    ("grant", "statement"),
    [
        ("GRANT INSERT ON `order_dw`.* TO `headrace`@`%`", "GRANT SELECT ON `order\\_dw`.* TO 'headrace'@'%';"),
        (
            "GRANT SELECT ON `order_dw`.`user` TO `headrace`@`%`",
            "GRANT SELECT ON `order_dw`.`order` TO 'headrace'@'%';",
        ),
    ],
)
def test_missing_read_privileges_are_exact_statements(grant: str, statement: str) -> None:
    readable, finding = checks.check_read_privileges(server(grants=(grant,)), [USER, ORDER])
    assert ORDER not in readable
    assert (finding.is_error, finding.hint) == (True, f"Run: {statement}")


def test_tables_without_a_primary_key_are_named_up_to_ten() -> None:
    tables = [keyed(f"t{number:02}", key=()) for number in range(12)]
    finding = checks.check_primary_keys(tables)
    assert finding.is_error
    assert "12 tables have no primary key: order_dw.t00, " in finding.message
    assert finding.message.endswith("order_dw.t09 and 2 more.")


def test_types_that_the_codec_does_not_know_are_errors() -> None:
    odd = Column("c", "hologram", "hologram(3)")
    known, unknown = keyed("known"), keyed("unknown", odd)
    keyless = keyed("keyless", key=())
    (finding,) = checks.check_column_types([known, unknown, keyless], FormatOptions())
    assert finding.is_error
    assert "order_dw.unknown.c" in finding.message
    (fine,) = checks.check_column_types([known, keyless], FormatOptions())
    assert fine.ok


def test_of_many_unknown_types_ten_are_told() -> None:
    odd = Column("c", "hologram", "hologram(3)")
    findings = checks.check_column_types([keyed(f"t{n}", odd) for n in range(13)], FormatOptions())
    assert len(findings) == 11
    assert findings[-1].message.startswith("3 more tables")


def test_key_prefixes_are_a_warning() -> None:
    (finding,) = checks.check_key_prefixes({USER: ("name",)})
    assert (finding.ok, finding.is_error) == (False, False)
    assert "order_dw.user (name)" in finding.message


def test_cascades_that_the_binlog_lacks_are_an_error() -> None:
    for value in ("", "ON"):
        facts = server(innodb_native_foreign_keys=value)
        (finding,) = checks.check_cascades(facts, [USER], [USER])
        assert finding.is_error
        assert str(USER) in finding.message
        (finding,) = checks.check_cascades(facts, [USER], [])
        assert finding.ok
    assert checks.check_cascades(GOOD, [USER], [USER]) == []


def test_a_server_without_gtids_needs_the_lock_that_readers_wait_under() -> None:
    bare = server(gtid_mode="OFF")
    (finding,) = checks.check_lock_privileges(bare, [USER, ORDER])
    assert (finding.subject, finding.is_error) == ("lock_privileges", True)
    assert finding.hint == "Run: GRANT LOCK TABLES ON `order\\_dw`.* TO 'headrace'@'%';"
    granted = server(gtid_mode="OFF", grants=(*bare.grants, "GRANT LOCK TABLES ON `order\\_dw`.* TO `headrace`@`%`"))
    (finding,) = checks.check_lock_privileges(granted, [USER, ORDER])
    assert finding.ok
    (finding,) = checks.check_lock_privileges(granted, [USER, TableId("shop", "t")])
    assert "on shop," in finding.message
    assert checks.check_lock_privileges(GOOD, [USER]) == []


def test_columns_that_are_left_out_must_be_there_and_in_no_key() -> None:
    name = Column("name", "varchar", "varchar(9)", nullable=True, character_set="utf8mb4")
    user, order = keyed("user", name), keyed("order")

    def found(text: str, *, all_tables: bool = True) -> Finding:
        (finding,) = checks.check_excluded([user, order], ColumnPatterns.parse(text), all_tables=all_tables)
        return finding

    assert found(r"order_dw.\.*.name").message == "1 column left out."
    assert "order_dw.user.id, order_dw.order.id" in found(r"\.*.\.*.id").message
    idle = found("order_dw.user.name, order_dw.user.nmae")
    assert idle.is_error
    assert "order_dw.user.nmae" in idle.message
    assert found("order_dw.user.nmae", all_tables=False).ok, "another table of the job may have it"
    assert checks.check_excluded([user], None, all_tables=True) == []


def test_masked_columns_must_be_there_in_no_key_and_have_one_mask() -> None:
    name, mail = (Column(name, "varchar", "varchar(9)", character_set="utf8mb4") for name in ("name", "mail"))
    user, order = keyed("user", name, mail), keyed("order", name)

    def found(*lines: str, all_tables: bool = True) -> list[Finding]:
        options = "".join(f"  columns.{line}\n" for line in lines)
        spec = job(r"order_dw.\.*", source=options)
        return checks.check_masks([user, order], spec.source, all_tables=all_tables)

    (fine,) = found(r"mask.null: order_dw.\.*.name", "mask.constant: order_dw.user.mail")
    assert (fine.ok, fine.message) == (True, "3 columns masked.")
    (key,) = found(r"mask.constant: \.*.\.*.id")
    assert key.is_error
    assert (key.path, "order_dw.user.id, order_dw.order.id" in key.message) == ("source.columns.mask.constant", True)
    (idle,) = found("mask.null: order_dw.user.name", "mask.constant: order_dw.user.nmae")
    assert idle.is_error
    assert "order_dw.user.nmae" in idle.message
    assert found("mask.constant: order_dw.user.nmae", all_tables=False)[0].ok
    (doubled,) = found(
        r"mask.null: order_dw.\.*.name", "mask.constant: order_dw.user.name", "exclude: order_dw.order.name"
    )
    assert doubled.is_error
    assert "order_dw.user.name (source.columns.mask.null, source.columns.mask.constant)" in doubled.message
    assert "order_dw.order.name (source.columns.mask.null, source.columns.exclude)" in doubled.message
    assert found() == []


def test_a_hidden_column_that_may_have_got_another_name_is_told() -> None:
    hidden = "columns.exclude: d.t.phone, columns.mask.hash: 'd.t.e\\d?(mail)?', columns.mask.salt: '#{salt}'"
    text = f"source: {{type: mysql, hostname: h, username: u, password: '#{{p}}', tables: d.t, {hidden}}}\n"
    text += "sink: {type: upsert-kafka, properties.bootstrap.servers: 'b:1'}"
    source = parse(text).resolve(Resolver({"p": "p", "salt": "s"})).source

    def now(*names: str) -> Table:
        return Table(TableId("d", "t"), tuple(Column(name, "int", "int", True) for name in names), ("id",))

    before = {TableId("d", "t"): now("id", "phone", "email", "v")}
    for harmless in (
        ("id", "email", "v"),
        ("id", "phone", "email", "v", "w"),
        ("id", "PHONE", "email", "w"),
        ("id", "e2", "phone"),
    ):
        assert checks.check_renames(before, [now(*harmless)], source) == []
    assert checks.check_renames({}, [now("id", "fone")], source) == []
    (finding,) = checks.check_renames(before, [now("id", "fone", "email")], source)
    assert finding.is_error
    assert "Of d.t phone is gone, which the job hides, and fone came" in finding.message


def test_a_type_that_is_not_known_may_be_left_out() -> None:
    odd = keyed("odd", Column("x", "hologram", "hologram", nullable=True))
    (finding,) = checks.check_column_types([odd], FormatOptions())
    assert not finding.ok
    (finding,) = checks.check_column_types([odd], FormatOptions(excluded=lambda _, column: column == "x"))
    assert finding.ok
