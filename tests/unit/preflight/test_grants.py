"""SHOW GRANTS is read as MySQL means it, and the missing statements are exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.preflight.grants import (
    REPLICATION_PRIVILEGES,
    account,
    grant_database,
    grant_everywhere,
    grant_table,
    parse_grants,
)
from shared.model.schema import TableId

ORDERS = TableId("order_dw", "order")
names = st.text(st.sampled_from("ab_%\\`'. ,()@*ü") | st.characters(codec="utf-8"), min_size=1, max_size=12)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def may_select(lines: list[str], table: TableId = ORDERS, **more: bool) -> bool:
    return parse_grants(lines).covers(table, **more)


def test_everything_that_is_needed_on_everything() -> None:
    grants = parse_grants(["GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `headrace`@`%`"])
    assert grants.missing(REPLICATION_PRIVILEGES) == []
    assert grants.covers(ORDERS)


def test_usage_is_nothing() -> None:
    grants = parse_grants(["GRANT USAGE ON *.* TO `u`@`%`"])
    assert grants.missing(REPLICATION_PRIVILEGES) == list(REPLICATION_PRIVILEGES)
    assert not grants.covers(ORDERS)


def test_one_of_two_is_named() -> None:
    grants = parse_grants(["GRANT REPLICATION SLAVE, PROCESS ON *.* TO `u`@`%` WITH GRANT OPTION"])
    assert grants.missing(REPLICATION_PRIVILEGES) == ["REPLICATION CLIENT"]


def test_all_privileges_are_all() -> None:
    grants = parse_grants(["GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION"])
    assert grants.missing(REPLICATION_PRIVILEGES) == []
    assert grants.covers(ORDERS)


def test_the_long_lines_of_root_are_read() -> None:
    lines = [
        "GRANT SELECT, INSERT, CREATE TEMPORARY TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `root`@`localhost`",
        "GRANT APPLICATION_PASSWORD_ADMIN,AUDIT_ADMIN ON *.* TO `root`@`localhost` WITH GRANT OPTION",
        "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
    ]
    grants = parse_grants(lines)
    assert grants.missing(REPLICATION_PRIVILEGES) == []
    assert "AUDIT_ADMIN" in grants.everywhere


@pytest.mark.parametrize(
    "line",
    [
        "GRANT SELECT ON `order_dw`.* TO `u`@`%`",
        "GRANT SELECT ON `order\\_dw`.* TO `u`@`%`",
        "GRANT SELECT ON `order%`.* TO `u`@`%`",
        "GRANT ALL PRIVILEGES ON `order\\_dw`.* TO `u`@`%`",
        "GRANT INSERT, SELECT ON `order_dw`.`order` TO `u`@`%`",
        "GRANT ALL PRIVILEGES ON `order_dw`.`order` TO `u`@`%`",
        "GRANT INSERT (`id`), SELECT, UPDATE (`id`, `user_id`) ON `order_dw`.`order` TO `u`@`%`",
        "GRANT SELECT ON order_dw.* TO u@localhost",
    ],
)
def test_the_table_can_be_read(line: str) -> None:
    assert may_select([line])


@pytest.mark.parametrize(
    "line",
    [
        "GRANT INSERT ON `order_dw`.* TO `u`@`%`",
        "GRANT SELECT ON `order\\%`.* TO `u`@`%`",
        "GRANT SELECT ON `Order_dw`.* TO `u`@`%`",
        "GRANT SELECT ON `order_dw`.`orders` TO `u`@`%`",
        "GRANT SELECT (`id`, `user_id`) ON `order_dw`.`order` TO `u`@`%`",
        "GRANT SELECT (`SELECT`, `a) ON `), INSERT ON `order_dw`.`order` TO `u`@`%`",
        "GRANT EXECUTE ON PROCEDURE `order_dw`.`order` TO `u`@`%`",
        "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `order_dw`.`order` TO `u`@`%`",
        "GRANT `select`@`%` TO `u`@`%`",
        "GRANT `SELECT ON *.*`@`%`,`b`@`%` TO `u`@`%`",
        "REVOKE SELECT ON `order_dw`.* FROM `u`@`%`",
    ],
)
def test_the_table_cannot_be_read(line: str) -> None:
    assert not may_select([line])


def test_a_table_grant_takes_the_database_by_its_letters() -> None:
    assert not may_select(["GRANT SELECT ON `order_dw`.`order` TO `u`@`%`"], TableId("orderXdw", "order"))
    assert may_select(["GRANT SELECT ON `order_dw`.* TO `u`@`%`"], TableId("orderXdw", "order"))


def test_with_partial_revokes_database_names_are_names() -> None:
    line = "GRANT SELECT ON `order_dw`.* TO `u`@`%`"
    assert may_select([line], literal=True)
    assert not may_select([line], TableId("orderXdw", "order"), literal=True)


def test_a_partial_revoke_takes_back_what_was_given_everywhere() -> None:
    lines = ["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE INSERT, SELECT ON `order_dw`.* FROM `u`@`%`"]
    assert not may_select(lines, literal=True)
    assert may_select(lines, TableId("other", "t"), literal=True)
    assert may_select([*lines, "GRANT SELECT ON `order_dw`.`order` TO `u`@`%`"], literal=True)


def test_names_without_case() -> None:
    assert may_select(["GRANT SELECT ON `order_dw`.* TO `u`@`%`"], TableId("Order_DW", "T"), ignore_case=True)
    assert may_select(["GRANT SELECT ON `order_dw`.`t` TO `u`@`%`"], TableId("Order_DW", "T"), ignore_case=True)


@given(names, names, names)
def test_a_table_grant_reads_its_table_and_no_other(database: str, table: str, other: str) -> None:
    line = f"GRANT SELECT ON {quoted(database)}.{quoted(table)} TO `u`@`%`"
    assert may_select([line], TableId(database, table))
    assert may_select([line], TableId(database, other)) == (other == table)


@given(names, names, st.lists(names, min_size=1, max_size=3))
def test_columns_never_count_as_the_table(database: str, table: str, columns: list[str]) -> None:
    limited = ", ".join(map(quoted, columns))
    line = f"GRANT SELECT ({limited}), UPDATE ({limited}) ON {quoted(database)}.{quoted(table)} TO `u`@`%`"
    assert not may_select([line], TableId(database, table))


@given(names, names)
def test_the_statement_for_a_database_gives_that_database_alone(database: str, other: str) -> None:
    line = grant_database(database, "u@%")
    assert may_select([line], TableId(database, "t"))
    assert may_select([line], TableId(other, "t")) == (other == database)
    literal = grant_database(database, "u@%", literal=True)
    assert may_select([literal], TableId(other, "t"), literal=True) == (other == database)


@given(names, names)
def test_the_statement_for_a_table_gives_that_table(database: str, table: str) -> None:
    assert may_select([grant_table(TableId(database, table), "u@%")], TableId(database, table))


@given(st.text(max_size=60))
def test_any_line_can_be_read(line: str) -> None:
    parse_grants([line, f"GRANT {line}", f"GRANT SELECT ON {line}"])


def test_statements_name_the_account() -> None:
    assert account("headrace@10.0.%") == "'headrace'@'10.0.%'"
    assert account("o'neil@a@%") == "'o''neil@a'@'%'"
    assert grant_everywhere(["REPLICATION SLAVE", "REPLICATION CLIENT"], "headrace@%") == (
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'headrace'@'%';"
    )
    assert grant_database("order_dw", "h@%") == "GRANT SELECT ON `order\\_dw`.* TO 'h'@'%';"
