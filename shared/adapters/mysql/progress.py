"""How far a server has got, and waiting until a SELECT shows it: by GTIDs, or on a server without them by places in its binlog
(DESIGN rules 4 and 11). What is else on a MariaDB stands in `mariadb`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from shared.adapters.mysql import mariadb
from shared.adapters.mysql.ranges import full_name, quoted
from shared.adapters.mysql.session import Session
from shared.errors import NeedsOperator, PreflightFailed, TableGone, Unavailable
from shared.model.places import FILE_BEGIN, all_before, is_place
from shared.model.position import PLACE_MARK, Coordinates, GtidSet
from shared.model.schema import TableId

#: How long the server may wait before a reader shows a sign of life; and how long others wait for a lock at most.
_WAIT_SECONDS = 1

#: A MariaDB shows a commit some milliseconds after it stands in the binlog.
_LOOK_SECONDS = 0.01


def binlog_end(session: Session) -> tuple[Coordinates, GtidSet]:
    """Where the binlog ends now, which may run ahead of what a SELECT shows, and all GTIDs that the server has executed.

    Raises:
        NeedsOperator: there is no binlog.
    """
    rows = session.named(_status_command(session))
    if not rows:
        raise NeedsOperator("The server writes no binlog any more.", "Start MySQL with log_bin.")
    end = Coordinates(rows[0]["file"], int(rows[0]["position"]))
    return end, mariadb.executed(session) if session.is_mariadb else GtidSet.parse(rows[0]["executed_gtid_set"])


def has_gtids(session: Session) -> bool:
    """True when every transaction of the server has a GTID. Else a job that begins now counts by places."""
    return gtid_mode(session) == "ON"


def gtid_mode(session: Session) -> str:
    """The server's `gtid_mode`; a MariaDB always has GTIDs."""
    return "ON" if session.is_mariadb else session.scalar("SELECT @@GLOBAL.gtid_mode")


def executed(session: Session, *, by_place: bool) -> GtidSet:
    """All that the server has executed, so that a SELECT that starts now shows it; by place, and on a MariaDB, all that its binlog
    has, which a SELECT may show only behind a `Gate`.
    """
    if not by_place:
        if session.is_mariadb:
            return mariadb.executed(session)
        return GtidSet.parse(session.scalar("SELECT @@GLOBAL.gtid_executed"))
    return all_before(server_uuid(session), binlog_end(session)[0])


def purged(session: Session, *, by_place: bool) -> GtidSet:
    """What the server's binlogs no longer hold."""
    if not by_place:
        if session.is_mariadb:
            return mariadb.before_file(session, next(iter(files(session))))
        return GtidSet.parse(session.scalar("SELECT @@GLOBAL.gtid_purged"))
    return all_before(server_uuid(session), Coordinates(next(iter(files(session))), FILE_BEGIN))


def before_file(session: Session, file: str) -> GtidSet:
    """All GTIDs that came before a binlog file.

    Raises:
        NeedsOperator: the file does not tell.
    """
    if session.is_mariadb:
        return mariadb.before_file(session, file)
    for row in session.named(f"SHOW BINLOG EVENTS IN '{file}' LIMIT 3"):
        if row["event_type"] == "Previous_gtids":
            return GtidSet.parse(row["info"])
    raise NeedsOperator(
        f"Binlog file {file} does not tell which GTIDs came before it.",
        "It was written before the server had GTIDs. Give a later place, or scan.startup.mode: initial.",
    )


def owned(session: Session) -> GtidSet:
    """What the server is about to commit, so that a SELECT may show it already, although it is not yet called executed. A
    MariaDB says so first.
    """
    if session.is_mariadb:
        return GtidSet({})
    # The set is `uuid:23#7:24#8`, in which the ids of the threads follow that own each transaction.
    return GtidSet.parse(re.sub(r"#\d+", "", session.scalar("SELECT @@GLOBAL.gtid_owned")))


def received(session: Session, channel: dict[str, str]) -> GtidSet:
    """What a replica has received, by a row of its status."""
    return mariadb.received(channel) if session.is_mariadb else GtidSet.parse(channel.get("retrieved_gtid_set", ""))


def files(session: Session) -> dict[str, int]:
    """The server's binlog files, the oldest first, with their sizes in bytes.

    Raises:
        NeedsOperator: there is no binlog.
    """
    found = {row["log_name"]: int(row["file_size"]) for row in session.named("SHOW BINARY LOGS")}
    if not found:
        raise NeedsOperator("The server has no binlog.", "Start MySQL with log_bin.")
    return found


def now_millis(session: Session) -> int:
    """The server's clock, in milliseconds since 1970."""
    return int(session.scalar("SELECT FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000)"))


def server_uuid(session: Session) -> str:
    """Names the server; coordinates mean nothing on another one."""
    return session.scalar(name_sql(of_mariadb=session.is_mariadb))


def name_sql(*, of_mariadb: bool) -> str:
    """The question for the name of a server."""
    return mariadb.NAME_SQL if of_mariadb else "SELECT @@server_uuid"


