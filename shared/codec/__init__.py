"""MySQL's bytes in, Kafka's bytes out: snapshot rows and binlog events become the same JSON.

Law of this room: it is pure (no sockets, clocks, files or logs), it never guesses (what it cannot
decode exactly is a named error), and the bytes of a row do not depend on the path by which the row
came. docs/types.md says how each type looks. This file is the only face of the room: it names the
implementation in use. `reference`, in Python, is the law's executable form. Called by the snapshot
workers, the binlog leader, the planner and the preflight.
"""

from __future__ import annotations

from shared.codec.options import FormatOptions
from shared.codec.reference.events import EventDecoder
from shared.codec.reference.rows import TableDecoder, check_table
from shared.codec.reference.snapshot import (
    SnapshotEncoder,
    key_expressions,
    parse_chunk_key,
    sql_literal,
)

#: The implementation in use, as logs and `scheduler status` print it.
IMPLEMENTATION = "python"

__all__ = [
    "IMPLEMENTATION",
    "EventDecoder",
    "FormatOptions",
    "SnapshotEncoder",
    "TableDecoder",
    "check_table",
    "key_expressions",
    "parse_chunk_key",
    "sql_literal",
]
