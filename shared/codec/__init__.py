"""MySQL's bytes in, Kafka's bytes out: snapshot rows and binlog events become the same JSON.

Law of this room: it is pure (no sockets, clocks, files or logs), it never guesses (what it cannot
decode exactly is a named error), and the bytes of a row do not depend on the path by which the row
came. docs/types.md says how each type looks. This file is the only face of the room. `reference`,
in Python, is the law's executable form; `native`, in Rust, gives the same bytes several times
faster, if it was built. `implementation` chooses. Called by the snapshot workers, the binlog
leader, the planner and the preflight.
"""

from __future__ import annotations

from shared.codec.interface import Codec, EventDecoder, SnapshotEncoder, TableDecoder
from shared.codec.options import FormatOptions
from shared.codec.reference import CODEC as PYTHON
from shared.codec.reference.key_parts import key_reader
from shared.codec.reference.rows import check_table
from shared.codec.reference.snapshot import key_expressions, parse_chunk_key, sql_literal
from shared.errors import CodecMissing

try:
    from shared.codec.native import CODEC as _NATIVE
except ImportError as _error:
    if _error.name != "shared.codec.native._core":
        raise  # a fault of ours, not a core that was not built
    NATIVE: Codec | None = None
    _why = str(_error)
else:
    NATIVE = _NATIVE
    _why = ""

__all__ = [
    "NATIVE",
    "PYTHON",
    "Codec",
    "EventDecoder",
    "FormatOptions",
    "SnapshotEncoder",
    "TableDecoder",
    "check_table",
    "implementation",
    "key_expressions",
    "key_reader",
    "parse_chunk_key",
    "sql_literal",
]


def implementation(wanted: str = "") -> Codec:
    """The implementation of that name, `native` or `python`; without a name the fastest that is there.

    Raises:
        CodecMissing: it was not built on this machine.
    """
    if wanted == "python" or (not wanted and NATIVE is None):
        return PYTHON
    if NATIVE is None:
        raise CodecMissing(
            f"The native codec is asked for, but it is not there: {_why}.",
            "Install Rust (rustup.rs) and headrace again, or set HEADRACE_CODEC=python.",
        )
    return NATIVE
