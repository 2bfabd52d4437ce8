"""COM_BINLOG_DUMP_GTID. For sets without tags mysql-replication's own encoder is the oracle."""

from __future__ import annotations

import struct
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from pymysqlreplication.gtid import GtidSet as LibrarySet

from shared.adapters.mysql.dump import COM_BINLOG_DUMP_GTID, dump_gtid_packet, encode_gtid_set
from shared.model.position import GtidSet

UUIDS = [f"{letter * 8}-1111-2222-3333-{digit * 12}" for letter, digit in ("a1", "b2", "c3")]
TAGGED = GtidSet.parse(f"{UUIDS[0]}:1-5:tag:7")

untagged = st.lists(st.tuples(st.sampled_from(UUIDS), st.integers(1, 400), st.integers(0, 30)), max_size=12).map(
    lambda runs: GtidSet.parse(",".join(f"{uuid}:{first}-{first + more}" for uuid, first, more in runs))
)


def body_of(packet: bytes) -> bytes:
    """What follows the header, whose length it checks."""
    length = int.from_bytes(packet[:3], "little")
    assert len(packet) == 4 + length
    assert packet[3] == 0  # the sequence number of a command
    return packet[4:]


@settings(deadline=None)
@given(untagged)
def test_sets_without_tags_are_encoded_as_the_library_does(start: GtidSet) -> None:
    assert encode_gtid_set(start) == LibrarySet(str(start)).encoded()


@settings(deadline=None)
@given(untagged)
def test_the_library_decodes_them(start: GtidSet) -> None:
    text = str(LibrarySet.decode(BytesIO(encode_gtid_set(start))))
    assert GtidSet.parse(text) == start


@settings(deadline=None)
@given(untagged, st.integers(1, 2**32 - 1))
def test_the_packet_is_the_command_and_the_set(start: GtidSet, server_id: int) -> None:
    body = body_of(dump_gtid_packet(server_id, start))
    command, flags, number, name_length, position, size = struct.unpack_from("<BHIIQI", body)
    assert (command, flags, number) == (COM_BINLOG_DUMP_GTID, 0x04, server_id)
    # No file name, and position 4, where each file begins: the server finds the place by the set.
    assert (name_length, position) == (0, 4)
    assert body[-size:] == encode_gtid_set(start)
    assert len(body) == struct.calcsize("<BHIIQI") + size


def test_the_empty_set_asks_for_everything() -> None:
    assert encode_gtid_set(GtidSet({})) == bytes(8)


def test_runs_end_behind_their_last_transaction() -> None:
    encoded = encode_gtid_set(GtidSet.parse(f"{UUIDS[0]}:3-5"))
    assert struct.unpack("<QQQ", encoded[24:]) == (1, 3, 6)


def test_a_set_with_a_tag_is_in_the_tagged_form() -> None:
    encoded = encode_gtid_set(TAGGED)
    uuid = bytes.fromhex(UUIDS[0].replace("-", ""))
    # The form in the first and in the last byte of the head, and the number of sources between them.
    assert encoded[:8] == bytes([1, 2, 0, 0, 0, 0, 0, 1])
    without = uuid + bytes([0]) + struct.pack("<QQQ", 1, 1, 6)
    # The tag's length is a number whose lowest bit says that one byte holds it.
    with_tag = uuid + bytes([3 << 1]) + b"tag" + struct.pack("<QQQ", 1, 7, 8)
    assert encoded[8:] == without + with_tag


def test_the_order_of_sources_does_not_matter() -> None:
    one = GtidSet({UUIDS[0]: ((1, 2),), UUIDS[1]: ((3, 4),)})
    other = GtidSet({UUIDS[1]: ((3, 4),), UUIDS[0]: ((1, 2),)})
    assert encode_gtid_set(one) == encode_gtid_set(other)
