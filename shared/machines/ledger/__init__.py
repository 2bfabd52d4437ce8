"""The ledger of one job: which chunks wait, who reads them, which changes are kept back, how far the binlog is done.

The leader (`workers.binlog.leader`) drives it; the simulation drives the same code through the same leader.

Life of a chunk, who moves it, and what a new leader makes of it:

    state     enters when                                    a new leader finds
    WAITING   the splitter named its bounds, or it drained   the record: WAITING
    CLAIMED   `ask` was granted (rule 2); events held        the claim: fences its id, then READ or DRAINING (rule 7)
    READ      its done-mark was read (rule 5); still held    claim and done-mark: READ again, held from `since`
    DRAINING  its reader was fenced without a done-mark      the claim: fences again, DRAINING again
    RELEASED  the stream reached the binlog's end as asked   the record: RELEASED
              after the done-mark; held events went out

Laws. Everything but `begin`, `absorb` and `end` happens between MySQL transactions, so that a position never points into
one. Durable is only what `checkpoint` returned and the leader committed; grants leave the machine after that commit.
"""

from shared.machines.ledger.chunks import Grant, HeldRange, HeldRanges, Refusal
from shared.machines.ledger.holds import Hold, MemoryHold
from shared.machines.ledger.ledger import Batch, Ledger
from shared.machines.ledger.records import (
    FILE_KEY,
    SMALL_TABLE_ROWS,
    ChunkRecord,
    DoneMark,
    FileRecord,
    PositionRecord,
    Record,
    ResyncRecord,
    SaltRecord,
    StoredState,
    TableRecord,
    TopicRecord,
    decode_record,
    encode_record,
)
from shared.machines.ledger.summary import summary

__all__ = [
    "FILE_KEY",
    "SMALL_TABLE_ROWS",
    "Batch",
    "ChunkRecord",
    "DoneMark",
    "FileRecord",
    "Grant",
    "HeldRange",
    "HeldRanges",
    "Hold",
    "Ledger",
    "MemoryHold",
    "PositionRecord",
    "Record",
    "Refusal",
    "ResyncRecord",
    "SaltRecord",
    "StoredState",
    "TableRecord",
    "TopicRecord",
    "decode_record",
    "encode_record",
    "summary",
]
