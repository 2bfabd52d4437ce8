"""The reference codec: plain Python, the executable form of docs/types.md.

Theory: every column type has one *plain form*, a Python value that both paths can make without loss
(the snapshot from the server's text, the binlog from the row image), and one writer from the plain
form to JSON (`json_text`). So the two paths can only differ in the plain form, which is what the
equality tests compare.

    snapshot row ── snapshot.py ──> plain form ──┐
                                                 ├── json_text.py ──> key and value
    binlog bytes ── stream.py ── events.py ── rows.py
"""

from shared.codec.interface import Codec
from shared.codec.reference.rows import TableDecoder
from shared.codec.reference.snapshot import SnapshotEncoder
from shared.codec.reference.stream import EventDecoder

CODEC = Codec("python", SnapshotEncoder, TableDecoder, EventDecoder)

__all__ = ["CODEC"]
