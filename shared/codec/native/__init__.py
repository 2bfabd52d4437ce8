"""The codec's hot loops in Rust: the same rows and events as `reference`, byte for byte, several times faster.

Law of this folder: the Python part compares tables with what the server sends, by the reference's own rules, and tells
the core field by field what to do; the core (`_core`, sources in `src/`) knows bytes only. Snapshot rows come by the
binary protocol, which costs MySQL less than text and spells nothing with loss. Chosen by `shared.codec.implementation`.
"""

from shared.codec.interface import Codec
from shared.codec.native.events import EventDecoder, TableDecoder
from shared.codec.native.snapshot import SnapshotEncoder

CODEC = Codec("native", SnapshotEncoder, TableDecoder, EventDecoder)

__all__ = ["CODEC"]
