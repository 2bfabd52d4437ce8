"""What a real server sent decodes to what the snapshot path said, and damaged packets only to named errors."""

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.codec import FormatOptions
from shared.errors import HeadraceError
from shared.model.binlog import Rotate, RowChanges, TransactionBegin, TransactionEnd
from shared.model.places import Placed, all_before
from shared.model.position import Coordinates, GtidSet
from tests.unit.codec.mask_oracle import hash_all, masked, one_of_each, unmasked
from tests.unit.codec.packets import (
    CHECKSUM_OFF,
    CODECS,
    DAMAGED,
    GTID,
    STREAMS,
    TABLES,
    UnderTest,
    decoder,
    folded,
    framed,
)


@pytest.fixture(autouse=True, scope="module", params=CODECS, ids=lambda codec: codec.name)
def _implementation(request):
    UnderTest.codec = request.param


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_gives_the_rows_of_the_snapshot(name: str) -> None:
    stream = STREAMS[name]
    topics = folded(decoder(*TABLES.values(), started=False), stream.packets)
    assert topics == stream.rows
    assert sum(map(len, topics.values())) >= 10


@pytest.mark.parametrize("name", STREAMS)
def test_columns_that_are_left_out_are_nowhere_and_all_others_as_before(name: str) -> None:
    """MINIMAL and FULL metadata, compressed or not; of every table each second column by its name."""
    stream = STREAMS[name]
    options = FormatOptions(excluded=lambda _, column: sum(column.encode()) % 2 == 0)
    topics = folded(decoder(*TABLES.values(), options=options, started=False), stream.packets)
    left = 0
    for table, rows in stream.rows.items():
        kept = {column.name for column in options.written(TABLES[table]).columns}
        left += len(TABLES[table].columns) - len(kept)
        expected = {}
        for key, value in rows.items():
            members = json.loads(value, object_pairs_hook=list, parse_float=str, parse_int=str)
            expected[key] = [member for member in members if member[0] in kept]
        read = json.loads
        found = {
            key: read(value, object_pairs_hook=list, parse_float=str, parse_int=str)
            for key, value in topics[table].items()
        }
        assert found == expected
    assert left > 10


@pytest.mark.parametrize(
    "options",
    [
        FormatOptions(masked=one_of_each),
        FormatOptions(masked=hash_all, ignore_null_fields=True, binary_encoding="hex"),
        FormatOptions(masked=one_of_each, fields_include="EXCEPT_KEY", json_columns="object", ignore_null_fields=True),
    ],
)
def test_masks_are_in_the_place_of_values(options: FormatOptions) -> None:
    for stream in STREAMS.values():
        plain = folded(decoder(*TABLES.values(), options=unmasked(options), started=False), stream.packets)
        topics = folded(decoder(*TABLES.values(), options=options, started=False), stream.packets)
        expected = {
            table: {key: masked(TABLES[table], value, options) for key, value in rows.items()}
            for table, rows in plain.items()
        }
        assert topics == expected
        assert topics != plain


@pytest.mark.parametrize("name", STREAMS)
def test_columns_that_were_added_are_left_out_where_they_are_null(name: str) -> None:
    """Of every table each second column by its name; an implementation that leaves out all nulls, or none, is noticed."""
    stream = STREAMS[name]
    added = {
        table.id: {c.name for c in table.columns if sum(c.name.encode()) % 2 and c.name not in table.primary_key}
        for table in TABLES.values()
    }
    tables = [
        replace(table, columns=tuple(replace(c, added=c.name in added[table.id]) for c in table.columns))
        for table in TABLES.values()
    ]
    topics = folded(decoder(*tables, started=False), stream.packets)
    left = kept = 0
    for table, rows in stream.rows.items():
        for key, value in rows.items():
            members = json.loads(value, object_pairs_hook=list, parse_float=str, parse_int=str)
            expected = [m for m in members if m[0] not in added[table] or m[1] is not None]
            left += len(members) - len(expected)
            kept += sum(m[1] is None for m in expected)
            assert json.loads(topics[table][key], object_pairs_hook=list, parse_float=str, parse_int=str) == expected
    assert left and kept


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
    numbers = [int((event.gtids or "").rpartition(":a_tag:")[2]) for event in begins]
    assert numbers == list(range(numbers[0], numbers[0] + len(begins)))
    assert all(abs(event.commit_microseconds / 1e6 - event.timestamp) < 5 for event in begins)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(DAMAGED)
