"""The event decoder on packets made by hand: what is decoded, passed over and refused."""

import pytest
import zstandard

from shared.codec import FormatOptions, check_table
from shared.codec.reference.kinds import PASSED_OVER
from shared.errors import SchemaChanged, UnsupportedEvent, UnsupportedType
from shared.model.binlog import (
    Heartbeat,
    Rotate,
    RowChanges,
    Statement,
    TransactionBegin,
    TransactionEnd,
    Unread,
)
from shared.model.schema import Column, Table, TableId
from tests.unit.codec.packets import (
    CODECS,
    DELETE,
    NO_CHECKSUM,
    ROTATE,
    TABLE,
    UPDATE,
    WRITE,
    XID,
    Fed,
    UnderTest,
    decoder,
    domain_gtid,
    event,
    format_description,
    framed,
    gtid,
    image,
    query,
    rows,
    table_map,
)


@pytest.fixture(autouse=True, scope="module", params=CODECS, ids=lambda codec: codec.name)
def _implementation(request):
    UnderTest.codec = request.param


UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"


def test_a_transaction_from_begin_to_end() -> None:
    made = decoder(TABLE)
    assert made.feed(gtid()) == [TransactionBegin(f"{UUID}:5", 500, 1_700_000_000, 1_700_000_000_123_456, server_id=1)]
    assert made.feed(query("BEGIN")) == []
    assert made.feed(table_map()) == []
    changes = made.feed(rows(WRITE, image(1, "Tom") + image(2, None)))
    assert changes == [
        RowChanges(
            TABLE.id,
            [(b'{"id":1}', b'{"id":1,"name":"Tom"}'), (b'{"id":2}', b'{"id":2,"name":null}')],
            1_700_000_000,
            500,
            len('{"id":1}{"id":1,"name":"Tom"}{"id":2}{"id":2,"name":null}'),
        )
    ]
    assert made.feed(event(XID, bytes(8))) == [TransactionEnd(1_700_000_000, 500)]


def test_an_update_of_the_key_is_a_tombstone_and_an_upsert() -> None:
    made = decoder(TABLE)
    made.feed(table_map())
    (changed,) = made.feed(rows(UPDATE, image(1, "a") + image(1, "b") + image(2, "c") + image(3, "c")))
    assert isinstance(changed, RowChanges)
    assert changed.changes == [
        (b'{"id":1}', b'{"id":1,"name":"b"}'),
        (b'{"id":2}', None),
        (b'{"id":3}', b'{"id":3,"name":"c"}'),
    ]
    assert changed.size == len('{"id":1}{"id":1,"name":"b"}{"id":2}{"id":3}{"id":3,"name":"c"}')
    (deleted,) = made.feed(rows(DELETE, image(9, None)))
    assert isinstance(deleted, RowChanges)
    assert (deleted.changes, deleted.size) == ([(b'{"id":9}', None)], len('{"id":9}'))


def test_ddl_ends_its_own_transaction() -> None:
    made = decoder()
    made.feed(gtid())
    assert made.feed(query("ALTER TABLE user ADD x int")) == [
        Statement("shop", "ALTER TABLE user ADD x int", 1_700_000_000, 500),
        TransactionEnd(1_700_000_000, 500),
    ]


def test_a_begin_without_a_gtid_event_begins_all_the_same() -> None:
    made = decoder(started=False)
    made.feed(format_description())
    assert made.feed(query("BEGIN")) == [TransactionBegin(None, 500, 1_700_000_000, server_id=1)]
    assert made.feed(query("SAVEPOINT `a`")) == []
    assert made.feed(query("COMMIT")) == [TransactionEnd(1_700_000_000, 500)]
    anonymous = made.feed(gtid(34))
    assert [event.gtids for event in anonymous if isinstance(event, TransactionBegin)] == [None]


@pytest.mark.parametrize("kind", [33, 34])
@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("length", [200, 60_000])
def test_a_transaction_tells_where_it_ends(kind: int, original: bool, length: int) -> None:
    packet = gtid(kind, length, original, end=5_000)
    (begin,) = decoder(TABLE).feed(packet)
    assert isinstance(begin, TransactionBegin)
    assert begin.transaction_end == 5_000 - len(packet) + length
    assert begin.commit_microseconds == 1_700_000_000_123_456


