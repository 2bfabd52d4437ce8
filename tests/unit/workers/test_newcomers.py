"""Which tables join a job that runs, and which go on with new columns."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from shared.job.placeholders import Resolver
from shared.job.spec import JobSpec, parse
from shared.model.schema import Column, Table, TableId
from shared.runtime.connections import format_options
from workers.binlog.tables import adding, joining

JOB = """
source:
  type: mysql
  hostname: h
  username: u
  password: "#{p}"
  tables: shop.\\.*
  tables.exclude: shop.tmp_\\.*
  {more}
sink:
  type: upsert-kafka
  properties.bootstrap.servers: k:9092
"""

KNOWN = {TableId("shop", "order")}


def spec_of(more: str) -> JobSpec:
    return parse(JOB.replace("{more}", more)).resolve(Resolver({"p": "secret"}))


def joins(name: str, more: str = "", *, ignore_case: bool = False) -> bool:
    spec = spec_of(more)
    database, _, table = name.partition(".")
    return joining(SimpleNamespace(spec=spec), KNOWN, ignore_case=ignore_case)(TableId(database, table))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.new", True),
        ("shop.order", False),  # it has joined
        ("shop.tmp_x", False),
        ("other.new", False),
        ("Shop.new", False),
        # Beside a table of the job they are made by tools that alter it, and go again.
        ("shop._order_gho", False),
        ("shop._order_ghc", False),
        ("shop._order_new", False),
        ("shop._order_old", False),
        ("shop._order_ghk", False),
        ("shop._order_20261126230351_del", False),
        ("shop._order_rev_del", False),
        ("shop._order_20261126230351_rev_del", False),
        ("shop.__order_new", False),
        ("shop.____order_old", False),
        ("shop._other_rev_del", True),
        ("shop.__other_new", True),
        ("shop._rev_del", True),
        ("shop._other_new", True),
        ("shop._new", True),
    ],
)
def test_a_table_joins_that_the_job_would_have_had(name: str, expected: bool) -> None:
    assert joins(name) is expected


def test_on_a_server_that_does_not_mind_letters_it_does_not_either() -> None:
    assert joins("Shop.NEW", ignore_case=True)


def test_nothing_joins_a_job_that_does_not_want_it() -> None:
    assert not joins("shop.new", "scan.newly-added-table.enabled: false")


@pytest.mark.parametrize(
    ("column", "more", "expected"),
    [
        (Column("c", "int", "int"), "", True),
        (Column("c", "int", "int"), "columns.mask.null: shop.order.c", True),
        (Column("c", "int", "int"), "columns.mask.constant: shop.order.c", False),  # all rows would show it
        (Column("c", "strange", "strange"), "", False),
        (Column("c", "varchar", "varchar(9)", True, "unheard"), "", False),
        (Column("c", "strange", "strange"), "columns.exclude: shop.order.c", True),
    ],
)
def test_with_which_columns_a_table_goes_on(column: Column, more: str, expected: bool) -> None:
    spec = spec_of(more)
    table = Table(TableId("shop", "order"), (Column("id", "int", "int"), replace(column, added=True)), ("id",))
    assert adding(spec, format_options(spec))(table) is expected