class Gate:
    """Waits, for one reader, until a SELECT shows a position.

    On a MariaDB it takes consistent snapshots until one is behind all that the binlog had when it was asked.

    By place it takes a read lock on each table, one after the other, and gives it back at once: MySQL grants it when every
    transaction that has changed the table is through, those that stand in the binlog among them. While one is waited for,
    others that write the table wait as well; so it waits for a second, and then lets them pass for as long.
    """

    def __init__(self) -> None:
        self._quiet: tuple[GtidSet, list[TableId]] = (GtidSet({}), [])

    def shows(self, session: Session, position: GtidSet, tables: Collection[TableId]) -> bool:
        """True once a SELECT on this connection shows every row of these tables as of the position, or later; False when it took
        longer than a second. It may be asked again, with the same position, and then waits for what is left.

        Args:
            session: which reads afterwards.
            position: what must show.
            tables: those that will be read.
        """
        if not is_place(position):
            return _executed_within(session, position, _WAIT_SECONDS)
        if self._quiet[0] != position:
            _require_own(session, position)
            self._quiet = position, []
        passed = self._quiet[1]
        with _patient(session, _WAIT_SECONDS):
            for table in [table for table in tables if table not in passed]:
                if not _locked(session, table):
                    break
                session.query("UNLOCK TABLES")
                passed.append(table)
            else:
                return True
        time.sleep(_WAIT_SECONDS)
        return False


def shows_columns(session: Session, position: GtidSet, tables: Collection[TableId], seconds: int) -> bool:
    """True once the catalog shows what happened to these tables, which need not be there, up to the position; False when it took
    too long. By place, and on a MariaDB, nobody is kept waiting: a statement that changes a table holds its name until the catalog
    shows it.
    """
    if not is_place(position) and not session.is_mariadb:
        return _executed_within(session, position, seconds)
    with _patient(session, seconds):
        return all(_waited(session, f"SELECT 1 FROM {full_name(table)} LIMIT 0") for table in tables)


def _require_own(session: Session, position: GtidSet) -> None:
    """A lock on another server says nothing of what this one has in its binlog."""
    found, (source,) = server_uuid(session), position.runs
    if not source.startswith(found + PLACE_MARK):
        raise Unavailable(
            f"MySQL server {found} answers, and the job's position is a place in the binlog of another one: {source}.",
            "Without GTIDs a job is bound to one server.",
        )


def _executed_within(session: Session, position: GtidSet, seconds: int) -> bool:
    if session.is_mariadb:
        return _snapshot_within(session, position, seconds)
    answer = session.scalar(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', {seconds})")
    if answer not in ("0", "1"):
        raise NeedsOperator("MySQL cannot wait for a GTID set.", "Set gtid_mode=ON on the server.")
    return answer == "0"


def _snapshot_within(session: Session, position: GtidSet, seconds: int) -> bool:
    """True once a consistent snapshot holds all that the binlog has now, if that is all of the position."""
    until = time.monotonic() + seconds
    while not mariadb.executed(session).covers(position):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    end, _ = binlog_end(session)
    while not mariadb.snapshot_place(session).reaches(end):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


@contextmanager
def _patient(session: Session, seconds: int) -> Iterator[None]:
    """Within it a statement waits so long for its locks, and afterwards as long as any other."""
    session.query(f"SET SESSION lock_wait_timeout = {seconds}")
    yield
    session.query("SET SESSION lock_wait_timeout = DEFAULT")


def _locked(session: Session, table: TableId) -> bool:
    """True when the table was locked, or is not there.

    Raises:
        PreflightFailed: the user may not lock it; the hint has the statement that lets him.
    """
    try:
        return _waited(session, f"LOCK TABLES {full_name(table)} READ")
    except PreflightFailed as error:
        name, _, host = session.scalar("SELECT CURRENT_USER()").rpartition("@")
        database = re.sub(r"([\\%_])", r"\\\1", table.database)  # else a `_` would stand for any letter
        grant = f"GRANT SELECT, LOCK TABLES ON {quoted(database)}.* TO '{name}'@'{host}';"
        hint = f"On a server without GTIDs readers need SELECT and LOCK TABLES. Run: {grant} Then scheduler resume."
        raise PreflightFailed(f"{table} cannot be locked for a moment. {error.message}", hint) from None


def _waited(session: Session, sql: str) -> bool:
    """True when the statement got its locks; a table that is not there has nothing to wait for."""
    with suppress(TableGone):
        return session.gets_locks(sql)
    return True


def _status_command(session: Session) -> str:
    """SHOW BINARY LOG STATUS came with 8.2 and replaced SHOW MASTER STATUS in 8.4; MariaDB keeps that."""
    if session.is_mariadb:
        return mariadb.STATUS
    version = tuple(int(part) for part in session.version.split("-")[0].split(".")[:2])
    return "SHOW BINARY LOG STATUS" if version >= (8, 2) else "SHOW MASTER STATUS"
