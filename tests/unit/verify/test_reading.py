"""What a comparison asks MySQL: pieces, ranges, single rows, and when it rests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scheduler.planner import Estimate
from shared.adapters.mysql.cost import Cost
from shared.adapters.mysql.session import MysqlTarget
from shared.codec import PYTHON, FormatOptions
from shared.model.chunk import KeyRange
from shared.model.schema import Column, Table, TableId
from shared.model.throttle import Limits, Pressure
from workers.verify import reading as module
from workers.verify.keys import Keys
from workers.verify.reading import Subject, TableRows

ID = Column("id", "bigint", "bigint", nullable=False)
DAY = Column("d", "date", "date", nullable=False)
MOOD = Column("m", "enum", "enum('a','b')", nullable=False, labels=("a", "b"))
WHOLE = KeyRange(None, None)


class FakeSession:
    """A table of the ids 0 to 999."""

    made = 0
    is_mariadb = False
    asked: list[str] = []  # noqa: RUF012 - a new one for each test

    def __init__(self, target: MysqlTarget, purpose: str, cost: Cost) -> None:
        type(self).made += 1
        self.received = 0
        self.purpose = purpose

    def query(self, sql: str) -> list[tuple[bytes, ...]]:
        self.asked.append(sql)
        assert sql.startswith("SELECT MIN(`id`), MAX(`id`)"), sql
        return [(b"0", b"999")]

    def scalar(self, sql: str) -> str:
        self.asked.append(sql)
        return "0"

    def stream(self, sql: str, encoder: Any) -> Iterator[list[tuple[bytes, bytes]]]:
        self.asked.append(sql)
        self.received += 500
        yield [(b"row", b"")] * 10

    def close(self) -> None: ...


class Clock:
    now = 100.0

    def monotonic_seconds(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    FakeSession.made, FakeSession.asked = 0, []
    made = Clock()
    monkeypatch.setattr(module, "Session", FakeSession)
    monkeypatch.setattr(module, "clock", made)
    monkeypatch.setattr(module, "estimates", lambda session, tables: {table: Estimate(1000, 10) for table in tables})
    return made


def rows(
    *key: Column,
    bounds: KeyRange = WHOLE,
    chunk_rows: int = 20,
    limits: Callable[[], Limits] = Limits,
    pressure: Pressure | None = None,
) -> TableRows:
    table = Table(TableId("d", "t"), key, tuple(column.name for column in key))
    options = FormatOptions()
    return TableRows(
        MysqlTarget("h", 1, "u", "p"), Cost(), PYTHON, options, Subject(table, bounds, chunk_rows, Keys(table, options)),
        limits, 4, lambda session, limits: pressure or Pressure(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("chunk_rows", "most", "bounds"),
    [
        (20, 4, [(249,), (499,), (749,)]),
        (20, 3, [(333,), (666,)]),
        (40, 4, [(333,), (666,)]),
        (20, 1, []),
        (1000, 4, []),  # not large
    ],
)
def test_a_large_table_is_divided_evenly(chunk_rows: int, most: int, bounds: list[tuple[int]]) -> None:
    assert rows(ID, chunk_rows=chunk_rows).divided(most) == bounds


def test_what_cannot_or_need_not_be_divided_is_not() -> None:
    assert rows(DAY).divided(4) == []
    assert rows(MOOD).divided(4) == []
    assert rows(ID, bounds=KeyRange(None, (5,))).divided(4) == []
    assert FakeSession.made == 0


def test_a_range_is_read_in_pieces_that_meet() -> None:
    pieces = list(rows(ID, bounds=KeyRange((100,), (150,))).pieces())
    assert pieces == [KeyRange((100,), (120,)), KeyRange((120,), (140,)), KeyRange((140,), (150,))]
    whole = list(rows(ID, chunk_rows=400).pieces())
    assert whole == [KeyRange(None, (400,)), KeyRange((400,), (800,)), KeyRange((800,), None)]
    assert list(rows(MOOD).pieces()) == [WHOLE]


def test_single_rows_are_asked_for_in_bounded_queries() -> None:
    table = rows(ID)
    keys = [b'{"id":%d}' % n for n in range(450)]
    found = list(table.again([keys[:300], [b"nonsense"], keys[300:]]))
    assert len(found) == 3
    numbers = [[int(n) for n in re.findall(r"\d+", sql.partition(" IN ")[2])] for sql in FakeSession.asked]
    assert numbers == [list(range(200)), list(range(200, 400)), list(range(400, 450))]


@pytest.mark.parametrize(
    ("key", "keys", "queries"),
    [
        (DAY, [b'{"d":"2026-01-31"}', b'{"d":"0000-00-00"}'], ["`d` IN ('2026-01-31')", "WHERE TRUE"]),
        (DAY, [b'{"d":"no day"}'], []),
        (MOOD, [b'{"m":"a"}'], ["WHERE TRUE"]),
    ],
)
def test_rows_that_cannot_be_named_are_looked_for(
    key: Column, keys: list[bytes], queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "split_table", lambda session, order: iter(()))
    list(rows(key).again([keys]))
    assert len(FakeSession.asked) == len(queries)
    assert all(part in sql for part, sql in zip(queries, FakeSession.asked, strict=True))


def test_the_pace_is_a_share_of_the_limits_and_is_paid_for_between_pieces(clock: Clock) -> None:
    table = rows(ID, limits=lambda: Limits(rows_per_second=8, bytes_per_second=200))
    assert table.rest() == 0
    list(table.read(WHOLE))  # 10 rows at 2 a second; 500 bytes at 50 a second
    assert table.rest() == 1, "to be asked again, as limits change"
    clock.now += 9.5
    assert table.rest() == pytest.approx(0.5)
    clock.now += 0.5
    assert table.rest() == 0


def test_limits_that_change_count_at_once(clock: Clock) -> None:
    limits = [Limits(rows_per_second=1)]
    table = rows(ID, limits=lambda: limits[0], pressure=Pressure(6))
    assert table.rest() == 0
    list(table.read(WHOLE))  # 10 rows at a quarter of a row a second
    clock.now += 30
    assert table.rest() > 0
    limits[0] = Limits(max_threads_running=5)
    clock.now += 1
    assert table.rest() > 0
    assert table.rest() > 0, "of the old limits nothing is left, but the server is busy"
    limits[0] = Limits()
    assert table.rest() > 0, "it asks once a second"
    clock.now += 1
    assert table.rest() == 0


def test_it_rests_while_the_server_is_busy() -> None:
    def busy() -> Limits:
        return Limits(max_threads_running=5)

    assert rows(ID, limits=busy, pressure=Pressure(6)).rest() > 0
    assert rows(ID, limits=busy, pressure=Pressure(5)).rest() == 0


def test_a_connection_that_was_given_back_is_opened_again() -> None:
    table = rows(ID)
    assert table.executed(module.GtidSet({}))
    table.leave()
    table.leave()
    assert table.executed(module.GtidSet({}))
    assert FakeSession.made == 2