def test_a_transaction_that_begins_before_its_file_is_damaged() -> None:
    assert decoder(TABLE).feed(gtid(34, 200, end=88))[0]
    with pytest.raises(UnsupportedEvent, match="cannot be decoded"):
        decoder(TABLE).feed(gtid(34, 200, end=20))


def test_a_mariadb_names_a_transaction_by_domain_server_and_number_and_says_no_begin() -> None:
    made = decoder(TABLE)
    assert made.feed(domain_gtid()) == [TransactionBegin("3-1:5", 500, 1_700_000_000, server_id=1)]
    made.feed(table_map())
    assert len(made.feed(rows(WRITE, image(1, "Tom")))) == 1
    assert made.feed(query("SAVEPOINT `a`")) == []
    assert made.feed(event(XID, bytes(8))) == [TransactionEnd(1_700_000_000, 500)]
    made.feed(domain_gtid(6))
    made.feed(table_map())
    assert len(made.feed(rows(WRITE, image(2, "Ann")))) == 1
    assert made.feed(query("COMMIT")) == [TransactionEnd(1_700_000_000, 500)]


def test_what_stands_alone_on_a_mariadb_commits_by_itself_and_nothing_else() -> None:
    made = decoder(TABLE)
    assert made.feed(domain_gtid(flags=1)) == [TransactionBegin("3-1:5", 500, 1_700_000_000, server_id=1)]
    assert [type(one) for one in made.feed(query("ALTER TABLE user ADD x int"))] == [Statement, TransactionEnd]
    made.feed(domain_gtid(6))
    assert [type(one) for one in made.feed(query("INSERT INTO user VALUES (1)"))] == [Statement]
    for damaged in (domain_gtid(0), domain_gtid(-1), event(162, bytes(18))):
        with pytest.raises(UnsupportedEvent, match="cannot be decoded"):
            decoder(TABLE).feed(damaged)


@pytest.mark.parametrize("kind", range(165, 172))
def test_compressed_events_of_a_mariadb_stop_and_say_how_to_mend_it(kind: int) -> None:
    with pytest.raises(UnsupportedEvent, match="compressed event") as stopped:
        decoder(TABLE).feed(event(kind, bytes(20)))
    assert "log_bin_compress=OFF" in stopped.value.hint


def test_transactions_of_a_mariadb_that_come_together_are_named_together() -> None:
    made = decoder(TABLE)
    end = framed(event(XID, bytes(8)))
    numbers = ((5, 3), (6, 3), (9, 3), (2, 0))
    data = b"".join(framed(domain_gtid(number, domain)) + end for number, domain in numbers)
    found = [event for event in made.decoder.feed(data, merge=True) if isinstance(event, TransactionBegin)]
    assert sorted(",".join(event.gtids or "" for event in found).split(",")) in (
        ["0-1:2", "3-1:5", "3-1:6", "3-1:9"],
        ["0-1:2", "3-1:5-6:9"],
    )


def test_a_rollback_of_logged_rows_stops() -> None:
    for sql in ("ROLLBACK", "ROLLBACK TO `a`"):
        made = decoder(TABLE)
        for packet in (gtid(), query("BEGIN"), table_map(), rows(WRITE, image(1, "x"))):
            made.feed(packet)
        with pytest.raises(UnsupportedEvent, match="takes back"):
            made.feed(query(sql))
        made = decoder()
        for packet in (gtid(), query("BEGIN"), table_map(), rows(WRITE, image(1, "x"))):
            made.feed(packet)
        assert len(made.feed(query(sql))) == (sql == "ROLLBACK")


def test_xa_prepare_of_our_rows_stops_and_one_phase_does_not() -> None:
    start = (gtid(), query("XA START X'31',X'',1"), table_map(), rows(WRITE, image(1, "x")))
    made = decoder(TABLE)
    for packet in start:
        made.feed(packet)
    with pytest.raises(UnsupportedEvent, match="XA PREPARE"):
        made.feed(event(38, bytes(14)))
    made = decoder(TABLE)
    for packet in start:
        made.feed(packet)
    assert made.feed(event(38, b"\x01" + bytes(13))) == [TransactionEnd(1_700_000_000, 500)]
    made = decoder()  # rows of tables that nobody wants
    for packet in start:
        made.feed(packet)
    assert made.feed(event(38, bytes(14))) == [TransactionEnd(1_700_000_000, 500)]
    made.feed(gtid())
    with pytest.raises(UnsupportedEvent, match="XA COMMIT"):
        made.feed(query("XA COMMIT X'31',X'',1"))


