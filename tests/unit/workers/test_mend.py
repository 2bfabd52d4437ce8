"""Keys and ranges that are written again: which rows, which tombstones, and how often it is tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest

from shared.errors import NotFollowing, SchemaChanged, TableGone, Unavailable
from shared.model.change import Change, EncodedRow
from shared.model.chunk import REREAD, ChunkId, KeyRange
from shared.model.orders import Granted
from shared.model.position import GtidSet
from shared.model.schema import Column, Table, TableId
from workers.mend import mender
from workers.mend.mender import Mender
from workers.mend.readers import KeysReader, RangeReader
from workers.snapshot.attempt import Outcome, Reader

TABLE = Table(TableId("d", "t"), (Column("id", "bigint", "bigint", nullable=False),), ("id",))
AGAIN = ChunkId(TABLE.id, REREAD)
WHOLE = KeyRange(None, None)


class Rows:
    """A table of which a look-up brings more than was asked for, and some rows twice."""

    def __init__(self, *rows: EncodedRow) -> None:
        self.rows = rows
        self.table = TABLE

    def executed(self, gtids: GtidSet) -> bool:
        return True

    def read(self, piece: KeyRange) -> Iterator[list[EncodedRow]]:
        yield list(self.rows)

    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[list[EncodedRow]]:
        assert list(keys)
        yield list(self.rows)
        yield list(self.rows[:1])


def read(reader: Reader) -> list[Change]:
    return [change for batch in reader.read(Granted(AGAIN, TABLE, "topic", WHOLE)) for change in batch]


def test_keys_become_their_rows_or_tombstones() -> None:
    rows = Rows((b"a", b"1"), (b"c", b"3"), (b"z", b"9"))
    reader = KeysReader(rows, [b"a", b"b", b"c"])
    assert read(reader) == [(b"a", b"1"), (b"c", b"3"), (b"b", None)]
    assert read(reader) == [(b"a", b"1"), (b"c", b"3"), (b"b", None)], "and for another attempt once more"


def test_a_key_in_a_spelling_that_no_row_has_goes() -> None:
    assert read(KeysReader(Rows((b"a", b"1")), [b"A"])) == [(b"A", None)]


class Dropped(Rows):
    def again(self, keys: Iterable[Sequence[bytes]]) -> Iterator[list[EncodedRow]]:
        yield list(self.rows)
        raise TableGone("No such table.", "")


def test_a_table_that_is_gone_has_no_rows_if_that_is_what_is_asked_for() -> None:
    rows = Dropped((b"a", b"1"))
    assert read(KeysReader(rows, [b"a", b"b"], gone_is_empty=True)) == [(b"a", b"1"), (b"b", None)]
    with pytest.raises(TableGone):
        read(KeysReader(rows, [b"a", b"b"]))


def test_nothing_is_read_with_columns_that_the_job_does_not_know_any_more() -> None:
    """Who reads again may have begun before they changed; its keys would be those of before, which nobody sweeps any more."""
    rows = Rows((b"a", b"1"))
    rows.table = replace(TABLE, columns=(*TABLE.columns, Column("v", "int", "int")))
    for reader in (KeysReader(rows, [b"a"], gone_is_empty=True), RangeReader(rows)):
        with pytest.raises(NotFollowing, match="has got other columns"):
            read(reader)


class Attempts:
    """What becomes of attempts, one after the other."""

    def __init__(self, *fates: Outcome | Exception) -> None:
        self.fates = list(fates)
        self.keys: list[list[bytes]] = []

    def read_again(self, job, job_id, table, bounds, reader, report) -> Outcome:  # type: ignore[no-untyped-def]
        fate = self.fates.pop(0) if self.fates else None
        if isinstance(fate, Exception):
            raise fate
        if fate is not None:
            return fate
        changes = read(reader)
        self.keys.append([key for key, _ in changes])
        report(len(changes))
        return Outcome((AGAIN,), len(changes))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mender, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(mender, "KEYS_PER_ATTEMPT", 3)


def test_many_keys_go_by_several_attempts() -> None:
    told: list[tuple[int, str]] = []
    attempts = Attempts()
    mend = Mender(attempts, "job", "id", TABLE.id, lambda rows, waits: told.append((rows, waits)))
    mend.keys(Rows(), [[b"1", b"2"], [b"3", b"4", b"5", b"6", b"7"]])
    assert attempts.keys == [[b"1", b"2", b"3"], [b"4", b"5", b"6"], [b"7"]]
    assert mend.written == 7
    assert told[-1] == (7, "")


def test_it_asks_again_when_it_is_refused_or_something_passes() -> None:
    told: list[str] = []
    attempts = Attempts(Outcome(reason="others are reading"), Unavailable("Kafka is away."))
    mend = Mender(attempts, "job", "id", TABLE.id, lambda _, waits: told.append(waits))
    mend.keys(Rows(), [[b"1"]])
    assert attempts.keys == [[b"1"]]
    assert [waits for waits in told if waits] == ["others are reading", "Kafka is away."]


def test_it_does_not_ask_again_for_what_is_no_range_of_the_table_any_more() -> None:
    attempts = Attempts(Outcome(reason="no range of a table of the job", final=True))
    mend = Mender(attempts, "job", "id", TABLE.id, lambda _rows, _waits: None)
    with pytest.raises(NotFollowing, match="another key since this began, or is none of job job"):
        mend.range(WHOLE, RangeReader(Rows()))


@pytest.mark.parametrize("error", [SchemaChanged("It changed.", ""), *[Unavailable("Away.")] * 1])
def test_it_gives_up_in_the_end(error: Exception) -> None:
    attempts = Attempts(*[error] * 10)
    mend = Mender(attempts, "job", "id", TABLE.id, lambda _rows, _waits: None)
    with pytest.raises(type(error)):
        mend.keys(Rows(), [[b"1"]])
    assert len(attempts.fates) == (9 if isinstance(error, SchemaChanged) else 0)


def test_it_ends_when_nobody_wants_it_any_more() -> None:
    def tell(rows: int, waits: str) -> None:
        if waits:
            raise KeyboardInterrupt

    attempts = Attempts(*[Outcome(reason="others are reading")] * 3)
    with pytest.raises(KeyboardInterrupt):
        Mender(attempts, "job", "id", TABLE.id, tell).keys(Rows(), [[b"1"]])
    assert len(attempts.fates) == 2
