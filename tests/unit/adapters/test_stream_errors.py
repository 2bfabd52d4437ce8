"""MySQL's error 1236 has many causes; its texts, as MySQL 9.7 and 8.0.12 have them, tell which, and so what mends it."""

from __future__ import annotations

import pytest

from shared.adapters.mysql.stream import _named
from shared.errors import BinlogLost, HeadraceError, Superseded, Unavailable

PLACE = "at file ./binlog.000003, position 198."
SWITCHED = [
    f"Cannot replicate anonymous transaction when AUTO_POSITION = 1, {PLACE}",
    f"Cannot replicate anonymous transaction when @@GLOBAL.GTID_MODE = ON, {PLACE}",
    f"Cannot replicate GTID-transaction when @@GLOBAL.GTID_MODE = OFF, {PLACE}",
]
PURGED = [
    "Cannot replicate because the source purged required binary logs.",
    "Cannot replicate because the master purged required binary logs.",
    "Cannot replicate to server with server_uuid='x' because the present server has purged required binary logs.",
    "Could not find first log file name in binary log index file",
]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        *((text, "gtid_mode was switched") for text in SWITCHED),
        *((text, "binlog_expire_logs_seconds") for text in PURGED),
    ],
)
def test_what_is_lost_is_told_by_its_cause(text: str, hint: str) -> None:
    found = _named(Unavailable(f"MySQL failed reading the binlog: {text} (1236)."))
    assert isinstance(found, BinlogLost)
    assert hint in found.hint
    assert "scheduler resume JOB --on-gap resync" in found.hint


def test_others_are_what_they_were() -> None:
    same = "A replica with the same server_uuid/server_id as this replica has connected"
    assert isinstance(_named(Unavailable(f"{same} (1236).")), Superseded)
    other: HeadraceError = Unavailable("Lost connection (2013).")
    assert _named(other) is other