def test_a_transaction_without_an_end_stops() -> None:
    made = decoder(TABLE)
    for packet in (gtid(), query("BEGIN"), table_map(), rows(WRITE, image(1, "x"))):
        made.feed(packet)
    with pytest.raises(UnsupportedEvent, match="has no end"):
        made.feed(gtid())


def test_rotation_and_heartbeats_tell_places() -> None:
    made = decoder(started=False)
    body = (4).to_bytes(8, "little") + b"binlog.000007"
    for checksum in (True, False):
        assert made.feed(event(ROTATE, body, end=0, checksum=checksum)) == [
            Rotate("binlog.000007", 4, 1_700_000_000, 0 if checksum else 4)
        ]
    made.feed(format_description())
    assert made.feed(event(27, b"binlog.000007", end=777)) == [Heartbeat("binlog.000007", 777, 1_700_000_000, 777)]
    place = b"\x02\x09\xfe" + (2**33).to_bytes(8, "little")
    (beat,) = made.feed(event(41, b"\x01\x0dbinlog.000007" + place + b"\x00", end=0))
    assert beat == Heartbeat("binlog.000007", 2**33, 1_700_000_000, 2**33)


def test_offsets_beyond_4_gib_are_widened() -> None:
    made = decoder()
    for low, wide in (
        (2**32 - 10, 2**32 - 10),
        (90, 2**32 + 90),
        (2**31 + 99, 2**32 + 2**31 + 99),
        (5, 2**33 + 5),
    ):
        (end,) = made.feed(event(XID, bytes(8), end=low))
        assert end.end_position == wide
    made.feed(event(ROTATE, (4).to_bytes(8, "little") + b"binlog.000008", end=0))
    assert made.feed(event(XID, bytes(8), end=90))[0].end_position == 90


def test_checksums_are_taken_from_the_format_description() -> None:
    with pytest.raises(UnsupportedEvent):
        decoder(started=False).feed(event(XID, bytes(8)))  # nothing may come before it
    made = decoder(started=False)
    made.feed(format_description(NO_CHECKSUM))
    assert len(made.feed(event(XID, bytes(8), checksum=False))) == 1
    made.feed(format_description())
    assert len(made.feed(event(XID, bytes(8)))) == 1
    wrong = event(XID, bytes(8))[:-1] + b"\x00"
    with pytest.raises(UnsupportedEvent, match="checksum"):
        made.feed(wrong)
    with pytest.raises(UnsupportedEvent, match="version"):
        decoder().feed(format_description(version=3))


def test_after_an_error_nothing_more_is_decoded() -> None:
    made = decoder(TABLE)
    for _ in range(2):
        with pytest.raises(UnsupportedEvent, match="its table map"):
            made.feed(rows(WRITE, image(1, "x")))
    with pytest.raises(UnsupportedEvent, match="its table map"):
        made.feed(event(XID, bytes(8)))


def test_what_comes_before_an_error_is_not_lost() -> None:
    made = decoder(TABLE).decoder
    good = made.feed(framed(event(XID, bytes(8))) + framed(event(99, b"x")))
    assert good == [TransactionEnd(1_700_000_000, 500)]
    assert made.more
    with pytest.raises(UnsupportedEvent, match="type 99"):
        made.feed(b"")


def test_a_packet_in_two_protocol_packets_and_the_servers_last_words() -> None:
    made = decoder(TABLE).decoder
    made.feed(framed(table_map()))
    long = b"".join(image(number, "x" * 200) for number in range(80_000))
    pieces = framed(rows(WRITE, long))
    assert len(pieces) > 1 << 24
    found = made.feed(pieces[:1000]) + made.feed(pieces[1000:])
    while made.more:
        found += made.feed(b"")
    assert sum(len(event.changes) for event in found if isinstance(event, RowChanges)) == 80_000
    assert not made.ended
    refusal = b"\xff\xd4\x04#HY000A replica with the same server_uuid"
    made.feed(len(refusal).to_bytes(3, "little") + b"\1" + refusal)
    assert made.refusal == (1236, "A replica with the same server_uuid")
    other = decoder(TABLE).decoder
    assert other.feed(b"\5\0\0\1\xfe\0\0\0\0") == []
    assert other.ended


