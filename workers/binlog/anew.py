"""A job begins anew over topics that have rows, when changes are lost that nobody can bring back, or somebody wants it; or gives
tables up that are gone. Pure: the stored state and what the server has now in, the state to store out.

Every table is copied again like a new one, from a position that the server has now. What the topics have besides, rows that were
deleted unseen, goes when the table is live: it counts as emptied, and so its topic is swept (DESIGN rule 10).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from shared.machines.ledger import (
    FILE_KEY,
    PositionRecord,
    Record,
    ResyncRecord,
    StoredState,
    TableRecord,
    encode_record,
)
from shared.machines.ledger.records import chunk_key_bytes, done_key_bytes
from shared.model.position import GtidSet
from shared.model.schema import TableId


def begin_anew(
    state: StoredState, executed: GtidSet, server_uuid: str, planned: Mapping[TableId, TableRecord], wish: int = 0
) -> tuple[StoredState, list[Record]]:
    """The new state, and the records that make it of the old one; they belong into one transaction.

    Args:
        state: the fold of the state topic; its leader and all its readers are fenced.
        executed: what the server had executed before its tables were looked at: the new R.
        server_uuid: the server.
        planned: the tables as they are now, with what they are split by; those that are gone are missing.
        wish: the revision of the wish for it, 0 where it is for a gap's sake.
    """
    epoch = 0 if state.position is None else state.position.epoch
    position = PositionRecord(executed, epoch, server_uuid)
    tables = {
        name: _again(record, planned[name]) if name in planned else replace(_emptied(record, 1), since=executed)
        for name, record in state.tables.items()
    }
    made, records = _with(state, tables)
    records += [encode_record(position), (FILE_KEY, None)]  # what the file in which it was had no longer matters
    if wish:
        records.append(encode_record(ResyncRecord(wish)))
    return replace(made, position=position, resynced=wish or state.resynced, file=None), records


def give_up(
    state: StoredState, gone: Collection[TableId], since: GtidSet, *, sweep: bool
) -> tuple[StoredState, list[Record]]:
    """The new state when tables went while they were copied, and the records that make it of the old one: they have
    nothing to read any more. All their readers are fenced.

    Args:
        state: the fold of the state topic.
        gone: the tables.
        since: what the server had executed when they were not there.
        sweep: whether what was copied already gets tombstones.
    """
    return _with(state, {name: replace(_emptied(state.tables[name], int(sweep)), since=since) for name in gone})


def take_in(state: StoredState, planned: Iterable[TableRecord]) -> tuple[StoredState, list[Record]]:
    """The new state when tables join, or are copied again under a name that the job has: then behind all that it had of it, with a
    sweep at the end.
    """
    known = state.tables
    found = ((record.table.id, record) for record in planned)
    return _with(state, {name: _again(known[name], record) if name in known else record for name, record in found})


def _with(state: StoredState, tables: Mapping[TableId, TableRecord]) -> tuple[StoredState, list[Record]]:
    """The state with these tables in place of what it has of them, and the records that make it of the old one."""
    marks = [(chunk, attempt) for chunk, attempt in state.done if chunk.table in tables]
    records: list[Record] = [(chunk_key_bytes(chunk), None) for chunk in state.chunks if chunk.table in tables]
    records += [(done_key_bytes(chunk, attempt), None) for chunk, attempt in marks]
    records += [encode_record(record) for record in tables.values()]
    made = replace(
        state,
        tables={**state.tables, **tables},
        chunks={chunk: record for chunk, record in state.chunks.items() if chunk.table not in tables},
        done={key: mark for key, mark in state.done.items() if key[0].table not in tables},
    )
    return made, records


def _again(known: TableRecord, planned: TableRecord) -> TableRecord:
    """The table as one that nobody has read."""
    version = known.version + (planned.table != known.table.as_in_catalog)
    return replace(planned, topic=known.topic, emptied=known.emptied + 1, swept=known.swept, version=version)


def _emptied(known: TableRecord, times: int) -> TableRecord:
    """The table as one that is gone: it has nothing to read."""
    emptied = known.emptied + times
    unread = replace(known, chunks=0, split_at=None, released=0, rows=0)
    return replace(unread, split_done=True, stale=False, described=None, emptied=emptied)
