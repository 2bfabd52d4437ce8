"""What a real server sent decodes to what the snapshot path said, and damaged packets only to named errors."""

import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import HeadraceError
from shared.model.binlog import TransactionBegin, TransactionEnd
from tests.unit.codec.packets import decoder, folded, format_description, gtid, recorded

TABLES, STREAMS = recorded()
EVERY_PACKET = [packet for stream in STREAMS.values() for packet in stream.packets]
CHECKSUM_OFF = format_description(algorithm=0)


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_gives_the_rows_of_the_snapshot(name: str) -> None:
    stream = STREAMS[name]
    topics = folded(decoder(*TABLES.values(), started=False), stream.packets)
    assert topics == stream.rows
    assert sum(map(len, topics.values())) >= 10


def test_tables_that_nobody_wants_give_transactions_only() -> None:
    for stream in STREAMS.values():
        made = decoder(started=False)
        kinds = {type(event) for packet in stream.packets for event in made.feed(packet)}
        assert kinds >= {TransactionBegin, TransactionEnd}
        assert folded(decoder(started=False), stream.packets) == {}


def test_tagged_gtids_of_a_real_server() -> None:
    made = decoder(started=False)
    events = [event for packet in STREAMS["tagged"].packets for event in made.feed(packet)]
    begins = [event for event in events if isinstance(event, TransactionBegin)]
    numbers = [int((event.gtid or "").rpartition(":a_tag:")[2]) for event in begins]
    assert numbers == list(range(numbers[0], numbers[0] + len(begins)))
    assert all(abs(event.commit_microseconds / 1e6 - event.timestamp) < 5 for event in begins)


def damaged(packet: bytes, place: int, byte: int, cut: int) -> bytes:
    """A packet with one byte changed and its tail cut, but of the length that it says."""
    body = bytearray(packet[:-4])
    body[place % len(body)] ^= byte
    body = body[: max(19, len(body) - cut)]
    body[9:13] = len(body).to_bytes(4, "little")
    return bytes(body)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(EVERY_PACKET),
    st.integers(0, 4000),
    st.integers(0, 255),
    st.one_of(st.just(0), st.integers(0, 60)),
)
def test_damaged_packets_give_named_errors_only(packet: bytes, place: int, byte: int, cut: int) -> None:
    made = decoder(*TABLES.values(), started=False)
    made.feed(CHECKSUM_OFF)
    made.feed(damaged(gtid(), 0, 0, 0))
    try:
        for intact in table_map_before(packet):
            made.feed(intact)
        made.feed(damaged(packet, place, byte, cut))
    except HeadraceError as error:
        assert error.message


def table_map_before(packet: bytes) -> list[bytes]:
    """The TABLE_MAP that a rows event needs, without checksum."""
    if packet[4] not in (30, 31, 32):
        return []
    place = next(i for i, one in enumerate(EVERY_PACKET) if one is packet)
    before = next(one for one in reversed(EVERY_PACKET[:place]) if one[4] == 19)
    return [damaged(before, 0, 0, 0)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([2, 4, 15, 18, 19, 27, 33, 38, 39, 40, 41, 42]))
def test_noise_gives_named_errors_only(noise: bytes, kind: int) -> None:
    made = decoder(*TABLES.values(), started=False)
    made.feed(CHECKSUM_OFF)
    header = b"\0\0\0\0" + bytes((kind,)) + bytes(4) + (19 + len(noise)).to_bytes(4, "little") + bytes(6)
    for packet in (noise, header + noise):
        try:
            made.feed(packet)
        except HeadraceError as error:
            assert error.message


def test_a_flipped_bit_is_found_by_the_checksum() -> None:
    for packet in STREAMS["minimal"].packets[5:60]:
        made = decoder(*TABLES.values())
        broken = bytearray(packet)
        broken[len(packet) // 2] ^= 1
        assert zlib.crc32(broken[:-4]) != int.from_bytes(broken[-4:], "little")
        with pytest.raises(HeadraceError):
            made.feed(bytes(broken))