@pytest.mark.parametrize("kind", PASSED_OVER)
def test_harmless_events_are_passed_over_by_name(kind: int) -> None:
    assert decoder(TABLE).feed(event(kind, b"anything")) == []


def test_unknown_events_stop_unless_they_may_be_ignored() -> None:
    assert decoder().feed(event(99, b"x", flags=0x80)) == []
    for kind in (0, 1, 6, 20, 23, 24, 25, 26, 99, 162):
        with pytest.raises(UnsupportedEvent) as caught:
            decoder().feed(event(kind, b"x"))
        assert caught.value.hint


def test_rows_without_a_table_map_stop() -> None:
    with pytest.raises(UnsupportedEvent, match="its table map"):
        decoder(TABLE).feed(rows(WRITE, image(1, "x")))
    made = decoder(TABLE)
    made.feed(table_map())
    made.feed(event(XID, bytes(8)))
    with pytest.raises(UnsupportedEvent, match="start of its transaction"):
        made.feed(rows(WRITE, image(1, "x")))
    made = decoder(TABLE)
    for packet in (table_map(), event(XID, bytes(8)), gtid()):  # a table map ends with its transaction
        made.feed(packet)
    with pytest.raises(UnsupportedEvent, match="its table map"):
        made.feed(rows(WRITE, image(1, "x")))
    made = decoder(TABLE)
    assert made.feed(rows(WRITE, b"", number=0xFFFFFF)) == []


def test_images_that_are_not_full_stop() -> None:
    made = decoder(TABLE)
    made.feed(table_map())
    with pytest.raises(UnsupportedEvent, match="does not hold all columns"):
        made.feed(rows(WRITE, image(1, "x"), present=b"\x01"))
    made = decoder(TABLE)
    made.feed(table_map())
    with pytest.raises(UnsupportedEvent, match="part of a JSON"):
        made.feed(event(39, (7).to_bytes(6, "little") + bytes(4)))


def test_the_decoder_of_a_table_is_asked_for_at_a_table_map() -> None:
    asked = []

    def tables(table: TableId) -> None:
        asked.append(table)

    made = Fed(UnderTest.codec, tables)
    made.feed(format_description())
    made.feed(gtid())
    for packet in (table_map(), rows(WRITE, image(1, "x")), table_map()):
        assert made.feed(packet) == []
    assert set(asked) == {TABLE.id}


# --- compressed transactions


def payload(inner: list[bytes], compression: int = 0, claimed: int | None = None) -> bytes:
    plain = b"".join(inner)
    data = zstandard.ZstdCompressor().compress(plain) if compression == 0 else plain
    size = len(plain) if claimed is None else claimed
    fields = b"\x02\x01" + bytes((compression,)) if compression < 251 else b"\x02\x03\xfc\xff\x00"
    fields += b"\x03\x09\xfe" + size.to_bytes(8, "little") + b"\x01\x03\xfc" + len(data).to_bytes(2, "little")
    return event(40, fields + b"\x00" + data)


def bare(packet: bytes) -> bytes:
    """An event without checksum, as it stands inside a compressed transaction."""
    body = bytearray(packet[:-4])
    body[9:13] = len(body).to_bytes(4, "little")
    return bytes(body)


INNER = [bare(p) for p in (query("BEGIN"), table_map(), rows(WRITE, image(1, "x")), event(XID, bytes(8), end=0))]


@pytest.mark.parametrize("compression", [0, 255])
def test_compressed_transactions_are_whole(compression: int) -> None:
    made = decoder(TABLE)
    made.feed(gtid())
    events = made.feed(payload(INNER, compression))
    assert [type(event) for event in events] == [RowChanges, TransactionEnd]
    assert events[-1].end_position == 500


def test_compressed_transactions_that_lie_stop() -> None:
    for packet in (
        payload(INNER, claimed=10**9),
        payload([b"\xff" * 30]),
        payload([bare(format_description())]),
        payload(INNER, compression=3),
        event(40, b"\x02\x01\x00\x00\x28\xb5\x2f\xfd"),
    ):
        made = decoder(TABLE)
        made.feed(gtid())
        with pytest.raises(UnsupportedEvent):
            made.feed(packet)


