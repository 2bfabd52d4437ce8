"""A job's status as plain JSON values, from the ledger's records: what `scheduler status` shows.

The leader publishes it every second with live figures; without a leader the CLI makes it from the state topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.machines.ledger.records import TableRecord
from shared.model.places import worded
from shared.model.position import GtidSet
from shared.model.schema import TableId


def summary(
    records: Iterable[TableRecord],
    processed: GtidSet,
    epoch: int,
    running_rows: Mapping[TableId, int],
) -> dict[str, Any]:
    """Position, epoch and one entry per table.

    Args:
        running_rows: rows that unfinished attempts have read so far, by table.
    """
    tables = [_table(record, running_rows.get(record.table.id, 0)) for record in records]
    return {
        "position": worded(processed),
        "epoch": epoch,
        "rows": sum(table["rows"] for table in tables),
        "rows_estimate": sum(table["rows_estimate"] for table in tables),
        "chunks_done": sum(table["chunks_done"] for table in tables),
        "chunks_total": sum(table["chunks_total"] for table in tables),
        # A ledger whose tables are not placed yet has finished nothing.
        "snapshot_done": bool(tables) and all(record["state"] in ("live", "sweeping") for record in tables),
        "tables": tables,
    }


def _table(record: TableRecord, running_rows: int) -> dict[str, Any]:
    live = "sweeping" if record.emptied > record.swept else "live"
    state = live if record.live else "snapshot" if record.split_done else "splitting"
    return {
        "table": str(record.table.id),
        "topic": record.topic,
        "state": state,
        "rows": record.rows + running_rows,
        "rows_estimate": record.rows if record.live else max(record.rows_estimate, record.rows + running_rows),
        "chunks_done": record.released,
        "chunks_total": record.chunks,
        "split_done": record.split_done,
        "schema_version": record.version,
    }