def test_damaged_packets_give_named_errors_only(packets: list[bytes]) -> None:
    made = decoder(*TABLES.values(), started=False)
    try:
        for packet in packets:
            made.feed(packet)
    except HeadraceError as error:
        assert error.message


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3000), max_size=30), st.sampled_from(sorted(STREAMS)))
def test_the_pieces_in_which_bytes_arrive_do_not_matter(cuts: list[int], name: str) -> None:
    stream = b"".join(map(framed, STREAMS[name].packets))
    whole, pieces = decoder(*TABLES.values(), started=False), decoder(*TABLES.values(), started=False)
    expected = [event for packet in STREAMS[name].packets for event in whole.feed(packet)]
    found = []
    place = 0
    for size in [*cuts, len(stream)]:
        found += pieces.decoder.feed(stream[place : place + size])
        while pieces.decoder.more:
            found += pieces.decoder.feed(b"")
        place += size
    assert flat(found) == flat(expected)


def test_merged_transactions_say_the_same() -> None:
    for stream in STREAMS.values():
        single, merged = decoder(*TABLES.values(), started=False), decoder(*TABLES.values(), started=False)
        expected = [event for packet in stream.packets for event in single.feed(packet)]
        found = merged.decoder.feed(b"".join(map(framed, stream.packets)), merge=True)
        while merged.decoder.more:
            found += merged.decoder.feed(b"", merge=True)
        assert executed(found) == executed(expected)
        assert {table: pairs for table, pairs in by_table(found).items() if pairs} == by_table(expected)


def test_transactions_without_gtids_are_named_by_the_places_where_they_end() -> None:
    for stream in STREAMS.values():
        packets = [anonymous(packet) for packet in stream.packets]
        single, merged = decoder(*TABLES.values(), started=False), decoder(*TABLES.values(), started=False)
        named = list(placed(event for packet in packets for event in single.feed(packet)))
        found = merged.decoder.feed(b"".join(map(framed, packets)), merge=True)
        while merged.decoder.more:
            found += merged.decoder.feed(b"", merge=True)
        assert executed(placed(found)) == executed(named)
        assert by_table(found) == by_table(named)
        begins = [event for event in named if isinstance(event, TransactionBegin) and event.transaction_end]
        ends = [event for event in named if isinstance(event, TransactionEnd) and event.end_position]
        assert [begin.transaction_end for begin in begins] == [end.end_position for end in ends]


def placed(events):
    """The events, named from the first file's beginning on."""
    events = list(events)
    first = next(event for event in events if isinstance(event, Rotate))
    return Placed(all_before("3e11fa47-71ca-11e1-9e33-c80aa9429562", Coordinates(first.file, 4))).name(events)


def anonymous(packet: bytes) -> bytes:
    if packet[4] != GTID:
        return packet
    changed = packet[:4] + b"\x22" + packet[5:-4]
    return changed + zlib.crc32(changed).to_bytes(4, "little")


def flat(events):
    """Events, the changes of one transaction's table put together."""
    return [type(event) for event in events if not isinstance(event, RowChanges)], by_table(events), executed(events)


def by_table(events):
    tables = {}
    for event in events:
        if isinstance(event, RowChanges):
            tables.setdefault(event.table, []).extend(event.changes)
    return tables


def executed(events) -> GtidSet:
    """All transactions that the events name."""
    found = GtidSet({})
    for event in events:
        if isinstance(event, TransactionBegin) and event.gtids:
            found = found.union(GtidSet.parse(event.gtids))
    return found


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
