"""A job that counts by GTIDs looks at the files that it is not sent: what has no GTID there it would never hear of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.errors import BinlogLost
from shared.machines.ledger import FileRecord, Ledger, MemoryHold, StoredState, encode_record
from shared.model.binlog import Event, Rotate, TransactionBegin, TransactionEnd
from shared.model.places import all_before
from shared.model.position import Coordinates, GtidSet
from tests.unit.machines.test_ledger import gtids, state
from workers.binlog.unnamed import require_named

UUID = "aaaaaaaa-0000-0000-0000-000000000001"
WAS_IN_3 = FileRecord(UUID, "binlog.000003")
UNNAMED, NAMED = TransactionBegin(None), TransactionBegin(f"{UUID}:4")


@dataclass
class Server:
    """Files 3 to 6; `before` are the numbers before each. It answers as a session and sends as a stream."""

    before: dict[str, int] = field(default_factory=lambda: {"3": 2, "4": 5, "5": 5, "6": 7})
    content: dict[str, list[TransactionBegin]] = field(default_factory=dict)
    mode: str = "ON"
    is_mariadb: bool = False
    opened: list[GtidSet] = field(default_factory=list)
    batches: list[list[Event]] = field(default_factory=list)

    def scalar(self, sql: str) -> str:
        assert "gtid_mode" in sql
        return self.mode

    def named(self, sql: str) -> list[dict[str, Any]]:
        if "BINARY LOGS" in sql:
            return [{"log_name": f"binlog.00000{n}", "file_size": "200"} for n in self.before]
        number = sql.split(".00000")[1][0]
        return [{"event_type": "Previous_gtids", "info": f"{UUID}:1-{self.before[number]}"}]

    def open(self, start: GtidSet) -> Server:
        self.opened.append(start)
        for number in self.before:
            events: list[Event] = [Rotate(f"binlog.00000{number}", 4)]
            for begin in self.content.get(number, []):
                events += [begin, TransactionEnd(1, 300)]
            self.batches.append(events)
        return self

    def events(self, merge: bool) -> Sequence[Event]:
        return [] if merge else self.batches.pop(0)

    def close(self) -> None: ...

    def misses(self, processed: int, last: FileRecord | None = WAS_IN_3) -> str:
        """What is wrong; empty when nothing is."""
        try:
            require_named(self, UUID, last, gtids(processed), self.open, lambda: None)  # type: ignore[arg-type]
        except BinlogLost as error:
            return f"{error.message} {error.hint}"
        return ""


def test_what_has_no_gtid_and_is_not_sent_is_missed() -> None:
    for number in ("3", "4"):
        server = Server(content={number: [NAMED, UNNAMED]})
        missed = server.misses(5)  # the server begins with file 5
        assert f"has a transaction without a GTID before binlog.00000{number}:300" in missed
        assert "scheduler resume JOB --on-gap resync" in missed
        assert server.opened == [all_before(UUID, Coordinates("binlog.000003", 4))]


def test_files_are_read_as_far_as_they_are_not_sent() -> None:
    server = Server(content={"3": [NAMED], "5": [UNNAMED]})
    assert server.misses(6) == ""
    assert [events[0] for events in server.batches] == [Rotate("binlog.000006", 4)]


@pytest.mark.parametrize(
    ("server", "processed", "last"),
    [
        (Server(), 4, WAS_IN_3),  # the server begins with the same file
        (Server(), 1, WAS_IN_3),  # or with one before it
        (Server(), 9, FileRecord(UUID, "binlog.000006")),
        (Server(), 9, FileRecord(UUID, "binlog.000002")),  # deleted
        (Server(), 9, FileRecord("another", "binlog.000003")),
        (Server(), 9, None),
        (Server(is_mariadb=True), 9, WAS_IN_3),
    ],
)
def test_nothing_is_read_where_nothing_is_left_out_or_nobody_knows(
    server: Server, processed: int, last: FileRecord | None
) -> None:
    server.content = {"3": [UNNAMED]}
    assert server.misses(processed, last) == ""
    assert server.opened == []


@pytest.mark.parametrize(("mode", "fits"), [("OFF", False), ("OFF_PERMISSIVE", False), ("ON_PERMISSIVE", True)])
def test_a_mode_that_gives_no_gtids_cannot_be_followed_by_them(mode: str, fits: bool) -> None:
    missed = Server(mode=mode).misses(9, None)
    assert (missed == "") == fits
    assert fits or f"gtid_mode={mode}" in missed


def test_the_file_is_stored_once_for_each_that_the_stream_comes_to() -> None:
    stored = StoredState()
    ledger = Ledger(state(5), 2, UUID, 2, MemoryHold)
    written: list[tuple[bytes, bytes | None]] = []
    for file in ("binlog.000003", "binlog.000003", "binlog.000004"):
        ledger.enter(file)
        for record in ledger.checkpoint():
            written += [record] if record[0] == b'["file"]' else []
            stored.fold(*record)
    assert written == [encode_record(FileRecord(UUID, f"binlog.00000{n}")) for n in (3, 4)]
    stored.tables |= state(5).tables
    after = Ledger(stored, 3, UUID, 2, MemoryHold)
    after.checkpoint()
    after.enter("binlog.000004")
    assert not after.dirty
    after = Ledger(stored, 3, "another", 2, MemoryHold)
    after.checkpoint()
    after.enter("binlog.000004")
    assert after.dirty, "the same name on another server is another file"
