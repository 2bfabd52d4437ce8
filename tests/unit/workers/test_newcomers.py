"""Which tables join a job that runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.job.placeholders import Resolver
from shared.job.spec import parse
from shared.model.schema import TableId
from workers.binlog.tables import joining

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


def joins(name: str, more: str = "", *, ignore_case: bool = False) -> bool:
    spec = parse(JOB.replace("{more}", more)).resolve(Resolver({"p": "secret"}))
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