# --- the table in the binlog and the table of the schema


def names(*columns: str) -> bytes:
    field = b"".join(bytes((len(name.encode()),)) + name.encode() for name in columns)
    return bytes((4, len(field))) + field


def test_hidden_columns_are_left_out_by_name() -> None:
    made = decoder(TABLE)
    hidden = table_map(kinds=b"\x08\x03\x0f", metadata=b"\xc8\x00", optional=names("id", "!hidden!i!0!0", "name"))
    made.feed(hidden)
    body = b"\x00" + (1).to_bytes(8, "little") + (77).to_bytes(4, "little") + b"\x01x"
    (changed,) = made.feed(rows(WRITE, body, columns=3))
    assert isinstance(changed, RowChanges)
    assert changed.changes[0][1] == b'{"id":1,"name":"x"}'
    body = b"\x02" + (1).to_bytes(8, "little") + b"\x01x"
    (changed,) = made.feed(rows(WRITE, body, columns=3))
    assert isinstance(changed, RowChanges)
    assert changed.changes[0][1] == b'{"id":1,"name":"x"}'


def test_unknown_optional_metadata_is_passed_over() -> None:
    made = decoder(TABLE)
    made.feed(table_map(optional=b"\x63\x03abc\x0d\x01\x00"))
    assert len(made.feed(rows(WRITE, image(1, "x")))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        table_map(kinds=b"\x08\x0f\x03"),  # one column more
        table_map(kinds=b"\x03\x0f"),  # INT
        table_map(metadata=b"\x90\x01"),  # VARCHAR(100)
        table_map(kinds=b"\x08\xfc", metadata=b"\x02"),  # TEXT
        table_map(optional=b"\x01\x01\x80"),  # unsigned
        table_map(optional=b"\x02\x01\x08"),  # latin1
        table_map(optional=names("id", "nome")),
        table_map(optional=b"\x08\x01\x01"),  # another primary key
        table_map(kinds=b"\x08\x0f\x03", optional=names("id", "name", "age")),
    ],
)
def test_rows_of_a_table_that_is_not_the_schemas_are_not_read(changed: bytes) -> None:
    made = decoder(TABLE)
    assert made.feed(changed) == []
    (found,) = made.feed(rows(WRITE, image(1, "x")))
    assert isinstance(found, Unread)
    assert (found.table, found.error) == (TABLE.id, SchemaChanged)
    assert "shop.user" in found.message
    assert made.feed(table_map()) == [], "and the next table map may be right"
    (found,) = made.feed(rows(WRITE, image(1, "x")))
    assert isinstance(found, RowChanges)


def test_rows_with_a_type_of_an_unknown_layout_are_not_read() -> None:
    made = decoder(TABLE)
    made.feed(table_map(kinds=b"\x08\x07"))
    (found,) = made.feed(rows(WRITE, image(1, "x")))
    assert isinstance(found, Unread)
    assert found.error is UnsupportedEvent
    assert "type number 7" in found.message
    # … and say nothing when the table is none of ours
    assert decoder().feed(table_map(kinds=b"\x08\x07")) == []


def test_what_preflight_refuses() -> None:
    def table(column: Column, key: tuple[str, ...] = ("id",)) -> Table:
        return Table(TableId("d", "t"), (TABLE.columns[0], column), key)

    odd = [
        Column("x", "cidr", "cidr"),
        Column("x", "varchar", "varchar(5)", True, "unheard", "unheard_bin", 10),
        Column("x", "enum", "enum('a')", True, "utf8mb4", "utf8mb4_bin"),
    ]
    for column in odd:
        with pytest.raises(UnsupportedType, match=r"d\.t\.x"):
            check_table(table(column))
        with pytest.raises(UnsupportedType):
            UnderTest.codec.table_decoder(table(column), FormatOptions())
    with pytest.raises(UnsupportedType, match="no primary key"):
        check_table(table(TABLE.columns[1], ()))
    check_table(TABLE)


def test_bytes_outside_the_charset_stop() -> None:
    made = decoder(TABLE)
    made.feed(table_map())
    with pytest.raises(UnsupportedEvent) as caught:
        made.feed(rows(WRITE, b"\x00" + bytes(8) + b"\x02\xff\xfe"))
    assert "xff" not in str(caught.value)
    assert caught.value.__cause__ is None
