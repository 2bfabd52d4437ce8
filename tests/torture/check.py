"""Every row of every topic against MySQL, by an oracle that shares no code with headrace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.plugins.fix_headrace import fold, read_topic
from tests.torture.tables import COLUMNS, TABLES, TortureTable, as_seen, expected

_SHOWN = 5


def differences(connection: Connection[Cursor], database: str, bootstrap: str, topic: str) -> tuple[int, list[str]]:
    """Compares all tables with their topics, for both isolation levels. No writer may write meanwhile.

    Args:
        topic: the topic's name with `{}` for the table's.

    Returns:
        How many rows were compared, and a sentence for each difference (the first few of a kind).
    """
    rows, found = 0, []
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(COLUMNS[table.name])} FROM {database}.{table.name}")
            truth = dict(expected(table, row) for row in cursor.fetchall())
        rows += len(truth)
        for isolation in ("read_committed", "read_uncommitted"):
            seen = _seen(table, fold(read_topic(bootstrap, topic.format(table.name), isolation)))
            found += [f"{table.name}, {isolation}: {what}" for what in _compare(truth, seen)]
    return rows, found


def _seen(table: TortureTable, folded: dict[bytes, bytes]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    seen = {}
    for key, value in folded.items():
        cells = as_seen(_parsed(key), table.columns)
        if cells in seen:
            raise ValueError(f"{table.name}: two spellings of one key: {key!r}")
        seen[cells] = as_seen(_parsed(value), COLUMNS[table.name])
    return seen


def _parsed(data: bytes) -> Any:
    return json.loads(data, parse_float=Decimal)


def _compare(truth: dict[Any, Any], seen: dict[Any, Any]) -> Iterator[str]:
    kinds = {
        "missing": [key for key in truth if key not in seen],
        "ghost": [key for key in seen if key not in truth],
        "stale": [key for key in truth if key in seen and truth[key] != seen[key]],
    }
    for kind, wrong in kinds.items():
        for key in wrong[:_SHOWN]:
            yield f"{kind} {key}: MySQL {truth.get(key)}, topic {seen.get(key)}"
        if len(wrong) > _SHOWN:
            yield f"{kind}: {len(wrong) - _SHOWN} more"
