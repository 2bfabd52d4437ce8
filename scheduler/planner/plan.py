"""The plan of a job: its tables with topic and chunk size, and the connections that MySQL will see.

Made by the preflight, shown to the user, and stored with the job; the splitter follows `chunk_rows`.

Law of this file: pure, and every number that comes from statistics is named an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.planner.estimate import Estimate
from scheduler.planner.width import declared_row_bytes
from shared.model.chunk_key import chunk_key_columns
from shared.model.schema import Table, TableId

#: Bytes of a chunk's rows in MySQL. A chunk is one Kafka transaction, which a read_committed reader cannot pass while
#: it is open, and which should therefore last about a second. One worker reads, encodes and sends 20 to 40 MB of rows in
#: a second on a small machine.
CHUNK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one job that MySQL sees at the same time, at most."""

    binlog: int
    leader: int
    splitter: int
    readers: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.binlog + self.leader + self.splitter + self.readers


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of the job. The estimates are 0 where the server's statistics know nothing."""

    table: Table
    topic: str
    rows_estimate: int
    bytes_estimate: int
    chunk_rows: int
    chunks_estimate: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job will do; tables in the order in which they are copied."""

    tables: tuple[PlannedTable, ...]
    connections: Connections

    @property
    def rows_estimate(self) -> int:
        """Rows of all tables."""
        return sum(planned.rows_estimate for planned in self.tables)

    @property
    def bytes_estimate(self) -> int:
        """Bytes of all tables."""
        return sum(planned.bytes_estimate for planned in self.tables)

    @property
    def chunks_estimate(self) -> int:
        """Chunks of all tables."""
        return sum(planned.chunks_estimate for planned in self.tables)


def make_plan(
    tables: Sequence[Table],
    topics: Mapping[TableId, str],
    estimates: Mapping[TableId, Estimate],
    chunk_rows_limit: int,
    parallelism: int,
) -> Plan:
    """The plan for these tables, in their order.

    Args:
        tables: the job's tables.
        topics: the topic of each of them.
        estimates: what statistics say; a missing table is one of which nothing is known.
        chunk_rows_limit: rows of a chunk at most, `scan.incremental.snapshot.chunk.size`.
        parallelism: chunks that are read at the same time at most, `pipeline.parallelism`.
    """
    planned = (
        _planned(table, topics[table.id], estimates.get(table.id, Estimate()), chunk_rows_limit) for table in tables
    )
    return Plan(tuple(planned), Connections(binlog=1, leader=1, splitter=1, readers=parallelism))


def _planned(table: Table, topic: str, estimate: Estimate, chunk_rows_limit: int) -> PlannedTable:
    if not estimate.row_bytes:
        estimate = Estimate(estimate.rows, declared_row_bytes(table))
    chunk_rows = rows_per_chunk(estimate, chunk_rows_limit)
    chunks = -(-estimate.rows // chunk_rows) if chunk_key_columns(table) else 1
    return PlannedTable(table, topic, estimate.rows, estimate.total_bytes, chunk_rows, max(1, chunks))


def rows_per_chunk(estimate: Estimate, limit: int) -> int:
    """How many rows a chunk may hold: `limit`, or fewer where rows are long.

    A table that fits into one chunk keeps the limit. It need not be cut, and its average says little: two short rows
    own a whole page of 16 KiB.
    """
    if estimate.total_bytes <= CHUNK_BYTES:
        return limit
    return max(1, min(limit, CHUNK_BYTES // estimate.row_bytes))
