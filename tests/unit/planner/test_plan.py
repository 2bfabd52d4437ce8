"""Chunk sizes follow rows and bytes, and a plan adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.planner import CHUNK_BYTES, Estimate, PlannedTable, make_plan, rows_per_chunk
from scheduler.planner.width import declared_row_bytes
from shared.model.schema import Column, Table, TableId

ID = Column("id", "bigint", "bigint", nullable=False)
NAME = Column("name", "varchar", "varchar(50)")
POINT = Column("place", "geometry", "geometry", nullable=False)


def table_of(name: str, key: tuple[str, ...] = ("id",), columns: tuple[Column, ...] = (ID, NAME)) -> Table:
    return Table(TableId("shop", name), columns, key)


def plan_of(table: Table, estimate: Estimate, limit: int = 50_000) -> PlannedTable:
    return make_plan([table], {table.id: "topic"}, {table.id: estimate}, limit, 4).tables[0]


def test_short_rows_fill_chunks_up_to_the_option() -> None:
    planned = plan_of(table_of("user"), Estimate(1_000_000, 100))
    assert (planned.chunk_rows, planned.chunks_estimate) == (50_000, 20)
    assert (planned.rows_estimate, planned.bytes_estimate) == (1_000_000, 100_000_000)


def test_long_rows_make_chunks_of_fewer_rows() -> None:
    planned = plan_of(table_of("blob"), Estimate(10_000, 64 * 1024))
    assert planned.chunk_rows == CHUNK_BYTES // (64 * 1024) == 512
    assert planned.chunks_estimate == 20


def test_a_chunk_has_at_least_one_row_however_long_it_is() -> None:
    assert rows_per_chunk(Estimate(10, 1 << 30), 50_000) == 1


def test_the_page_of_a_small_table_does_not_count_as_long_rows() -> None:
    assert plan_of(table_of("user"), Estimate(2, 8192)).chunk_rows == 50_000


def test_a_table_of_which_nothing_is_known_is_one_chunk_so_far() -> None:
    planned = make_plan([table_of("user")], {TableId("shop", "user"): "t"}, {}, 700, 4).tables[0]
    assert (planned.rows_estimate, planned.chunk_rows, planned.chunks_estimate) == (0, 700, 1)


def test_a_key_without_an_order_is_one_chunk() -> None:
    table = table_of("place", ("place",), (POINT, ID))
    assert plan_of(table, Estimate(1_000_000, 100)).chunks_estimate == 1


@given(st.integers(0, 10**12), st.integers(0, 10**8), st.integers(1, 10**8))
def test_a_chunk_stays_within_both_bounds(rows: int, row_bytes: int, limit: int) -> None:
    chunk_rows = rows_per_chunk(Estimate(rows, row_bytes), limit)
    assert 1 <= chunk_rows <= limit
    assert chunk_rows == 1 or min(rows, chunk_rows) * row_bytes <= CHUNK_BYTES


def test_mysql_sees_two_connections_besides_the_binlog_and_the_readers() -> None:
    connections = make_plan([], {}, {}, 1, 4).connections
    assert (connections.binlog, connections.leader, connections.splitter, connections.readers) == (1, 1, 1, 4)
    assert connections.total == 7


def test_the_plan_keeps_the_order_of_tables_and_adds_up() -> None:
    tables = [table_of("b"), table_of("a")]
    topics = {table.id: f"t_{table.id.table}" for table in tables}
    sizes = {table.id: Estimate(100, 10) for table in tables}
    plan = make_plan(tables, topics, sizes, 30, 1)
    assert [planned.topic for planned in plan.tables] == ["t_b", "t_a"]
    assert (plan.rows_estimate, plan.bytes_estimate, plan.chunks_estimate) == (200, 2000, 8)


def test_bytes_that_statistics_do_not_know_yet_are_guessed_from_the_columns() -> None:
    planned = plan_of(table_of("fresh"), Estimate(1_000_000, 0))
    assert planned.bytes_estimate == 1_000_000 * declared_row_bytes(planned.table)
    documents = table_of("documents", columns=(ID, Column("text", "longtext", "longtext", length=2**32 - 1)))
    assert plan_of(documents, Estimate(1_000_000, 0)).chunk_rows == CHUNK_BYTES // (1024 + 8)


def test_declared_lengths_count_only_as_far_as_they_are_filled() -> None:
    columns = (ID, Column("a", "varchar", "varchar(255)", length=1020), Column("b", "char", "char(2)", length=8))
    assert declared_row_bytes(table_of("t", columns=columns)) == 8 + 64 + 8
    assert declared_row_bytes(table_of("t", columns=(ID, POINT, Column("c", "tinyblob", "tinyblob", length=255)))) == (
        8 + 1024 + 255
    )
