"""The packet that asks a server for its binlog from a GTID set on (COM_BINLOG_DUMP_GTID). Pure.

mysql-replication builds this packet too, but refuses sets with tagged GTIDs, which every MySQL from 8.4 on may hold.
Layout: the server's Gtid_set::encode and com_binlog_dump_gtid in its sql/rpl_gtid_set.cc and sql/rpl_source.cc.
"""

from __future__ import annotations

import struct
from uuid import UUID

from shared.model.position import GtidSet

COM_BINLOG_DUMP_GTID = 0x1E
_THROUGH_GTID = 0x04
_TAGGED = 1


def dump_gtid_packet(server_id: int, start: GtidSet) -> bytes:
    """The whole packet, header included, sequence number 0.

    Args:
        server_id: ours, as a replica.
        start: what the server need not send.
    """
    encoded = encode_gtid_set(start)
    body = struct.pack("<BHI", COM_BINLOG_DUMP_GTID, _THROUGH_GTID, server_id)
    body += struct.pack("<I", 0)  # no file name: the server finds the file
    body += struct.pack("<QI", 4, len(encoded)) + encoded
    return struct.pack("<I", len(body)) + body


def encode_gtid_set(gtids: GtidSet) -> bytes:
    """The set as the server reads it; the tagged form only when a tag is there, since older servers lack it."""
    tagged = any(":" in source for source in gtids.runs)
    count = len(gtids.runs)
    parts = [struct.pack("<Q", _TAGGED << 56 | count << 8 | _TAGGED if tagged else count)]
    for source, runs in sorted(gtids.runs.items()):
        uuid, _, tag = source.partition(":")
        parts.append(UUID(uuid).bytes)
        if tagged:
            # Length as a variable-length integer of mysql::serialization; tags are at most 32 bytes, so it is one byte.
            parts.append(bytes([len(tag) << 1]) + tag.encode())
        parts.append(struct.pack("<Q", len(runs)))
        parts += [struct.pack("<QQ", first, last + 1) for first, last in runs]
    return b"".join(parts)
