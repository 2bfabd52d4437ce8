"""Waiting until a SELECT shows a position, by GTIDs and by places; and where a stream by place begins."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shared.adapters.mysql import progress
from shared.adapters.mysql.stream import _where
from shared.errors import NeedsOperator, PreflightFailed, TableGone, Unavailable
from shared.model.domains import parse
from shared.model.places import all_before
from shared.model.position import Coordinates, GtidSet
from shared.model.schema import TableId

UUID, OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
GTIDS = GtidSet.parse(f"{UUID}:1-5")
PLACE = all_before(UUID, Coordinates("binlog.000003", 157))
T, U = TableId("d", "t"), TableId("d", "u`s")


@dataclass
class Server:
    """Answers; `busy` are statements whose locks are not to be had, `gone` those of tables that are not there."""

    waited: str = "0"
    uuid: str = UUID
    busy: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    is_mariadb: bool = False

    def scalar(self, sql: str) -> str:
        self.said.append(sql)
        return self.uuid if "server_uuid" in sql else self.waited

    def query(self, sql: str) -> list[tuple[bytes | None, ...]]:
        self.said.append(sql)
        return []

    def gets_locks(self, sql: str) -> bool:
        self.said.append(sql)
        if sql in self.gone:
            raise TableGone("It is not there.")
        return sql not in self.busy


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(progress.time, "sleep", made.slept.append)
    return made


LOCK_T, LOCK_U = "LOCK TABLES `d`.`t` READ", "LOCK TABLES `d`.`u``s` READ"


def test_by_gtids_the_server_waits_and_nothing_is_locked(server: Server) -> None:
    gate = progress.Gate()
    assert gate.shows(server, GTIDS, [T])  # type: ignore[arg-type]
    assert server.said == [f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{GTIDS}', 1)"]
    server.waited = "1"
    assert not gate.shows(server, GTIDS, [T])  # type: ignore[arg-type]
    server.waited = ""
    with pytest.raises(NeedsOperator, match="cannot wait"):
        gate.shows(server, GTIDS, [T])  # type: ignore[arg-type]


def test_by_place_each_table_is_locked_for_a_moment_and_once(server: Server) -> None:
    gate = progress.Gate()
    server.busy = {LOCK_U}
    assert not gate.shows(server, PLACE, [T, U])  # type: ignore[arg-type]
    locks = [sql for sql in server.said if "TABLES" in sql]
    assert locks == [LOCK_T, "UNLOCK TABLES", LOCK_U]
    assert server.slept == [1], "others that write may pass"
    assert "SET SESSION lock_wait_timeout = 1" in server.said
    assert server.said[-1] == "SET SESSION lock_wait_timeout = DEFAULT"
    server.busy, server.said = set(), []
    assert gate.shows(server, PLACE, [T, U])  # type: ignore[arg-type]
    assert [sql for sql in server.said if "TABLES" in sql] == [LOCK_U, "UNLOCK TABLES"]
    later = all_before(UUID, Coordinates("binlog.000003", 999))
    server.said = []
    assert gate.shows(server, later, [T])  # type: ignore[arg-type]
    assert LOCK_T in server.said, "another position needs another wait"


def test_a_lock_that_is_refused_names_the_privilege(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: str) -> bool:
        raise PreflightFailed("Access denied.", "Check the user's GRANTs.")

    monkeypatch.setattr(server, "gets_locks", refused)
    monkeypatch.setattr(server, "scalar", lambda sql: "head@%" if "CURRENT_USER" in sql else UUID)
    with pytest.raises(PreflightFailed, match=r"d_1\.t cannot be locked for a moment\. Access denied\.") as caught:
        progress.Gate().shows(server, PLACE, [TableId("d_1", "t")])  # type: ignore[arg-type]
    assert r"GRANT SELECT, LOCK TABLES ON `d\_1`.* TO 'head'@'%';" in caught.value.hint


def test_a_table_that_is_not_there_is_waited_for_by_nobody(server: Server) -> None:
    server.gone = {LOCK_T, "SELECT 1 FROM `d`.`t` LIMIT 0"}
    assert progress.Gate().shows(server, PLACE, [T])  # type: ignore[arg-type]
    assert progress.shows_columns(server, PLACE, [T], 2)  # type: ignore[arg-type]


def test_a_place_means_nothing_on_another_server(server: Server) -> None:
    server.uuid = OTHER
    with pytest.raises(Unavailable, match="of another one"):
        progress.Gate().shows(server, PLACE, [T])  # type: ignore[arg-type]
    assert not any("LOCK" in sql for sql in server.said)


def test_what_the_catalog_shows_is_waited_for_without_a_lock_that_others_feel(server: Server) -> None:
    assert progress.shows_columns(server, PLACE, [T, U], 2)  # type: ignore[arg-type]
    assert not any("LOCK" in sql for sql in server.said)
    server.busy = {"SELECT 1 FROM `d`.`u``s` LIMIT 0"}
    assert not progress.shows_columns(server, PLACE, [T, U], 2)  # type: ignore[arg-type]
    server.said = []
    assert progress.shows_columns(server, GTIDS, [T], 2)  # type: ignore[arg-type]
    assert server.said == [f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{GTIDS}', 2)"]


def test_owned_transactions_are_told_with_their_threads(server: Server) -> None:
    server.waited = f"{UUID}:23#7:24#81,\n{OTHER}:tag:5#9"
    assert progress.owned(server) == GtidSet.parse(f"{UUID}:23-24,{OTHER}:tag:5")  # type: ignore[arg-type]
    server.waited = ""
    assert not progress.owned(server)  # type: ignore[arg-type]


class Mariadb(Server):
    """Its binlog has `state` and ends at 900; each of its snapshots is at the next of `places`."""

    def __init__(self, *places: int, state: str = "0-1-100,1-1-7") -> None:
        super().__init__(is_mariadb=True)
        self.places, self.state = list(places), state

    def scalar(self, sql: str) -> str:
        self.said.append(sql)
        return self.state

    def named(self, sql: str) -> list[dict[str, str]]:
        self.said.append(sql)
        if sql == "SHOW MASTER STATUS":
            return [{"file": "binlog.000002", "position": "900"}]
        at = self.places.pop(0)
        return [
            {"variable_name": "Binlog_snapshot_file", "value": "binlog.000002"},
            {"variable_name": "Binlog_snapshot_position", "value": str(at)},
        ]


def test_a_mariadb_shows_a_position_once_a_snapshot_holds_all_that_its_binlog_had(
    server: Server,  # for its clock
) -> None:
    mariadb = Mariadb(880, 899, 900, 950)
    assert progress.Gate().shows(mariadb, parse("0-1-90"), [T])  # type: ignore[arg-type]
    assert mariadb.places == [950]
    assert mariadb.said[:2] == ["SELECT @@GLOBAL.gtid_binlog_state", "SHOW MASTER STATUS"]
    assert mariadb.said.count("START TRANSACTION WITH CONSISTENT SNAPSHOT") == mariadb.said.count("COMMIT") == 3
    assert not any("LOCK" in sql for sql in mariadb.said)


def test_a_mariadb_that_lacks_a_position_or_commits_late_is_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(ticks))
    for position in ("0-1-101", "2-1-1", "0-2-1"):
        mariadb = Mariadb()
        assert not progress.Gate().shows(mariadb, parse(position), [T])  # type: ignore[arg-type]
        assert "SHOW MASTER STATUS" not in mariadb.said
    assert not progress.Gate().shows(Mariadb(*[899] * 9), parse("0-1-90"), [T])  # type: ignore[arg-type]


def test_a_mariadb_s_catalog_is_waited_for_by_names_of_tables(server: Server) -> None:
    mariadb = Mariadb()
    assert progress.shows_columns(mariadb, parse("0-1-90"), [T], 2)  # type: ignore[arg-type]
    assert "SELECT 1 FROM `d`.`t` LIMIT 0" in mariadb.said
    assert progress.owned(mariadb) == GtidSet({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offset", "file", "begin"),
    [(157, "binlog.000003", 157), (2**32 - 1, "binlog.000003", 2**32 - 1), (2**32, "binlog.000004", 4)],
)
def test_a_stream_by_place_begins_there_or_where_the_next_file_does(offset: int, file: str, begin: int) -> None:
    """The command has 32 bits for an offset; behind them a file has its end at most."""
    found = _where(all_before(UUID, Coordinates("binlog.000003", offset)))
    assert (found["log_file"], found["log_pos"], found["resume_stream"]) == (file, begin, True)
    assert "auto_position" in _where(GTIDS)
